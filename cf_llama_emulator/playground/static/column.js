// One conversation with its settings. It tells of a "change" when turns come or go, and of "progress" within an answer.

import { buildBody, newSettings } from "./request.js";
import { Exchange, send } from "./send.js";

export class Column extends EventTarget {
  settings = newSettings();
  turns = []; // {message, raw, exchange}
  exchange = null; // the last one
  #config;
  #abort = null;

  constructor(config) {
    super();
    this.#config = config;
  }

  get busy() {
    return this.#abort !== null;
  }

  // What has been said so far, as it goes out; prompts without messages and their answers are no part of it.
  get messages() {
    return this.turns.filter((turn) => !turn.raw).map((turn) => turn.message);
  }

  get pendingCalls() {
    const last = this.turns.at(-1);
    return (!this.busy && last?.message.tool_calls) || [];
  }

  async ask(text, faults) {
    const raw = this.settings.form === "prompt";
    if (raw) this.settings.prompt = text;
    await this.#go({ message: { role: "user", content: text }, raw }, faults);
  }

  // Sends the results of the pending calls, by the calls' ids.
  async giveResults(results, faults) {
    const told = this.pendingCalls.map((call) => ({
      message: { role: "tool", tool_call_id: call.id, name: call.function.name, content: results[call.id] ?? "" },
    }));
    await this.#go(told, faults);
  }

  get canRegenerate() {
    return !this.busy && this.turns.some((turn) => turn.message.role !== "assistant");
  }

  async regenerate(faults) {
    while (this.turns.at(-1)?.message.role === "assistant") this.turns.pop();
    await this.#go([], faults);
  }

  // Takes back what was asked last, with all that came after it, and returns its text.
  takeBack() {
    const last = this.turns.findLastIndex((turn) => turn.message.role === "user");
    const [taken] = this.turns.splice(last);
    this.exchange = null;
    this.#tell("change");
    return taken.message.content;
  }

  stop() {
    this.#abort?.abort();
  }

  clear() {
    this.stop();
    this.turns = [];
    this.exchange = null;
    this.#tell("change");
  }

  replace(settings, turns) {
    this.stop();
    this.settings = settings;
    this.turns = [...turns];
    this.exchange = null;
    this.#tell("change");
  }

  async #go(turns, faults = "") {
    const more = [turns].flat();
    const raw = more.at(-1)?.raw ?? this.turns.at(-1)?.raw ?? false;
    const said = [...this.turns, ...more].filter((turn) => !turn.raw).map((turn) => turn.message);
    // what raises a FieldError here leaves all as it is
    const body = buildBody({ ...this.settings, form: raw ? "prompt" : "messages" }, said);
    this.turns.push(...more);
    const exchange = (this.exchange = new Exchange(body, faults, this.settings.shape));
    const abort = (this.#abort = new AbortController());
    this.#tell("change");
    await send(this.#config, exchange, abort.signal, () => this.#tell("progress"));
    if (this.#abort === abort) this.#abort = null;
    if (this.exchange !== exchange) return; // cleared meanwhile
    if (!exchange.reply.isEmpty) this.turns.push({ message: exchange.reply.message(), raw, exchange });
    this.#tell("change");
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
