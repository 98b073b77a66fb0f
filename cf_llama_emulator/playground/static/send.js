// One call of the emulator's ordinary route, or of the service through it, with everything that can be seen of it.

import { Reply, parseExactly } from "./reply.js";
import { EventDecoder } from "./sse.js";

export const runPath = (config) => `/client/v4/accounts/${config.account_id}/ai/run/${config.model}`;

export class Exchange {
  reply = new Reply();
  events = []; // {at: milliseconds, data}
  status = null;
  failure = null;
  stopped = false;
  firstToken = null; // milliseconds
  total = null;
  headers = {};
  #begun = performance.now();

  // `service` is what answers in place of the emulator, which alone knows faults and shapes.
  constructor(body, faults = "", shape = "", service = null) {
    Object.assign(this, service ? { body, faults: "", shape: "", service } : { body, faults, shape, service });
  }

  now() {
    return performance.now() - this.#begun;
  }

  take(data) {
    this.events.push({ at: this.now(), data });
    if (data === "[DONE]") {
      this.done = true;
      return;
    }
    try {
      this.reply.add(parseExactly(data));
    } catch {
      this.failure ??= `This event is not JSON: ${data.slice(0, 200)}`;
    }
    if (this.firstToken === null && !this.reply.isEmpty) this.firstToken = this.now();
  }

  get tokensPerSecond() {
    const { usage } = this.reply;
    if (!usage?.completion_tokens || this.total === null) return null;
    const seconds = (this.total - (this.body.stream ? (this.firstToken ?? 0) : 0)) / 1000;
    return seconds > 0 ? usage.completion_tokens / seconds : null;
  }
}

// Sends a request and fills in `exchange`; `progress` is called for whatever comes. It never throws.
export async function send(config, exchange, signal, progress) {
  try {
    const content = JSON.stringify(exchange.body);
    const [url, headers] = addressed(config, exchange);
    const response = await fetch(url, { method: "POST", headers, body: content, signal });
    exchange.status = response.status;
    exchange.headers = Object.fromEntries(response.headers);
    await read(response, exchange, progress);
    judge(exchange, config);
  } catch (error) {
    if (signal.aborted) exchange.stopped = true;
    else exchange.failure = `The connection broke: ${error.message}.`;
  }
  exchange.total = exchange.now();
}

function addressed(config, { service, faults, shape }) {
  const headers = { "content-type": "application/json" };
  if (service) return ["/playground/service", { ...headers, "x-playground-key": service.key }];
  headers.authorization = `Bearer ${config.api_token}`;
  if (faults) headers[config.faults_header] = faults;
  if (shape) headers["x-emulator-shape"] = shape;
  return [runPath(config), headers];
}

async function read(response, exchange, progress) {
  const text = new TextDecoder("utf-8", { ignoreBOM: true });
  const events = new EventDecoder();
  const take = (some) => some.forEach((data) => exchange.take(data));
  let whole = null; // the body so far, once it is known to be no stream
  let begun = false;
  for await (const bytes of chunks(response)) {
    const piece = text.decode(bytes, { stream: true });
    if (!begun && piece.trim()) {
      begun = true;
      if (/^\s*[[{<]/.test(piece) || !response.ok) whole = "";
    }
    if (whole !== null) whole += piece;
    else take(events.feed(piece));
    progress();
  }
  if (whole !== null) takeWhole(whole + text.decode(), response, exchange);
  else take([...events.feed(text.decode()), ...events.finish()]);
}

function takeWhole(body, response, exchange) {
  if (response.ok || /^\s*[[{]/.test(body)) exchange.take(body);
  else {
    exchange.events.push({ at: exchange.now(), data: body });
    const [, title] = /<title>([^<]*)/.exec(body) ?? [null, body.trim()]; // of an error page of the edge
    exchange.failure = `HTTP ${response.status}: ${title.slice(0, 300)}`;
  }
}

async function* chunks(response) {
  if (!response.body) return;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

function judge(exchange, config) {
  const { reply, status, body } = exchange;
  const limit = body.max_tokens ?? config.parameters.find(({ name }) => name === "max_tokens").default;
  if (reply.usage?.completion_tokens >= limit) reply.finishReason ??= "length"; // the native shape does not say so
  if (reply.error) exchange.failure ??= status === 200 ? reply.error : `HTTP ${status}: ${reply.error}`;
  if (status !== 200)
    exchange.failure ??= `HTTP ${status}: ${exchange.events.length ? "no reason that can be read" : "an empty answer"}`;
  if (body.stream && exchange.events.length > 1 && !exchange.done) {
    exchange.failure ??= "The stream ended without [DONE]: something may be missing.";
  }
  if (reply.isEmpty) exchange.failure ??= "The answer says nothing: neither text nor a tool call.";
}
