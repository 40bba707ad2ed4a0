// The middle column: who it is, what was said and why, and what the agent answers.

import "/ui/thread.js";
import { element } from "/ui/parts.js";
import "./turn.js";
import { shortWait } from "./cases.js";
import { button, iconButton } from "./dialogs.js";
import { keeping } from "./keeping.js";
import { nothing } from "./queue.js";
import { appInWords, language, languageInWords, personInWords, say } from "./texts.js";

const LONGEST_ANSWER = 10_000;
const TYPING_AGAIN_MS = 4_000;
const TYPING_ENDS_MS = 6_000;

/** @typedef {"none" | "waiting" | "mine" | "others" | "bot"} Standing */

/**
 * @typedef {object} Around
 * @property {() => string} me
 * @property {(act: "take" | "giveBack" | "close" | "details" | "back") => void} act
 * @property {(text: string) => void} answer
 * @property {(client_id: string) => void} resend
 * @property {(isOn: boolean) => void} typing
 * @property {(seq: number) => void} seen
 * @property {() => void} older
 * @property {() => number | null} waitedS
 */

export class ConversationView {
  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    /** @type {any} the conversation as the server told it last */
    this.shown = null;
    /** @type {string | null} */
    this.conversation = null;
    /** @type {Standing} */
    this.standing = "none";
    /** @type {Map<string, {seq: number, turn: any, node: any}>} turns that are explained, by their message's id */
    this.turns = new Map();
    /** @type {Map<number, string>} what is known of each message, by its seq */
    this.known = new Map();
    this.typedAt = 0;
    this.build();
  }

  build() {
    this.name = element("h1", "");
    this.facts = element("p", "soft");
    this.actions = element("div", "actions");
    const back = iconButton("back", say("backToQueue"), "icon back");
    back.addEventListener("click", () => this.around.act("back"));
    this.details = iconButton("card", say("details"), "icon details");
    this.details.addEventListener("click", () => this.around.act("details"));
    this.head = element("header", "", back, element("div", "who", this.name, this.facts), this.actions, this.details);
    this.buildThread();
    this.buildComposer();
    this.empty = nothing(say("choose"), say("chooseMore"));
    this.node = element("section", "conversation", this.head, this.thread, this.composer, this.empty);
    this.node.setAttribute("aria-label", say("desk"));
    this.show(null);
  }

  buildThread() {
    const thread = /** @type {any} */ (document.createElement("tertulia-thread"));
    thread.language = language;
    thread.me = "agent";
    thread.annotate = (/** @type {any} */ message) => this.explanation(message);
    this.start = element("p", "beginning", say("beginning"));
    this.start.slot = "start";
    this.start.hidden = true;
    thread.append(this.start);
    thread.addEventListener("resend", (/** @type {CustomEvent} */ event) => this.around.resend(event.detail.client_id));
    thread.addEventListener("seen", (/** @type {CustomEvent} */ event) => this.around.seen(event.detail.seq));
    thread.addEventListener("older", () => this.around.older());
    this.thread = thread;
  }

  buildComposer() {
    this.field = /** @type {HTMLTextAreaElement} */ (element("textarea", ""));
    this.field.rows = 1;
    this.field.dir = "auto";
    this.field.setAttribute("aria-label", say("yourAnswer"));
    this.field.setAttribute("aria-describedby", "composer-note");
    this.field.setAttribute("enterkeyhint", "send");
    this.field.addEventListener("input", () => this.typed());
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("blur", () => this.stopTyping());
    this.note = element("p", "note");
    this.note.id = "composer-note";
    this.send = iconButton("send", say("answer"), "icon send");
    this.send.addEventListener("click", () => this.submit());
    this.takeHere = button("", "primary");
    this.takeHere.addEventListener("click", () => this.around.act("take"));
    this.composer = element("div", "composer", element("div", "write", this.field, this.send, this.takeHere), this.note);
  }

  // ---------------------------------------------------------------- what is shown

  /** Turn to a conversation, of which nothing is known yet but its name. @param {string | null} conversation @param {string} [name] */
  open(conversation, name = "") {
    if (conversation === this.conversation) return;
    this.stopTyping();
    this.conversation = conversation;
    this.shown = null;
    this.turns.clear();
    this.known.clear();
    this.thread.clear();
    this.thread.toggleAttribute("loading", conversation !== null);
    this.start.hidden = true;
    this.field.value = conversation ? keeping.draft(conversation) : "";
    this.name.textContent = name;
    this.empty.replaceChildren(...nothing(say("choose"), say("chooseMore")).childNodes);
    this.show(null);
  }

  /** What the server tells of the open conversation. @param {any} shown null while nothing is known */
  show(shown) {
    this.shown = shown;
    const isOpen = this.conversation !== null;
    for (const part of [this.head, this.thread, this.composer]) part.hidden = !isOpen;
    this.empty.hidden = isOpen;
    if (shown) {
      this.thread.removeAttribute("loading");
      this.name.textContent = personInWords(shown.contact.name, shown.conversation);
      this.add(shown.messages, shown.is_first);
    }
    this.draw();
  }

  /** There is no such conversation any more. */
  showUnknown() {
    this.open(null);
    this.empty.replaceChildren(...nothing(say("unknown"), say("unknownMore")).childNodes);
  }

  /** @param {any[]} messages @param {boolean} isFirst nothing is older than these */
  add(messages, isFirst) {
    for (const message of messages) {
      const content = JSON.stringify(message);
      if (this.known.get(message.seq) === content) continue;
      this.known.set(message.seq, content);
      if (message.turn && !this.turns.has(message.id)) this.turns.set(message.id, { seq: message.seq, turn: message.turn, node: null });
      this.thread.upsert(inWords(message));
    }
    if (isFirst) this.start.hidden = false;
  }

  /** Where a gap begins that must be filled, when pushes were missed: the position before which to read. */
  gap() {
    const seqs = [...this.known.keys()].sort((one, other) => one - other);
    const at = seqs.findLastIndex((seq, index) => index > 0 && seqs[index - 1] !== seq - 1);
    return at < 0 ? null : seqs[at];
  }

  oldest() {
    return Math.min(...this.known.keys());
  }

  /** @param {any} message */
  explanation(message) {
    const known = this.turns.get(message.id);
    if (!known) return null;
    if (!known.node) {
      known.node = document.createElement("desk-turn");
      known.node.show(known.turn);
    }
    return known.node;
  }

  /** Open or close the reasons of the newest turn. */
  explainLatest() {
    const node = this.latest()?.node;
    node?.toggle();
    node?.scrollIntoView({ block: "nearest" });
  }

  /** The newest turn that is known, as the API told it. */
  latestTurn() {
    return this.latest()?.turn;
  }

  latest() {
    return [...this.turns.values()].reduce((/** @type {any} */ best, one) => (!best || one.seq > best.seq ? one : best), null);
  }

  // ---------------------------------------------------------------- who has it

  draw() {
    const { shown } = this;
    this.standing = standingOf(shown, this.around.me());
    this.drawFacts();
    this.drawComposer();
    this.drawActions();
  }

  drawFacts() {
    const { shown } = this;
    if (!shown) {
      this.facts.replaceChildren(this.conversation ? say("loading") : "");
      return;
    }
    const waited = this.around.waitedS();
    const words = /** @type {Record<Standing, string>} */ ({
      none: "",
      waiting: say("standingWaiting") + (waited === null ? "" : ` · ${shortWait(waited)}`),
      mine: say("standingMine"),
      others: say("standingOther", { agent: shown.agent }),
      bot: say("standingBot"),
    });
    const standing = element("span", `standing ${this.standing}`, words[this.standing]);
    const more = [appInWords(shown.app), shown.language && !shown.language.startsWith(language) ? languageInWords(shown.language) : ""];
    this.facts.replaceChildren(standing, ...more.filter(Boolean).map((word) => ` · ${word}`));
  }

  drawActions() {
    if (this.actions.dataset.standing === this.standing) return;
    this.actions.dataset.standing = this.standing;
    const had = /** @type {HTMLElement | null} */ (this.actions.contains(document.activeElement) ? document.activeElement : null)?.dataset.act;
    const acts = /** @type {[any, any, string][]} */ ([["giveBack", "giveBack", "b"], ["close", "close", "c"]]);
    const made = (this.standing === "mine" ? acts : []).map(([act, label, key]) => {
      const one = button("");
      one.dataset.act = act;
      one.addEventListener("click", () => this.around.act(act));
      labelWithKey(one, say(label), key);
      return one;
    });
    this.actions.replaceChildren(...made);
    this.actions.hidden = !made.length;
    if (had) /** @type {HTMLElement} */ (this.actions.querySelector(`[data-act="${had}"]`) ?? this.takeHere).focus();
  }

  drawComposer() {
    const isMine = this.standing === "mine";
    const agent = this.shown?.agent ?? "";
    const notes = /** @type {Record<Standing, string>} */ ({
      none: "",
      waiting: say("takeToAnswer"),
      mine: this.shown?.is_opted_out ? say("optedOut") : say("enterSends"),
      others: say("otherAnswers", { agent }),
      bot: say("botAnswers"),
    });
    const labels = /** @type {Record<Standing, any>} */ ({ waiting: "take", others: "takeFrom", bot: "stepIn" });
    this.field.disabled = !isMine;
    this.field.placeholder = isMine ? say("writeAs", { agent: this.around.me() }) : notes[this.standing];
    this.send.hidden = !isMine;
    this.takeHere.hidden = isMine || this.standing === "none";
    if (!this.takeHere.hidden) labelWithKey(this.takeHere, say(labels[this.standing]), "t");
    this.takeHere.classList.toggle("primary", this.standing === "waiting");
    this.composer.classList.toggle("resting", !isMine);
    this.kept = isMine ? notes.mine : this.field.value.trim() ? say("draftKept") : "";
    this.fit();
  }

  // ---------------------------------------------------------------- writing

  focus() {
    if (!this.field.disabled) this.field.focus();
  }

  typed() {
    if (this.conversation) keeping.setDraft(this.conversation, this.field.value);
    this.fit();
    if (!this.field.value.trim()) {
      this.stopTyping();
      return;
    }
    const now = Date.now();
    if (now - this.typedAt > TYPING_AGAIN_MS) {
      this.typedAt = now;
      this.around.typing(true);
    }
    window.clearTimeout(this.typingTimer);
    this.typingTimer = window.setTimeout(() => this.stopTyping(), TYPING_ENDS_MS);
  }

  stopTyping() {
    window.clearTimeout(this.typingTimer);
    if (this.typedAt) this.around.typing(false);
    this.typedAt = 0;
  }

  /** As high as its words, and a word when they are too many. */
  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight + 2, 180)}px`;
    const excess = this.field.value.length - LONGEST_ANSWER;
    this.note.textContent = excess > 0 ? say("tooLong", { n: excess }) : this.kept ?? "";
    this.note.classList.toggle("problem", excess > 0 || (this.standing === "mine" && Boolean(this.shown?.is_opted_out)));
    this.send.disabled = excess > 0 || !this.field.value.trim();
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.thread.focus();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    }
  }

  submit() {
    const text = this.field.value.trim();
    if (this.standing !== "mine" || !text || text.length > LONGEST_ANSWER) return;
    this.setText("");
    this.stopTyping();
    this.around.answer(text);
    this.focus();
  }

  /** @param {string} text */
  setText(text) {
    this.field.value = text;
    if (this.conversation) keeping.setDraft(this.conversation, text);
    this.fit();
  }
}

/** @param {HTMLElement} made @param {string} label @param {string} key */
function labelWithKey(made, label, key) {
  if (made.getAttribute("aria-label") === label) return;
  made.replaceChildren(element("span", "", label), element("kbd", "", key));
  made.setAttribute("aria-keyshortcuts", key);
  made.setAttribute("aria-label", label);
}

/** What the shared view cannot know: that it was deleted, why it failed. @param {any} message */
function inWords(message) {
  if (message.is_deleted) return { ...message, parts: [{ type: "text", text: say("deletedByCustomer") }], status: "withdrawn" };
  if (message.status !== "failed") return message;
  return { ...message, problem: [say("notDelivered"), message.problem].filter(Boolean).join(": ") };
}

/** @param {any} shown @param {string} me @returns {Standing} */
export function standingOf(shown, me) {
  if (!shown) return "none";
  if (shown.control === "queued") return "waiting";
  if (shown.control === "bot") return "bot";
  return shown.agent === me ? "mine" : "others";
}
