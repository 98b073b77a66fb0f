// Starts the page: asks for the facts, builds the parts and joins them.

import { drawActions } from "./actions.js";
import { startComposer } from "./composer.js";
import { byId } from "./dom.js";
import { FaultsPanel } from "./faults_panel.js";
import { drawInspector } from "./inspector.js";
import { startPanes, startTabs } from "./navigation.js";
import { FieldError } from "./request.js";
import { RequestsTab } from "./requests_tab.js";
import { drawSettings } from "./settings_panel.js";
import { ServiceSwitch } from "./service_switch.js";
import { fromHash } from "./share.js";
import { Workbench } from "./workbench.js";

const config = await (await fetch("/playground/config.json")).json();
const answers = new ServiceSwitch(byId("answers"), config.service);

function report(text) {
  byId("field-error").textContent = text;
  byId("field-error").hidden = !text;
}

// Does what sends a request, with the faults of the next one if the emulator answers it.
async function act(work) {
  report("");
  const service = answers.chosen;
  try {
    const sent = work(service ? { service } : { faults: faults.text });
    if (workbench.busy && !service) faults.used();
    if (service) answers.refresh();
    await sent;
    if (service) answers.refresh();
  } catch (problem) {
    if (!(problem instanceof FieldError)) throw problem;
    report(problem.message);
  }
}

const workbench = new Workbench(config, byId("columns"), act);
const composer = startComposer(workbench, act);
const faults = new FaultsPanel(config, composer.showFaults);
const settings = byId("settings");

function showWhoAnswers() {
  const service = answers.chosen;
  const { dataset } = document.documentElement;
  dataset.answers = service ? "service" : "emulator";
  dataset.service = config.service ? "offered" : "none";
  byId("engine").textContent = service ? `${service.name} answers` : `engine: ${config.engine}, not Llama 3.3 70B`;
  byId("engine").title = service
    ? "Each request costs your account money."
    : "Quality, speed and token counts are the engine's own.";
  faults.ignoredBy(service?.name ?? "");
  byId("shape").disabled = Boolean(service);
}
answers.addEventListener("change", showWhoAnswers);

function showSettings() {
  const shown = document.createElement("div");
  drawSettings(shown, config, workbench.active, (name) => {
    workbench.mark();
    if (name === "form") composer.showForm(true);
  });
  settings.replaceChildren(shown, faults.root);
  byId("shape").disabled = Boolean(answers.chosen); // the service answers in the one it has
  composer.showForm(false);
}

const inspect = drawInspector(byId("wire"), config, workbench);
for (const name of ["select", "change", "progress"]) workbench.addEventListener(name, inspect);
workbench.addEventListener("select", () => {
  report("");
  showSettings();
});
drawActions(byId("actions"), workbench, report);

const showTab = startTabs((tab) => {
  byId("actions").hidden = tab !== "tab-chat";
  requests.show(tab === "tab-requests");
});
const showPane = startPanes();
const requests = new RequestsTab(byId("page-requests"), config, (brought) => {
  workbench.load([brought]);
  if (brought.leftOut.length) report(`The page has no setting for ${brought.leftOut.join(", ")}: left out.`);
  showTab("tab-chat");
  showPane("talk");
  byId("prompt").focus();
});

async function loadFromLink() {
  try {
    const saved = await fromHash(location.hash);
    if (saved) workbench.load(saved);
  } catch (error) {
    report(error.message);
  }
}

showSettings();
showWhoAnswers();
await loadFromLink();
window.addEventListener("hashchange", loadFromLink);
if (!matchMedia("(pointer: coarse)").matches) byId("prompt").focus(); // on a phone it would bring up the keyboard
document.documentElement.dataset.ready = "true";
