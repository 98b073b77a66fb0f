// Every request that the emulator has answered, live, also those of other programs.

import { element } from "./dom.js";
import { conversationOf, drawDetails } from "./request_details.js";

const EVERY = 1000; // milliseconds
const SHOWN = 500; // rows

export class RequestsTab {
  #last = 0;
  #text = "";
  #timer = null;
  #shown = false;

  constructor(root, config, bring) {
    Object.assign(this, { config, bring });
    const find = element("input", {
      type: "search",
      id: "find-request",
      placeholder: "words of a prompt, a tool, a fault, 429 …",
      oninput: () => this.#filter(find.value),
    });
    this.rows = element("tbody");
    this.empty = element("p", { class: "note" }, "No request has been answered yet.");
    this.details = element("aside", { class: "details", "aria-label": "Request", hidden: true });
    const heads = ["Time", "Route", "Status", "Tokens", "ms", "Request", ""].map((name) =>
      element("th", { scope: "col" }, name),
    );
    root.replaceChildren(
      element(
        "div",
        { class: "find" },
        element("label", { for: "find-request", class: "unseen" }, "Filter requests"),
        find,
      ),
      element(
        "div",
        { class: "split" },
        element(
          "div",
          { class: "table", tabindex: 0, role: "region", "aria-label": "Answered requests" },
          element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.rows),
          this.empty,
        ),
        this.details,
      ),
    );
  }

  show(on) {
    this.#shown = on;
    clearTimeout(this.#timer);
    if (on) this.#poll();
  }

  async #poll() {
    if (!document.hidden) await this.#more().catch(() => {}); // the emulator may have stopped
    clearTimeout(this.#timer);
    if (this.#shown) this.#timer = setTimeout(() => this.#poll(), EVERY);
  }

  async #more() {
    const text = this.#text;
    const query = new URLSearchParams({ after: this.#last, text });
    const { last, requests } = await (await fetch(`/playground/requests?${query}`)).json();
    if (text !== this.#text) return;
    if (last < this.#last) return this.#restart(); // the emulator was started anew
    this.#last = last;
    for (const request of requests)
      if (!this.rows.querySelector(`[data-number="${request.number}"]`)) this.rows.prepend(this.#row(request));
    while (this.rows.childElementCount > SHOWN) this.rows.lastElementChild.remove();
    this.empty.hidden = this.rows.childElementCount > 0;
    this.empty.textContent = text ? "No request holds these words." : "No request has been answered yet.";
  }

  #filter(text) {
    this.#text = text.trim();
    this.#restart().catch(() => {});
  }

  #restart() {
    this.#last = 0;
    this.rows.replaceChildren();
    return this.#more();
  }

  #row(request) {
    const status = request.status ?? "–";
    const notes = [request.stream && "stream", request.hung_up && "client hung up", request.faults].filter(Boolean);
    const open = element("button", { type: "button", class: "quiet open" }, request.excerpt || "(no text)");
    const bringAtOnce = (event) => {
      event.stopPropagation();
      this.#bringAtOnce(request);
    };
    const bring = element(
      "button",
      { type: "button", class: "quiet", title: "Bring into the chat", onclick: bringAtOnce },
      "To chat",
    );
    const tokens = request.prompt_tokens === null ? "" : `${request.prompt_tokens} + ${request.completion_tokens}`;
    return element(
      "tr",
      { "data-number": String(request.number), onclick: () => this.#open(request) }, // also by the button in it
      element("td", {}, new Date(request.time).toLocaleTimeString()),
      element("td", {}, element("code", {}, request.route)),
      element("td", {}, element("span", { class: `status s${String(status)[0]}` }, String(status))),
      element("td", {}, tokens),
      element("td", {}, request.milliseconds.toFixed(0)),
      element("td", {}, open, notes.length ? element("span", { class: "hint" }, notes.join(", ")) : null),
      element("td", {}, bring),
    );
  }

  async #open(request) {
    const opener = () => this.rows.querySelector(`[data-number="${request.number}"] .open`); // rows may be drawn anew
    drawDetails(this.details, await load(request), this.config, this.bring, () => opener()?.focus());
  }

  async #bringAtOnce(request) {
    const brought = conversationOf(await load(request), this.config);
    if (brought) this.bring(brought);
    else await this.#open(request); // it says why
  }
}

const load = async ({ number }) => (await fetch(`/playground/requests/${number}`)).json();
