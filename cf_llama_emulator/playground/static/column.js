// One conversation with its settings. It tells of a "change" when turns come or go, and of "progress" within an answer.

import { buildBody, newSettings } from "./request.js";
import { Exchange, send } from "./send.js";

export class Column extends EventTarget {
  settings = newSettings();
  turns = []; // {message, isPrompt, exchange}
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
    return this.turns.filter((turn) => !turn.isPrompt).map((turn) => turn.message);
  }

  get pendingCalls() {
    const last = this.turns.at(-1);
    return (!this.busy && last?.message.tool_calls) || [];
  }

  async ask(text, by) {
    const isPrompt = this.settings.form !== "messages";
    await this.#go([{ message: { role: "user", content: text }, isPrompt }], by);
  }

  // Sends the results of the pending calls, by the calls' ids.
  async giveResults(results, by) {
    const told = this.pendingCalls.map((call) => ({
      message: { role: "tool", tool_call_id: call.id, name: call.function.name, content: results[call.id] ?? "" },
    }));
    await this.#go(told, by);
  }

  get canRegenerate() {
    return !this.busy && this.turns.some((turn) => turn.message.role !== "assistant");
  }

  async regenerate(by) {
    while (this.turns.at(-1)?.message.role === "assistant") this.turns.pop();
    await this.#go([], by);
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

  // `by` is {faults, service}: what goes wrong, and who answers.
  async #go(turns, { faults = "", service = null } = {}) {
    const all = [...this.turns, ...turns];
    const { message, isPrompt = false } = all.at(-1);
    const messages = all.filter((turn) => !turn.isPrompt).map((turn) => turn.message);
    // what raises a FieldError here leaves all as it is
    const body = buildBody(this.settings, isPrompt ? { prompt: message.content } : { messages });
    this.turns = all;
    const exchange = (this.exchange = new Exchange(body, faults, this.settings.shape, service));
    const abort = (this.#abort = new AbortController());
    this.#tell("change");
    await send(this.#config, exchange, abort.signal, () => this.#tell("progress"));
    if (this.#abort === abort) this.#abort = null;
    if (this.exchange !== exchange) return; // cleared meanwhile
    if (!exchange.reply.isEmpty) this.turns.push({ message: exchange.reply.message(), isPrompt, exchange });
    this.#tell("change");
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
