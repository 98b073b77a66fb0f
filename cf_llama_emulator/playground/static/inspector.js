// What went over the wire in the last exchange: the request as sent, the events as they came, what they were read as.

import { KINDS, copyAs } from "./copy_as.js";
import { copyButton, element, oncePerFrame } from "./dom.js";
import { dollars } from "./request.js";
import { runPath } from "./send.js";
import { choice, section } from "./settings_panel.js";

const SHOWN_EVENTS = 2000;
const SHOWN_CHARACTERS = 5000; // of each

const TITLES = { Cost: "At the published price of Workers AI" };

export function drawInspector(root, config, workbench) {
  const figures = element("dl", { class: "figures" });
  const request = element("pre", { class: "code", tabindex: 0, "aria-label": "Request as sent" });
  const events = element("ol", { class: "events", tabindex: 0, "aria-label": "Events as they came" });
  const read = element("pre", { class: "code", tabindex: 0, "aria-label": "What the answer was read as" });
  const count = element("span", { class: "hint" });
  const answered = element("p", { class: "hint" });
  const copy = copySection(config);
  root.replaceChildren(
    figures,
    section("Request", true, request),
    section("Events", true, answered, events, count),
    section(
      "Read as",
      true,
      read,
      copyButton("Copy", () => read.textContent),
    ),
    copy.root,
  );
  let shown = null; // the exchange whose events are drawn, as far as they are

  const draw = () => {
    const { exchange } = workbench.active;
    copy.draw(exchange);
    figures.replaceChildren(
      ...figuresOf(exchange, config).flatMap(([name, value]) =>
        element("div", { title: TITLES[name] }, element("dt", {}, name), element("dd", {}, value)),
      ),
    );
    request.textContent = exchange ? requestText(exchange, config) : "Nothing has been sent.";
    answered.textContent = exchange?.status
      ? `HTTP ${exchange.status}, ${exchange.headers["content-type"] ?? "no content type"}`
      : "";
    if (shown !== exchange) events.replaceChildren();
    shown = exchange;
    const coming = exchange?.events ?? [];
    for (const { at, data } of coming.slice(events.childElementCount, SHOWN_EVENTS)) {
      events.append(
        element(
          "li",
          {},
          element("span", { class: "at" }, `${at.toFixed(0)} ms`),
          element("code", {}, shortened(data)),
        ),
      );
    }
    count.textContent = coming.length > SHOWN_EVENTS ? `${coming.length - SHOWN_EVENTS} more are not shown.` : "";
    read.textContent = exchange ? JSON.stringify(readAs(exchange), null, 2) : "";
  };
  draw();
  return oncePerFrame(draw);
}

function copySection(config) {
  const text = element("pre", { class: "code", id: "copy-text", tabindex: 0, "aria-label": "Program" });
  let request = null;
  const show = () =>
    (text.textContent = request ? copyAs(kind.querySelector("select").value, request, config, location.origin) : "");
  const kind = choice(
    "copy-kind",
    "Program",
    Object.fromEntries(Object.entries(KINDS).map(([name, { name: shown }]) => [name, shown])),
    "curl",
    show,
  );
  const root = section(
    "Copy as",
    false,
    kind,
    text,
    copyButton("Copy program", () => text.textContent),
  );
  const draw = (exchange) => {
    if (request === exchange) return;
    request = exchange;
    root.hidden = !request;
    show();
  };
  root.hidden = true;
  return { root, draw };
}

function requestText(exchange, config) {
  const extra = [
    exchange.faults && `${config.faults_header}: ${exchange.faults}`,
    exchange.shape && `x-emulator-shape: ${exchange.shape}`,
  ];
  const head = [
    exchange.service ? `POST …/accounts/…/ai/run/${config.model}` : `POST ${runPath(config)}`,
    "authorization: Bearer …",
    "content-type: application/json",
    ...extra.filter(Boolean),
  ];
  return `${head.join("\n")}\n\n${JSON.stringify(exchange.body, null, 2)}`;
}

function readAs({ reply, failure, stopped }) {
  const { content, tool_calls } = reply.message();
  return {
    text: content,
    tool_calls: (tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      arguments: call.function.arguments,
    })),
    finish_reason: reply.finishReason,
    usage: reply.usage,
    ...(failure && { failure }),
    ...(stopped && { stopped }),
  };
}

const shortened = (text) =>
  text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}… (${text.length} characters)` : text;

function figuresOf(exchange, config) {
  const usage = exchange?.reply.usage;
  const milliseconds = (value) =>
    value === null || value === undefined ? "–" : value < 10 ? `${value.toFixed(1)} ms` : `${value.toFixed(0)} ms`;
  const speed = exchange?.tokensPerSecond;
  return [
    ["Input", usage ? `${usage.prompt_tokens} tokens` : "–"],
    ["Output", usage ? `${usage.completion_tokens} tokens` : "–"],
    ["First token", milliseconds(exchange?.firstToken)],
    ["Whole answer", milliseconds(exchange?.total)],
    ["Tokens a second", speed ? speed.toFixed(speed < 10 ? 1 : 0) : "–"],
    ["Cost", usage ? `$${dollars(usage, config.dollars_per_million).toFixed(6)}` : "–"],
  ];
}
