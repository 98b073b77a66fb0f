// Draws a column's conversation: its turns, the answer as it comes, tool calls and the fields for their results.

import { copyButton, element, oncePerFrame, showChildren } from "./dom.js";
import { pretty } from "./reply.js";
import { HOW_TO } from "./service_switch.js";

const NAMES = { user: "You", assistant: "Model", tool: "Tool result", system: "System" };

export class ConversationView {
  #live = null;
  #cards = new WeakMap();

  constructor(column, { title, onSelect, act, edit }) {
    Object.assign(this, { column, act, edit });
    this.log = element("div", {
      class: "log",
      role: "log",
      "aria-live": "polite",
      "aria-label": title ? `Conversation ${title}` : "Conversation",
      tabindex: 0,
    });
    this.end = element("div", { class: "end" });
    const head = title && element("button", { type: "button", class: "column-title", onclick: onSelect }, title);
    this.root = element(
      "section",
      { class: "column", ...(title && { onfocusin: onSelect }) },
      head,
      element("div", { class: "scroll" }, this.log, this.end),
    );
    this.title = head;
    column.addEventListener("change", () => this.draw());
    column.addEventListener(
      "progress",
      oncePerFrame(() => this.#drawLive()),
    );
    this.draw();
  }

  draw() {
    const { column } = this;
    const hadFocus = this.end.contains(document.activeElement);
    this.#live = column.busy ? liveCard(column.exchange) : null;
    this.log.setAttribute("aria-busy", String(column.busy));
    const cards = column.turns.map((turn) => this.#card(turn));
    showChildren(this.log, [...(cards.length ? cards : [welcome()]), ...(this.#live ? [this.#live] : [])]);
    this.end.replaceChildren(...this.#ending());
    if (hadFocus) this.log.focus({ preventScroll: true }); // what had it is gone
    this.#drawLive();
    this.#toEnd(true);
  }

  // A turn keeps its card, so that a screen reader is told of new ones only.
  #card(turn) {
    if (!this.#cards.has(turn)) this.#cards.set(turn, turnCard(turn));
    return this.#cards.get(turn);
  }

  #ending() {
    const { column } = this;
    const { exchange } = column;
    if (column.busy) return [];
    const buttons = element("div", { class: "row start" });
    if (column.canRegenerate) {
      const name = column.turns.at(-1).message.role === "assistant" ? "Regenerate" : "Ask again";
      buttons.append(
        element(
          "button",
          { type: "button", class: "quiet", onclick: () => this.act((by) => column.regenerate(by)) },
          name,
        ),
      );
    }
    if (column.turns.some((turn) => turn.message.role === "user")) {
      buttons.append(element("button", { type: "button", class: "quiet", onclick: this.edit }, "Edit message"));
    }
    const { role, content } = column.turns.at(-1)?.message ?? {};
    if (role === "assistant" && content) buttons.append(copyButton("Copy text", () => content));
    return [...notes(exchange), column.pendingCalls.length ? this.#results() : "", buttons];
  }

  #results() {
    const fields = this.column.pendingCalls.map((call, position) => {
      const name = `Result of ${call.function.name}${this.column.pendingCalls.length > 1 ? ` (${position + 1})` : ""}`;
      return [call.id, element("textarea", { rows: 2, "aria-label": name, placeholder: name, class: "result" })];
    });
    const give = (event) => {
      event.preventDefault();
      const results = Object.fromEntries(fields.map(([id, field]) => [id, field.value]));
      this.act((by) => this.column.giveResults(results, by));
    };
    return element(
      "form",
      { class: "results", onsubmit: give },
      ...fields.map(([, field]) => field),
      element(
        "div",
        { class: "row" },
        element("button", { type: "submit", class: "primary" }, fields.length > 1 ? "Send results" : "Send result"),
      ),
    );
  }

  #drawLive() {
    if (!this.#live || !this.column.busy) return;
    const { reply } = this.column.exchange;
    this.#live.querySelector(".text").textContent = reply.text;
    this.#live.querySelector(".calls").replaceChildren(...(reply.message().tool_calls?.map(callCard) ?? []));
    this.#toEnd(false);
  }

  // Follows the answer, unless the reader has scrolled up.
  #toEnd(always) {
    const box = this.log.parentElement;
    if (always || box.scrollHeight - box.scrollTop - box.clientHeight < 120) box.scrollTop = box.scrollHeight;
  }
}

function notes(exchange) {
  if (!exchange) return [];
  return [
    exchange.failure && element("p", { class: "failure", role: "alert" }, exchange.failure),
    exchange.stopped && element("p", { class: "note" }, "Stopped."),
    exchange.reply.finishReason === "length" && element("p", { class: "note" }, "Cut off at max_tokens."),
  ].filter(Boolean);
}

function liveCard(exchange) {
  const card = turnCard({ message: { role: "assistant", content: "" }, exchange });
  card.classList.add("live");
  card.setAttribute("aria-live", "off"); // it is read out once it is whole
  return card;
}

function turnCard({ message, isPrompt, exchange }) {
  const name = isPrompt && message.role === "user" ? "Prompt" : (NAMES[message.role] ?? message.role);
  return element(
    "article",
    { class: `turn ${isPrompt ? "prompt " : ""}${message.role}` },
    element("h2", {}, name, turnNote(message, exchange)),
    element("div", { class: "text" }, message.content ?? ""),
    element("div", { class: "calls" }, ...(message.tool_calls ?? []).map(callCard)),
  );
}

function turnNote({ role, name }, exchange) {
  if (role === "tool" && name) return element("code", {}, name);
  return exchange?.service && element("span", { class: "by" }, exchange.service.name);
}

function callCard(call) {
  const { name, arguments: given } = call.function;
  return element(
    "div",
    { class: "call" },
    element("span", {}, "calls ", element("code", {}, name)),
    element("pre", {}, pretty(given)),
  );
}

const welcome = () =>
  element(
    "div",
    { class: "welcome" },
    element("p", {}, "Ask something, and see what goes over the wire."),
    element("p", { class: "hint by-emulator" }, "The emulator on this machine answers; nothing leaves it."),
    element("p", { class: "hint by-service" }, "What you send goes out to the service and costs your account money."),
    element("p", { class: "hint how-to" }, HOW_TO),
  );
