// What is known of the cases, without a DOM: who has them, how long they wait, in which order they stand.

const AGES = /** @type {[number, string][]} */ ([[900, "over"], [300, "long"], [120, "some"]]);

/** How a wait looks: "fresh", "some" from two minutes on, "long" from five, "over" from fifteen. @param {number} seconds */
export function ageOf(seconds) {
  return AGES.find(([from]) => seconds >= from)?.[1] ?? "fresh";
}

/**
 * @typedef {object} Case
 * @property {string} id
 * @property {string} conversation
 * @property {string} name
 * @property {string} app
 * @property {string} account
 * @property {string} language
 * @property {string} reason
 * @property {string} [detail]
 * @property {boolean} [is_urgent]
 * @property {string} asked_at
 * @property {string} control
 * @property {number} epoch
 * @property {number} position
 * @property {string} [agent]
 * @property {string} [waiting_since]
 * @property {string} [ended_at]
 * @property {string} [end_reason]
 * @property {number} [unanswered]
 * @property {{author: string, text: string, at: string, kind?: string}} [last]
 *
 * @typedef {"waiting" | "mine" | "others"} Group
 */

export class Cases {
  constructor() {
    /** @type {Map<string, Case>} */
    this.byId = new Map();
    /** @type {Map<string, Case>} */
    this.byConversation = new Map();
    this.isWhole = false;
    /** What must be added to this machine's time to get the server's, in ms. */
    this.offsetMs = 0;
  }

  /**
   * Take in a frame of the socket.
   * @param {{begins?: boolean, is_whole?: boolean, cases: Case[], gone: string[], now: string}} frame
   * @returns {Case[]} those that began to wait with it
   */
  take(frame) {
    this.setNow(frame.now);
    const before = new Set([...this.byId.values()].filter((one) => !one.agent).map((one) => one.id));
    const wasWhole = this.isWhole;
    if (frame.begins) this.clear();
    for (const id of frame.gone) this.remove(id);
    for (const one of frame.cases) this.put(one);
    if (frame.is_whole) this.isWhole = true;
    return wasWhole ? frame.cases.filter((one) => !one.agent && !before.has(one.id)) : [];
  }

  /** @param {string} now */
  setNow(now) {
    this.offsetMs = new Date(now).getTime() - Date.now();
  }

  clear() {
    this.byId.clear();
    this.byConversation.clear();
  }

  /** @param {Case} one */
  put(one) {
    this.byId.set(one.id, one);
    this.byConversation.set(one.conversation, one);
  }

  /** @param {string} id */
  remove(id) {
    const one = this.byId.get(id);
    this.byId.delete(id);
    if (one && this.byConversation.get(one.conversation)?.id === id) this.byConversation.delete(one.conversation);
  }

  /**
   * The groups in their order, each with who has waited longest first, and those for whom nobody waits last.
   * @param {string} me
   * @param {string} words that must be in the name or in the last words
   * @returns {[Group, Case[]][]}
   */
  groups(me, words) {
    /** @type {Record<Group, Case[]>} */
    const groups = { waiting: [], mine: [], others: [] };
    for (const one of this.byId.values()) {
      if (matches(one, words)) groups[groupOf(one, me)].push(one);
    }
    for (const group of Object.values(groups)) group.sort(byWaiting);
    return [["waiting", groups.waiting], ["mine", groups.mine], ["others", groups.others]];
  }

  /** How many wait, how many are the agent's own. @param {string} me */
  count(me) {
    const count = { waiting: 0, mine: 0, others: 0 };
    for (const one of this.byId.values()) count[groupOf(one, me)] += 1;
    return count;
  }

  /** How long the customer has waited, in whole seconds of the server's time; null when they do not. @param {Case} one */
  waitedS(one) {
    if (!one.waiting_since) return null;
    return Math.max(0, Math.floor((Date.now() + this.offsetMs - new Date(one.waiting_since).getTime()) / 1000));
  }
}

/** @param {Case} one @param {string} me @returns {Group} */
export function groupOf(one, me) {
  if (!one.agent) return "waiting";
  return one.agent === me ? "mine" : "others";
}

/** @param {{name: string, last?: {text: string}}} one @param {string} words */
export function matches(one, words) {
  const wanted = folded(words);
  return !wanted || folded(one.name).includes(wanted) || folded(one.last?.text ?? "").includes(wanted);
}

/** Without capitals and accents. @param {string} text */
function folded(text) {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase().trim();
}

/** What is urgent first, then who has waited longest. @param {Case} one @param {Case} other */
function byWaiting(one, other) {
  if (Boolean(one.is_urgent) !== Boolean(other.is_urgent)) return one.is_urgent ? -1 : 1;
  const first = one.waiting_since ?? "~";
  const second = other.waiting_since ?? "~";
  if (first !== second) return first < second ? -1 : 1;
  return one.id < other.id ? -1 : 1;
}

/** "4:07", "1 h 05", "2 d 3 h". @param {number} seconds */
export function shortWait(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return `${hours} h ${two(minutes % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

function two(/** @type {number} */ number) {
  return String(number).padStart(2, "0");
}
