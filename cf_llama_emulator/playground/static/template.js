// The Llama 3.3 chat template, as Meta publishes it: messages as the one text that the model itself reads.

import { spaced } from "./literals.js";
import { parseExactly } from "./reply.js";

const header = (role) => `<|start_header_id|>${role}<|end_header_id|>\n\n`;
const turn = (role, content) => `${header(role)}${content}<|eot_id|>`;

const KNOWLEDGE = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
const OFFER =
  "Given the following functions, please respond with a JSON for a function call with its proper arguments " +
  "that best answers the given prompt.\n\n" +
  'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' +
  "Do not use variables.\n\n";

// Tools are told of in the first turn of the user.
export function renderTemplate(system, messages, tools = []) {
  const rest = [...messages];
  const turns = [turn("system", (tools.length ? "Environment: ipython\n" : "") + KNOWLEDGE + system.trim())];
  if (tools.length && rest[0]?.role === "user") {
    const offered = tools.map((tool) => `${JSON.stringify(tool, null, 4)}\n\n`).join("");
    turns.push(turn("user", OFFER + offered + rest.shift().content.trim()));
  }
  return `<|begin_of_text|>${[...turns, ...rest.map(rendered)].join("")}${header("assistant")}`;
}

function rendered(message) {
  if (message.role === "tool") return turn("ipython", message.content);
  const calls = (message.tool_calls ?? []).map(({ function: called }) => turn("assistant", callText(called)));
  const said = message.content.trim() || !calls.length ? turn(message.role, message.content.trim()) : "";
  return said + calls.join("");
}

function callText({ name, arguments: text }) {
  let parameters = text; // what is no JSON is read by the model as it wrote it
  try {
    parameters = parseExactly(text);
  } catch {}
  return spaced({ name, parameters });
}
