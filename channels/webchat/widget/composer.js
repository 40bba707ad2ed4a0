// Where the visitor writes: text that grows, files that are picked, pasted or dropped.

import { icon } from "../ui/icons.js";
import { element, spoken } from "../ui/parts.js";

export const MAX_TEXT_CHARS = 10_000;
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
    /** @type {import("./shelf.js").Shelf | undefined} what is chosen, once something was */
    this.shelf = undefined;
    this.typedAt = 0;
    this.wear = (/** @type {CSSStyleSheet} */ _sheet) => {};
    this.build();
    this.listen();
  }

  build() {
    this.wrong = element("p", "wrong");
    this.wrong.setAttribute("role", "alert");
    this.wrong.hidden = true;
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
    this.field = element("div", "field", this.attach, this.input, this.sender);
    this.node = element("div", "composer", this.wrong, this.field, this.picker);
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
  async add(files) {
    if (!files.length) return;
    const { Shelf, shelfStyle } = await import("./shelf.js");
    this.wear(shelfStyle);
    this.shelf ??= this.furnish(new Shelf(this.say, this.language));
    this.shelf.add(files, this.maxBytes, this.types);
    this.focus();
  }

  furnish(/** @type {import("./shelf.js").Shelf} */ shelf) {
    this.field.before(shelf.node);
    shelf.changed = () => {
      this.refresh();
      this.focus();
    };
    return shelf;
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
    if (text.length > MAX_TEXT_CHARS) {
      this.complain(this.say("too_long", { n: MAX_TEXT_CHARS.toLocaleString(this.language) }));
      return;
    }
    if (!text && !this.shelf?.count) return;
    const files = this.shelf?.take() ?? [];
    this.typing(false);
    this.input.value = "";
    this.refresh();
    this.tell("draft", { text: "" });
    this.tell("say", { text, files });
  }

  complain(/** @type {string} */ text) {
    this.wrong.textContent = text;
    this.wrong.hidden = false;
  }

  refresh() {
    /** @type {HTMLButtonElement} */ (this.sender).disabled = !this.input.value.trim() && !this.shelf?.count;
    if (!CSS.supports("field-sizing", "content")) {
      this.input.style.height = "auto";
      this.input.style.height = `${this.input.scrollHeight}px`;
    }
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
