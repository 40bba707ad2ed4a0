// The languages that browsers are spoken to in, and the words of the conversation's view in them.

/** @typedef {"es" | "en" | "pt"} Language */

const LANGUAGES = ["es", "en", "pt"];

/**
 * The language that we speak of those wished for, in this order; English when none is ours.
 * @param {...(string | null | undefined)} wishes BCP 47 tags
 * @returns {Language}
 */
export function chooseLanguage(...wishes) {
  const found = wishes.map((wish) => wish?.slice(0, 2).toLowerCase()).find((wish) => wish && LANGUAGES.includes(wish));
  return /** @type {Language} */ (found ?? "en");
}

/**
 * A function that says things in one language: `say("newMessages", {n: 3})`.
 * @template {Record<string, string | string[]>} T
 * @param {T} texts
 * @returns {(key: keyof T & string, values?: Record<string, string | number>) => string}
 */
export function speaker(texts) {
  return (key, values = {}) => {
    const found = texts[key];
    const text = Array.isArray(found) ? found[values.n === 1 ? 0 : 1] : found;
    return String(text).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  };
}

/**
 * What the view says in `language`; only that language is loaded.
 * @param {string} language
 * @returns {Promise<(key: string, values?: Record<string, string | number>) => string>}
 */
export async function viewTexts(language) {
  const { default: texts } = await import(`./words/${chooseLanguage(language)}.js`);
  return speaker(texts);
}
