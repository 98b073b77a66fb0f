// The body of a request that some program sent, as settings and turns of a column.

import { newSettings } from "./request.js";

const KNOWN = ["messages", "prompt", "raw", "stream", "tools", "tool_choice", "response_format", "model"];

// Returns null for what is no conversation, e.g. a batch; `leftOut` names the fields that the page has no setting for.
export function fromBody(body, parameterNames) {
  if (Array.isArray(body?.input?.messages) || typeof body?.input?.prompt === "string") body = body.input;
  const made = conversation(body, parameterNames);
  const isLeftOut = (name) =>
    parameterNames.includes(name) ? typeof body[name] !== "number" : !KNOWN.includes(name);
  return made && { ...made, leftOut: Object.keys(body).filter(isLeftOut) };
}

function conversation(body, parameterNames) {
  const settings = { ...newSettings(), stream: body?.stream === true };
  for (const name of parameterNames) if (typeof body?.[name] === "number") settings.parameters[name] = body[name];
  Object.assign(settings, toolsOf(body), formatOf(body));
  if (typeof body?.prompt === "string") {
    settings.form = body.raw === true ? "raw" : "prompt";
    return { settings, turns: [{ message: { role: "user", content: body.prompt }, isPrompt: true }] };
  }
  if (!Array.isArray(body?.messages)) return null;
  const messages = body.messages.map(message);
  if (messages[0]?.role === "system") settings.system = messages.shift().content;
  return { settings, turns: messages.map((each) => ({ message: each, isPrompt: false })) };
}

function message(given) {
  const { role = "user", content, tool_calls: calls, tool_call_id: answered, name } = given ?? {};
  const made = { role: String(role), content: textOf(content) };
  if (Array.isArray(calls) && calls.length) made.tool_calls = calls.map(call);
  if (typeof answered === "string") made.tool_call_id = answered;
  if (typeof name === "string") made.name = name;
  return made;
}

function call(given, position) {
  const called = given?.function ?? given ?? {};
  const { name = "", arguments: values = {} } = called;
  const text = typeof values === "string" ? values : JSON.stringify(values);
  return {
    id: String(given?.id ?? `call_${position}`),
    type: "function",
    function: { name: String(name), arguments: text },
  };
}

const textOf = (content) =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
      ? content.map((part) => part?.text ?? "").join("")
      : "";

function toolsOf({ tools, tool_choice: choice } = {}) {
  if (!Array.isArray(tools) || !tools.length) return {};
  const toolChoice = typeof choice === "string" ? choice : (choice?.function?.name ?? "auto");
  return { tools: JSON.stringify(tools, null, 2), toolChoice };
}

function formatOf({ response_format: format } = {}) {
  if (!["json_object", "json_schema"].includes(format?.type)) return {};
  const schema = format.json_schema?.schema ?? format.json_schema;
  return { format: format.type, schema: schema ? JSON.stringify(schema, null, 2) : "" };
}
