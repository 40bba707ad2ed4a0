// The conversation of one visitor: what they say goes out, what comes in is shown, counted and marked as read.

import { BrowserMemory } from "./memory.js";
import { Connection, Refusal } from "./connection.js";
import { Outbox } from "./order.js";

const ANSWER_MS = 12_000;
const RETRY_MS = 2_000;
const NOTE_AFTER_MS = 1_500;
const FRESH_MS = 60_000;

/**
 * Fires `session`, `state`, `expired` (of the identity), `control`, `unread`, `talked` (there are messages), `message`
 * {author, name, parts}.
 */
export class Chat extends EventTarget {
  /**
   * @param {URL} base ends in `/chat/{site}/`
   * @param {import("../ui/thread.js").Thread} thread
   * @param {{say: (key: any, values?: any) => string, language: string}} words
   * @param {string} identity
   */
  constructor(base, thread, words, identity) {
    super();
    this.thread = thread;
    this.words = words;
    this.identity = identity;
    /** @type {Record<string, string> | null} */
    this.profile = null;
    this.memory = new BrowserMemory(base.host + base.pathname);
    this.outbox = new Outbox(this.memory);
    this.connection = new Connection(base, this.memory, () => this.facts(), {
      session: (session) => this.begun(session),
      frame: (frame) => this.heard(frame),
      state: (state) => this.moved(state),
      expired: () => this.expired(),
      broken: () => this.broke(),
    });
    /** @type {any} */
    this.session = null;
    this.state = "connecting";
    this.conversation = "";
    this.control = { held_by: "bot", name: "" };
    this.hasTalked = false;
    this.isJoined = false;
    /** @type {Set<number>} */
    this.unseen = new Set();
    /** @type {import("./porter.js").Porter | undefined} there since the first file */
    this.porter = undefined;
    /** @type {string} the message that waits for its answer */
    this.underWay = "";
    this.noticedAt = 0;
    this.onlineAt = 0;
    thread.addEventListener("seen", (event) => this.seen(/** @type {CustomEvent} */ (event).detail.seq));
    thread.addEventListener("resend", (event) => this.resend(/** @type {CustomEvent} */ (event).detail.client_id));
    this.memory.listen((key, value) => this.toldByOtherTab(key, value));
  }

  facts() {
    return {
      identity: this.identity || undefined,
      language: this.words.language,
      page: location.href.split("#")[0].slice(0, 2000),
      referrer: document.referrer.slice(0, 2000),
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      profile: this.profile ?? undefined,
    };
  }

  // ---------------------------------------------------------------- coming and going

  /** A session, so that the site's words are known; a conversation that exists is joined. */
  begin() {
    this.first = this.tryToBegin();
    return this.first;
  }

  async tryToBegin() {
    try {
      await this.connection.begin();
    } catch (error) {
      if (error instanceof Refusal && [403, 404].includes(error.status)) this.moved("refused");
      else if (this.hasReason()) this.join();
    }
  }

  /** Stay connected. @param {string} [conversation] */
  join(conversation = this.conversation) {
    if (this.isJoined && conversation === this.conversation) return;
    this.isJoined = true;
    this.conversation = conversation;
    if (conversation) this.memory.set("conversation", conversation);
    this.empty();
    this.showWaiting();
    this.connection.join(conversation);
  }

  empty() {
    this.thread.clear();
    this.unseen.clear();
    this.hasTalked = false;
    this.underWay = "";
    this.control = { held_by: "bot", name: "" };
    this.tell("control");
    this.tell("unread");
  }

  /** Whether to be connected before the visitor opens anything: there is somebody's word to wait for. */
  hasReason() {
    return this.outbox.entries.size > 0 || Boolean(this.current()?.last_at) || Boolean(this.memory.get("talked"));
  }

  current() {
    return this.session?.conversations?.find((/** @type {any} */ one) => one.id === this.conversation);
  }

  begun(/** @type {any} */ session) {
    const isOther = this.isOther(session.visitor);
    const known = (session.conversations ?? []).map((/** @type {any} */ one) => one.id);
    const kept = this.memory.get("conversation") ?? "";
    const wanted = (!isOther && this.conversation) || (known.includes(kept) && kept) || session.conversation;
    this.session = session;
    this.outbox.adopt(wanted, known);
    this.tell("session");
    if (!this.isJoined) {
      this.conversation = wanted;
      if (this.hasReason()) this.join();
    } else if (!this.conversation) {
      this.conversation = this.connection.conversation = wanted;
    } else if (isOther || wanted !== this.conversation) {
      this.isJoined = false;
      this.join(wanted);
    }
    this.tell("unread");
  }

  /** Whether this tab, or this browser, knew another visitor; what it remembered was theirs. @param {string} visitor */
  isOther(visitor) {
    const before = this.memory.get("visitor");
    const isNewHere = Boolean(before) && before !== visitor;
    this.memory.set("visitor", visitor);
    if (isNewHere) for (const key of ["talked", "introduced"]) this.memory.set(key, null);
    return isNewHere || (this.session !== null && this.session.visitor !== visitor);
  }

