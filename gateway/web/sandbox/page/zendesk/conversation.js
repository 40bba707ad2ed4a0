// A ticket's conversation: what everybody said, public words and internal notes told apart at a glance.

import { icon } from "/ui/more-icons.js";
import { clockTime, dayName, fullTime, isSameDay } from "/ui/times.js";
import { button, make } from "../nodes.js";
import { fileAddress } from "./server.js";

/** @typedef {import("./texts.js").Words} Words */

const NEAR_PX = 80;
const PICTURE = /^image\/(png|jpeg|gif|webp|avif)$/;
const GAP_MS = 10 * 60_000;

/** Grows at its end, and never pulls a reader who scrolled up. */
export class Conversation {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.log = make("div", { class: "log", role: "log", tabindex: "0" });
    this.pill = /** @type {HTMLButtonElement} */ (make("button", { class: "pill", type: "button" }));
    this.pill.hidden = true;
    this.pill.addEventListener("click", () => this.toEnd());
    this.log.addEventListener("scroll", () => this.scrolled());
    this.log.addEventListener("load", () => this.stay(), { capture: true }); // pictures grow when they come
    new ResizeObserver(() => this.stay()).observe(this.log);
    place.append(this.log, this.pill);
    this.isAtEnd = true;
    this.top = 0;
    this.shown = 0;
    this.unseen = 0;
    /** @type {{at: Date} | null} */
    this.last = null;
  }

  /** Another ticket, or the same one in another language. @param {Words} words @param {any} ticket */
  begin(words, ticket) {
    this.shown = 0;
    this.last = null;
    this.seen();
    this.log.setAttribute("aria-label", ticket.line.subject);
    const earlier = ticket.earlier ? make("p", "between", words.say("earlier", { n: ticket.earlier })) : "";
    this.log.replaceChildren(...(earlier ? [earlier] : []));
    this.grow(words, ticket);
    this.toEnd();
  }

  /** What was said since. @param {Words} words @param {any} ticket */
  grow(words, ticket) {
    const fresh = ticket.said.filter((/** @type {any} */ one) => one.id > this.shown);
    for (const one of fresh) this.add(words, one);
    if (!fresh.length) return;
    this.shown = fresh.at(-1).id;
    if (this.isAtEnd) this.toEnd();
    else {
      this.unseen += fresh.length;
      this.pill.replaceChildren(icon("down", 16), words.say("newWords", { n: this.unseen }));
      this.pill.hidden = false;
    }
  }

  add(/** @type {Words} */ words, /** @type {any} */ one) {
    const at = new Date(one.at);
    const isLater = !this.last || at.getTime() - this.last.at.getTime() > GAP_MS || !isSameDay(at, this.last.at);
    if (isLater) {
      const day = dayName(at, words.language, (key) => words.say(key));
      const time = make("time", { datetime: one.at, title: fullTime(at, words.language) }, `${day}, ${clockTime(at, words.language)}`);
      this.log.append(make("p", "between", time));
    }
    this.last = { at };
    this.log.append(comment(words, one));
  }

  /** Only who scrolls up leaves the end; what grows below does not. */
  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    const isNear = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (isNear) this.isAtEnd = true;
    else if (scrollTop < this.top - 1) this.isAtEnd = false;
    this.top = scrollTop;
    if (isNear) this.seen();
  }

  /** Keep a reader at the end there when the place for it changes. */
  stay() {
    if (this.isAtEnd) this.toEnd();
  }

  toEnd() {
    this.isAtEnd = true;
    this.log.scrollTop = this.log.scrollHeight;
    this.seen();
  }

  seen() {
    this.unseen = 0;
    this.pill.hidden = true;
  }
}

/** @param {Words} words @param {any} one */
function comment(words, one) {
  const kind = one.is_public ? "public" : "internal";
  const note = one.is_public ? null : make("span", "kind", icon("list", 14), words.say("internal"));
  const head = make("header", "", make("strong", "", one.author), make("span", "role", words.word("by", one.by)), note);
  const made = make("article", { class: `said ${one.by} ${kind}` }, head);
  if (one.text) {
    const text = make("p", "", one.text);
    text.dir = "auto";
    made.append(text);
  }
  if (one.files.length) made.append(make("div", "files", ...one.files.map((/** @type {any} */ file) => fileNode(words, file))));
  return made;
}

function fileNode(/** @type {Words} */ words, /** @type {any} */ file) {
  const address = fileAddress(file.key);
  if (!PICTURE.test(file.mime)) return make("a", { class: "file", href: address, download: file.name, "aria-label": words.say("download", { name: file.name }) }, icon("file", 18), file.name);
  const picture = /** @type {HTMLImageElement} */ (make("img", { src: address, alt: words.say("picture", { name: file.name }), decoding: "async" }));
  return make("a", { class: "picture", href: address, target: "_blank", rel: "noopener" }, picture);
}

