// What a conversation's view holds, in order and without a DOM: messages by seq, then what is under way; notes where they
// fell.

/** @type {Record<string, number>} */
const RANK = { sending: 0, sent: 2, failed: 3, withdrawn: 3, delivered: 4, read: 5 };

/**
 * @typedef {object} Message
 * @property {number} [seq] dense over both directions; absent while it is under way
 * @property {string} [id]
 * @property {string} [client_id]
 * @property {"customer" | "bot" | "agent" | "system" | "note"} [author]
 * @property {string} [name]
 * @property {string} [at] ISO 8601
 * @property {any[]} [parts]
 * @property {string} [avatar] where the picture of who speaks is
 * @property {string} [status] sending, sent, delivered, read, failed, withdrawn
 * @property {string} [problem] why it failed, for people
 * @property {boolean} [is_final] it failed for good: sending it again would not help
 * @property {number} [progress] 0 to 1, of an upload
 *
 * `revision` grows with what is said.
 *
 * @typedef {Message & {key: string, place: number, nth: number, revision: number, note?: string}} Entry
 */

export class Ledger {
  constructor() {
    /** @type {Entry[]} sorted */
    this.entries = [];
    /** @type {Map<string, Entry>} */
    this.byKey = new Map();
    this.count = 0;
  }

  /**
   * Put a message in, or what is new of one that is there. Known by its seq, else by its client_id.
   * @param {Message} message
   * @returns {{entry: Entry, isNew: boolean} | null} nothing when it tells only the status of an unknown one
   */
  upsert(message) {
    const known = this.find(message);
    if (known) {
      this.merge(known, message);
      return { entry: known, isNew: false };
    }
    if (!message.parts || (message.seq === undefined && !message.client_id)) return null;
    const entry = this.enter({ ...message }, message.seq ?? Infinity, message.seq === undefined ? ++this.count : 0);
    this.name(entry);
    return { entry, isNew: true };
  }

  /**
   * A line about what happened, after what is there now. The same key again replaces its text.
   * @param {string} text
   * @param {string} key
   * @param {string} [at]
   */
  note(text, key, at = new Date().toISOString()) {
    const known = this.byKey.get(`note:${key}`);
    if (known) {
      known.note = text;
      known.revision += 1;
      return;
    }
    const entry = this.enter({ note: text, at }, this.lastSeq(), ++this.count);
    this.byKey.set(`note:${key}`, entry);
  }

  clear() {
    this.entries = [];
    this.byKey.clear();
  }

  /** The highest seq that is here, or 0. */
  lastSeq() {
    for (let at = this.entries.length - 1; at >= 0; at -= 1) {
      if (this.entries[at].place !== Infinity) return this.entries[at].place;
    }
    return 0;
  }

  /** @param {Message} message @returns {Entry | undefined} */
  find(message) {
    const bySeq = message.seq === undefined ? undefined : this.byKey.get(`seq:${message.seq}`);
    return bySeq ?? (message.client_id ? this.byKey.get(`client:${message.client_id}`) : undefined);
  }

  /** @param {Entry} entry @param {Message} news */
  merge(entry, news) {
    const isMoved = news.seq !== undefined && entry.seq === undefined;
    const status = forward(entry.status, news.status);
    const before = words(entry);
    Object.assign(entry, Object.fromEntries(Object.entries(news).filter(([, value]) => value !== undefined)), { status });
    if (words(entry) !== before) entry.revision += 1;
    this.name(entry);
    if (!isMoved) return;
    this.entries.splice(this.entries.indexOf(entry), 1);
    Object.assign(entry, { place: news.seq, nth: 0 });
    this.insert(entry);
  }

  /** @param {Partial<Entry>} content @param {number} place @param {number} nth */
  enter(content, place, nth) {
    const entry = /** @type {Entry} */ ({ ...content, key: `${++this.count}`, place, nth, revision: 0 });
    this.insert(entry);
    return entry;
  }

  /** @param {Entry} entry */
  insert(entry) {
    let at = this.entries.length;
    while (at > 0 && isBefore(entry, this.entries[at - 1])) at -= 1;
    this.entries.splice(at, 0, entry);
  }

  /** @param {Entry} entry */
  name(entry) {
    if (entry.seq !== undefined) this.byKey.set(`seq:${entry.seq}`, entry);
    if (entry.client_id) this.byKey.set(`client:${entry.client_id}`, entry);
  }
}

/** What is said and by whom; the rest of a message is its circumstances. */
function words(/** @type {Entry} */ { author, name, parts }) {
  return JSON.stringify([author, name, parts]);
}

function isBefore(/** @type {Entry} */ one, /** @type {Entry} */ other) {
  return one.place === other.place ? one.nth < other.nth : one.place < other.place;
}

/** A status only moves forward; only what failed may begin again. */
function forward(/** @type {string | undefined} */ current, /** @type {string | undefined} */ proposed) {
  if (proposed === undefined) return current;
  if (current === undefined || current === "failed") return proposed;
  return (RANK[proposed] ?? 0) >= (RANK[current] ?? 0) ? proposed : current;
}

/**
 * Which option of which question was taken, and which question still waits. The newest one waits until it is answered.
 * @param {Entry[]} entries sorted
 * @returns {{waiting: Entry | null, chosen: Map<Entry, string>}}
 */
export function questions(entries) {
  /** @type {Entry[]} */
  const asked = [];
  /** @type {Map<Entry, string>} */
  const chosen = new Map();
  for (const entry of entries) {
    if (entry.author === "customer") {
      for (const value of selections(entry)) {
        const question = asked.findLast((one) => !chosen.has(one) && offers(one, value));
        if (question) chosen.set(question, value);
      }
    } else if (options(entry).length) {
      asked.push(entry);
    }
  }
  const newest = asked.at(-1);
  return { waiting: newest && !chosen.has(newest) ? newest : null, chosen };
}

function selections(/** @type {Entry} */ entry) {
  return (entry.parts ?? []).filter((part) => part.type === "selection").map((part) => part.choice ?? part.value);
}

function options(/** @type {Entry} */ entry) {
  return (entry.parts ?? []).flatMap((part) =>
    part.type === "cards" ? part.cards.flatMap((/** @type {any} */ card) => card.options ?? []) : (part.options ?? []),
  );
}

function offers(/** @type {Entry} */ entry, /** @type {string} */ value) {
  return options(entry).some((option) => !option.url && (option.value || option.label) === value);
}
