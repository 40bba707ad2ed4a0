// Replies that are ready: a list above the composer that opens with "/", searched as one types, filled without surprises.

import { icon } from "/ui/more-icons.js";
import { element } from "/ui/parts.js";
import { button, dialog, iconButton } from "./dialogs.js";
import { get, post } from "./server.js";
import { language, languageInWords, say } from "./texts.js";

const AGAIN_MS = 60_000;
const MOST_SHOWN = 40;
/** "/", and what follows it, at the beginning of a word before the caret. */
const ASKED = /(?:^|\s)\/([\p{L}\p{N}_.-]*)$/u;
/** `{name}`, or `{name|there}` with what stands where nothing is known. */
const BLANK = /\{\s*(\w+)\s*(?:\|([^{}]*))?\}/g;

/** @typedef {{name: string, text: string, language?: string, id?: string, agent?: string}} Reply */

/**
 * A reply with its blanks filled, in one pass: what is filled in is never looked at again.
 * @param {string} text
 * @param {Record<string, string>} values
 */
export function filled(text, values) {
  return text.replace(BLANK, (whole, name, otherwise) => (Object.hasOwn(values, name) ? values[name] || (otherwise ?? "").trim() : whole));
}

/**
 * @typedef {object} Around
 * @property {HTMLTextAreaElement} field
 * @property {() => {name: string, agent: string, language: string}} facts of the conversation that is open
 * @property {(text: string, from: number, to: number) => void} put replaces what stands there
 * @property {() => Promise<string>} introduce the agent's name, asked for when it is not known
 * @property {(problem: unknown) => void} complain
 */

