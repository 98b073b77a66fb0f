// Tabs of the page, and on narrow screens the part of the chat that is shown.

import { byId } from "./dom.js";

export function startTabs(shown = () => {}) {
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const show = (chosen) => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !selected;
    }
    shown(chosen.id);
  };
  tabs.forEach((tab, position) => {
    tab.addEventListener("click", () => show(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(position + step + tabs.length) % tabs.length];
      next.focus();
      show(next);
    });
  });
  return (id) => show(byId(id));
}

export function startPanes() {
  const chat = byId("page-chat");
  const buttons = [...chat.querySelectorAll(".panes button")];
  const show = (name) => {
    chat.dataset.pane = name;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.pane === name)));
  };
  buttons.forEach((button) => button.addEventListener("click", () => show(button.dataset.pane)));
  return show;
}
