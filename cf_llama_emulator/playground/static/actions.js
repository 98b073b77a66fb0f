// What is done with whole conversations: compare, share, save, load, begin anew.

import { announce, copyText, element } from "./dom.js";
import { fromJson, toJson, toLink } from "./share.js";

const LONGEST_LINK = 2_000_000; // characters; Chromium opens no longer ones

export function drawActions(root, workbench, report) {
  const compare = button("Compare", () => workbench.compare(!workbench.comparing));
  const share = button("Copy link", async () => {
    const link = await toLink(workbench.save());
    if (link.length > LONGEST_LINK) {
      report("This conversation is too long for a link. Save it as a file.");
      return;
    }
    report("");
    history.replaceState(null, "", new URL(link).hash);
    share.textContent = (await copyText(link)) ? "Copied" : "In the address bar";
    setTimeout(() => (share.textContent = "Copy link"), 1500);
  });
  const file = element("input", {
    type: "file",
    accept: "application/json,.json",
    id: "load-file",
    class: "unseen",
    tabindex: -1,
    "aria-label": "Conversation to load",
  });
  file.addEventListener("change", async () => {
    try {
      workbench.load(fromJson(await file.files[0].text()));
      announce("Loaded.");
    } catch (error) {
      report(`This file holds no conversation that can be read: ${error.message}`);
    }
    file.value = "";
  });
  const fresh = button("New", () => {
    report("");
    workbench.columns.forEach((column) => column.clear());
    history.replaceState(null, "", "/");
  });
  const mark = () => compare.setAttribute("aria-pressed", String(workbench.comparing));
  workbench.addEventListener("select", mark);
  mark();
  root.replaceChildren(
    compare,
    share,
    button("Save", () => download(toJson(workbench.save()))),
    button("Load", () => file.click()),
    file,
    fresh,
  );
}

const button = (name, onclick) => element("button", { type: "button", class: "quiet", onclick }, name);

function download(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  element("a", { href: url, download: "conversation.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
