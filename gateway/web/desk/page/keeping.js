// What the browser keeps for an agent: their name, drafts, what they have seen, answers that are on their way.

const PREFIX = "tertulia.desk.";
const MOST_SEEN = 500;

/** @param {Storage} storage @param {string} name @param {any} otherwise */
function read(storage, name, otherwise) {
  try {
    return JSON.parse(storage.getItem(PREFIX + name) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** A browser that keeps nothing costs comfort only. @param {Storage} storage @param {string} name @param {any} value */
function write(storage, name, value) {
  try {
    if (value === null || value === "") storage.removeItem(PREFIX + name);
    else storage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    return;
  }
}

/** A file that the server has, and which waits in a draft. @typedef {{file: string, kind: string, name: string, size_bytes: number, losses: string[]}} Taken */

/**
 * @typedef {object} Answer
 * @property {string} key
 * @property {string} handoff
 * @property {string} conversation
 * @property {string} agent
 * @property {string} text
 * @property {string} at
 * @property {Taken[]} [files]
 * @property {{name: string, language: string, values: string[], text: string}} [template]
 */

export const keeping = {
  /** @returns {string} */
  agent: () => String(read(localStorage, "agent", "")),
  /** @param {string} name */
  setAgent: (name) => write(localStorage, "agent", name),

  /** @returns {boolean} */
  hasKeys: () => read(localStorage, "keys", true) === true,
  /** @param {boolean} isOn */
  setKeys: (isOn) => write(localStorage, "keys", isOn),

  /** @param {string} conversation @returns {string} */
  draft: (conversation) => String(read(localStorage, `draft.${conversation}`, "")),
  /** @param {string} conversation @param {string} text */
  setDraft: (conversation, text) => write(localStorage, `draft.${conversation}`, text),

  /** @returns {boolean} */
  hasSound: () => read(localStorage, "sound", true) === true,
  /** @param {boolean} isOn */
  setSound: (isOn) => write(localStorage, "sound", isOn),

  /** @returns {boolean} */
  hasNotices: () => read(localStorage, "notices", false) === true,
  /** @param {boolean} isOn */
  setNotices: (isOn) => write(localStorage, "notices", isOn),

  /** A note that is not left yet. @param {string} conversation @returns {string} */
  noteDraft: (conversation) => String(read(localStorage, `note.${conversation}`, "")),
  /** @param {string} conversation @param {string} text */
  setNoteDraft: (conversation, text) => write(localStorage, `note.${conversation}`, text),

  /** Files of a draft. @param {string} conversation @returns {Taken[]} */
  files: (conversation) => read(sessionStorage, `files.${conversation}`, []),
  /** @param {string} conversation @param {Taken[]} files */
  setFiles: (conversation, files) => write(sessionStorage, `files.${conversation}`, files.length ? files : null),

  /** The position up to which a conversation was seen. @param {string} conversation @returns {number} */
  seen: (conversation) => Number(read(localStorage, "seen", {})[conversation] ?? 0),
  /** @param {string} conversation @param {number} position */
  setSeen: (conversation, position) => {
    const { [conversation]: before = 0, ...others } = read(localStorage, "seen", {});
    if (before >= position) return;
    const kept = Object.entries(others).slice(-(MOST_SEEN - 1));
    write(localStorage, "seen", { ...Object.fromEntries(kept), [conversation]: position });
  },

  /** Answers that the server has not confirmed. @returns {Answer[]} */
  answers: () => read(sessionStorage, "answers", []),
  /** @param {Answer[]} answers */
  setAnswers: (answers) => write(sessionStorage, "answers", answers.length ? answers : null),
};
