// The shown request as a program of one's own, to be pasted and run.

import { SERVICE_URL, httpxProgram, langchainProgram, llamaindexProgram } from "./copy_python.js";
import { json, shellQuoted } from "./literals.js";
import { runPath } from "./send.js";

export const KINDS = {
  curl: { name: "curl", write: curlCommand },
  python: { name: "Python (httpx)", write: httpxProgram },
  langchain: { name: "LangChain", write: langchainProgram },
  llamaindex: { name: "LlamaIndex", write: llamaindexProgram },
  worker: { name: "Worker", write: workerModule },
};

// `request` is {body, faults, shape, service}; `origin` that of the emulator. What the service answered is asked of it
// again with the account and the token of the program's own environment.
export function copyAs(kind, { body, faults, shape, service }, config, origin) {
  const extra = { ...(faults && { [config.faults_header]: faults }), ...(shape && { "x-emulator-shape": shape }) };
  const base = `${origin}/client/v4`;
  return KINDS[kind].write({ body, config, extra, service, base, url: origin + runPath(config) });
}

function curlCommand({ body, config, extra, service, url }) {
  const headers = { "content-type": "application/json", ...extra };
  const quotedUrl = service
    ? `"\${CLOUDFLARE_BASE_URL:-${SERVICE_URL}}/accounts/$CLOUDFLARE_ACCOUNT_ID/ai/run/${config.model}"`
    : shellQuoted(url);
  const authorization = service
    ? '"authorization: Bearer $CLOUDFLARE_API_TOKEN"'
    : shellQuoted(`authorization: Bearer ${config.api_token}`);
  const parts = [
    `curl ${body.stream ? "--no-buffer " : ""}${quotedUrl}`,
    `--header ${authorization}`,
    ...Object.entries(headers).map(([name, value]) => `--header ${shellQuoted(`${name}: ${value}`)}`),
    `--data-raw ${shellQuoted(json(body))}`,
  ];
  return `${parts.join(" \\\n  ")}\n`;
}

function workerModule({ body, config }) {
  const answer = body.stream
    ? 'new Response(answer, { headers: { "content-type": "text/event-stream" } })'
    : "Response.json(answer)";
  return `export default {
  async fetch(request, env) {
    const answer = await env.AI.run(${json(config.model)}, ${json(body, 2).replaceAll("\n", "\n    ")});
    return ${answer};
  },
};
`;
}
