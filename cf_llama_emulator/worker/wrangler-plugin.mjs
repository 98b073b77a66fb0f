// A plugin of miniflare, and so of `wrangler dev`: a binding with the genuine code of `env.AI` in front of `bridge.mjs`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const BRIDGE = readFileSync(new URL("bridge.mjs", import.meta.url), "utf8");
const DATE = "2026-04-01";
const PLUGIN = "cf-llama-ai";

const serviceName = (worker, binding) => `${PLUGIN}:${worker}:${binding}`;
const networkName = (worker, binding) => `${serviceName(worker, binding)}:network`;

function textBindings({ baseUrl, accountId, apiToken }) {
  const values = { BASE_URL: baseUrl, ACCOUNT_ID: accountId, API_TOKEN: apiToken };
  return Object.entries(values).map(([name, text]) => ({ name, text }));
}

/** Our bindings of a Worker: miniflare 4 lists them, miniflare 5 gives all that the Worker is configured with. */
function bindingsOf(given) {
  const named = Object.entries(given?.config?.env ?? {}).map(([name, { dev }]) => ({ name, ...dev }));
  const bindings = Array.isArray(given) ? given : named.filter(({ plugin }) => plugin?.name === PLUGIN);
  for (const { name, options } of bindings)
    for (const option of ["baseUrl", "accountId", "apiToken"])
      if (typeof options?.[option] !== "string")
        throw new Error(`The binding ${name} needs the option ${option}, a text; \`cf-llama worker\` prints them all.`);
  return bindings;
}

/** The very miniflare that runs: it knows its own classes only, and this file cannot import it by name. */
function loadedMiniflare() {
  const modules = Object.values(createRequire(import.meta.url).cache);
  const found = modules.find(({ exports }) => exports && "ProxyNodeBinding" in exports && "Miniflare" in exports);
  if (!found) throw new Error("The plugin runs in miniflare, and that is not loaded.");
  return found.exports;
}

export const plugins = {
  [PLUGIN]: {
    options: { parse: (given) => given, safeParse: (given) => ({ success: true, data: given }) },
    getBindings: (given, ...rest) => // of which the Worker's number is the last
      bindingsOf(given).map(({ name }) => ({
        name,
        wrapped: {
          moduleName: "cloudflare-internal:ai-api",
          innerBindings: [{ name: "fetcher", service: { name: serviceName(rest.at(-1), name) } }],
        },
      })),
    getNodeBindings: (given) => {
      const { ProxyNodeBinding } = loadedMiniflare();
      return Object.fromEntries(bindingsOf(given).map(({ name }) => [name, new ProxyNodeBinding()]));
    },
    getServices: ({ options: given, workerIndex: worker }) =>
      bindingsOf(given).flatMap(({ name, options }) => [
        { name: networkName(worker, name), network: { allow: ["local", "private", "public"], deny: [] } },
        {
          name: serviceName(worker, name),
          worker: {
            modules: [{ name: "bridge.mjs", esModule: BRIDGE }],
            compatibilityDate: DATE,
            compatibilityFlags: ["enable_request_signal"],
            bindings: textBindings(options),
            globalOutbound: { name: networkName(worker, name) },
          },
        },
      ]),
  },
};