/** Where an answer is written: for the customer or for colleagues, with pictures, macros and what follows. */
export class Composer {
  /** @param {{send: (words: any) => Promise<boolean>, picture: (file: File) => Promise<{token: string, name: string} | null>}} does */
  constructor(does) {
    this.does = does;
    /** @type {{token: string, name: string}[]} those without a token are on their way */
    this.pictures = [];
    this.uploading = Promise.resolve();
    /** Which draft this is: what ends later than its draft changes no other. */
    this.draft = 0;
    this.isBusy = false;
    this.isPublic = true;
    this.form = /** @type {HTMLFormElement} */ (make("form", "composer"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.field = /** @type {HTMLTextAreaElement} */ (make("textarea", { rows: "3", maxlength: "60000", id: "answer" }));
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.send();
      }
    });
    this.field.addEventListener("paste", (event) => this.take([...(event.clipboardData?.files ?? [])]));
    this.file = /** @type {HTMLInputElement} */ (make("input", { type: "file", accept: "image/png,image/jpeg,image/gif,image/webp", class: "spoken", tabindex: "-1", multiple: "" }));
    this.file.addEventListener("change", () => {
      this.take([...(this.file.files ?? [])]);
      this.file.value = "";
    });
  }

  /** @param {Words} words @param {{name: string, agent: string}} names for macros */
  speak(words, names) {
    this.words = words;
    const { say } = words;
    this.names = names;
    const audience = make("div", { class: "audience", role: "group", "aria-label": say("audience") });
    for (const isPublic of [true, false]) {
      const choice = button(isPublic ? "public" : "internal", say(isPublic ? "public" : "internal"), () => this.address(isPublic));
      choice.setAttribute("aria-pressed", String(this.isPublic === isPublic));
      audience.append(choice);
    }
    this.macros = this.select("macros", [["", "macroPick"], ["hello", "macroHello"], ["data", "macroData"], ["bye", "macroBye"]]);
    this.macros.addEventListener("change", () => this.macro());
    const status = this.status?.value ?? "";
    this.status = this.select("then", [["", "thenStay"], ["pending", "thenPending"], ["solved", "thenSolved"]]);
    this.status.value = status;
    this.field.placeholder = say(this.isPublic ? "writePublic" : "writeNote");
    this.field.setAttribute("aria-label", say("answerLabel"));
    this.file.setAttribute("aria-label", say("attach"));
    this.chips = make("div", "chips");
    this.submit = /** @type {HTMLButtonElement} */ (make("button", { class: "primary", type: "submit" }, icon("send", 18), say(this.isPublic ? "send" : "sendNote")));
    this.submit.disabled = this.isBusy;
    const attach = button("icon", say("attach"), () => this.file.click(), icon("attach", 20));
    const then = make("label", "then", make("span", "", say("then")), this.status);
    this.form.classList.toggle("note", !this.isPublic);
    const isFocused = document.activeElement === this.field;
    this.form.replaceChildren(make("div", "row", audience, this.macros), this.field, this.chips, make("div", "row end", attach, this.file, then, this.submit));
    if (isFocused) this.field.focus();
    this.showPictures();
  }

  /** @param {string} name @param {[string, string][]} choices */
  select(name, choices) {
    const say = this.words?.say ?? String;
    const made = /** @type {HTMLSelectElement} */ (make("select", { "aria-label": say(name) }));
    made.append(...choices.map(([value, key]) => make("option", { value }, say(key))));
    return made;
  }

  /** For the customer, or for colleagues. @param {boolean} isPublic */
  address(isPublic) {
    this.isPublic = isPublic;
    if (this.words && this.names) this.speak(this.words, this.names);
    this.field.focus();
  }

  /** Forget what was begun: it was for another ticket. */
  clear() {
    this.draft += 1;
    this.field.value = "";
    this.pictures = [];
    if (this.status) this.status.value = "";
    this.showPictures();
  }

  macro() {
    const name = this.macros?.value ?? "";
    if (!name || !this.words || !this.names) return;
    const key = { hello: "macroHelloText", data: "macroDataText", bye: "macroByeText" }[name] ?? "";
    const text = this.words.say(key, this.names);
    const status = { hello: "", data: "pending", bye: "solved" }[name] ?? "";
    this.isPublic = true;
    this.speak(this.words, this.names);
    this.field.value = this.field.value.trim() ? `${this.field.value.trimEnd()}\n${text}` : text;
    if (this.status) this.status.value = status;
    this.field.focus();
  }

  /** Each stands there at once, and is sent up in its turn. */
  take(/** @type {File[]} */ files) {
    for (const file of files) {
      const picture = { name: file.name, token: "" };
      this.pictures.push(picture);
      this.uploading = this.uploading.then(() => this.upload(picture, file));
    }
    this.showPictures();
  }

  /** @param {{token: string, name: string}} picture @param {File} file */
  async upload(picture, file) {
    if (!this.pictures.includes(picture)) return;
    const taken = await this.does.picture(file);
    if (taken) Object.assign(picture, taken);
    else this.pictures = this.pictures.filter((one) => one !== picture);
    this.showPictures();
  }

  showPictures() {
    const remove = (/** @type {{token: string, name: string}} */ picture) =>
      button("icon small", this.words?.say("remove", { name: picture.name }) ?? "", () => this.drop(picture), icon("close", 14));
    this.chips?.replaceChildren(
      ...this.pictures.map((picture) => {
        const chip = make("span", "chip", picture.name, remove(picture));
        chip.setAttribute("aria-busy", String(!picture.token));
        return chip;
      }),
    );
  }

  drop(/** @type {{token: string, name: string}} */ picture) {
    this.pictures = this.pictures.filter((one) => one !== picture);
    this.showPictures();
    this.field.focus();
  }

  /** What is written, with its pictures: those that are on their way are waited for. */
  async send() {
    if ((!this.field.value.trim() && !this.pictures.length) || this.submit?.disabled) return;
    const { draft } = this;
    this.busy(true);
    await this.uploading;
    const text = this.field.value.trim();
    const uploads = this.pictures.map((one) => one.token);
    const isWhole = draft === this.draft && Boolean(text || uploads.length);
    const isSent = isWhole && (await this.does.send({ text, is_public: this.isPublic, uploads, status: this.status?.value ?? "" }));
    this.busy(false);
    if (draft !== this.draft) return;
    if (isSent) this.clear();
    this.field.focus();
  }

  busy(/** @type {boolean} */ isBusy) {
    this.isBusy = isBusy;
    if (this.submit) this.submit.disabled = isBusy;
  }
}
