// Starts the page: asks for the facts, builds the parts and joins them.

import { Column, FieldError } from "./column.js";
import { ConversationView } from "./conversation.js";
import { byId } from "./dom.js";
import { drawInspector } from "./inspector.js";
import { startPanes, startTabs } from "./navigation.js";
import { drawSettings } from "./settings_panel.js";
import { renderTemplate } from "./template.js";

const config = await (await fetch("/playground/config.json")).json();
byId("engine").textContent = `engine: ${config.engine}`;
byId("engine").title = "This is not Llama 3.3 70B: quality, speed and token counts are the engine's own.";

const column = new Column(config);
const prompt = byId("prompt");

async function act(what) {
  const error = byId("field-error");
  error.hidden = true;
  try {
    await what("");
  } catch (problem) {
    if (!(problem instanceof FieldError)) throw problem;
    error.textContent = problem.message;
    error.hidden = false;
  }
}

const view = new ConversationView(column, { act });
byId("columns").replaceChildren(view.root);
drawInspector(byId("wire"), config, () => column);

function fillTemplate() {
  prompt.value = renderTemplate(column.settings.system, [...column.messages, { role: "user", content: "Hello" }]);
  prompt.focus();
}

function showForm() {
  const raw = column.settings.form === "prompt";
  byId("fill-template").hidden = !raw;
  prompt.classList.toggle("code", raw);
  prompt.rows = raw ? 10 : 2;
  prompt.placeholder = raw ? "Write the whole prompt" : "Write a message";
  byId("hint").textContent = raw ? "Ctrl+Enter sends." : "Enter sends, Shift+Enter starts a new line.";
}

drawSettings(byId("settings"), config, column, (name) => {
  if (name !== "form") return;
  showForm();
  if (column.settings.form === "prompt" && !prompt.value.startsWith("<|")) fillTemplate();
});

column.addEventListener("change", () => {
  byId("send").hidden = column.busy;
  byId("stop").hidden = !column.busy;
});

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = prompt.value;
  if (column.busy || !text.trim()) return;
  act(async (faults) => {
    const sent = column.ask(text, faults);
    if (column.busy && column.settings.form === "messages") prompt.value = "";
    await sent;
  });
});
prompt.addEventListener("keydown", (event) => {
  const raw = column.settings.form === "prompt";
  if (event.key !== "Enter" || event.isComposing || (raw ? !event.ctrlKey && !event.metaKey : event.shiftKey)) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});
byId("stop").addEventListener("click", () => column.stop());
byId("fill-template").addEventListener("click", fillTemplate);
startTabs();
startPanes();
prompt.focus();
