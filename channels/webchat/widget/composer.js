// Where the visitor writes: text that grows, files that are picked, pasted or dropped.

import { icon } from "../ui/icons.js";
import { element, spoken } from "../ui/parts.js";
import { fileSize } from "../ui/times.js";

export const MAX_TEXT_CHARS = 10_000;
const MAX_FILES = 10;
const TYPING_EVERY_MS = 4_000;
const TYPING_ENDS_MS = 6_000;

/**
 * @typedef {object} Said
 * @property {string} text
 * @property {File[]} files
 */

/** Fires `say` {text, files}, `typing` {on}, `draft` {text}. */
export class Composer extends EventTarget {
  /** @param {(key: any, values?: any) => string} say @param {string} language */
  constructor(say, language) {
    super();
    this.say = say;
    this.language = language;
    this.maxBytes = Infinity;
    /** @type {string[]} media types that the site takes; empty: it will say */
    this.types = [];
    /** @type {{file: File, problem: string, preview: string}[]} */
    this.chosen = [];
    this.typedAt = 0;
    this.build();
    this.listen();
  }

  build() {
    this.wrong = element("p", "wrong");
    this.wrong.setAttribute("role", "alert");
    this.wrong.hidden = true;
    this.shelf = element("div", "files");
    this.shelf.hidden = true;
    this.input = document.createElement("textarea");
    this.input.rows = 1;
    this.input.placeholder = this.say("write");
    this.input.setAttribute("aria-label", this.say("write"));
    this.input.enterKeyHint = "send";
    this.input.dir = "auto";
    this.picker = document.createElement("input");
    this.picker.type = "file";
    this.picker.multiple = true;
    this.picker.hidden = true;
    this.attach = tool("attach", this.say("attach"));
    this.sender = tool("send", this.say("send"));
    this.sender.classList.add("send");
    const field = element("div", "field", this.attach, this.input, this.sender);
    this.node = element("div", "composer", this.wrong, this.shelf, field, this.picker);
    this.refresh();
  }

  listen() {
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.add(files);
    });
    this.input.addEventListener("blur", () => this.typing(false));
    this.sender.addEventListener("click", () => this.send());
    this.attach.addEventListener("click", () => {
      this.picker.accept = this.types.join(",");
      this.picker.click();
    });
    this.picker.addEventListener("change", () => {
      this.add([...(this.picker.files ?? [])]);
      this.picker.value = "";
    });
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  /** @param {string} text */
  set draft(text) {
    this.input.value = text;
    this.refresh();
  }

  /** @param {File[]} files */
  add(files) {
    for (const file of files.slice(0, MAX_FILES - this.chosen.length)) {
      const preview = file.type.startsWith("image/") && file.type !== "image/svg+xml" ? URL.createObjectURL(file) : "";
      this.chosen.push({ file, problem: this.problem(file), preview });
    }
    this.refresh();
    this.focus();
  }

  problem(/** @type {File} */ file) {
    if (!file.size) return this.say("empty_file");
    if (file.type && this.types.length && !this.types.includes(file.type)) return this.say("bad_type");
    return file.size > this.maxBytes ? this.say("too_large", { size: fileSize(this.maxBytes, this.language) }) : "";
  }

  typed() {
    this.wrong.hidden = true;
    this.refresh();
    this.tell("draft", { text: this.input.value });
    this.typing(this.input.value !== "");
  }

  /** At most one frame in some seconds while somebody writes, and one when they cease. */
  typing(/** @type {boolean} */ on) {
    clearTimeout(this.typingTimer);
    if (on) this.typingTimer = setTimeout(() => this.typing(false), TYPING_ENDS_MS);
    const isDue = on ? Date.now() - this.typedAt > TYPING_EVERY_MS : this.typedAt > 0;
    if (!isDue) return;
    this.typedAt = on ? Date.now() : 0;
    this.tell("typing", { on });
  }

  send() {
    const text = this.input.value.trim();
    const files = this.chosen.filter(({ problem }) => !problem).map(({ file }) => file);
    if (text.length > MAX_TEXT_CHARS) return this.complain(this.say("too_long", { n: MAX_TEXT_CHARS.toLocaleString(this.language) }));
    if (!text && !files.length) return;
    this.typing(false);
    this.input.value = "";
    this.forget(this.chosen.filter(({ problem }) => !problem));
    this.refresh();
    this.tell("draft", { text: "" });
    this.tell("say", { text, files });
  }

  complain(/** @type {string} */ text) {
    this.wrong.textContent = text;
    this.wrong.hidden = false;
  }

  forget(/** @type {{preview: string}[]} */ gone) {
    for (const { preview } of gone) if (preview) URL.revokeObjectURL(preview);
    this.chosen = this.chosen.filter((one) => !gone.includes(one));
  }

  refresh() {
    const canSend = this.input.value.trim() !== "" || this.chosen.some(({ problem }) => !problem);
    /** @type {HTMLButtonElement} */ (this.sender).disabled = !canSend;
    if (!CSS.supports("field-sizing", "content")) {
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
    }
    this.shelf.hidden = !this.chosen.length;
    this.shelf.replaceChildren(...this.chosen.map((one) => this.chip(one)));
  }

  chip(/** @type {{file: File, problem: string, preview: string}} */ one) {
    const words = element("div", "", element("b", "", one.file.name), element("i", "", one.problem || fileSize(one.file.size, this.language)));
    const remove = element("button", "", icon("close", 14), spoken(this.say("remove", { name: one.file.name })));
    remove.setAttribute("type", "button");
    remove.addEventListener("click", () => {
      this.forget([one]);
      this.refresh();
      this.focus();
    });
    let look = /** @type {Node} */ (icon("file", 24));
    if (one.preview) look = Object.assign(document.createElement("img"), { src: one.preview, alt: "" });
    return element("div", one.problem ? "chosen bad" : "chosen", look, words, remove);
  }

  tell(/** @type {string} */ name, /** @type {any} */ detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/**
 * A round button with a picture and words for screen readers.
 * @param {Parameters<typeof icon>[0]} name
 * @param {string} label
 */
export function tool(name, label) {
  const button = element("button", "tool", icon(name), spoken(label));
  button.setAttribute("type", "button");
  button.title = label;
  return button;
}
