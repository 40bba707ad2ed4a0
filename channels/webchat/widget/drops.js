// Where files may be dropped is shown. Loaded when something is dragged over it for the first time.

import { element } from "../ui/parts.js";
import { sheet } from "../ui/tokens.js";

/** @param {import("./element.js").Widget} widget */
export function showDrops(widget) {
  const { panel, talk } = widget;
  const target = element("div", "drop", widget.say("drop"));
  target.hidden = true;
  talk.append(target);
  widget.wear(dropStyle);
  panel.addEventListener("dragover", (event) => {
    if (holdsFiles(event)) target.hidden = false;
  });
  panel.addEventListener("dragleave", (event) => {
    if (!panel.contains(/** @type {Node | null} */ (event.relatedTarget))) target.hidden = true;
  });
  panel.addEventListener("drop", () => {
    target.hidden = true;
  });
}

function holdsFiles(/** @type {DragEvent} */ event) {
  return Boolean(event.dataTransfer?.types.includes("Files"));
}

const dropStyle = sheet(`
.drop { position: absolute; inset: 8px; display: grid; place-items: center; border: 2px dashed var(--accent-text); border-radius: 12px; background: color-mix(in oklab, var(--card) 92%, transparent); color: var(--accent-text); font-weight: 600; pointer-events: none; }
`);
