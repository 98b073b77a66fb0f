// The Llama 3.3 chat template: messages as the one text that the model itself reads.

const header = (role) => `<|start_header_id|>${role}<|end_header_id|>\n\n`;
const turn = (role, content) => `${header(role)}${content}<|eot_id|>`;

export function renderTemplate(system, messages) {
  const facts = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
  const turns = [turn("system", facts + system.trim()), ...messages.map(rendered), header("assistant")];
  return `<|begin_of_text|>${turns.join("")}`;
}

function rendered(message) {
  if (message.role === "tool") return turn("ipython", message.content);
  const calls = (message.tool_calls ?? []).map(({ function: called }) =>
    turn("assistant", `{"name": ${JSON.stringify(called.name)}, "parameters": ${called.arguments}}`),
  );
  const said = message.content.trim() || !calls.length ? turn(message.role, message.content.trim()) : "";
  return said + calls.join("");
}
