// A conversation as a link and as a file. What comes in is checked: a link may come from anyone.

import { newSettings } from "./request.js";

const PREFIX = "#talk=";
const VERSION = 1;

export async function toLink(columns) {
  const packed = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(toJson(columns)));
  const text = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""));
  return `${location.origin}/${PREFIX}${text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

// What a link's hash holds; null where it holds no conversation.
export async function fromHash(hash) {
  if (!hash.startsWith(PREFIX)) return null;
  try {
    const text = atob(hash.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/"));
    const packed = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return fromJson(new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), packed)));
  } catch (error) {
    throw new Error(`This link holds no conversation that can be read: ${error.message}`);
  }
}

export const toJson = (columns) => JSON.stringify({ version: VERSION, columns }, null, 2);

export function fromJson(text) {
  const saved = JSON.parse(text);
  check(saved?.version === VERSION, `version must be ${VERSION}`);
  check(Array.isArray(saved.columns) && [1, 2].includes(saved.columns.length), "columns must be one or two");
  return saved.columns.map(({ settings, turns }) => ({
    settings: checkedSettings(settings),
    turns: checkedTurns(turns),
  }));
}

function checkedSettings(given) {
  const settings = newSettings();
  for (const [name, standard] of Object.entries(settings)) {
    if (given?.[name] === undefined) continue;
    check(
      typeof given[name] === typeof standard && given[name] !== null,
      `settings.${name} must be of type ${typeof standard}`,
    );
    settings[name] = given[name];
  }
  const numbers = Object.values(settings.parameters);
  check(
    numbers.every((value) => typeof value === "number"),
    "settings.parameters must be numbers",
  );
  return settings;
}

function checkedTurns(turns) {
  check(Array.isArray(turns), "turns must be a list");
  return turns.map((turn) => {
    const { role, content, tool_calls: calls = [], tool_call_id: answered, name } = turn?.message ?? {};
    check(typeof role === "string" && typeof content === "string", "each message must have role and content");
    check(Array.isArray(calls) && calls.every(isCall), "each tool call must have id, name and arguments");
    check(
      [answered, name].every((value) => ["string", "undefined"].includes(typeof value)),
      "names must be text",
    );
    return {
      isPrompt: turn.isPrompt === true,
      message: {
        role,
        content,
        ...(calls.length && { tool_calls: calls }),
        ...(answered !== undefined && { tool_call_id: answered }),
        ...(name !== undefined && { name }),
      },
    };
  });
}

const isCall = (call) =>
  [call?.id, call?.function?.name, call?.function?.arguments].every((value) => typeof value === "string");

function check(holds, message) {
  if (!holds) throw new Error(message);
}

async function through(transform, bytes) {
  const out = new Response(new Blob([bytes]).stream().pipeThrough(transform));
  return new Uint8Array(await out.arrayBuffer());
}
