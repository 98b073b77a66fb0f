// Values as they are written in other languages.

export const json = (value, indent) => JSON.stringify(value, null, indent);

// JSON as Python writes it, with spaces.
export function spaced(value) {
  if (typeof value !== "object" || value === null || JSON.isRawJSON?.(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  return `{${Object.entries(value)
    .map(([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`)
    .join(", ")}}`;
}

export const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export const indented = (text) => text.replaceAll("\n", "\n    ");

const WIDTH = 90; // what is shorter stands on one line

// A Python literal; control characters and lone surrogates are escaped.
export function literal(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object" || JSON.isRawJSON?.(value)) return JSON.stringify(value);
  const items = Array.isArray(value)
    ? value.map((item) => literal(item))
    : Object.entries(value).map(([key, item]) => `${quoted(key)}: ${literal(item)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const short = `${open}${items.join(", ")}${close}`;
  if (short.length <= WIDTH && !short.includes("\n")) return short;
  return `${open}\n${items.map((item) => `    ${indented(item)},\n`).join("")}${close}`;
}

// JSON's escapes are Python's too; what a text holds is never indented, as its line ends are escaped.
const quoted = (text) =>
  JSON.stringify(text).replaceAll("\x7f", "\\x7f").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
