// <tertulia-phone>: a customer's phone with one app open. The skin says which habits the app has.

import { icon } from "/ui/more-icons.js";
import { link, safeLink } from "/ui/markdown.js";
import { clockTime, dayName, isSameDay } from "/ui/times.js";
import { sheet } from "/ui/tokens.js";
import { button, make, spoken } from "./nodes.js";
import { phoneStyle } from "./phone-style.js";
import { pageTexts } from "./texts.js";

const AT_END_PX = 40;
const GAP_MS = 300_000;
const LOOKS = /** @type {Record<string, string>} */ ({ bold: "strong", italic: "em", strike: "s", code: "code" });
const PICTURES = "image/png,image/jpeg,image/gif,image/webp";

/**
 * @typedef {{label: string, key?: string, url?: string, image?: string}} Button
 * @typedef {{title: string, subtitle?: string, file?: string, url?: string, buttons?: Button[]}} Card
 * @typedef {{title: string, key: string, description?: string, section?: string}} SheetRow
 * @typedef {{label: string, title?: string, rows: SheetRow[]}} Sheet
 * @typedef {{text: string, look?: string[], url?: string}} Run
 * @typedef {{kind: string, name?: string, facts?: string, file?: string, url?: string}} Attachment
 * @typedef {{id: string, at: string, is_own?: boolean, runs?: Run[], rows?: Button[][], attachments?: Attachment[],
 *   cards?: Card[], sheet?: Sheet, quick?: Button[], head?: string, footer?: string, facts?: string, quotes?: string,
 *   who?: string, reactions?: string[], ticks?: number, is_edited?: boolean, is_failed?: boolean, is_note?: boolean}} Message
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
    this.style.setProperty("--phone-own-bubble-to", shadeOf(skin.own_bubble_to ?? skin.own_bubble));
    for (const name of ["header", "on_header", "wallpaper", "bubble", "ink", "own_bubble", "own_ink", "soft", "accent"]) {
      this.style.setProperty(`--phone-${name.replaceAll("_", "-")}`, shadeOf(skin[name]));
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
    this._clock = make("span", "clock", clockTime(new Date(), this._language));
    const status = make("div", { class: "status", "aria-hidden": "true" }, this._clock, make("span", "signal", ...bars()));
    const header = make("header", "", icon("back", 20), this._face("avatar"), make("span", "who", name, this._subtitle));
    const old = this._list;
    this._list = make("div", { class: "list", role: "log", tabindex: "0", "aria-label": this._say("chat", { name: title }) });
    if (old) this._list.append(...old.childNodes);
    this._list.addEventListener("scroll", () => this._isAtEnd() && this._clearUnread(), { passive: true });
    this._fits?.disconnect();
    this._fits = new ResizeObserver(() => this._isNear && this._toEnd()); // the keyboard came, or its tab was chosen
    this._fits.observe(this._list);
    this._pill = button("pill", "", () => this._toEnd(), icon("down", 16), make("span", "count"));
    this._pill.hidden = true;
    this._typing = make("div", { class: "row typing", hidden: "" }, make("div", "bubble dots", make("i"), make("i"), make("i")));
    this._keyboard = make("div", { class: "keyboard", hidden: "", role: "group", "aria-label": this._say("keyboard") });
    const screen = make("div", "screen", status, header, make("div", "chat", this._list, this._pill), this._composer(), this._keyboard);
    const { buttons, times, head, tail, faces } = this._skin;
    const habits = ["phone", `buttons-${buttons}`, `times-${times}`, `head-${head}`, tail ? "tailed" : "", faces ? "faced" : ""];
    /** @type {ShadowRoot} */ (this.shadowRoot).replaceChildren(make("div", habits.join(" "), screen));
    this._screen = screen;
    for (const { message } of this._messages.values()) this._draw(message);
    this._arrange();
    this._toEnd();
  }

  /** The other side's picture: the initials of its name; of a number, nobody's. */
  _face(/** @type {string} */ className) {
    const words = this._skin.title.split(/\s+/).slice(0, 2);
    const initials = words.map((/** @type {string} */ word) => word.match(/^\p{L}/u)?.[0] ?? "").join("");
    return make("span", { class: className, "aria-hidden": "true" }, initials || icon("person", className === "face" ? 14 : 20));
  }

  _composer() {
    const draft = this._field?.value ?? "";
    const label = this._skin.field?.[this._language] || this._say("write");
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
    const node = message.is_note ? make("div", "note", ...(message.runs ?? []).map(run)) : this._row(message);
    known.node.replaceWith(node);
    this._messages.set(message.id, { message, node });
  }

  _row(/** @type {Message} */ message) {
    const row = make("div", `row ${message.is_own ? "own" : "theirs"}${message.is_failed ? " failed" : ""}`);
    if (this._skin.faces && !message.is_own) row.append(this._face("face"));
    const stack = make("div", "stack", message.who ? make("span", "speaker", message.who) : null);
    if (hasBubble(message)) stack.append(make("div", "block", this._bubble(message), this._under(message)));
    if (message.reactions?.length) stack.append(make("span", "reactions", message.reactions.join("")));
    if (message.cards?.length) stack.append(this._cards(message));
    if (message.facts) stack.append(make("span", "beside", message.facts));
    if (message.quick?.length) stack.append(make("div", "quick", ...message.quick.map((one) => this._key(one, message.id))));
    if (message.is_own && this._skin.ticks === "below") stack.append(make("span", "beside ticks", this._ticks(message)));
    row.append(stack);
    return row;
  }

  _bubble(/** @type {Message} */ message) {
    const images = (message.attachments ?? []).filter((one) => one.kind === "image").length;
    const text = make("span", { class: "text", dir: "auto" }, ...(message.runs ?? []).map(run));
    const isBare = images > 0 && !message.runs?.length && !message.head && !message.footer;
    return make(
      "div",
      `bubble${isBare ? " bare" : ""}`,
      message.quotes ? make("blockquote", "", message.quotes) : null,
      ...(message.attachments ?? []).map((one) => this._attachment(one)),
      message.head ? make("b", "head", message.head) : null,
      text,
      message.footer ? make("span", "footer", message.footer) : null,
      this._meta(message),
    );
  }

  /** Time and ticks, in the corner that the text leaves free; where the app has them elsewhere, for who listens. */
  _meta(/** @type {Message} */ message) {
    const time = clockTime(new Date(message.at), this._language);
    if (this._skin.times === "gaps") return spoken(`, ${time}`);
    const meta = make("span", "meta", message.is_edited ? `${this._say("edited")} ` : "", time);
    if (message.is_own && this._skin.ticks === "inside") {
      const ticks = message.ticks ?? 0;
      meta.append(icon(message.is_failed ? "problem" : ["clock", "check", "checks"][ticks], 16), spoken(this._ticks(message)));
      if (ticks === 2) meta.classList.add("seen");
    }
    return meta;
  }

  _ticks(/** @type {Message} */ message) {
    return this._say(message.is_failed ? "failedTo" : ["onItsWay", "taken", "readBy"][message.ticks ?? 0]);
  }

  /** The buttons that belong to the bubble, and the one that opens its list. */
  _under(/** @type {Message} */ message) {
    const rows = (message.rows ?? []).map((row) => make("div", "keys", ...row.map((one) => this._key(one, message.id))));
    if (message.sheet) rows.push(make("div", "keys", this._opener(message.sheet, message.id)));
    return rows.length ? make("div", "under", ...rows) : null;
  }

  _cards(/** @type {Message} */ message) {
    const cards = (message.cards ?? []).map((card) => {
      const picture = card.file || card.url ? this._image({ kind: "image", name: card.title, file: card.file, url: card.url }) : null;
      const words = make("div", "card-words", make("b", "", card.title), card.subtitle ? make("span", "", card.subtitle) : null);
      return make("li", "card", picture, words, ...(card.buttons ?? []).map((one) => this._key(one, message.id)));
    });
    return make("ul", { class: "cards", tabindex: "0", "aria-label": this._say("cards", { n: cards.length }) }, ...cards);
  }

  // ---------------------------------------------------------------- the list over the screen

  _opener(/** @type {Sheet} */ list, /** @type {string} */ message) {
    const opener = button("key opener", list.label, () => this._openSheet(list, message, opener), icon("list", 16), make("span", "", list.label));
    opener.setAttribute("aria-haspopup", "dialog");
    return opener;
  }

  _openSheet(/** @type {Sheet} */ list, /** @type {string} */ message, /** @type {HTMLElement} */ opener) {
    const shut = () => {
      over.remove();
      opener.focus({ preventScroll: true });
    };
    const title = list.title || list.label;
    /** @type {HTMLElement[]} */
    const rows = [];
    for (const [place, one] of list.rows.entries()) {
      if (one.section && one.section !== list.rows[place - 1]?.section) rows.push(make("h4", "", one.section));
      const words = make("span", "line-words", make("b", "", one.title), one.description ? make("span", "", one.description) : null);
      const press = () => (shut(), this._tell("presses", { message, key: one.key }));
      const line = button("line", [one.title, one.description].filter(Boolean).join(", "), press, words, make("i"));
      line.removeAttribute("title");
      rows.push(line);
    }
    const top = make("div", "sheet-top", button("round", this._say("shut"), shut, icon("close", 18)), make("b", "", title));
    const sheetNode = make("div", { class: "sheet", role: "dialog", "aria-modal": "true", "aria-label": title }, top, make("div", "lines", ...rows));
    const over = make("div", "over", sheetNode);
    over.addEventListener("click", (event) => event.target === over && shut());
    over.addEventListener("keydown", (event) => event.key === "Escape" && shut());
    this._screen.append(over);
    /** @type {HTMLElement} */ (sheetNode.querySelector(".line")).focus({ preventScroll: true });
  }

  _key(/** @type {Button} */ one, /** @type {string} */ message) {
    const href = one.url ? safeLink(one.url) : null;
    if (href) return Object.assign(link(href, one.label), { className: "key" });
    const press = () => this._tell("presses", { message, key: one.key ?? "" });
    const picture = one.image && safeLink(one.image);
    const key = picture ? button("key", one.label, press, make("img", { src: picture, alt: "" }), one.label) : button("key", one.label, press);
    key.disabled = !one.key;
    return key;
  }

  _attachment(/** @type {Attachment | undefined} */ attachment) {
    if (!attachment) return null;
    if (attachment.kind === "image") return this._image(attachment);
    if (attachment.kind === "audio" || attachment.kind === "video") return this._moving(attachment);
    const signs = /** @type {Record<string, any>} */ ({ place: "pin", contact: "card", file: "file" });
    const words = /** @type {Record<string, string>} */ ({ place: "location", contact: "contact", file: "fileWord" });
    const name = attachment.name || this._say(words[attachment.kind] ?? "fileWord");
    const facts = attachment.facts ? make("span", "facts", attachment.facts) : null;
    const map = attachment.kind === "place" ? make("div", { class: "map", "aria-hidden": "true" }, icon("pin", 24)) : null;
    const file = make("div", `file ${attachment.kind}`, map ? null : icon(signs[attachment.kind] ?? "file", 22), make("span", "file-text", make("span", "file-name", name), facts));
    return map ? make("div", "placed", map, file) : file;
  }

  /** Sound or a film: played where it lies on the phone. */
  _moving(/** @type {Attachment} */ attachment) {
    const name = attachment.name || this._say(attachment.kind);
    const source = attachment.file ? this._fileUrl(attachment.file) : "";
    if (!source) return make("div", "file", icon("play", 22), make("span", "file-text", make("span", "file-name", name), attachment.facts ? make("span", "facts", attachment.facts) : null));
    return make(attachment.kind, { src: source, controls: "", preload: "metadata", "aria-label": name });
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
      const gap = this._gap(before, at);
      if (gap) nodes.push(make("div", "day", gap));
      here.node.classList.toggle("last", !next || Boolean(next.message.is_own) !== Boolean(here.message.is_own));
      here.node.classList.toggle("newest", place === this._lastOwn());
      nodes.push(here.node);
      before = at;
    }
    nodes.push(this._typing);
    if (nodes.length !== this._list.childNodes.length || nodes.some((node, place) => this._list.childNodes[place] !== node)) this._list.replaceChildren(...nodes);
  }

  /** What stands in the middle between two messages: the day, and where the app says so the time. */
  _gap(/** @type {Date | null} */ before, /** @type {Date} */ at) {
    const isNewDay = !before || !isSameDay(before, at);
    const day = isNewDay ? dayName(at, this._language, (key) => this._say(key)) : "";
    if (this._skin.times === "bubble") return day;
    const isLater = isNewDay || (before && at.getTime() - before.getTime() > GAP_MS);
    return isLater ? [day, clockTime(at, this._language)].filter(Boolean).join(" ") : "";
  }

  /** The place of one's newest message: below it stands what became of it. */
  _lastOwn() {
    return this._order.findLastIndex((id) => this._messages.get(id)?.message.is_own);
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

function hasBubble(/** @type {Message} */ message) {
  return Boolean(message.runs?.length || message.attachments?.length || message.head || message.rows?.length || message.sheet || !message.cards?.length);
}

function shadeOf(/** @type {Shade} */ { light, dark }) {
  return `light-dark(${light}, ${dark})`;
}

function bars() {
  return [make("i"), make("i"), make("i")];
}

customElements.define("tertulia-phone", Phone);
