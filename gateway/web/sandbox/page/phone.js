// <tertulia-phone>: a customer's phone with one app open. The skin says which habits the app has.

import { icon } from "/ui/icons.js";
import { link, safeLink } from "/ui/markdown.js";
import { clockTime, dayName, isSameDay } from "/ui/times.js";
import { sheet } from "/ui/tokens.js";
import { button, make, spoken } from "./nodes.js";
import { phoneStyle } from "./phone-style.js";
import { pageTexts } from "./texts.js";

const AT_END_PX = 40;
const LOOKS = /** @type {Record<string, string>} */ ({ bold: "strong", italic: "em", strike: "s", code: "code" });
const PICTURES = "image/png,image/jpeg,image/gif,image/webp";

/**
 * @typedef {{label: string, key?: string, url?: string}} Button
 * @typedef {{text: string, look?: string[], url?: string}} Run
 * @typedef {{kind: string, name?: string, facts?: string, file?: string, url?: string}} Attachment
 * @typedef {{id: string, at: string, is_own?: boolean, runs?: Run[], rows?: Button[][], attachments?: Attachment[],
 *   ticks?: number, is_edited?: boolean}} Message
 * @typedef {{revision: number, order: string[], messages: Message[], typing_s: number, keyboard: Button[][]}} View
 * @typedef {{light: string, dark: string}} Shade
 */

/**
 * `dress(skin, fileUrl)` first, then `show(view)` for each change. Events: `writes` {text}, `presses` {message, key},
 * `picture` {file}, `place`.
 */
