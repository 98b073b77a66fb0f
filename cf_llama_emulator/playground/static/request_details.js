// One answered request as a whole.

import { copyButton, element } from "./dom.js";
import { fromBody } from "./import_request.js";
import { pretty } from "./reply.js";

// A request as settings and turns of a column; null for what is no conversation.
export function conversationOf({ content }, config) {
  try {
    return fromBody(
      JSON.parse(content),
      config.parameters.map(({ name }) => name),
    );
  } catch {
    return null;
  }
}

export function drawDetails(root, whole, config, bring, closed) {
  const brought = conversationOf(whole, config);
  const toChat = element("button", { type: "button", class: "primary", disabled: !brought }, "Bring into the chat");
  toChat.addEventListener("click", () => bring(brought));
  const close = element("button", { type: "button", class: "quiet" }, "Close");
  close.addEventListener("click", () => {
    root.hidden = true;
    closed();
  });
  const copy = copyButton("Copy", () => whole.content);
  const why = "This is no conversation, so it cannot be brought into the chat.";
  root.replaceChildren(
    element("div", { class: "row" }, toChat, copy, close),
    element("p", { class: "hint", hidden: Boolean(brought) }, why),
    element("h2", {}, `${whole.method} ${whole.route}`),
    element("pre", { tabindex: 0, "aria-label": "Request" }, pretty(whole.content)),
    element("h2", {}, `Answer${whole.status ? `, HTTP ${whole.status}` : ""}`),
    element("pre", { tabindex: 0, "aria-label": "Answer" }, pretty(whole.answer) + (whole.answer_is_cut ? "\n…" : "")),
  );
  root.hidden = false;
  (brought ? toChat : close).focus();
}
