// The shown request as a program of one's own, to be pasted and run.

import { indented, json, literal, shellQuoted } from "./literals.js";
import { runPath } from "./send.js";

const NOT_SETTINGS = ["messages", "prompt", "raw", "tools", "tool_choice", "response_format", "stream"];

export const KINDS = {
  curl: { name: "curl", write: curl },
  python: { name: "Python (httpx)", write: python },
  langchain: { name: "LangChain", write: langchain },
  llamaindex: { name: "LlamaIndex", write: llamaindex },
  worker: { name: "Worker", write: worker },
};

// `request` is {body, faults, shape}; `origin` that of the emulator.
export function copyAs(kind, request, config, origin) {
  return KINDS[kind].write({ ...request, config, origin, extra: extraHeaders(request, config) });
}

function extraHeaders({ faults, shape }, config) {
  return { ...(faults && { [config.faults_header]: faults }), ...(shape && { "x-emulator-shape": shape }) };
}

function curl({ body, config, origin, extra }) {
  const headers = { authorization: `Bearer ${config.api_token}`, "content-type": "application/json", ...extra };
  return (
    [
      `curl ${body.stream ? "--no-buffer " : ""}${shellQuoted(origin + runPath(config))}`,
      ...Object.entries(headers).map(([name, value]) => `  --header ${shellQuoted(`${name}: ${value}`)}`),
      `  --data-raw ${shellQuoted(json(body))}`,
    ].join(" \\\n") + "\n"
  );
}

function python({ body, config, origin, extra }) {
  const headers = { authorization: `Bearer ${config.api_token}`, ...extra };
  const head = `import httpx\n\nurl = ${literal(origin + runPath(config))}\nheaders = ${literal(headers)}\nbody = ${literal(body)}\n\n`;
  if (!body.stream) {
    return `${head}response = httpx.post(url, headers=headers, json=body, timeout=130)\nprint(response.text)\nresponse.raise_for_status()\n`;
  }
  return `${head}with httpx.stream("POST", url, headers=headers, json=body, timeout=130) as response:
    for line in response.iter_lines():
        if line:
            print(line, flush=True)
response.raise_for_status()
`;
}

// The arguments that both integrations take, one a line. Without a max_tokens theirs would be 2048.
function constructor({ body, config, origin, extra }) {
  const standard = Object.fromEntries(
    config.parameters.filter((parameter) => parameter.default).map(({ name, default: value }) => [name, value]),
  );
  const settings = Object.entries(body).filter(([name]) => !NOT_SETTINGS.includes(name));
  const given = {
    base_url: `${origin}/client/v4`,
    account_id: config.account_id,
    api_token: config.api_token,
    max_tokens: standard.max_tokens,
    ...Object.fromEntries(settings),
    ...(Object.keys(extra).length && { default_headers: extra }),
  };
  return `(\n${Object.entries(given)
    .map(([name, value]) => `    ${name}=${indented(literal(value))},\n`)
    .join("")})`;
}

function options(body) {
  const names = ["tools", "tool_choice", "response_format"].filter((name) => name in body);
  return names.map((name) => `, ${name}=${name}`).join("");
}

const assignments = (body, names) =>
  names
    .filter((name) => name in body)
    .map((name) => `${name} = ${literal(body[name])}\n`)
    .join("");

function langchain(request) {
  const { body } = request;
  if ("prompt" in body) {
    const ask = body.stream
      ? 'for text in llm.stream(prompt):\n    print(text, end="", flush=True)\nprint()\n'
      : "print(llm.invoke(prompt))\n";
    return `from langchain_cf_llama import CloudflareLlamaLLM\n\nllm = CloudflareLlamaLLM${constructor(request)}\nprompt = ${literal(body.prompt)}\n\n${ask}`;
  }
  const given = assignments(body, ["tools", "tool_choice", "response_format"]);
  const ask =
    body.stream && !body.tools
      ? `for chunk in llm.stream(messages${options(body)}):\n    print(chunk.text, end="", flush=True)\nprint()\n`
      : `answer = llm.invoke(messages${options(body)})\nprint(answer.text)\n${body.tools ? "print(answer.tool_calls)\n" : ""}`;
  return `from langchain_cf_llama import ChatCloudflareLlama\n\nllm = ChatCloudflareLlama${constructor(request)}\nmessages = ${literal(body.messages)}\n${given}\n${ask}`;
}

function llamaindex(request) {
  const { body } = request;
  const made = `llm = CloudflareLlama${constructor(request)}\n`;
  if ("prompt" in body) {
    const ask = body.stream
      ? 'for part in llm.stream_complete(prompt, formatted=True, raw=True):\n    print(part.delta, end="", flush=True)\nprint()\n'
      : "print(llm.complete(prompt, formatted=True, raw=True).text)\n";
    return `from llama_index_cf_llama import CloudflareLlama\n\n${made}prompt = ${literal(body.prompt)}\n\n${ask}`;
  }
  const given = assignments(body, ["tools", "tool_choice", "response_format"]);
  const messages = body.messages.map((message) => `    ${chatMessage(message)},\n`).join("");
  const ask =
    body.stream && !body.tools
      ? `for part in llm.stream_chat(messages${options(body)}):\n    print(part.delta, end="", flush=True)\nprint()\n`
      : `response = llm.chat(messages${options(body)})\nprint(response.message.content)\n${body.tools ? "for call in llm.get_tool_calls_from_response(response, error_on_no_tool_call=False):\n    print(call.tool_name, call.tool_kwargs)\n" : ""}`;
  return `from llama_index.core.llms import ChatMessage
from llama_index_cf_llama import CloudflareLlama

${made}messages = [\n${messages}]\n${given}\n${ask}`;
}

function chatMessage({ role, content, ...rest }) {
  const more = Object.keys(rest).length ? `, additional_kwargs=${indented(literal(rest))}` : "";
  return `ChatMessage(role=${literal(role)}, content=${literal(content)}${more})`;
}

function worker({ body, config }) {
  const answer = body.stream
    ? 'new Response(answer, { headers: { "content-type": "text/event-stream" } })'
    : "Response.json(answer)";
  return `export default {
  async fetch(request, env) {
    const answer = await env.AI.run(${JSON.stringify(config.model)}, ${json(body, 2).replaceAll("\n", "\n    ")});
    return ${answer};
  },
};
`;
}
