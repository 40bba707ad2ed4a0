// The files that are chosen and not sent yet: a look at each, what is wrong with it, and a way to take it off.

import { icon } from "../ui/icons.js";
import { element, spoken } from "../ui/parts.js";
import { fileSize } from "../ui/times.js";
import { sheet } from "../ui/tokens.js";

const MAX_FILES = 10;

/** @typedef {{file: File, problem: string, preview: string}} Chosen */

export class Shelf {
  /** @param {(key: any, values?: any) => string} say @param {string} language */
  constructor(say, language) {
    this.say = say;
    this.language = language;
    /** @type {Chosen[]} */
    this.all = [];
    this.node = element("div", "files");
    this.changed = () => {};
  }

  /** How many can be sent. */
  get count() {
    return this.all.filter(({ problem }) => !problem).length;
  }

  /** @param {File[]} files @param {number} maxBytes @param {string[]} types media types that are taken; empty: any */
  add(files, maxBytes, types) {
    for (const file of files.slice(0, MAX_FILES - this.all.length)) {
      const isPicture = file.type.startsWith("image/") && file.type !== "image/svg+xml";
      this.all.push({ file, problem: this.problem(file, maxBytes, types), preview: isPicture ? URL.createObjectURL(file) : "" });
    }
    this.show();
  }

  /** Those that can be sent, which leave. @returns {File[]} */
  take() {
    const taken = this.all.filter(({ problem }) => !problem);
    this.drop(taken);
    return taken.map(({ file }) => file);
  }

  problem(/** @type {File} */ file, /** @type {number} */ maxBytes, /** @type {string[]} */ types) {
    if (!file.size) return this.say("empty_file");
    if (file.type && types.length && !types.includes(file.type)) return this.say("bad_type");
    return file.size > maxBytes ? this.say("too_large", { size: fileSize(maxBytes, this.language) }) : "";
  }

  drop(/** @type {Chosen[]} */ gone) {
    for (const { preview } of gone) if (preview) URL.revokeObjectURL(preview);
    this.all = this.all.filter((one) => !gone.includes(one));
    this.show();
  }

  show() {
    this.node.hidden = !this.all.length;
    this.node.replaceChildren(...this.all.map((one) => this.chip(one)));
    this.changed();
  }

  chip(/** @type {Chosen} */ one) {
    const { file, problem, preview } = one;
    const words = element("div", "", element("b", "", file.name), element("i", "", problem || fileSize(file.size, this.language)));
    const remove = element("button", "", icon("close", 14), spoken(this.say("remove", { name: file.name })));
    remove.setAttribute("type", "button");
    remove.addEventListener("click", () => this.drop([one]));
    const look = preview ? Object.assign(document.createElement("img"), { src: preview, alt: "" }) : icon("file", 24);
    return element("div", problem ? "chosen bad" : "chosen", look, words, remove);
  }
}

export const shelfStyle = sheet(`
.files { display: flex; gap: 8px; overflow-x: auto; padding: 8px 2px 10px; scrollbar-width: thin; }
.chosen { flex: none; position: relative; display: flex; align-items: center; gap: 8px; max-width: 220px; height: 56px; padding: 0 12px 0 8px; border: 1px solid var(--line); border-radius: 10px; background: var(--paper); }
.chosen img { width: 40px; height: 40px; border-radius: 6px; object-fit: cover; }
.chosen div { min-width: 0; font: var(--small); }
.chosen b, .chosen i { display: block; font-style: normal; font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.chosen i { color: var(--ink-soft); font-weight: 400; }
.chosen.bad { border-color: var(--bad); max-width: 280px; }
.chosen.bad i { color: var(--bad); white-space: normal; }
.chosen button { position: absolute; top: -8px; right: -8px; width: 24px; height: 24px; display: grid; place-items: center; border-radius: 50%; background: var(--ink); color: var(--paper); }
`);
