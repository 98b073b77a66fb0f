// The bindings of a configuration in Node.js, as frameworks' own development servers use them.
import { getPlatformProxy } from "wrangler";

const { env, dispose } = await getPlatformProxy({ configPath: process.argv[2], persist: false });
const model = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
const whole = await env.AI.run(model, { prompt: "Hello" });
const stream = await env.AI.run(model, { prompt: "Hello", stream: true });
const text = await new Response(stream).text();
const refused = await env.AI.run(model, {}).catch(({ message }) => message);
console.log(JSON.stringify({ whole, text, refused }));
await dispose();
