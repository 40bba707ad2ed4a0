// Every action has a key.

import { keeping } from "./keeping.js";

/** @typedef {{keys: string[], does: any, act: string}} Key */

/** @type {Key[]} */
export const KEYS = [
  { keys: ["j", "↓"], does: "keyNext", act: "next" },
  { keys: ["k", "↑"], does: "keyPrevious", act: "previous" },
  { keys: ["t"], does: "keyTake", act: "take" },
  { keys: ["a", "r"], does: "keyAnswer", act: "answer" },
  { keys: ["n"], does: "keyNote", act: "note" },
  { keys: ["f"], does: "keyFiles", act: "files" },
  { keys: ["q"], does: "keyCanned", act: "canned" },
  { keys: ["p"], does: "keyTemplate", act: "template" },
  { keys: ["b"], does: "keyGiveBack", act: "giveBack" },
  { keys: ["c"], does: "keyClose", act: "close" },
  { keys: ["w"], does: "keyWhy", act: "why" },
  { keys: ["e"], does: "keyExplain", act: "explain" },
  { keys: ["g"], does: "keyThread", act: "thread" },
  { keys: ["d"], does: "keyDetails", act: "details" },
  { keys: ["1", "2", "3"], does: "keyLists", act: "list" },
  { keys: ["/"], does: "keySearch", act: "search" },
  { keys: ["s"], does: "keySound", act: "sound" },
  { keys: ["Esc"], does: "keyBack", act: "back" },
  { keys: ["?"], does: "keyHelp", act: "help" },
];

const NAMES = /** @type {Record<string, string>} */ ({ "↓": "ArrowDown", "↑": "ArrowUp", Esc: "Escape" });
const ACTS = new Map(KEYS.flatMap(({ keys, act }) => keys.map((key) => [NAMES[key] ?? key, act])));

/**
 * Hear keys that are not meant for a field, and say which act they stand for.
 * @param {(act: string, key: string) => void} heard
 */
export function hearKeys(heard) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const act = ACTS.get(event.key);
    const target = /** @type {Element} */ (event.composedPath()[0]);
    if (!act || (act !== "back" && (isWriting(target) || !keeping.hasKeys()))) return;
    if (event.key.startsWith("Arrow") && !isList(target)) return;
    event.preventDefault();
    heard(act, event.key);
  });
}

/** @param {Element} target */
function isWriting(target) {
  return target.matches?.("input, textarea, select, [contenteditable]");
}

/** Arrows go through the list only; elsewhere they scroll. @param {Element} target */
function isList(target) {
  return target === document.body || target.closest?.(".list, .strip") !== null;
}
