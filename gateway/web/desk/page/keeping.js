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

/** @typedef {{key: string, handoff: string, conversation: string, agent: string, text: string, at: string}} Answer */

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
