// Miniflare 4 itself, as test runners use it, with the plugin: arguments are the plugin's file and the emulator's URL.
import { Miniflare } from "miniflare-4";

const [, , file, baseUrl, accountId, apiToken] = process.argv;
const plugin = { package: file, name: "cf-llama-ai" };
const binding = { type: "ai-emulator", plugin, options: { baseUrl, accountId, apiToken } };
const script = `export default {
  async fetch(request, env) {
    return Response.json([await env.AI.run("@cf/baai/bge-m3", { text: "a" }), await env.OTHER.models({ search: "m3" })]);
  },
};`;
const miniflare = new Miniflare({
  modules: true,
  script,
  compatibilityDate: "2026-04-01",
  unsafeBindings: [{ name: "AI", ...binding }, { name: "OTHER", ...binding }],
});
const [answer, models] = await (await miniflare.dispatchFetch("http://worker/")).json();
console.log(JSON.stringify([answer.shape, models.map(({ name }) => name)]));
await miniflare.dispose();
