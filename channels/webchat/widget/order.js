// What keeps a conversation whole, without a DOM and without a network: the order of frames, the outbox, the patience.

/** Tells whether messages come without a gap. `after` is the seq up to which everything is here. */
export class Order {
  constructor(after = 0) {
    this.after = after;
  }

  /**
   * @param {number} seq
   * @returns {"next" | "old" | "gap"} a gap means: connect again with `after`
   */
  take(seq) {
    if (seq <= this.after) return "old";
    if (seq > this.after + 1) return "gap";
    this.after = seq;
    return "next";
  }
}

const FIRST_MS = 250;
const USUAL_MS = 1_600;
const LONGEST_MS = 15_000;
const PATIENT_AFTER = 20;

/**
 * How long to wait before trying again: the first time hardly, then below two seconds while a restart may last,
 * later longer. The chance in it keeps many clients from coming at the same time.
 * @param {number} attempt from 0
 * @param {number} [chance] 0 to 1
 */
export function waitMs(attempt, chance = Math.random()) {
  const usual = Math.min(USUAL_MS, FIRST_MS * 2 ** attempt);
  const late = attempt > PATIENT_AFTER ? Math.min(LONGEST_MS, USUAL_MS * 1.5 ** (attempt - PATIENT_AFTER)) : usual;
  return Math.round(late * (0.7 + 0.6 * chance));
}

/**
 * @typedef {object} Waiting a message of the visitor's that is not stored yet
 * @property {string} id the client's own, the same however often it is sent
 * @property {string} conversation
 * @property {any[]} parts
 * @property {any[]} [shown] what to show meanwhile, where it is not the same
 * @property {string} at ISO 8601
 * @property {number} nth
 * @property {boolean} needsFile its upload is not finished: it may not be sent
 * @property {"" | "failed"} state
 * @property {string} [problem]
 * @property {boolean} [isFinal]
 * @property {number} [breaks] how often the connection ended while it was sent
 *
 * @typedef {object} Memory
 * @property {(key: string) => string | null} get
 * @property {(key: string, value: string | null) => void} set
 * @property {(prefix: string) => string[]} keys
 */

const MAX_BREAKS = 3;
const PREFIX = "out:";

/** Messages until the server says that they are stored. They survive a reload; the order in which they were written stays. */
export class Outbox {
  /** @param {Memory} memory */
  constructor(memory) {
    this.memory = memory;
    /** @type {Map<string, Waiting>} */
    this.entries = new Map();
    for (const key of memory.keys(PREFIX)) this.restore(memory.get(key));
  }

  /**
   * @param {string} id
   * @param {string} conversation
   * @param {any[]} parts
   * @param {string} at
   * @param {any[]} [shown] its file has still to be uploaded, and this stands for it
   * @returns {Waiting}
   */
  add(id, conversation, parts, at, shown) {
    const nth = Math.max(0, ...[...this.entries.values()].map((entry) => entry.nth)) + 1;
    /** @type {Waiting} */
    const entry = { id, conversation, parts, at, nth, needsFile: Boolean(shown), shown, state: "" };
    this.keep(entry);
    return entry;
  }

  /** Those of a conversation in the order in which they were written. @param {string} conversation */
  of(conversation) {
    const own = [...this.entries.values()].filter((entry) => entry.conversation === conversation);
    return own.sort((one, other) => one.at.localeCompare(other.at) || one.nth - other.nth);
  }

  /** The one to send now, if any: the first that neither failed nor waits for its file. @param {string} conversation */
  next(conversation) {
    return this.of(conversation).find((entry) => entry.state === "" && !entry.needsFile);
  }

  /** It is stored: nothing more to do. @param {string} id */
  done(id) {
    this.entries.delete(id);
    this.memory.set(PREFIX + id, null);
  }

  /** Its file is on the server. @param {string} id @param {any[]} parts */
  ready(id, parts) {
    const entry = this.entries.get(id);
    if (entry) this.keep({ ...entry, parts, needsFile: false });
  }

  /** It was refused; `isFinal`: sending it again would not help. @param {string} id @param {string} problem @param {boolean} isFinal */
  failed(id, problem, isFinal) {
    const entry = this.entries.get(id);
    if (entry) this.keep({ ...entry, state: "failed", problem, isFinal });
  }

  /**
   * What was written to a conversation that is not among those known (before there was one, or before the visitor
   * signed in) goes to this one.
   * @param {string} conversation
   * @param {string[]} known
   */
  adopt(conversation, known) {
    for (const entry of [...this.entries.values()]) {
      if (entry.conversation !== conversation && !known.includes(entry.conversation)) this.keep({ ...entry, conversation });
    }
  }

  /** Another tab dealt with it. @param {string} id */
  dropped(id) {
    this.entries.delete(id);
  }

  /** The person asked for it to be sent again. @param {string} id */
  again(id) {
    const entry = this.entries.get(id);
    if (entry && !entry.isFinal) this.keep({ ...entry, state: "", problem: undefined, breaks: 0 });
  }

  /**
   * The server ended the connection because of a frame. After some times it is held to be this one.
   * @param {string} id
   * @returns {boolean} whether it is given up
   */
  broke(id) {
    const entry = this.entries.get(id);
    if (!entry) return false;
    const breaks = (entry.breaks ?? 0) + 1;
    this.keep({ ...entry, breaks });
    return breaks >= MAX_BREAKS;
  }

  /** What another tab wrote. @param {string | null} text @returns {Waiting | null} */
  restore(text) {
    const entry = /** @type {Waiting | null} */ (asObject(text));
    if (!entry?.id || !Array.isArray(entry.parts) || !entry.at) return null;
    if (!this.entries.has(entry.id)) this.entries.set(entry.id, entry);
    return entry;
  }

  /** @param {Waiting} entry */
  keep(entry) {
    this.entries.set(entry.id, entry);
    this.memory.set(PREFIX + entry.id, JSON.stringify(entry));
  }
}

/** The object that a text holds, or nothing. @param {string | null} text @returns {any} */
export function asObject(text) {
  try {
    const value = JSON.parse(text ?? "null");
    return value !== null && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
