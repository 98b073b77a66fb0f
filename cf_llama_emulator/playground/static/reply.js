// What an answer says, whichever of the three shapes it comes in: native, OpenAI's, or both at once.

import { errorOf } from "./error_of.js";

// Numbers that JavaScript would print in another way keep their text, where the browser can tell it.
export function parseExactly(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && String(value) !== context?.source ? JSON.rawJSON(context.source) : value,
  );
}

// JSON with line ends; what is none stays as it is.
export function pretty(text) {
  try {
    return JSON.stringify(parseExactly(text), null, 2);
  } catch {
    return text;
  }
}

const textOf = (value) =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
const numberOf = (value) => Number(JSON.isRawJSON?.(value) ? value.rawJSON : value) || 0;
const listOf = (value) => (Array.isArray(value) ? value : []);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const total = (usage) => usage.prompt_tokens + usage.completion_tokens;
const added = (one, other) => ({
  prompt_tokens: one.prompt_tokens + other.prompt_tokens,
  completion_tokens: one.completion_tokens + other.completion_tokens,
});

export class Reply {
  text = "";
  calls = [];
  usage = null;
  finishReason = null;
  error = null;
  #counted = null;
  #sum = null;

  add(payload) {
    if (isObject(payload) && "result" in payload && "success" in payload && payload.success) payload = payload.result;
    if (!isObject(payload)) {
      this.text += textOf(payload);
      return;
    }
    if (Array.isArray(payload.streamed_data)) {
      payload.streamed_data.forEach((event) => this.add(event)); // AI Gateway's recording of a stream
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
    else if (name)
      this.calls.push({
        index,
        id: id || `call_${crypto.randomUUID().replaceAll("-", "")}`,
        name,
        arguments: textOf(called.arguments),
      });
  }

  // Only increments count no prompt, except for the first of them; what counts a prompt again is the sum.
  #addUsage(usage) {
    const counts = {
      prompt_tokens: numberOf(usage.prompt_tokens),
      completion_tokens: numberOf(usage.completion_tokens),
    };
    if (!this.#counted) this.#counted = counts;
    else if (!counts.prompt_tokens) this.#counted = added(this.#counted, counts);
    else if (!this.#sum || total(counts) >= total(this.#sum)) this.#sum = counts;
    this.usage = this.#sum && total(this.#sum) >= this.#counted.prompt_tokens ? this.#sum : this.#counted;
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
