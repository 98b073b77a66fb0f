// Scripts an emulator at the address in the arguments with the client that is shipped.
import { Emulator, type Turn } from "./emulator.ts";

const emulator = new Emulator(process.argv[2]);
const call: Turn = { call: { name: "add", arguments: { a: 1 } } };
const said = [await emulator.say("One", call), await emulator.say([{ faults: "retry-after=7" }, "two"], { error: 3040 })];
await emulator.faults("capacity");
await emulator.always("latency=0.01");
const refused = await emulator.always("latensy").catch((error: Error) => error.message);
const nowhere = await new Emulator("http://127.0.0.1:9").reset().catch((error: Error) => error.message);
console.log(JSON.stringify({ said, refused, nowhere, requests: await emulator.requests(), left: await emulator.reset() }));
