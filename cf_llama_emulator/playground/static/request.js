// From what is set on the page to the body of a request. Nothing here touches the page or the network.

export const newSettings = () => ({
  system: "",
  form: "messages", // or "prompt", in the service's template, or "raw", in one's own
  stream: true,
  parameters: {},
  tools: "",
  toolChoice: "auto",
  format: "text",
  schema: "",
  shape: "",
});

// What stands in a field cannot be sent; `field` names it.
export class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

// `asked` is {messages} or {prompt}.
export function buildBody(settings, asked) {
  const body = "prompt" in asked ? promptBody(settings, asked.prompt) : messagesBody(settings, asked.messages);
  const tools = "prompt" in asked ? [] : readTools(settings.tools);
  if (tools.length) body.tools = tools;
  if (tools.length && settings.toolChoice !== "auto") body.tool_choice = toolChoice(settings.toolChoice);
  if (settings.format === "json_object") body.response_format = { type: "json_object" };
  if (settings.format === "json_schema") {
    body.response_format = { type: "json_schema", json_schema: readJson("schema", settings.schema, "The JSON schema") };
  }
  return { ...body, ...settings.parameters, ...(streams(settings) && { stream: true }) };
}

const promptBody = ({ form }, prompt) => ({ prompt, ...(form !== "prompt" && { raw: true }) });

const messagesBody = ({ system }, messages) => ({
  messages: [...(system.trim() ? [{ role: "system", content: system }] : []), ...messages],
});

// The service refuses to stream what a JSON schema is asked of.
export const streams = (settings) => settings.stream && settings.format !== "json_schema";

const toolChoice = (choice) =>
  ["none", "required"].includes(choice) ? choice : { type: "function", function: { name: choice } };

export function readTools(text) {
  if (!text.trim()) return [];
  const given = readJson("tools", text, "The tools");
  const tools = Array.isArray(given) ? given : [given];
  tools.forEach((tool, position) => {
    if (typeof (tool?.function ?? tool)?.name !== "string")
      throw new FieldError("tools", `Tool ${position + 1} has no name.`);
  });
  return tools;
}

// As far as they can be read.
export function readableTools(text) {
  try {
    return readTools(text);
  } catch {
    return [];
  }
}

export const toolNames = (text) => readableTools(text).map((tool) => (tool.function ?? tool).name);

function readJson(field, text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FieldError(field, `${what} is not valid JSON: ${error.message}`.replace("tools is", "tools are"));
  }
}

export const dollars = (usage, price) =>
  (usage.prompt_tokens * price.input + usage.completion_tokens * price.output) / 1e6;
