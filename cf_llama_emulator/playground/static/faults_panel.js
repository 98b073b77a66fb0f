// Faults of the next request, picked from the emulator's own catalogue.

import { element } from "./dom.js";
import { section, toggle } from "./settings_panel.js";

export class FaultsPanel {
  #chosen = new Map(); // name: value as text
  #keep = false;
  #ignoredBy = "";

  constructor(config, changed) {
    this.changed = changed;
    this.rows = config.faults.map((fault) => this.#row(fault));
    const find = element("input", {
      type: "search",
      id: "find-fault",
      placeholder: "rate, cut, tokens …",
      oninput: () => this.#filter(find.value),
    });
    this.summary = element("p", { class: "hint", id: "chosen-faults", role: "status" });
    this.picks = element(
      "fieldset",
      { class: "plain" },
      toggle("keep-faults", "Keep them on", false, (value) => (this.#keep = value)),
      element("div", { class: "field" }, element("label", { for: "find-fault" }, "Find a fault"), find),
      element("div", { class: "faults" }, ...this.rows.map((row) => row.root)),
    );
    this.root = section("Faults", false, this.summary, this.picks);
    this.#show();
  }

  // As the header has it.
  get text() {
    return [...this.#chosen].map(([name, value]) => (value ? `${name}=${value}` : name)).join(", ");
  }

  // The service of this name answers, which takes none; "" for the emulator.
  ignoredBy(name) {
    this.#ignoredBy = name;
    this.picks.disabled = Boolean(name);
    this.#show();
  }

  // A request went out with them.
  used() {
    if (this.#keep) return;
    this.#chosen.clear();
    this.rows.forEach((row) => row.reset());
    this.#show();
  }

  #row({ name, value, does }) {
    const id = `fault-${name}`;
    const box = element("input", { type: "checkbox", id, "aria-describedby": `${id}-does` });
    const field = value
      ? element("input", { type: "text", placeholder: value, "aria-label": `Value of ${name}: ${value}`, hidden: true })
      : null;
    const take = () => {
      if (field) field.hidden = !box.checked;
      if (box.checked) this.#chosen.set(name, field?.value.trim() ?? "");
      else this.#chosen.delete(name);
      this.#show();
    };
    box.addEventListener("change", take);
    field?.addEventListener("input", take);
    const root = element(
      "div",
      { class: "fault" },
      box,
      element("label", { for: id }, name),
      field,
      element("p", { class: "hint", id: `${id}-does` }, does),
    );
    const reset = () => {
      box.checked = false;
      if (field) field.hidden = true;
    };
    return { root, words: `${name} ${does}`.toLowerCase(), reset };
  }

  #filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of this.rows) row.root.hidden = !words.every((word) => row.words.includes(word));
  }

  #show() {
    const text = this.#ignoredBy ? "" : this.text;
    const none = this.#ignoredBy
      ? `Faults are for the emulator: ${this.#ignoredBy} gets none of them.`
      : "None: the emulator answers as the service does.";
    this.summary.textContent = text ? `The next request goes wrong: ${text}` : none;
    this.root.querySelector("summary").classList.toggle("on", Boolean(text));
    this.changed(text);
  }
}
