// The settings of the shown column: system prompt, form, parameters, tools, JSON mode.

import { element } from "./dom.js";
import { FORMATS, FORMS, SAMPLES, SCHEMA_SAMPLE } from "./samples.js";
import { toolNames } from "./request.js";

const MOST_FOR_A_SLIDER = 50; // beyond that a step of a slider is too coarse

export function drawSettings(root, config, column, changed) {
  const { settings } = column;
  const set = (name, value) => {
    settings[name] = value;
    changed(name);
  };
  const reset = () => {
    set("parameters", {});
    drawSettings(root, config, column, changed);
  };
  root.replaceChildren(
    section(
      "System prompt",
      true,
      area(
        "system",
        "System prompt",
        settings.system,
        3,
        (value) => set("system", value),
        "You are a friendly assistant",
      ),
    ),
    section(
      "Request",
      true,
      choice("form", "Form", FORMS, settings.form, (value) => set("form", value)),
      toggle("stream", "Stream the answer", settings.stream, (value) => set("stream", value)),
      choice(
        "shape",
        "Shape of the answer",
        { "": `${config.shape} (the server's)`, ...Object.fromEntries(config.shapes.map((name) => [name, name])) },
        settings.shape,
        (value) => set("shape", value),
      ),
    ),
    section(
      "Parameters",
      true,
      ...config.parameters.map((parameter) =>
        parameterField(parameter, settings.parameters, () => changed("parameters")),
      ),
      element("button", { type: "button", class: "quiet", onclick: reset }, "Reset parameters"),
    ),
    tools(settings, set),
    jsonMode(settings, set),
  );
}

function parameterField(parameter, values, changed) {
  const { name, minimum, maximum } = parameter;
  const whole = parameter.type === "integer";
  const range = minimum === undefined ? "whole number" : `${minimum} to ${maximum}`;
  const hint = parameter.default === undefined ? range : `${range}, default ${parameter.default}`;
  const step = whole ? 1 : minimum > 0 ? minimum : 0.01;
  const limits = {
    min: String(minimum ?? 1),
    ...(maximum !== undefined && { max: String(maximum) }),
    step: String(whole ? 1 : "any"),
  };
  const id = `parameter-${name}`;
  const number = element("input", {
    id,
    type: "number",
    ...limits,
    inputmode: whole ? "numeric" : "decimal",
    placeholder: parameter.default === undefined ? "not sent" : String(parameter.default),
    "aria-describedby": `${id}-hint`,
  });
  const slider =
    maximum <= MOST_FOR_A_SLIDER &&
    element("input", {
      type: "range",
      min: String(minimum),
      max: String(maximum),
      step: String(step),
      "aria-label": `${name}, slider`,
    });
  const show = () => {
    number.value = values[name] ?? "";
    if (slider) slider.value = String(values[name] ?? parameter.default ?? middle(parameter));
    slider && slider.classList.toggle("unset", values[name] === undefined);
  };
  const take = (text) => {
    if (text === "") delete values[name];
    else values[name] = Number(text);
    changed();
  };
  number.addEventListener("input", () => {
    take(number.validity.badInput ? "" : number.value);
    if (slider && number.value !== "") slider.value = number.value;
    slider && slider.classList.toggle("unset", values[name] === undefined);
  });
  slider &&
    slider.addEventListener("input", () => {
      take(slider.value);
      show();
    });
  show();
  return element(
    "div",
    { class: "parameter", title: parameter.description },
    element("label", { for: id }, name),
    number,
    slider,
    element("p", { id: `${id}-hint`, class: "hint" }, hint),
  );
}

// Where a slider rests while its parameter is not sent: where it would change nothing, as far as that is known.
const middle = ({ name, maximum }) =>
  ({ top_p: 1, repetition_penalty: 1, frequency_penalty: 0, presence_penalty: 0 })[name] ?? maximum;

function tools(settings, set) {
  const field = area(
    "tools",
    "Tools, as JSON",
    settings.tools,
    6,
    (value) => {
      set("tools", value);
      listChoices();
    },
    '[{"type": "function", …}]',
    true,
  );
  const text = field.querySelector("textarea");
  const sample = choice(
    "tool-sample",
    "Sample",
    { "": "pick one", ...Object.fromEntries(Object.keys(SAMPLES).map((name) => [name, name])) },
    "",
    (name) => {
      if (!name) return;
      text.value = JSON.stringify(SAMPLES[name], null, 2);
      text.dispatchEvent(new Event("input"));
    },
  );
  const pick = choice("tool-choice", "Tool choice", {}, "", (value) => set("toolChoice", value));
  const select = pick.querySelector("select");
  function listChoices() {
    const names = ["auto", "none", "required", ...toolNames(settings.tools)];
    if (!names.includes(settings.toolChoice)) settings.toolChoice = "auto";
    select.replaceChildren(
      ...names.map((name) => element("option", { value: name, selected: name === settings.toolChoice }, name)),
    );
  }
  listChoices();
  return section("Tools", Boolean(settings.tools), sample, field, pick);
}

function jsonMode(settings, set) {
  const schema = area(
    "schema",
    "JSON schema",
    settings.schema,
    6,
    (value) => set("schema", value),
    '{"type": "object", …}',
    true,
  );
  const text = schema.querySelector("textarea");
  const note = element("p", { class: "hint" }, "With a schema the service does not stream; the answer comes whole.");
  const show = () => (schema.hidden = note.hidden = settings.format !== "json_schema");
  const format = choice("format", "Answer as", FORMATS, settings.format, (value) => {
    set("format", value);
    if (value === "json_schema" && !settings.schema) {
      text.value = JSON.stringify(SCHEMA_SAMPLE, null, 2);
      text.dispatchEvent(new Event("input"));
    }
    show();
  });
  show();
  return section("JSON mode", settings.format !== "text", format, schema, note);
}

const left = new Map(); // whether a section was left open, by its title

export function section(title, open, ...children) {
  const made = element("details", { class: "section" }, element("summary", {}, title), ...children);
  made.open = left.get(title) ?? open;
  made.firstElementChild.addEventListener("click", () => left.set(title, !made.open));
  return made;
}

function area(id, label, value, rows, changed, placeholder, code = false) {
  const field = element("textarea", {
    id,
    rows,
    placeholder,
    spellcheck: code ? "false" : "true",
    class: code ? "code" : "",
    oninput: () => changed(field.value),
  });
  field.value = value;
  return element("div", { class: "field" }, element("label", { for: id }, label), field);
}

export function choice(id, label, options, value, changed) {
  const select = element(
    "select",
    { id, onchange: () => changed(select.value) },
    ...Object.entries(options).map(([name, shown]) =>
      element("option", { value: name, selected: name === value }, shown),
    ),
  );
  return element("div", { class: "field" }, element("label", { for: id }, label), select);
}

export function toggle(id, label, value, changed) {
  const box = element("input", { id, type: "checkbox", checked: value, onchange: () => changed(box.checked) });
  return element("div", { class: "toggle" }, box, element("label", { for: id }, label));
}
