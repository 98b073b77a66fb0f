// Who answers: the emulator, or the real service at the account's cost. It is chosen anew each time the page is opened,
// and no link or file can choose it. The account and its token are the server's; the page has neither.

import { announce, element } from "./dom.js";

const EVERY = 1000; // milliseconds, while requests are under way

export const HOW_TO =
  "To ask Cloudflare from here too, start cf-llama serve with CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN set.";

export class ServiceSwitch extends EventTarget {
  #timer = null;
  #on = false;

  constructor(root, service) {
    super();
    this.service = service;
    root.hidden = !service;
    if (!service) return;
    this.spent = element("output", { class: "spent", for: "answers-emulator answers-service" });
    root.replaceChildren(
      element("legend", {}, "Answers from"),
      this.#choice("emulator", "the emulator", false),
      this.#choice("service", `${service.name} (costs money)`, true),
      this.spent,
    );
    this.refresh();
  }

  // What answers the next request: null for the emulator.
  get chosen() {
    return this.#on ? this.service : null;
  }

  // Asks what has been spent, until nothing is under way.
  async refresh() {
    if (!this.service) return;
    clearTimeout(this.#timer);
    try {
      const told = await (await fetch("/playground/spending")).json();
      this.#show(spentText(told));
      if (!told.under_way) return;
    } catch {
      this.#show("The cost so far is not known: the emulator does not answer.");
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), EVERY);
  }

  #show(text) {
    if (this.spent.textContent !== text) this.spent.textContent = text; // or a screen reader would repeat it
  }

  #choice(name, label, on) {
    const id = `answers-${name}`;
    const box = element("input", { type: "radio", name: "answers", id, value: name, autocomplete: "off" });
    box.checked = !on;
    box.addEventListener("change", () => {
      this.#on = on;
      announce(`Answers come from ${label}.`);
      this.dispatchEvent(new Event("change"));
    });
    return element("span", { class: "choice" }, box, element("label", { for: id }, label));
  }
}

// Of all pages since the emulator was started.
export function spentText({ requests, dollars, without_usage: unknown }) {
  if (!requests) return "Nothing spent so far.";
  const counted = `$${dollars.toFixed(6)} so far, ${requests} ${requests === 1 ? "request" : "requests"}`;
  if (!unknown) return `${counted}.`;
  return `${counted}; ${unknown} told no usage, so ${unknown === 1 ? "its" : "their"} cost is not in the sum.`;
}