  /** Somebody signed in (or is somebody else now). @param {string} identity a JWT */
  async identify(identity) {
    this.identity = identity;
    await this.first;
    await this.connection.begin().catch(() => this.connection.hurry());
  }

  /** The page may sign the visitor in again. */
  expired() {
    this.identity = "";
    this.tell("expired");
  }

  /** The visitor signed out: nothing of them stays in this browser. */
  async forget() {
    this.connection.leave();
    this.identity = "";
    this.profile = null;
    this.memory.clear();
    this.outbox = new Outbox(this.memory);
    this.porter = undefined;
    this.session = this.connection.session = null;
    this.conversation = "";
    this.isJoined = false;
    this.empty();
    await this.begin();
  }

  /** What the form was answered with. @param {Record<string, string>} profile */
  async introduce(profile) {
    this.profile = profile;
    await this.connection.begin();
    this.memory.set("introduced", "yes");
    this.connection.hurry();
  }

  /** Another conversation of a signed-in visitor. */
  async openAnother() {
    const { conversation } = await this.connection.ask("conversations", {});
    await this.connection.begin().catch(() => undefined);
    this.join(conversation);
  }

  moved(/** @type {string} */ state) {
    this.state = state;
    if (state === "online") {
      this.onlineAt = Date.now();
      if (this.read > 0) this.connection.say({ type: "read", seq: this.read });
      this.thread.removeAttribute("loading");
      this.flush();
      this.porter?.go();
    } else {
      this.underWay = "";
      clearTimeout(this.answerTimer);
    }
    this.tell("state");
  }

  // ---------------------------------------------------------------- speaking

  /** @param {string} text @param {File[]} files */
  say(text, files) {
    if (text) this.put([{ type: "text", text }]);
    if (files.length) this.sayFiles(files);
  }

  async sayFiles(/** @type {File[]} */ files) {
    const { Porter } = await import("./porter.js");
    this.porter ??= new Porter(this);
    for (const file of files) this.porter.take(file);
  }

  /** A button was pressed. @param {string} value @param {string} label */
  choose(value, label) {
    this.put([{ type: "selection", choice: value, label }]);
  }

  /** @param {any[]} parts */
  put(parts) {
    this.write(parts);
    this.flush();
  }

  /**
   * Into the outbox and on the screen.
   * @param {any[]} parts
   * @param {any[]} [shown] what stands for a file that has still to be uploaded
   */
  write(parts, shown) {
    const entry = this.outbox.add(newId(), this.conversation, parts, new Date().toISOString(), shown);
    this.show(entry);
    this.talked();
    this.join();
    return entry;
  }

  show(/** @type {import("./order.js").Waiting} */ entry) {
    const url = this.porter?.previewOf(entry.id);
    const parts = (entry.shown ?? entry.parts).map((part) => (url ? { ...part, url } : part));
    this.thread.upsert({
      client_id: entry.id,
      author: "customer",
      at: entry.at,
      parts,
      status: entry.state || "sending",
      problem: entry.problem ?? "",
      is_final: entry.isFinal ?? false,
      progress: entry.needsFile && url ? 0 : undefined,
    });
  }

  showWaiting() {
    for (const entry of this.outbox.of(this.conversation)) {
      if (entry.needsFile && !this.porter?.has(entry.id)) this.outbox.failed(entry.id, this.words.say("lost_file"), true);
      this.show(/** @type {any} */ (this.outbox.entries.get(entry.id)));
      this.talked();
    }
  }

  /** One after another: the next goes out when the one before is stored, so that their order stays. */
  flush() {
    if (this.underWay || !this.connection.isOpen || Date.now() < (this.notBefore ?? 0)) return;
    const entry = this.outbox.next(this.conversation);
    if (!entry || !this.connection.say({ type: "message", id: entry.id, parts: entry.parts })) return;
    this.underWay = entry.id;
    clearTimeout(this.answerTimer);
    this.answerTimer = setTimeout(() => this.connection.hurry(), ANSWER_MS);
  }

  answered(/** @type {string} */ id) {
    if (this.underWay !== id) return;
    this.underWay = "";
    clearTimeout(this.answerTimer);
  }

  resend(/** @type {string} */ id) {
    this.outbox.again(id);
    const entry = this.outbox.entries.get(id);
    if (!entry) return;
    this.show(entry);
    this.flush();
    this.porter?.go();
  }

  broke() {
    const id = this.underWay;
    if (id && this.outbox.broke(id)) this.fail(id, this.words.say("not_sent"), true);
  }

  fail(/** @type {string} */ id, /** @type {string} */ problem, /** @type {boolean} */ isFinal) {
    this.outbox.failed(id, problem, isFinal);
    const entry = this.outbox.entries.get(id);
    if (entry) this.show(entry);
  }

  later(/** @type {number} */ ms) {
    this.notBefore = Date.now() + ms;
    setTimeout(() => {
      this.flush();
      this.porter?.go();
    }, ms + 10);
  }

  // ---------------------------------------------------------------- hearing

