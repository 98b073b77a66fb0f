// Runs a Python program in Pyodide, with `env.AI` as a Worker has it: its requests go to an emulator.
import { readFileSync } from "node:fs";

const { WORKER_TOOLS, REPOSITORY, HOST_PACKAGES, PROGRAM, AI_URL, AI_TOKEN } = process.env;

// The name is the genuine one: Cloudflare's SDK recognizes the class by it.
class Ai {
  lastBody = null;
  cancelled = false;

  async run(model, inputs, options = {}) {
    this.lastBody = JSON.stringify(inputs);
    const last = inputs.messages?.at(-1)?.content;
    if (last === "lose the connection") throw new Error("Network connection lost.");
    if (last === "never answer") return new Promise(() => {});
    if (last === "give no body") return new Response(null, { status: 502 });
    if (last === "give an object") return { response: "an object", usage: { prompt_tokens: 3 } };
    const { "x-emulator-faults": faults = "", ...headers } = options.extraHeaders ?? {};
    const response = await fetch(`${AI_URL}/${model}`, {
      method: "POST",
      headers: {
        ...headers,
        authorization: `Bearer ${AI_TOKEN}`,
        "content-type": "application/json",
        "x-emulator-faults": ["bare", "form=binding", faults].filter(Boolean).join(", "),
      },
      body: this.lastBody,
    });
    if (options.returnRawResponse && last !== "give content") return this.#watched(response);
    if (!response.ok) {
      const { internalCode, description } = await response.json();
      throw Object.assign(new Error(`${internalCode}: ${description}`), { name: "InferenceUpstreamError" });
    }
    return response.headers.get("content-type") === "application/json" ? response.json() : response.body;
  }

  // A response that tells whether its stream was given up.
  #watched(response) {
    const reader = response.body.getReader();
    const body = new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await reader.read();
        done ? controller.close() : controller.enqueue(value);
      },
      cancel: (reason) => {
        this.cancelled = true;
        return reader.cancel(reason);
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  }
}

const { loadPyodide } = await import(`${WORKER_TOOLS}/node_modules/pyodide/pyodide.mjs`);
const pyodide = await loadPyodide({ stdout: (line) => process.stdout.write(`${line}\n`) });
globalThis.env = { AI: new Ai() };
for (const [place, folder] of [["/site", `${WORKER_TOOLS}/site`], ["/repository", REPOSITORY], ["/host", HOST_PACKAGES]])
  pyodide.mountNodeFS(place, folder);
// What is compiled comes from /site; what is Python alone may come from the packages of the tests.
pyodide.runPython("import sys; sys.path[:0] = ['/site', '/repository']; sys.path.append('/host')");
await pyodide.runPythonAsync(readFileSync(PROGRAM, "utf8"));
process.exit(0); // promises that are never settled would keep it
