// The columns side by side: one, or two to compare settings on the same prompts. One of them is shown in the panels.

import { Column } from "./column.js";
import { ConversationView } from "./conversation.js";
import { element } from "./dom.js";

export class Workbench extends EventTarget {
  #config;
  #views = [];

  constructor(config, root, act) {
    super();
    Object.assign(this, { root, act });
    this.#config = config;
    this.columns = [this.#column()];
    this.active = this.columns[0];
    this.#draw();
  }

  get busy() {
    return this.columns.some((column) => column.busy);
  }

  get comparing() {
    return this.columns.length > 1;
  }

  compare(on) {
    if (on === this.comparing) return;
    if (on) {
      const second = this.#column();
      second.replace(structuredClone(this.active.settings), this.active.turns);
      this.columns = [this.active, second];
    } else {
      for (const column of this.columns) if (column !== this.active) column.stop();
      this.columns = [this.active];
    }
    this.#draw();
  }

  // Shows what was saved or shared: a list of {settings, turns}.
  load(saved) {
    this.columns.forEach((column) => column.stop());
    this.columns = saved.map(({ settings, turns }) => {
      const column = this.#column();
      column.replace(settings, turns);
      return column;
    });
    this.active = this.columns[0];
    this.#draw();
  }

  save() {
    return this.columns.map(({ settings, turns }) => ({
      settings,
      turns: turns.map(({ message, isPrompt = false }) => ({ message, isPrompt })),
    }));
  }

  select(column) {
    if (column === this.active) return;
    this.active = column;
    this.#mark();
    this.#tell("select");
  }

  // Settings have changed: the titles say in what the columns differ.
  mark() {
    this.#mark();
  }

  // All columns were asked the same: what is asked again is asked of all.
  #edit() {
    const asked = this.columns.filter((column) => column.turns.some((turn) => turn.message.role === "user"));
    const texts = asked.map((column) => column.takeBack());
    this.dispatchEvent(new CustomEvent("edit", { detail: texts[0] }));
  }

  #column() {
    const column = new Column(this.#config);
    column.addEventListener("change", () => this.#tell("change"));
    column.addEventListener("progress", () => column === this.active && this.#tell("progress"));
    return column;
  }

  #draw() {
    this.#views = this.columns.map(
      (column, position) =>
        new ConversationView(column, {
          title: this.comparing ? "AB"[position] : "",
          act: this.act,
          edit: () => this.#edit(),
          onSelect: () => this.select(column),
        }),
    );
    this.root.replaceChildren(...this.#views.map((view) => view.root));
    this.#mark();
    this.#tell("select");
    this.#tell("change");
  }

  #mark() {
    for (const { column, title } of this.#views) {
      if (!title) continue;
      title.setAttribute("aria-pressed", String(column === this.active));
      title.replaceChildren(element("b", {}, title.textContent[0]), ` ${summary(column.settings)}`);
    }
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}

function summary({ parameters, system, tools, format }) {
  const parts = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  if (system.trim()) parts.push("system prompt");
  if (tools.trim()) parts.push("tools");
  if (format !== "text") parts.push("JSON");
  return parts.join(", ") || "defaults";
}
