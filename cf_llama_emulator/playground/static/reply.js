// What an answer says, whichever of the three shapes it comes in: native, OpenAI's, or both at once.

// Numbers that JavaScript would print in another way keep their text, where the browser can tell it.
export function parseExactly(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && String(value) !== context?.source ? JSON.rawJSON(context.source) : value,
  );
}

const textOf = (value) =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
const numberOf = (value) => Number(JSON.isRawJSON?.(value) ? value.rawJSON : value) || 0;
const listOf = (value) => (Array.isArray(value) ? value : []);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export class Reply {
  text = "";
  calls = [];
  usage = null;
  finishReason = null;
  error = null;

  add(payload) {
    if (isObject(payload) && "result" in payload && "success" in payload && payload.success) payload = payload.result;
    if (!isObject(payload)) {
      this.text += textOf(payload);
      return;
    }
    if ((this.error = errorOf(payload) ?? this.error)) return;
    const choice = listOf(payload.choices)[0] ?? {};
    const message = choice.delta ?? choice.message ?? {};
    this.text += textOf(message.content) || textOf(payload.response);
    const fragments = listOf(message.tool_calls).length ? message.tool_calls : listOf(payload.tool_calls);
    for (const fragment of fragments) this.#addCall(fragment);
    this.finishReason = choice.finish_reason ?? payload.finish_reason ?? this.finishReason;
    if (isObject(payload.usage)) this.#addUsage(payload.usage);
  }

  #addCall(fragment) {
    const called = fragment?.function ?? fragment ?? {};
    const { index, id } = fragment ?? {};
    const name = textOf(called.name);
    const last = this.calls.at(-1);
    const goesOn = last && (index !== undefined ? index === last.index && !(name && last.name && id) : !name);
    if (goesOn) last.arguments += textOf(called.arguments);
    else if (name) this.calls.push({ index, id: id || `call_${crypto.randomUUID().replaceAll("-", "")}`, name, arguments: textOf(called.arguments) });
  }

  // Counts on every event are increments; the sum at the end has both counts.
  #addUsage(usage) {
    const prompt = numberOf(usage.prompt_tokens), completion = numberOf(usage.completion_tokens);
    const sumsUp = (prompt && completion) || !this.usage;
    this.usage = sumsUp
      ? { prompt_tokens: prompt, completion_tokens: completion }
      : {
          prompt_tokens: this.usage.prompt_tokens + prompt,
          completion_tokens: this.usage.completion_tokens + completion,
        };
  }

  get isEmpty() {
    return !this.text && !this.calls.length;
  }

  // The turn of the model, as it goes into the history.
  message() {
    const calls = this.calls.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.arguments || "{}" },
    }));
    return { role: "assistant", content: this.text, ...(calls.length && { tool_calls: calls }) };
  }
}

function errorOf(payload) {
  const errors = listOf(payload.errors);
  if (errors.length) return errors.map((error) => [error.code, error.message].filter(Boolean).join(": ")).join("; ");
  if (payload.error) return textOf(payload.error.message ?? payload.error);
  if (payload.success === false) return "The answer says success: false, and no reason.";
  return null;
}
