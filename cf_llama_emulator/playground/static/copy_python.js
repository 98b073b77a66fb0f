// The request as a Python program: with httpx, LangChain or LlamaIndex.

import { indented, literal } from "./literals.js";

const NOT_SETTINGS = ["messages", "prompt", "raw", "tools", "tool_choice", "response_format", "stream"];
const OPTIONS = ["tools", "tool_choice", "response_format"];

const lines = (...parts) => `${parts.flat().join("\n")}\n`;

export const SERVICE_URL = "https://api.cloudflare.com/client/v4";

export function httpxProgram({ body, config, extra, service, url }) {
  const ask = body.stream
    ? [
        'with httpx.stream("POST", url, headers=headers, json=body, timeout=130) as response:',
        "    for line in response.iter_lines():",
        "        if line:",
        "            print(line, flush=True)",
      ]
    : ["response = httpx.post(url, headers=headers, json=body, timeout=130)", "print(response.text)"];
  const address = service
    ? [
        `base_url = os.environ.get("CLOUDFLARE_BASE_URL", ${literal(SERVICE_URL)})`,
        `url = f"{base_url}/accounts/{os.environ['CLOUDFLARE_ACCOUNT_ID']}/ai/run/${config.model}"`,
        `headers = {"authorization": f"Bearer {os.environ['CLOUDFLARE_API_TOKEN']}"}`,
      ]
    : [
        `url = ${literal(url)}`,
        `headers = ${literal({ authorization: `Bearer ${config.api_token}`, ...extra })}`,
      ];
  return lines(
    service ? ["import os", ""] : [],
    "import httpx",
    "",
    address,
    `body = ${literal(body)}`,
    "",
    ask,
    "response.raise_for_status()",
  );
}

export function langchainProgram(request) {
  const { body } = request;
  if ("prompt" in body) {
    const given = asked(body, "prompt", `raw=${literal(body.raw === true)}`);
    const ask = body.stream ? printed(`llm.stream(${given})`, "") : [`print(llm.invoke(${given}))`];
    return lines(
      "from langchain_cf_llama import CloudflareLlamaLLM",
      "",
      `llm = CloudflareLlamaLLM${constructor(request)}`,
      `prompt = ${literal(body.prompt)}`,
      assignments(body),
      "",
      ask,
    );
  }
  const whole = [
    `answer = llm.invoke(${asked(body, "messages")})`,
    "print(answer.text)",
    body.tools ? ["print(answer.tool_calls)"] : [],
  ];
  return lines(
    "from langchain_cf_llama import ChatCloudflareLlama",
    "",
    `llm = ChatCloudflareLlama${constructor(request)}`,
    `messages = ${literal(body.messages)}`,
    assignments(body),
    "",
    body.stream && !body.tools ? printed(`llm.stream(${asked(body, "messages")})`, ".text") : whole.flat(),
  );
}

export function llamaindexProgram(request) {
  const { body } = request;
  const model = [
    "from llama_index_cf_llama import CloudflareLlama",
    "",
    `llm = CloudflareLlama${constructor(request)}`,
  ];
  if ("prompt" in body) {
    const form = body.raw ? "raw=True" : 'complete_as="prompt"';
    const given = asked(body, "prompt", "formatted=True", form);
    const ask = body.stream
      ? printed(`llm.stream_complete(${given})`, ".delta")
      : [`print(llm.complete(${given}).text)`];
    return lines(model, `prompt = ${literal(body.prompt)}`, assignments(body), "", ask);
  }
  const calls = [
    "for call in llm.get_tool_calls_from_response(response, error_on_no_tool_call=False):",
    "    print(call.tool_name, call.tool_kwargs)",
  ];
  const whole = [
    `response = llm.chat(${asked(body, "messages")})`,
    "print(response.message.content)",
    body.tools ? calls : [],
  ];
  return lines(
    "from llama_index.core.llms import ChatMessage",
    model,
    "messages = [",
    body.messages.map((message) => `    ${chatMessage(message)},`),
    "]",
    assignments(body),
    "",
    body.stream && !body.tools ? printed(`llm.stream_chat(${asked(body, "messages")})`, ".delta") : whole.flat(),
  );
}

// The arguments that both integrations take, one a line. Without a max_tokens theirs would be 2048.
// Account and token of the service are found in the environment.
function constructor({ body, config, extra, service, base }) {
  const { default: standard } = config.parameters.find(({ name }) => name === "max_tokens");
  const given = {
    ...(!service && { base_url: base, account_id: config.account_id, api_token: config.api_token }),
    max_tokens: standard,
    ...Object.fromEntries(Object.entries(body).filter(([name]) => !NOT_SETTINGS.includes(name))),
    ...(Object.keys(extra).length && { default_headers: extra }),
  };
  const written = Object.entries(given).map(([name, value]) => `    ${name}=${indented(literal(value))},`);
  return `(\n${written.join("\n")}\n)`;
}

const printed = (stream, attribute) => [
  `for part in ${stream}:`,
  `    print(part${attribute}, end="", flush=True)`,
  "print()",
];

const optionsOf = (body) => OPTIONS.filter((name) => name in body);
const asked = (body, ...first) => [...first, ...optionsOf(body).map((name) => `${name}=${name}`)].join(", ");
const assignments = (body) => optionsOf(body).map((name) => `${name} = ${literal(body[name])}`);

function chatMessage({ role, content, ...rest }) {
  const more = Object.keys(rest).length ? `, additional_kwargs=${indented(literal(rest))}` : "";
  return `ChatMessage(role=${literal(role)}, content=${literal(content)}${more})`;
}
