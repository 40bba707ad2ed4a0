// The middle column: who it is, what was said and why, and what the agent answers.

import "/ui/thread.js";
import { icon } from "/ui/more-icons.js";
import { element } from "/ui/parts.js";
import "./turn.js";
import { put, takeAway } from "./beside.js";
import { shortWait } from "./cases.js";
import { Composer } from "./composer.js";
import { button, iconButton, labelWithKey } from "./dialogs.js";
import { nothing } from "./queue.js";
import { appInWords, language, languageInWords, lossInWords, personInWords, say } from "./texts.js";
import { deskThreadStyle } from "./thread-style.js";
import { Why } from "./why.js";

/** @typedef {"none" | "waiting" | "mine" | "others" | "bot"} Standing */

/**
 * @typedef {object} Around
 * @property {() => string} me
 * @property {(act: "take" | "giveBack" | "close" | "details" | "back") => void} act
 * @property {(answer: import("./composer.js").Written) => void} answer
 * @property {(text: string) => Promise<boolean>} note leave one; whether that was done
 * @property {(id: string) => void} removeNote
 * @property {() => Promise<string>} introduce the agent's name, asked for when it is not known
 * @property {(problem: unknown) => void} complain
 * @property {() => number} offsetMs what must be added to this machine's time to get the server's
 * @property {(conversation: string) => string[]} lookers colleagues who look at it
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
    /** @type {Map<string, any>} notes by their id */
    this.notes = new Map();
    this.build();
  }

  build() {
    this.name = element("h1", "");
    this.facts = element("p", "soft");
    this.lookers = element("span", "lookers");
    this.lookers.hidden = true;
    this.why = new Why();
    this.actions = element("div", "actions");
    const back = iconButton("back", say("backToQueue"), "icon back");
    back.addEventListener("click", () => this.around.act("back"));
    this.details = iconButton("card", say("details"), "icon details");
    this.details.addEventListener("click", () => this.around.act("details"));
    this.head = element("header", "", back, element("div", "who", this.name, this.facts), this.lookers, this.actions, this.details);
    this.buildThread();
    this.composer = new Composer(this.around, () => ({ shown: this.shown, standing: this.standing }), () => this.thread.focus());
    this.empty = nothing(say("choose"), say("chooseMore"));
    this.node = element("section", "conversation", this.head, this.why.node, this.thread, this.composer.node, this.empty);
    this.composer.dropInto(this.node);
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
    thread.shadowRoot.adoptedStyleSheets = [...thread.shadowRoot.adoptedStyleSheets, deskThreadStyle];
    thread.addEventListener("resend", (/** @type {CustomEvent} */ event) => this.around.resend(event.detail.client_id));
    thread.addEventListener("seen", (/** @type {CustomEvent} */ event) => this.around.seen(event.detail.seq));
    thread.addEventListener("older", () => this.around.older());
    this.thread = thread;
  }

  // ---------------------------------------------------------------- what is shown

  /** Turn to a conversation, of which nothing is known yet but its name. @param {string | null} conversation @param {string} [name] */
  open(conversation, name = "") {
    if (conversation === this.conversation) return;
    this.composer.stopTyping();
    this.conversation = conversation;
    this.shown = null;
    this.turns.clear();
    this.known.clear();
    this.notes.clear();
    this.thread.clear();
    this.thread.toggleAttribute("loading", conversation !== null);
    this.start.hidden = true;
    this.composer.turnTo(conversation);
    this.name.textContent = name;
    this.empty.replaceChildren(...nothing(say("choose"), say("chooseMore")).childNodes);
    this.show(null);
  }

  /** What the server tells of the open conversation. @param {any} shown null while nothing is known */
  show(shown) {
    this.shown = shown;
    const isOpen = this.conversation !== null;
    for (const part of [this.head, this.thread, this.composer.node]) part.hidden = !isOpen;
    this.empty.hidden = isOpen;
    if (shown) {
      this.thread.removeAttribute("loading");
      this.name.textContent = personInWords(shown.contact.name, shown.conversation);
      this.add(shown.messages, shown.is_first, shown.notes);
      this.dropNotes(shown);
    }
    this.why.show(shown);
    this.draw();
  }

  /** There is no such conversation any more. */
  showUnknown() {
    this.open(null);
    this.empty.replaceChildren(...nothing(say("unknown"), say("unknownMore")).childNodes);
  }

  /** @param {any[]} messages @param {boolean} isFirst nothing is older than these @param {any[]} [notes] */
  add(messages, isFirst, notes = []) {
    for (const message of messages) {
      const content = JSON.stringify(message);
      if (this.known.get(message.seq) === content) continue;
      this.known.set(message.seq, content);
      if (message.turn && !this.turns.has(message.id)) this.turns.set(message.id, { seq: message.seq, turn: message.turn, node: null });
      this.thread.upsert(inWords(message));
    }
    for (const note of notes) this.addNote(note);
    if (isFirst) this.start.hidden = false;
  }

  /** @param {any} note */
  addNote(note) {
    if (this.notes.has(note.id)) return;
    this.notes.set(note.id, note);
    const name = say("noteBy", { agent: note.agent });
    this.thread.change(put(note.id, { id: note.id, author: "note", name, at: note.at, parts: [{ type: "text", text: note.text }] }, note.after));
  }

  /** Those that were taken back: not told any more, though they would stand among what is. @param {any} shown */
  dropNotes(shown) {
    const told = new Set((shown.notes ?? []).map((/** @type {any} */ note) => note.id));
    const first = shown.is_first || !shown.messages.length ? 0 : shown.messages[0].seq;
    for (const [id, note] of this.notes) {
      if (note.after < first || told.has(id)) continue;
      this.notes.delete(id);
      this.thread.change(takeAway(id));
    }
  }

  /** @param {any} id */
  noteActions(id) {
    const note = this.notes.get(id);
    if (!note || note.agent !== this.around.me()) return null;
    const remove = button(say("removeNote"), "quiet");
    remove.addEventListener("click", () => this.around.removeNote(id));
    return remove;
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
    if (message.author === "note") return this.noteActions(message.id);
    if (message.losses?.length) return element("p", "lost", say("lost", { losses: message.losses.map(lossInWords).join(", ") }));
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
    this.drawLookers();
    this.composer.draw();
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
    this.facts.replaceChildren(standing, ...more.filter(Boolean).flatMap((word) => [" ", element("span", "fact", `· ${word}`)]));
  }

  /** Colleagues who have it open too. */
  drawLookers() {
    const names = this.conversation ? this.around.lookers(this.conversation) : [];
    const words = names.length ? say("looking", { names: listed(names) }) : "";
    this.lookers.hidden = !names.length;
    if (this.lookers.title === words) return;
    this.lookers.title = words;
    const short = element("span", "short", listed(names));
    short.setAttribute("aria-hidden", "true");
    this.lookers.replaceChildren(icon("eye", 16), element("span", "whole", words), short);
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
    if (had) /** @type {HTMLElement} */ (this.actions.querySelector(`[data-act="${had}"]`) ?? this.composer.takeHere).focus();
  }

  /** Where one may write, unless one writes already: words for colleagues must not go on as words for the customer. */
  focus() {
    if (!this.composer.isNote) this.composer.focus();
  }

  writeAnswer() {
    this.composer.turn("answer");
    this.composer.focus();
  }

  writeNote() {
    if (!this.shown) return;
    this.composer.turn("note");
    this.composer.focus();
  }

  askCanned() {
    if (this.standing !== "mine") return;
    this.composer.turn("answer");
    if (!this.composer.field.disabled) this.composer.canned.ask();
  }

  /** Whether a window closed, or comes near to it, by time alone. */
  hasTurned() {
    const { kind, until } = this.composer.speaking();
    const minute = until ? Math.ceil((new Date(until).getTime() - this.composer.serverNow()) / 60_000) : 0;
    const state = `${this.conversation} ${kind} ${minute > 60 ? 60 : minute}`;
    const isTurned = this.turnedTo !== undefined && state !== this.turnedTo;
    this.turnedTo = state;
    return isTurned;
  }
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

/** "Ana", "Ana y Leo", "Ana, Leo y Eva". @param {string[]} names */
function listed(names) {
  return new Intl.ListFormat(language, { type: "conjunction" }).format(names);
}
