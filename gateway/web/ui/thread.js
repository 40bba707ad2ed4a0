// <tertulia-thread>: a conversation as one reads it. The widget, the desk and the sandbox show the same one.

import { icon } from "./icons.js";
import { Ledger, questions } from "./ledger.js";
import { markdown } from "./markdown.js";
import { element, learn, partNodes, spoken } from "./parts.js";
import { viewTexts } from "./texts.js";
import { threadStyle } from "./thread-style.js";
import { clockTime, dayName, fullTime, isSameDay } from "./times.js";

const SHOWN_AT_FIRST = 100;
const SHOWN_MORE = 100;
const KEPT_AT_END = 400;
const GAP_MS = 20 * 60_000;
const RUN_MS = 5 * 60_000;
const TYPING_MS = 12_000;
const AT_END_PX = 48;
const NEAR_START_PX = 600;
const AUTHORS = ["customer", "bot", "agent", "note"];

/** @typedef {import("./ledger.js").Message} Message */
/** @typedef {import("./ledger.js").Entry} Entry */

/**
 * Properties: `language` (es, en, pt), `me` ("customer" or "agent": whose labels, marks and buttons), `annotate`
 * (what to put under a message). Attribute `loading` shows a skeleton. Slot `start`: above the first message.
 *
 * Events, bubbling and composed: `choose` {value, label, seq, asks_for}, `resend` {client_id}, `seen` {seq} (the newest
 * message that was really on the screen; grows), `older` (the reader stands at the oldest message that is here).
 */
export class Thread extends HTMLElement {
  static observedAttributes = ["language", "me"];

  constructor() {
    super();
    this._ledger = new Ledger();
    this._language = "en";
    /** @type {"customer" | "agent"} */
    this._me = "customer";
    /** @type {(key: any, values?: any) => string} */
    this._say = () => "";
    this._hasWords = false;
    /** @type {(() => void)[]} */
    this._postponed = [];
    /** @type {((message: Message) => Node | null) | null} */
    this._annotate = null;
    /** @type {Map<string, {node: HTMLElement, signature: string, state: string}>} */
    this._rows = new Map();
    /** @type {Map<string, {text: string, node: HTMLElement}>} */
    this._streams = new Map();
    /** @type {Map<string, {node: HTMLElement, timer: number}>} */
    this._typists = new Map();
    /** @type {string | null} key of the oldest entry that is shown; null: the newest ones, as many as at first */
    this._oldest = null;
    this._isAtEnd = true;
    this._height = 0;
    this._unread = 0;
    this._seen = 0;
    this._isScheduled = false;
    /** @type {string | null} the oldest entry when `older` was told */
    this._askedFor = null;
    this._isQuiet = true;
    this._revision = 0;
    this._build();
  }

  // ---------------------------------------------------------------- what others call

  get language() {
    return this._language;
  }

  set language(language) {
    if (language === this._language) return;
    this._language = language || "en";
    this._learnWords();
  }

  get me() {
    return this._me;
  }

  set me(me) {
    if (me === this._me) return;
    this._me = me;
    this._redraw();
  }

  /** What to put under a message, e.g. why the bot said it. Asked again when the message changes. */
  get annotate() {
    return this._annotate;
  }

  set annotate(annotate) {
    this._annotate = annotate;
    this._redraw();
  }

  /**
   * Show a message, or what changed of it. Known by `seq`, else by `client_id`; may come in any order and repeatedly.
   * Without a seq it is under way and stands last. Empty parts show nothing.
   * @param {Message} message
   */
  upsert(message) {
    const done = this._ledger.upsert(message);
    if (!done) return;
    const { entry, isNew } = done;
    this._cameTrue(entry, isNew);
    if (isNew && this._isMine(entry) && entry.seq === undefined) this._isAtEnd = true;
    else if (isNew && this._isNews(entry) && !this._isAtEnd) this._unread += 1;
    this._schedule();
  }

  /**
   * A centred line about what happened, behind all that is there. The same key again changes its text.
   * @param {string} text
   * @param {string} key
   * @param {string} [at] ISO 8601
   */
  note(text, key, at) {
    this._ledger.note(text, key, at);
    this._schedule();
  }

