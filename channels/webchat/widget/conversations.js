// The list of a signed-in visitor's conversations.

import { element } from "../ui/parts.js";
import { viewTexts } from "../ui/texts.js";
import { clockTime, dayName, isSameDay } from "../ui/times.js";
import { sheet } from "../ui/tokens.js";

/**
 * Fill the widget's list, at once with what is known and again when the server told the newest.
 * @param {import("./element.js").Widget} widget
 */
export async function showConversations(widget) {
  const { chat, say, language } = widget;
  const words = { say, sayDay: await viewTexts(language), language };
  const open = (/** @type {string} */ id) => {
    chat.join(id);
    widget.turnTo("talk");
  };
  const another = () => chat.openAnother().then(() => widget.turnTo("talk"), () => widget.warn(say("tryAgain")));
  const known = () => chat.session?.conversations ?? [];
  const fill = () => widget.list.replaceChildren(...rows(known(), chat.conversation, words, open, another));
  widget.wear(listStyle);
  fill();
  await chat.connection.begin().then(fill, () => undefined);
}

/**
 * @param {{id: string, title: string, last_at: string, unread: number}[]} all
 * @param {string} current
 * @param {{say: (key: any, values?: any) => string, sayDay: any, language: string}} words
 * @param {(id: string) => void} open
 * @param {() => void} begin a new one
 * @returns {Node[]}
 */
function rows(all, current, words, open, begin) {
  const items = all.map((one) => {
    const button = element("button", "", element("b", "", one.title || words.say("untitled")), when(one.last_at, words));
    button.setAttribute("type", "button");
    if (one.id === current) button.setAttribute("aria-current", "true");
    if (one.unread) button.append(element("span", "badge", String(one.unread)));
    button.addEventListener("click", () => open(one.id));
    return element("li", "", button);
  });
  const fresh = element("button", "main", words.say("newConversation"));
  fresh.setAttribute("type", "button");
  fresh.addEventListener("click", begin);
  return [element("ul", "list", ...items), element("div", "foot", fresh)];
}

function when(/** @type {string} */ at, /** @type {any} */ words) {
  const date = new Date(at);
  const made = element("time", "");
  if (!at || Number.isNaN(date.getTime())) return made;
  const isToday = isSameDay(date, new Date());
  made.textContent = isToday ? clockTime(date, words.language) : dayName(date, words.language, words.sayDay);
  return made;
}

const listStyle = sheet(`
.list { flex: 1; overflow-y: auto; padding: 8px; }
.list button { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; width: 100%; padding: 12px; border-radius: 10px; text-align: start; }
.list button:hover, .list [aria-current] { background: color-mix(in oklab, var(--ink) 5%, transparent); }
.list b { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.list time { font: var(--small); color: var(--ink-soft); }
.list .badge { position: static; border: 0; background: var(--accent); color: var(--on-accent); }
.foot { padding: 12px 16px calc(12px + var(--safe, 0px)); border-top: 1px solid var(--line); background: var(--card); display: grid; }
.main { min-height: 44px; padding: 0 20px; border-radius: 22px; background: var(--accent); color: var(--on-accent); font-weight: 600; }
.main:hover { background: color-mix(in oklab, var(--accent) 88%, var(--ink)); }
`);
