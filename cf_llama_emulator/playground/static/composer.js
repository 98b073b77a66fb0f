// Where one writes: a message, or a whole prompt with the template filled in.

import { byId } from "./dom.js";
import { readableTools } from "./request.js";
import { renderTemplate } from "./template.js";

export function startComposer(workbench, act) {
  const prompt = byId("prompt");
  const isRaw = () => workbench.active.settings.form === "raw";

  function fillTemplate() {
    const { settings, messages } = workbench.active;
    const asks =
      messages.at(-1)?.role === "user"
        ? []
        : [{ role: "user", content: prompt.value.startsWith("<|") ? "Hello" : prompt.value || "Hello" }];
    prompt.value = renderTemplate(settings.system, [...messages, ...asks], readableTools(settings.tools));
    prompt.focus();
  }

  function showForm(chosen) {
    const { form } = workbench.active.settings;
    if (chosen) for (const column of workbench.columns) column.settings.form = form;
    byId("fill-template").hidden = !isRaw();
    prompt.classList.toggle("code", isRaw());
    prompt.rows = isRaw() ? 10 : 2;
    prompt.placeholder = { messages: "Write a message", prompt: "Write a prompt", raw: "Write the whole prompt" }[form];
    byId("hint").textContent = isRaw() ? "Ctrl+Enter sends." : "Enter sends, Shift+Enter starts a new line.";
    if (chosen && isRaw()) fillTemplate();
    else if (chosen && prompt.value.startsWith("<|")) prompt.value = "";
  }

  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = prompt.value;
    if (workbench.busy || !text.trim()) return;
    act(async (by) => {
      const sent = Promise.all(workbench.columns.map((column) => column.ask(text, by)));
      if (workbench.busy && !isRaw()) prompt.value = "";
      await sent;
    });
  });
  prompt.addEventListener("keydown", (event) => {
    const sends = isRaw() ? event.ctrlKey || event.metaKey : !event.shiftKey;
    if (event.key !== "Enter" || event.isComposing || !sends) return;
    event.preventDefault();
    byId("composer").requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && workbench.busy) stop();
  });
  const stop = () => workbench.columns.forEach((column) => column.stop());
  byId("stop").addEventListener("click", stop);
  byId("fill-template").addEventListener("click", fillTemplate);
  workbench.addEventListener("edit", ({ detail }) => {
    prompt.value = detail;
    prompt.focus();
  });
  workbench.addEventListener("change", () => {
    const hadFocus = document.activeElement?.id;
    byId("send").hidden = workbench.busy;
    byId("stop").hidden = !workbench.busy;
    if (hadFocus === "stop" || hadFocus === "send") byId(workbench.busy ? "stop" : "send").focus();
  });

  const showFaults = (text) => {
    byId("next-faults").textContent = text && `Goes wrong next: ${text}`;
    byId("next-faults").hidden = !text;
  };
  return { showForm, showFaults };
}