export class Phone extends HTMLElement {
  constructor() {
    super();
    this._language = "en";
    this._say = pageTexts("en");
    /** @type {any} */
    this._skin = null;
    /** @type {(key: string) => string} */
    this._fileUrl = () => "";
    /** @type {Map<string, {message: Message, node: HTMLElement}>} */
    this._messages = new Map();
    /** @type {string[]} */
    this._order = [];
    this._unread = 0;
    this._typingTimer = 0;
    this._isTyping = false;
    this._isFirst = true;
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet(phoneStyle)];
  }

  get language() {
    return this._language;
  }

  set language(language) {
    if (language === this._language) return;
    this._language = language;
    this._say = pageTexts(language);
    if (this._skin) this._build();
  }

  /**
   * @param {any} skin
   * @param {(key: string) => string} fileUrl where the content of a file is
   */
  dress(skin, fileUrl) {
    this._skin = skin;
    this._fileUrl = fileUrl;
    for (const name of ["header", "on_header", "wallpaper", "bubble", "ink", "own_bubble", "own_ink", "soft", "accent"]) {
      const shade = /** @type {Shade} */ (skin[name]);
      this.style.setProperty(`--phone-${name.replaceAll("_", "-")}`, `light-dark(${shade.light}, ${shade.dark})`);
    }
    this.style.setProperty("--phone-radius", `${Number(skin.radius_px)}px`);
    this._build();
  }

  /** @param {View} view what changed on the screen */
  show(view) {
    const isAtEnd = this._isAtEnd();
    let hasOwn = false;
    for (const message of view.messages) {
      const known = this._messages.get(message.id);
      if (!known && !this._isFirst) {
        hasOwn ||= Boolean(message.is_own);
        if (!isAtEnd && !message.is_own) this._unread += 1;
      }
      this._messages.set(message.id, { message, node: known?.node ?? make("div") });
      this._draw(message);
    }
    this._order = view.order;
    this._arrange();
    this._showKeyboard(view.keyboard ?? []);
    this._showTyping(view.typing_s);
    if (this._isFirst || isAtEnd || hasOwn) this._toEnd();
    this._showPill();
    this._isFirst = false;
  }

  /**
   * Type a text as a person would, and send it.
   * @param {string} text
   */
  async typeAndSend(text) {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const letters = [...text];
    const pause = Math.min(28, 700 / letters.length);
    for (let end = 1; !isCalm && end <= letters.length; end += 1) {
      this._field.value = letters.slice(0, end).join("");
      await new Promise((go) => setTimeout(go, pause));
    }
    this._field.value = text;
    this._send();
  }

  // ---------------------------------------------------------------- the frame

  _build() {
    const { title, subtitle } = this._skin;
    const name = make("span", "name", title);
    this._subtitle = make("span", "subtitle", subtitle[this._language] ?? "");
    const initials = title.split(/\s+/).slice(0, 2).map((/** @type {string} */ word) => word[0] ?? "").join("");
    this._clock = make("span", "clock", clockTime(new Date(), this._language));
    const status = make("div", { class: "status", "aria-hidden": "true" }, this._clock, make("span", "signal", ...bars()));
    const header = make("header", "", icon("back", 20), make("span", { class: "avatar", "aria-hidden": "true" }, initials), make("span", "who", name, this._subtitle));
    const old = this._list;
    this._list = make("div", { class: "list", role: "log", tabindex: "0", "aria-label": this._say("chat", { name: title }) });
    if (old) this._list.append(...old.childNodes);
    this._list.addEventListener("scroll", () => this._isAtEnd() && this._clearUnread(), { passive: true });
    this._pill = button("pill", "", () => this._toEnd(), icon("down", 16), make("span", "count"));
    this._pill.hidden = true;
    this._typing = make("div", { class: "row typing", hidden: "" }, make("div", "bubble dots", make("i"), make("i"), make("i")));
    this._keyboard = make("div", { class: "keyboard", hidden: "", role: "group", "aria-label": this._say("keyboard") });
    const screen = make("div", "screen", status, header, make("div", "chat", this._list, this._pill), this._composer(), this._keyboard);
    /** @type {ShadowRoot} */ (this.shadowRoot).replaceChildren(make("div", `phone buttons-${this._skin.buttons} ${this._skin.tail ? "tailed" : ""}`, screen));
    for (const { message } of this._messages.values()) this._draw(message);
    this._arrange();
    this._toEnd();
  }

  _composer() {
    const draft = this._field?.value ?? "";
    const label = this._say("write");
    this._field = /** @type {HTMLTextAreaElement} */ (make("textarea", { rows: "1", maxlength: "4096", placeholder: label, "aria-label": label, enterkeyhint: "send" }));
    this._field.value = draft;
    this._field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this._send();
    });
    const chooser = /** @type {HTMLInputElement} */ (make("input", { type: "file", accept: PICTURES, hidden: "" }));
    chooser.addEventListener("change", () => {
      const [file] = chooser.files ?? [];
      if (file) this._tell("picture", { file });
      chooser.value = "";
    });
    const menu = make("div", { class: "menu", hidden: "" });
    const attach = button("round", this._say("attach"), () => this._openMenu(menu, attach), icon("attach", 22));
    attach.setAttribute("aria-expanded", "false");
    menu.append(
      button("item", this._say("picture"), () => (this._closeMenu(menu, attach), chooser.click()), icon("file", 18), this._say("picture")),
      button("item", this._say("place"), () => (this._closeMenu(menu, attach), this._tell("place", {})), icon("pin", 18), this._say("place")),
    );
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this._closeMenu(menu, attach);
      attach.focus();
    });
    return make("div", "composer", attach, this._field, button("round send", this._say("send"), () => this._send(), icon("send", 20)), menu, chooser);
  }

  _openMenu(/** @type {HTMLElement} */ menu, /** @type {HTMLElement} */ attach) {
    menu.hidden = !menu.hidden;
    attach.setAttribute("aria-expanded", String(!menu.hidden));
    if (!menu.hidden) /** @type {HTMLElement} */ (menu.firstElementChild).focus();
  }

  _closeMenu(/** @type {HTMLElement} */ menu, /** @type {HTMLElement} */ attach) {
    menu.hidden = true;
    attach.setAttribute("aria-expanded", "false");
  }

  _send() {
    const text = this._field.value;
    if (!text.trim()) return;
    this._field.value = "";
    this._tell("writes", { text });
  }

  _tell(/** @type {string} */ name, /** @type {object} */ detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // ---------------------------------------------------------------- messages

  /** Make the message's node anew; it keeps its place. */
  _draw(/** @type {Message} */ message) {
    const known = this._messages.get(message.id);
    if (!known) return;
    const row = make("div", `row ${message.is_own ? "own" : "theirs"}`);
    const bubble = make("div", "bubble", ...(message.attachments ?? []).map((one) => this._attachment(one)), make("span", { class: "text", dir: "auto" }, ...(message.runs ?? []).map(run)), this._meta(message));
    if (message.attachments?.[0]?.kind === "image" && !message.runs?.length) bubble.classList.add("bare");
    row.append(make("div", "stack", bubble, this._buttons(message)));
    known.node.replaceWith(row);
    this._messages.set(message.id, { message, node: row });
  }

  /** Time and ticks, in the corner that the text leaves free. */
  _meta(/** @type {Message} */ message) {
    const meta = make("span", "meta", message.is_edited ? `${this._say("edited")} ` : "", clockTime(new Date(message.at), this._language));
    if (message.is_own && this._skin.ticks !== "none") {
      const words = ["onItsWay", "taken", "readBy"][message.ticks ?? 0];
      meta.append(icon(["clock", "check", "checks"][message.ticks ?? 0], 16), spoken(this._say(words)));
    }
    return meta;
  }

  _buttons(/** @type {Message} */ message) {
    if (!message.rows?.length) return null;
    return make("div", "under", ...message.rows.map((row) => make("div", "keys", ...row.map((one) => this._key(one, message.id)))));
  }

  _key(/** @type {Button} */ one, /** @type {string} */ message) {
    const href = one.url ? safeLink(one.url) : null;
    if (href) return Object.assign(link(href, one.label), { className: "key" });
    const key = button("key", one.label, () => this._tell("presses", { message, key: one.key ?? "" }));
    key.disabled = !one.key;
    return key;
  }

  _attachment(/** @type {Attachment | undefined} */ attachment) {
    if (!attachment) return null;
    if (attachment.kind === "image") return this._image(attachment);
    const signs = /** @type {Record<string, any>} */ ({ place: "pin", contact: "card", file: "file" });
    const words = /** @type {Record<string, string>} */ ({ place: "location", contact: "contact", file: "attach" });
    const name = attachment.name || this._say(words[attachment.kind] ?? "attach");
    const facts = attachment.facts ? make("span", "facts", attachment.facts) : null;
    return make("div", `file ${attachment.kind}`, icon(signs[attachment.kind] ?? "file", 22), make("span", "file-text", make("span", "file-name", name), facts));
  }

  _image(/** @type {Attachment} */ attachment) {
    const image = /** @type {HTMLImageElement} */ (make("img", { alt: attachment.name || this._say("image"), decoding: "async" }));
    image.addEventListener("error", () => image.replaceWith(make("div", "file", icon("file", 22), this._say("imageGone"))), { once: true });
    image.addEventListener("load", () => this._isNear && this._toEnd(), { once: true });
    image.src = attachment.file ? this._fileUrl(attachment.file) : safeLink(attachment.url) ?? "";
    return image;
  }

  /** Put the nodes in order, with a day above where it changes and the tail under the last of a run. */
  _arrange() {
    const shown = new Set(this._order);
    for (const id of this._messages.keys()) if (!shown.has(id)) this._messages.delete(id);
    /** @type {Node[]} */
    const nodes = [];
    let before = null;
    for (const [place, id] of this._order.entries()) {
      const here = this._messages.get(id);
      if (!here) continue;
      const at = new Date(here.message.at);
      const next = this._messages.get(this._order[place + 1]);
      if (!before || !isSameDay(before, at)) nodes.push(make("div", "day", dayName(at, this._language, (key) => this._say(key))));
      here.node.classList.toggle("last", Boolean(next?.message.is_own) !== Boolean(here.message.is_own) || !next);
      nodes.push(here.node);
      before = at;
    }
    nodes.push(this._typing);
    if (nodes.length !== this._list.childNodes.length || nodes.some((node, place) => this._list.childNodes[place] !== node)) this._list.replaceChildren(...nodes);
  }

  _showKeyboard(/** @type {Button[][]} */ rows) {
    this._keyboard.hidden = !rows.length;
    this._keyboard.replaceChildren(...rows.map((row) => make("div", "keys", ...row.map((one) => this._key(one, "")))));
  }

  _showTyping(/** @type {number} */ forS) {
    window.clearTimeout(this._typingTimer);
    const isOn = forS > 0;
    this._typing.hidden = !isOn;
    this._subtitle.textContent = isOn ? this._say("typing") : (this._skin.subtitle[this._language] ?? "");
    if (isOn) this._typingTimer = window.setTimeout(() => this._showTyping(0), forS * 1000);
  }

  // ---------------------------------------------------------------- where one reads

  _isAtEnd() {
    if (!this._list) return true;
    this._isNear = this._list.scrollHeight - this._list.scrollTop - this._list.clientHeight < AT_END_PX;
    return this._isNear;
  }

  _toEnd() {
    this._list.scrollTop = this._list.scrollHeight;
    this._isNear = true;
    this._clearUnread();
  }

  _clearUnread() {
    this._unread = 0;
    this._showPill();
  }

  _showPill() {
    this._pill.hidden = this._unread === 0;
    const words = this._say("newMessages", { n: this._unread });
    this._pill.setAttribute("aria-label", words);
    this._pill.title = words;
    /** @type {HTMLElement} */ (this._pill.querySelector(".count")).textContent = String(this._unread);
  }
}

function run(/** @type {Run} */ { text, look, url }) {
  /** @type {Node} */
  let node = document.createTextNode(text);
  for (const name of look ?? []) node = make(LOOKS[name] ?? "span", "", node);
  const href = url ? safeLink(url) : null;
  return href ? link(href, node) : node;
}

function bars() {
  return [make("i"), make("i"), make("i")];
}

customElements.define("tertulia-phone", Phone);
