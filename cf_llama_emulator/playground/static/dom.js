// Elements are made here, and text only ever becomes a text node: nothing that a model says can become markup.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && typeof value !== "string") made[name] = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const byId = (id) => document.getElementById(id);

// Makes `nodes` the children of an element; those that are there already are not touched.
export function showChildren(parent, nodes) {
  for (const child of [...parent.childNodes]) if (!nodes.includes(child)) child.remove();
  nodes.forEach((node, position) => {
    if (parent.childNodes[position] !== node) parent.insertBefore(node, parent.childNodes[position] ?? null);
  });
}

// Calls a function at most once a frame.
export function oncePerFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}

let announcer;
export function announce(text) {
  announcer ??= byId("announcer");
  announcer.textContent = text;
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied.");
    return true;
  } catch {
    announce("The browser did not allow copying.");
    return false;
  }
}

export function copyButton(label, text) {
  const button = element(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: async () => {
        button.textContent = (await copyText(text())) ? "Copied" : "Not allowed";
        setTimeout(() => (button.textContent = label), 1500);
      },
    },
    label,
  );
  return button;
}
