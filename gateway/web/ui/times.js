// When it was said, as people say it.

/**
 * "Today", "Yesterday", else the day in words (with its year when that is not this one).
 * @param {Date} at
 * @param {string} language
 * @param {(key: "today" | "yesterday") => string} say
 * @param {Date} [now]
 */
export function dayName(at, language, say, now = new Date()) {
  const days = Math.round((midnight(now) - midnight(at)) / 86_400_000);
  if (days === 0) return say("today");
  if (days === 1) return say("yesterday");
  const year = at.getFullYear() === now.getFullYear() ? undefined : "numeric";
  const name = at.toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long", year });
  return name[0].toLocaleUpperCase(language) + name.slice(1);
}

/** Hours and minutes. @param {Date} at @param {string} language */
export function clockTime(at, language) {
  return at.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
}

/** Day and time in full. @param {Date} at @param {string} language */
export function fullTime(at, language) {
  return at.toLocaleString(language, { dateStyle: "full", timeStyle: "short" });
}

/** Whether both fall on the same day here. @param {Date} one @param {Date} other */
export function isSameDay(one, other) {
  return midnight(one) === midnight(other);
}

/** "1.2 MB". @param {number} bytes @param {string} language */
export function fileSize(bytes, language) {
  if (bytes < 1000) return `${bytes} B`;
  const isSmall = bytes < 1_000_000;
  const digits = { maximumFractionDigits: isSmall ? 0 : 1 };
  const number = (bytes / (isSmall ? 1000 : 1_000_000)).toLocaleString(language, digits);
  return `${number} ${isSmall ? "kB" : "MB"}`;
}

function midnight(/** @type {Date} */ at) {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