  /** Change what is there by hand, for what only some pages show. @param {(ledger: Ledger) => void} act */
  change(act) {
    act(this._ledger);
    this._schedule();
  }

  /**
   * Somebody began or ceased to write. Ends by itself after 12 s, and with their message.
   * @param {string} author
   * @param {string} name
   * @param {boolean} on
   */
  typing(author, name, on) {
    if (!this._hasWords) return this._whenItSpeaks(() => this.typing(author, name, on));
    this._stopTyping(author);
    if (!on) return;
    const who = name || this._nameOf({ author });
    const dots = element("div", "bubble dots", element("i", ""), element("i", ""), element("i", ""));
    dots.append(spoken(this._say("typing", { name: who })));
    const node = element("div", `row first ${authorClass(author)}`, element("div", "body", dots));
    this._typists.set(author, { node, timer: window.setTimeout(() => this._stopTyping(author), TYPING_MS) });
    this._tail.append(node);
    this._keepPlace();
  }

  /**
   * The next piece of an answer that is being written; its message, with the same id, takes its place.
   * @param {string} id
   * @param {string} text
   */
  delta(id, text) {
    if (!this._hasWords) return this._whenItSpeaks(() => this.delta(id, text));
    const stream = this._streams.get(id) ?? this._beginStream(id);
    stream.text += text;
    /** @type {HTMLElement} */ (stream.node.querySelector(".bubble")).replaceChildren(...markdown(stream.text));
    this._keepPlace();
  }

  /** Forget everything, for another conversation. */
  clear() {
    this._ledger.clear();
    this._postponed = [];
    for (const author of [...this._typists.keys()]) this._stopTyping(author);
    for (const id of [...this._streams.keys()]) this._endStream(id);
    this._rows.clear();
    this._items.replaceChildren();
    this._oldest = null;
    this._isAtEnd = true;
    this._isQuiet = true;
    this._unread = 0;
    this._seen = 0;
    this._showPill();
  }

  /** Go to the newest message. */
  scrollToEnd() {
    this._isAtEnd = true;
    this._unread = 0;
    this._scroll.scrollTop = this._scroll.scrollHeight;
    this._scrolled();
  }

  /** Put the focus on the conversation, so that the arrow keys scroll it. */
  focus() {
    this._scroll.focus({ preventScroll: true });
  }

  // ---------------------------------------------------------------- life of the element

  attributeChangedCallback(/** @type {string} */ name, /** @type {string} */ _old, /** @type {string} */ value) {
    if (name === "language") this.language = value;
    if (name === "me") this.me = value === "agent" ? "agent" : "customer";
  }