export class Canned {
  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    /** @type {Reply[] | null} */
    this.replies = null;
    this.readAt = 0;
    this.at = 0;
    /** @type {Reply[]} */
    this.shown = [];
    /** Closed by Escape: it stays so until another "/" is typed. */
    this.isRefused = false;
    this.list = element("ul", "choices");
    this.list.id = "canned-list";
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", say("canned"));
    const keep = button(say("saveReply"), "link");
    keep.prepend(icon("plus", 16));
    keep.addEventListener("mousedown", (event) => event.preventDefault());
    keep.addEventListener("click", () => void this.save());
    this.hint = element("span", "soft", say("cannedHint"));
    this.drop = iconButton("bin", "", "icon");
    this.drop.addEventListener("mousedown", (event) => event.preventDefault());
    this.drop.addEventListener("click", () => void this.remove(this.shown[this.at]));
    this.node = element("div", "canned", this.list, element("footer", "", keep, this.drop, this.hint));
    this.node.hidden = true;
    const { field } = around;
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-haspopup", "listbox");
    field.addEventListener("blur", (event) => {
      if (!this.node.contains(/** @type {Node | null} */ (event.relatedTarget))) this.close();
    });
  }

  get isOpen() {
    return !this.node.hidden;
  }

  /** The words after "/" before the caret; null when there is none. */
  query() {
    const { field } = this.around;
    if (field.selectionStart !== field.selectionEnd) return null;
    return ASKED.exec(field.value.slice(0, field.selectionStart))?.[1] ?? null;
  }

  /** The field changed, or its caret moved. */
  heed() {
    const query = this.query();
    if (query === null) {
      this.isRefused = false;
      this.close();
      return;
    }
    if (!this.isRefused) void this.open(query);
  }

  /** By a button: as if "/" had been typed. */
  ask() {
    const { field, put } = this.around;
    field.focus();
    this.isRefused = false;
    if (this.query() === null) {
      const before = field.value.slice(0, field.selectionStart);
      put(before && !/\s$/.test(before) ? " /" : "/", field.selectionStart, field.selectionEnd);
    }
    this.heed();
  }

  /** @param {string} query */
  async open(query) {
    this.node.hidden = false;
    this.around.field.setAttribute("aria-controls", this.list.id);
    if (!this.replies || Date.now() - this.readAt > AGAIN_MS) await this.read();
    const now = this.query();
    if (now === null || this.isRefused || document.activeElement !== this.around.field) return this.close();
    this.shown = this.found(now ?? query);
    this.at = 0;
    this.draw();
  }

  async read() {
    try {
      this.replies = (await get("/desk/api/canned")).items;
      this.readAt = Date.now();
    } catch (problem) {
      this.around.complain(problem);
    }
  }

  close() {
    if (!this.isOpen) return;
    this.node.hidden = true;
    this.around.field.removeAttribute("aria-controls");
    this.around.field.removeAttribute("aria-activedescendant");
  }

  /** Of each name the one in the customer's language; names first, then what they say. @param {string} query @returns {Reply[]} */
  found(query) {
    const wanted = folded(query);
    const byName = folded(query) ? (/** @type {Reply} */ one) => rank(one, wanted) : () => 0;
    return this.spoken()
      .map((one) => ({ one, rank: byName(one) }))
      .filter(({ rank }) => rank < 3)
      .sort((one, other) => one.rank - other.rank)
      .slice(0, MOST_SHOWN)
      .map(({ one }) => one);
  }

  /** @returns {Reply[]} */
  spoken() {
    const spoken = this.around.facts().language.slice(0, 2);
    /** @type {Map<string, Reply[]>} */
    const named = new Map();
    for (const reply of this.replies ?? []) {
      const key = `${reply.id ? "team" : "bot"} ${reply.name.toLowerCase()}`;
      named.set(key, [...(named.get(key) ?? []), reply]);
    }
    const worth = (/** @type {Reply} */ one) => (one.language?.slice(0, 2) === spoken ? 0 : !one.language ? 1 : 2);
    return [...named.values()].map((all) => all.reduce((best, one) => (worth(one) < worth(best) ? one : best)));
  }

  draw() {
    const facts = this.around.facts();
    const lines = this.shown.map((reply, at) => this.line(reply, at, facts));
    if (!lines.length) {
      const none = element("li", "none soft", say(this.replies?.length ? "noCannedFound" : "noCanned"));
      none.setAttribute("role", "option");
      none.setAttribute("aria-disabled", "true");
      lines.push(none);
    }
    this.list.replaceChildren(...lines);
    this.mark();
  }

  /** @param {Reply} reply @param {number} at @param {{name: string, agent: string, language: string}} facts */
  line(reply, at, facts) {
    const title = element("span", "title", element("b", "", reply.name));
    const spoken = facts.language.slice(0, 2);
    if (reply.language && spoken && reply.language.slice(0, 2) !== spoken) title.append(element("span", "soft", languageInWords(reply.language)));
    if (reply.agent) title.append(element("span", "soft", reply.agent));
    const line = element("li", "reply", title, element("span", "text", filled(reply.text, facts)));
    line.id = `canned-${at}`;
    line.setAttribute("role", "option");
    line.addEventListener("mousedown", (event) => event.preventDefault());
    line.addEventListener("mousemove", () => this.at !== at && this.mark(at));
    line.addEventListener("click", () => this.choose(at));
    return line;
  }

  /** @param {number} [at] */
  mark(at = this.at) {
    this.at = at;
    const reply = this.shown[at];
    this.drop.hidden = !reply?.id;
    if (reply?.id) {
      this.drop.setAttribute("aria-label", say("removeReply", { name: reply.name }));
      this.drop.title = `${say("removeReply", { name: reply.name })} (${say("keyDelete")})`;
    }
    [...this.list.children].forEach((line, at) => line.setAttribute("aria-selected", String(at === this.at && this.shown.length > 0)));
    const current = this.shown.length ? this.list.children[this.at] : null;
    if (current) this.around.field.setAttribute("aria-activedescendant", current.id);
    else this.around.field.removeAttribute("aria-activedescendant");
    current?.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was meant for the list */
  pressed(event) {
    if (!this.isOpen || event.isComposing) return false;
    if (event.key === "Escape") {
      this.isRefused = true;
      this.close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const count = Math.max(1, this.shown.length);
      this.mark((this.at + (event.key === "ArrowDown" ? 1 : -1) + count) % count);
    } else if (event.key === "Delete" && event.shiftKey && this.shown[this.at]?.id) {
      void this.remove(this.shown[this.at]);
    } else if ((event.key === "Enter" && !event.shiftKey) || event.key === "Tab") {
      if (!this.shown.length) {
        this.close();
        return false;
      }
      this.choose(this.at);
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  /** @param {number} at */
  choose(at) {
    const { field, facts, put } = this.around;
    const reply = this.shown[at];
    const query = this.query();
    if (!reply || query === null) return;
    this.close();
    put(filled(reply.text, facts()), field.selectionStart - query.length - 1, field.selectionStart);
  }

  // ---------------------------------------------------------------- what agents save

  /** Keep what stands in the composer. */
  async save() {
    const { field, facts, introduce } = this.around;
    const query = this.query();
    const words = query === null ? field.value : field.value.slice(0, field.selectionStart - query.length - 1) + field.value.slice(field.selectionStart);
    this.close();
    const agent = await introduce();
    if (!agent) return;
    const saved = await askReply({ name: "", text: words.trim(), language: facts().language.slice(0, 2) }, agent);
    if (saved) {
      this.readAt = 0;
      await this.read();
    }
    field.focus();
  }

  /** @param {Reply | undefined} reply */
  async remove(reply) {
    if (!reply?.id) return;
    try {
      await post(`/desk/api/canned/${reply.id}/remove`, {});
    } catch (problem) {
      this.around.complain(problem);
    }
    await this.read();
    this.heed();
  }
}

/**
 * Ask for a reply to be kept; the dialog says what is wrong with it.
 * @param {{name: string, text: string, language: string}} draft
 * @param {string} agent
 * @returns {Promise<boolean>} whether one was kept
 */
function askReply(draft, agent) {
  const name = /** @type {HTMLInputElement} */ (element("input", ""));
  Object.assign(name, { id: "reply-name", maxLength: 40, value: draft.name, autocomplete: "off" });
  const text = /** @type {HTMLTextAreaElement} */ (element("textarea", ""));
  Object.assign(text, { id: "reply-text", rows: 5, maxLength: 4000, value: draft.text });
  const tongue = /** @type {HTMLSelectElement} */ (element("select", ""));
  tongue.id = "reply-language";
  for (const [tag, words] of [["", say("anyLanguage")], ...["es", "en", "pt"].map((tag) => [tag, languageInWords(tag)])]) {
    const option = /** @type {HTMLOptionElement} */ (element("option", "", words));
    option.value = tag;
    tongue.append(option);
  }
  tongue.value = ["es", "en", "pt"].includes(draft.language) ? draft.language : "";
  const problem = element("p", "problem");
  problem.setAttribute("role", "alert");
  const cancel = button(say("cancel"));
  const save = button(say("save"), "primary");
  const opened = dialog(say("saveReply"), labelled("replyName", name), labelled("replyText", text), element("p", "soft", say("replyBlanks")), labelled("language", tongue), problem, element("div", "buttons", cancel, save));
  (draft.text ? name : text).focus();
  return new Promise((resolve) => {
    let isSaved = false;
    let replaces = false;
    const accept = async () => {
      const wanted = { agent, name: name.value.trim().replace(/\s+/g, "-"), text: text.value.trim(), language: tongue.value, replaces };
      if (!wanted.name || !wanted.text) {
        problem.textContent = say("replyEmpty");
        return;
      }
      try {
        await post("/desk/api/canned", wanted);
        isSaved = true;
        opened.close();
      } catch (error) {
        const { code = "", message = "" } = /** @type {any} */ (error);
        replaces = code === "name_taken";
        problem.textContent = replaces ? say("replyTaken") : code === "bad_request" ? say("replyName40") : message || say("notNow");
        save.textContent = say(replaces ? "replace" : "save");
      }
    };
    name.addEventListener("input", () => {
      replaces = false;
      save.textContent = say("save");
    });
    save.addEventListener("click", () => void accept());
    cancel.addEventListener("click", () => opened.close());
    name.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && void accept());
    opened.addEventListener("close", () => resolve(isSaved));
  });
}

/** @param {any} title @param {HTMLElement} field */
function labelled(title, field) {
  const label = /** @type {HTMLLabelElement} */ (element("label", "", say(title)));
  label.htmlFor = field.id;
  return element("div", "labelled", label, field);
}

/** 0: its name begins so, 1: the name has it, 2: its words have it, 3: nothing. @param {Reply} reply @param {string} wanted */
function rank(reply, wanted) {
  const name = folded(reply.name);
  if (name.startsWith(wanted)) return 0;
  if (name.includes(wanted)) return 1;
  return folded(reply.text).includes(wanted) ? 2 : 3;
}

/** Without capitals and accents. @param {string} text */
function folded(text) {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLocaleLowerCase(language);
}