  heard(/** @type {any} */ frame) {
    const hear = /** @type {Record<string, (frame: any) => void>} */ ({
      message: (said) => this.heardMessage(said),
      accepted: ({ client_id, seq }) => this.stored(client_id, { client_id, seq, status: "sent" }),
      refused: (refused) => this.heardRefusal(refused),
      status: ({ seq, status }) => this.heardStatus(seq, status),
      typing: ({ author, name, on }) => this.thread.typing(author, name ?? "", on),
      delta: ({ id, text }) => this.thread.delta(id, text),
      control: (control) => this.heardControl(control),
    });
    hear[frame.type]?.(frame);
  }

  heardMessage(/** @type {any} */ frame) {
    const { seq, id, client_id, author, name, at, parts, status } = frame;
    if (client_id) this.stored(client_id, { seq, id, client_id, author, name, at, parts, status });
    else this.thread.upsert({ seq, id, author, name, at, parts, status });
    if (parts?.length) this.talked();
    if (author === "customer" || !parts?.length) return;
    if (author === "system") this.noticedAt = Date.now();
    if (seq <= this.read || status === "read") return;
    this.unseen.add(seq);
    this.tell("unread");
    if (Date.now() - Date.parse(at) < FRESH_MS) this.tell("message", { author, name, parts });
  }

  stored(/** @type {string} */ id, /** @type {any} */ message) {
    const waited = this.outbox.entries.get(id);
    if (waited || message.parts) this.thread.upsert({ ...message, problem: "", is_final: false });
    if (waited) this.outbox.done(id);
    this.porter?.drop(id);
    this.answered(id);
    this.flush();
  }

  heardRefusal(/** @type {any} */ { client_id: id, reason, retry_after_s }) {
    this.answered(id);
    if (!this.outbox.entries.has(id)) return;
    if (retry_after_s !== undefined || /^(too_many|unavail|restart|http_5)/.test(reason)) {
      this.later((retry_after_s ?? RETRY_MS / 1000) * 1000);
      return;
    }
    const problems = /** @type {Record<string, string>} */ ({
      too_long: this.words.say("too_long", { n: (10_000).toLocaleString(this.words.language) }),
      too_large: this.words.say("too_long", { n: (10_000).toLocaleString(this.words.language) }),
      bad_upload: this.words.say("lost_file"),
    });
    this.fail(id, problems[reason] ?? this.words.say("not_sent"), true);
    this.flush();
  }

  heardStatus(/** @type {number} */ seq, /** @type {string} */ status) {
    this.thread.upsert({ seq, status });
    if (status === "read" && this.unseen.has(seq)) this.readTo(seq);
  }

  /** A change is a line in the middle, unless the announcement that came with it says it already, or it was before us. */
  heardControl(/** @type {any} */ { control, name, text }) {
    const isSame = this.control.held_by === control && this.control.name === (name ?? "");
    this.control = { held_by: control, name: name ?? "" };
    this.tell("control");
    if (control !== "agent") this.thread.typing("agent", "", false);
    clearTimeout(this.noteTimer);
    if (isSame || !text || Date.now() - this.onlineAt < NOTE_AFTER_MS) return;
    const changedAt = Date.now();
    this.noteTimer = setTimeout(() => {
      if (this.noticedAt < changedAt - NOTE_AFTER_MS) this.thread.note(text, `control-${changedAt}`);
    }, NOTE_AFTER_MS);
  }

  talked() {
    if (this.hasTalked) return;
    this.hasTalked = true;
    this.memory.set("talked", "yes");
    this.tell("talked");
  }

  // ---------------------------------------------------------------- read and unread

  /** The visitor has read up to this seq, in whichever tab. */
  get read() {
    return Number(this.memory.get(`read:${this.conversation}`) ?? 0);
  }

  get unread() {
    let sum = this.isJoined ? this.unseen.size : (this.current()?.unread ?? 0);
    for (const one of this.session?.conversations ?? []) if (one.id !== this.conversation) sum += one.unread || 0;
    return sum;
  }

  seen(/** @type {number} */ seq) {
    if (seq <= this.read) return this.readTo(seq);
    this.memory.set(`read:${this.conversation}`, String(seq));
    this.connection.say({ type: "read", seq });
    this.readTo(seq);
  }

  readTo(/** @type {number} */ seq) {
    for (const one of this.unseen) if (one <= seq) this.unseen.delete(one);
    this.tell("unread");
  }

  toldByOtherTab(/** @type {string} */ key, /** @type {string | null} */ value) {
    if (key === `read:${this.conversation}`) this.readTo(Number(value ?? 0));
    else if (key === "token" && value === null && this.session) this.goneElsewhere();
    else if (key.startsWith("out:") && value === null) this.outbox.dropped(key.slice(4));
    else if (key.startsWith("out:")) this.alsoShow(value);
  }

  alsoShow(/** @type {string | null} */ value) {
    const entry = this.outbox.restore(value);
    if (!entry || entry.conversation !== this.conversation || !this.isJoined) return;
    this.show(entry);
    this.talked();
  }

  /** Another tab signed out. */
  goneElsewhere() {
    setTimeout(() => !this.memory.get("token") && this.forget(), 1_000);
  }

  tell(/** @type {string} */ name, /** @type {any} */ detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
