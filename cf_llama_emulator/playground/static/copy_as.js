// The shown request as a program of one's own, to be pasted and run.

import { httpxProgram, langchainProgram, llamaindexProgram } from "./copy_python.js";
import { json, shellQuoted } from "./literals.js";
import { runPath } from "./send.js";

export const KINDS = {
  curl: { name: "curl", write: curlCommand },
  python: { name: "Python (httpx)", write: httpxProgram },
  langchain: { name: "LangChain", write: langchainProgram },
  llamaindex: { name: "LlamaIndex", write: llamaindexProgram },
  worker: { name: "Worker", write: workerModule },
};

// `request` is {body, faults, shape}; `origin` that of the emulator.
export function copyAs(kind, { body, faults, shape }, config, origin) {
  const extra = { ...(faults && { [config.faults_header]: faults }), ...(shape && { "x-emulator-shape": shape }) };
  return KINDS[kind].write({ body, config, extra, base: `${origin}/client/v4`, url: origin + runPath(config) });
}

function curlCommand({ body, config, extra, url }) {
  const headers = { authorization: `Bearer ${config.api_token}`, "content-type": "application/json", ...extra };
  const parts = [
    `curl ${body.stream ? "--no-buffer " : ""}${shellQuoted(url)}`,
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
