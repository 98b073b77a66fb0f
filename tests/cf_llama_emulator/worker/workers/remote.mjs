// A Worker on wrangler's own miniflare, whose remote proxy is the emulator: arguments are its file and the emulator's URL.
import { createRequire } from "node:module";

const [, , scriptPath, baseUrl] = process.argv;
const wrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
const { Miniflare, convertV4MiniflareOptions: options = (given) => given } = wrangler("miniflare");
const remoteProxyConnectionString = new URL("/__emulator/binding", baseUrl);
const miniflare = new Miniflare(
  options({
    host: "127.0.0.1",
    port: 0,
    modules: true,
    scriptPath,
    compatibilityDate: "2026-04-01",
    compatibilityFlags: ["nodejs_compat"],
    ai: { binding: "AI", remoteProxyConnectionString },
  }),
);
console.log((await miniflare.ready).href);
process.on("SIGTERM", () => miniflare.dispose().then(() => process.exit()));