  connectedCallback() {
    document.addEventListener("visibilitychange", this._tellSeen);
    if (!this._hasWords) this._learnWords();
    this._sizes.observe(this._scroll);
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this._tellSeen);
    this._sizes.disconnect();
  }

  _build() {
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [threadStyle];
    const skeleton = element("div", "skeleton", element("i", ""), element("i", ""), element("i", ""));
    skeleton.setAttribute("aria-hidden", "true");
    this._start = document.createElement("slot");
    this._start.name = "start";
    this._items = element("div", "items");
    this._tail = element("div", "tail");
    this._tail.setAttribute("aria-live", "off");
    this._column = element("div", "column", this._start, skeleton, this._items, this._tail);
    this._scroll = element("div", "scroll", this._column);
    this._scroll.tabIndex = 0;
    this._scroll.setAttribute("role", "log");
    this._scroll.setAttribute("aria-live", "off");
    this._pill = element("button", "pill");
    this._pill.setAttribute("type", "button");
    this._pill.hidden = true;
    root.append(this._scroll, this._pill);
    this._listen();
    this._label();
  }

  _listen() {
    this._tellSeen = () => this._maybeSeen();
    this._scroll.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this._pill.addEventListener("click", () => {
      this.scrollToEnd();
      this.focus();
    });
    this._sizes = new ResizeObserver(() => this._resized());
  }

  async _learnWords() {
    const language = this._language;
    const say = await viewTexts(language);
    if (language !== this._language) return;
    this._say = say;
    this._hasWords = true;
    for (const act of this._postponed.splice(0)) act();
    this._redraw();
  }

  /** A message takes the place of its stream and of its author's typing, also of those that are still postponed. */
  _cameTrue(/** @type {Message} */ entry, /** @type {boolean} */ isNew) {
    if (!this._hasWords) this._whenItSpeaks(() => this._cameTrue(entry, isNew));
    if (entry.id) this._endStream(entry.id);
    if (isNew && entry.author && entry.author !== "system") this._stopTyping(entry.author);
  }

  /** The words of a language are on their way. @param {() => void} act */
  _whenItSpeaks(act) {
    this._postponed.push(act);
  }

  /** What is needed for the rarer parts, once. */
  async _learnRarer() {
    if (this._knowsRarer) return;
    this._knowsRarer = true;
    const { RICH, richStyle } = await import("./rich.js");
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    learn(RICH);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, richStyle];
    this._redraw();
  }

  _label() {
    this._scroll.setAttribute("aria-label", this._say("conversation"));
  }

  _redraw() {
    this._revision += 1;
    this._label();
    this._showPill();
    this._schedule();
  }

  // ---------------------------------------------------------------- drawing

  _schedule() {
    if (this._isScheduled) return;
    this._isScheduled = true;
    queueMicrotask(() => {
      this._isScheduled = false;
      if (this._hasWords) this._draw();
    });
  }

  _draw() {
    const shown = this._window();
    this._scroll.setAttribute("aria-live", this._isQuiet ? "off" : "polite");
    const anchor = this._isAtEnd ? null : this._anchor();
    const kept = this._reconcile(shown);
    this._removeOthers(kept);
    if (shown.length) this._becomeLoud();
    this._keepPlace(anchor);
  }

  /** The entries to draw. A long conversation grows upwards as its reader scrolls. */
  _window() {
    const entries = this._ledger.entries;
    const at = this._oldest === null ? -1 : entries.findIndex((entry) => entry.key === this._oldest);
    // All was shown, and its reader stands further up: what is older now is what they asked for.
    const isAsked = this._oldest === null && !this._isAtEnd;
    let from = at < 0 ? (isAsked ? 0 : Math.max(0, entries.length - SHOWN_AT_FIRST)) : at;
    if (this._isAtEnd && entries.length - from > KEPT_AT_END) from = entries.length - SHOWN_AT_FIRST;
    this._oldest = from > 0 ? entries[from].key : null;
    this._start.style.display = from > 0 ? "none" : "";
    return entries.slice(from);
  }

  _showOlder() {
    const entries = this._ledger.entries;
    const at = this._oldest === null ? 0 : entries.findIndex((entry) => entry.key === this._oldest);
    if (at <= 0) {
      this._askForOlder(entries[0]?.key);
      return;
    }
    const from = Math.max(0, at - SHOWN_MORE);
    this._oldest = entries[from].key;
    this._isQuiet = true;
    this._draw();
  }

  /** Once for each oldest one. @param {string | undefined} key */
  _askForOlder(key) {
    if (!key || key === this._askedFor) return;
    this._askedFor = key;
    this._tell("older", {});
  }

  /** Additions are read aloud only when they are news, not when a history is laid out. */
  _becomeLoud() {
    if (!this._isQuiet) return;
    window.clearTimeout(this._loudTimer);
    this._loudTimer = window.setTimeout(() => {
      this._isQuiet = false;
      this._scroll.setAttribute("aria-live", "polite");
    }, 300);
  }

  /** @param {Entry[]} shown @returns {Set<string>} */
  _reconcile(shown) {
    const { waiting, chosen } = questions(this._ledger.entries);
    const visible = shown.filter((entry) => entry.note !== undefined || entry.parts?.length);
    const lastMarked = this._lastMarked(visible);
    const kept = new Set();
    /** @type {HTMLElement | null} */
    let previous = null;
    visible.forEach((entry, at) => {
      const context = this._context(entry, visible[at - 1], visible[at + 1]);
      const isLive = entry === waiting && this._me === "customer";
      const node = this._row(entry, { ...context, isLive, chosen: chosen.get(entry), isMarked: entry === lastMarked });
      kept.add(entry.key);
      const place = previous ? previous.nextElementSibling : this._items.firstElementChild;
      if (node !== place) this._items.insertBefore(node, place);
      previous = node;
    });
    return kept;
  }

  /** @param {Set<string>} kept */
  _removeOthers(kept) {
    for (const [key, row] of this._rows) {
      if (kept.has(key)) continue;
      row.node.remove();
      this._rows.delete(key);
    }
  }

  /** What the row takes from its neighbours: a run of one speaker, the time at a gap, the day. */
  _context(/** @type {Entry} */ entry, /** @type {Entry | undefined} */ before, /** @type {Entry | undefined} */ after) {
    const at = timeOf(entry);
    const earlier = before ? timeOf(before) : null;
    const isNewDay = at !== null && (earlier === null || !isSameDay(at, earlier));
    const isGap = at !== null && (isNewDay || at.getTime() - (earlier?.getTime() ?? 0) > GAP_MS);
    return {
      day: isNewDay ? dayName(at, this._language, this._say) : "",
      time: isGap ? clockTime(at, this._language) : "",
      isFirst: isGap || !before || !isSameRun(before, entry),
      isLast: !after || !isSameRun(entry, after),
    };
  }

  /** The newest of my messages that the other side has: it alone carries the small mark. */
  _lastMarked(/** @type {Entry[]} */ visible) {
    return visible.findLast((entry) => this._isMine(entry) && ["sent", "delivered", "read"].includes(entry.status ?? ""));
  }

  /** @param {Entry} entry @param {any} look @returns {HTMLElement} */
  _row(entry, look) {
    const { isLast, isMarked, ...content } = look;
    const signature = JSON.stringify([this._revision, entry.revision, content]);
    const state = JSON.stringify([entry.status, entry.problem, entry.is_final, entry.progress, entry.seq, isLast, isMarked]);
    const known = this._rows.get(entry.key);
    if (known?.signature === signature) {
      if (known.state !== state) this._renew(known.node, entry, look);
      known.state = state;
      return known.node;
    }
    const node = entry.note === undefined ? this._messageRow(entry, look) : this._noteRow(entry, look);
    if (!known && !this._isQuiet) node.classList.add("fresh");
    node.dataset.key = entry.key;
    if (known) this._replace(known.node, node);
    this._rows.set(entry.key, { node, signature, state });
    return node;
  }

  /** In its place, with the focus kept near if it was inside. */
  _replace(/** @type {HTMLElement} */ old, /** @type {HTMLElement} */ node) {
    const hadFocus = old.contains(/** @type {ShadowRoot} */ (this.shadowRoot).activeElement);
    old.replaceWith(node);
    const near = /** @type {HTMLElement | null} */ (node.querySelector("button, a"));
    if (hadFocus) (near ?? this._scroll).focus({ preventScroll: true });
  }

  _noteRow(/** @type {Entry} */ entry, /** @type {any} */ look) {
    const node = element("div", "row system", ...this._gap(entry, look));
    node.append(element("div", "line", entry.note ?? ""));
    return node;
  }

  /** @param {Entry} entry @param {any} look */
  _messageRow(entry, look) {
    const node = element("div", "", ...this._gap(entry, look));
    const name = this._nameOf(entry);
    if (look.isFirst && entry.author !== "system" && (entry.author !== "customer" || this._me === "agent")) {
      node.append(element("div", "name", ...faceOf(entry.avatar), name));
    }
    node.append(this._body(entry, look, name), element("div", "below"));
    this._renew(node, entry, look);
    return node;
  }

  /** What changes while the words stay: drawn in place, so that nobody hears a message read out again for it. */
  _renew(/** @type {HTMLElement} */ node, /** @type {Entry} */ entry, /** @type {any} */ look) {
    const ends = [look.isFirst && "first", look.isLast && "last"];
    node.className = ["row", authorClass(entry.author), entry.status, ...ends].filter(Boolean).join(" ");
    if (entry.seq !== undefined) node.dataset.seq = String(entry.seq);
    if (entry.client_id) node.dataset.client = entry.client_id;
    const bar = node.querySelector("progress");
    if (bar && entry.status === "sending") bar.value = entry.progress ?? 0;
    else bar?.remove();
    const below = /** @type {HTMLElement | null} */ (node.querySelector(".below"));
    if (!below) return;
    const status = this._status(entry, look);
    const hadFocus = below.contains(/** @type {ShadowRoot} */ (this.shadowRoot).activeElement);
    const annotation = this._annotate?.(entry);
    below.replaceChildren(...(status ? [status] : []), ...(annotation ? [element("div", "annotation", annotation)] : []));
    if (hadFocus) this.focus();
  }

  _body(/** @type {Entry} */ entry, /** @type {any} */ look, /** @type {string} */ name) {
    const body = element("div", "body", spoken(`${name}: `));
    const at = timeOf(entry);
    if (at) body.title = fullTime(at, this._language);
    for (const part of entry.parts ?? []) {
      body.append(
        ...partNodes(part, {
          say: this._say,
          language: this._language,
          isLive: look.isLive,
          chosen: look.chosen,
          progress: entry.status === "sending" ? entry.progress : undefined,
          choose: (option) => this._choose(entry, option),
          need: () => this._learnRarer(),
        }),
      );
    }
    return body;
  }

  _gap(/** @type {Entry} */ entry, /** @type {any} */ look) {
    if (!look.time) return [];
    const line = element("time", "gap");
    line.setAttribute("datetime", entry.at ?? "");
    if (look.day) line.append(element("span", "day", look.day), " ");
    line.append(look.time);
    return [line];
  }

  /** @param {Entry} entry @param {any} look @returns {HTMLElement | null} */
  _status(entry, look) {
    const status = entry.status ?? "";
    if (status === "failed") return this._failure(entry);
    if (status === "withdrawn") return element("div", "status", this._say("withdrawn"));
    if (!this._isMine(entry)) return null;
    const marks = /** @type {const} */ ({ sending: "clock", sent: "check", delivered: "checks", read: "checks" });
    if (!(status in marks) || (status !== "sending" && !look.isMarked)) return null;
    const known = /** @type {keyof typeof marks} */ (status);
    const line = element("div", `status ${status}`, icon(marks[known], 16), spoken(this._say(known)));
    line.title = this._say(known);
    return line;
  }

  _failure(/** @type {Entry} */ entry) {
    const line = element("div", "status failed", icon("problem", 16), entry.problem || this._say("failed"));
    if (!this._isMine(entry) || !entry.client_id || entry.is_final) return line;
    const again = element("button", "again", this._say("resend"));
    again.setAttribute("type", "button");
    again.addEventListener("click", () => this._tell("resend", { client_id: entry.client_id }));
    line.append(again);
    return line;
  }

  // ---------------------------------------------------------------- who and what

  /** Whether it is somebody else's, and the newest. @param {Entry} entry */
  _isNews(entry) {
    return entry.author !== this._me && entry.place >= this._ledger.lastSeq() && Boolean(entry.parts?.length);
  }

  _isMine(/** @type {Entry} */ entry) {
    return this._me === "customer" ? entry.author === "customer" : entry.author === "agent" || entry.author === "bot";
  }

  /** @param {{author?: string, name?: string}} message */
  _nameOf(message) {
    if (message.author === "customer" && this._me === "customer") return this._say("you");
    if (message.name) return message.name;
    const author = authorClass(message.author);
    return this._say(author);
  }

  _choose(/** @type {Entry} */ entry, /** @type {any} */ option) {
    const { label, value, asks_for = "" } = option;
    this._tell("choose", { value: value || label, label, seq: entry.seq, asks_for });
  }

  _beginStream(/** @type {string} */ id) {
    this._stopTyping("bot");
    const node = element("div", "row first bot streaming", element("div", "name", this._say("bot")));
    node.append(element("div", "body", element("div", "bubble")));
    const stream = { text: "", node };
    this._streams.set(id, stream);
    this._tail.append(node);
    return stream;
  }

  _endStream(/** @type {string} */ id) {
    this._streams.get(id)?.node.remove();
    this._streams.delete(id);
  }

  _stopTyping(/** @type {string} */ author) {
    const typist = this._typists.get(author);
    if (!typist) return;
    window.clearTimeout(typist.timer);
    typist.node.remove();
    this._typists.delete(author);
  }

  _tell(/** @type {string} */ name, /** @type {any} */ detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  // ---------------------------------------------------------------- the reader's place

  /** The first row on the screen and where it stands, to hold it still while others come and go. */
  _anchor() {
    const top = this._scroll.getBoundingClientRect().top;
    for (const row of /** @type {Iterable<HTMLElement>} */ (this._items.children)) {
      const box = row.getBoundingClientRect();
      if (box.bottom > top) return { key: row.dataset.key ?? "", top: box.top };
    }
    return null;
  }

  /** @param {{key: string, top: number} | null} [anchor] */
  _keepPlace(anchor = null) {
    if (this._isAtEnd) {
      this._scroll.scrollTop = this._scroll.scrollHeight;
    } else if (anchor) {
      const row = this._rows.get(anchor.key);
      if (row) this._scroll.scrollTop += row.node.getBoundingClientRect().top - anchor.top;
    }
    this._showPill();
    this._maybeSeen();
    const isShort = this._height > 0 && this._scroll.scrollHeight < this._height + NEAR_START_PX;
    if (this._oldest !== null && isShort) this._showOlder();
  }

  _scrolled() {
    if (this._scroll.clientHeight !== this._height && this._height) return;
    const { scrollHeight, scrollTop, clientHeight } = this._scroll;
    if (!clientHeight) return;
    this._isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    if (this._isAtEnd) this._unread = 0;
    if (scrollTop < NEAR_START_PX && !this._isAtEnd) this._showOlder();
    this._showPill();
    this._maybeSeen();
  }

  _resized() {
    this._height = this._scroll.clientHeight;
    if (this._height) this._keepPlace();
  }

  _showPill() {
    this._pill.hidden = this._isAtEnd;
    if (this._isAtEnd) return;
    const label = this._unread ? this._say("newMessages", { n: this._unread }) : "";
    this._pill.classList.toggle("bare", !label);
    this._pill.replaceChildren(icon("down", 18), label || spoken(this._say("toEnd")));
  }

  _maybeSeen() {
    if (document.visibilityState !== "visible" || !this._scroll.clientHeight) return;
    const bottom = this._scroll.getBoundingClientRect().bottom + 8;
    const rows = /** @type {HTMLElement[]} */ ([...this._items.children]);
    const row = rows.findLast((one) => one.dataset.seq && one.getBoundingClientRect().top < bottom);
    const seq = Number(row?.dataset.seq ?? 0);
    if (seq <= this._seen) return;
    this._seen = seq;
    this._tell("seen", { seq });
  }
}

/** @param {string | undefined} author */
function authorClass(author) {
  return author && AUTHORS.includes(author) ? author : "system";
}

function timeOf(/** @type {Entry} */ entry) {
  const at = entry.at ? new Date(entry.at) : null;
  return at && !Number.isNaN(at.getTime()) ? at : null;
}

function isSameRun(/** @type {Entry} */ one, /** @type {Entry} */ other) {
  if (one.note !== undefined || other.note !== undefined) return false;
  return one.author === other.author && one.name === other.name && (timeOf(other)?.getTime() ?? 0) - (timeOf(one)?.getTime() ?? 0) < RUN_MS;
}

if (!customElements.get("tertulia-thread")) customElements.define("tertulia-thread", Thread);

/** The picture of who speaks, before their name; one that cannot be fetched is left out. @param {string} [address] */
function faceOf(address) {
  if (!address?.startsWith("https://") && !address?.startsWith(`${location.origin}/`)) return [];
  const face = Object.assign(document.createElement("img"), { className: "face", alt: "", referrerPolicy: "no-referrer", src: address });
  face.onerror = () => face.remove();
  return [face];
}
