// The left column: who waits, with whom the others are, what the bot does, what was closed.

import { icon } from "/ui/more-icons.js";
import { element } from "/ui/parts.js";
import { ageOf, groupOf, matches, shortWait } from "./cases.js";
import { button } from "./dialogs.js";
import { appInWords, endInWords, language, languageInWords, personInWords, say } from "./texts.js";
import { inOneLine } from "./why.js";

const SHOWN_AT_FIRST = 60;
const SHOWN_MORE = 120;
const SEARCH_MS = 250;

/** @typedef {"queue" | "live" | "closed"} ListName */
/** @type {ListName[]} */
export const LISTS = ["queue", "live", "closed"];

/**
 * @typedef {object} Around what the list needs to know
 * @property {import("./cases.js").Cases} cases
 * @property {() => string} me
 * @property {() => string | null} open the conversation that is open
 * @property {(line: any) => number} unread how many words of the customer nobody here has seen
 * @property {(conversation: string) => string[]} lookers colleagues who look at it
 * @property {(conversation: string) => void} choose
 * @property {(name: ListName, words: string) => void} load
 */

export class Queue {
  /** @param {Around} around */
  constructor(around) {
    this.around = around;
    /** @type {ListName} */
    this.name = "queue";
    this.words = "";
    this.limit = SHOWN_AT_FIRST;
    /** @type {Record<"live" | "closed", any[] | null>} */
    this.items = { live: null, closed: null };
    /** @type {Map<string, {node: HTMLElement, wait: HTMLElement, signature: string, line: any}>} */
    this.rows = new Map();
    /** @type {any[]} */
    this.order = [];
    this.build();
  }

  build() {
    this.tabs = element("div", "tabs");
    this.tabs.setAttribute("role", "tablist");
    this.tabs.setAttribute("aria-label", say("lists"));
    this.tabs.append(...LISTS.map((name) => this.tab(name)));
    this.search = /** @type {HTMLInputElement} */ (element("input", "search"));
    this.search.type = "search";
    this.search.placeholder = say("search");
    this.search.setAttribute("aria-label", say("search"));
    this.search.addEventListener("input", () => this.searched());
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" && event.key !== "ArrowDown") return;
      event.preventDefault();
      event.stopPropagation();
      this.focus();
    });
    this.list = element("div", "list");
    this.list.id = "list";
    this.list.setAttribute("role", "tabpanel");
    this.more = button(say("more"), "more");
    this.more.addEventListener("click", () => this.showMore());
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.showMore(), { root: this.list, rootMargin: "600px" }).observe(this.more);
    this.node = element("section", "queue", this.tabs, this.search, this.list);
    this.node.setAttribute("aria-label", say("queue"));
  }

  /** @param {ListName} name */
  tab(name) {
    const made = button(say(name), "tab");
    made.dataset.list = name;
    made.setAttribute("role", "tab");
    made.setAttribute("aria-controls", "list");
    made.addEventListener("click", () => this.go(name));
    made.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (!step) return;
      event.preventDefault();
      this.go(LISTS[(LISTS.indexOf(name) + step + LISTS.length) % LISTS.length]);
      /** @type {HTMLElement} */ (this.tabs.querySelector("[aria-selected=true]")).focus();
    });
    return made;
  }

  /** Show another list. @param {ListName} name */
  go(name) {
    this.name = name;
    this.limit = SHOWN_AT_FIRST;
    this.list.scrollTop = 0;
    if (name !== "queue") this.around.load(name, name === "live" ? this.words : "");
    this.draw();
  }

  searched() {
    this.words = this.search.value;
    this.limit = SHOWN_AT_FIRST;
    window.clearTimeout(this.timer);
    if (this.name === "live") this.timer = window.setTimeout(() => this.around.load("live", this.words), SEARCH_MS);
    this.draw();
  }

  /** What the server told of a list. @param {"live" | "closed"} name @param {any[]} items */
  fill(name, items) {
    this.items[name] = items;
    if (this.name === name) this.draw();
  }

  showMore() {
    if (this.limit >= this.order.length) return;
    this.limit += SHOWN_MORE;
    this.draw();
  }

  /** Put the focus on the open conversation's line, or the first one. */
  focus() {
    const line = this.list.querySelector("[aria-current=true]") ?? this.list.querySelector(".case");
    /** @type {HTMLElement | null} */ (line)?.focus();
  }

  /** The conversation beside the open one. @param {1 | -1} step @returns {string | null} */
  beside(step) {
    const at = this.order.findIndex((line) => line.conversation === this.around.open());
    const next = at < 0 ? (step > 0 ? 0 : this.order.length - 1) : Math.min(this.order.length - 1, Math.max(0, at + step));
    if (next >= this.limit) this.limit = next + SHOWN_MORE;
    return this.order[next]?.conversation ?? null;
  }

  // ---------------------------------------------------------------- drawing

  draw() {
    for (const tab of /** @type {Iterable<HTMLElement>} */ (this.tabs.children)) {
      const isOpen = tab.dataset.list === this.name;
      tab.setAttribute("aria-selected", String(isOpen));
      tab.tabIndex = isOpen ? 0 : -1;
      if (tab.dataset.list === "queue") this.label(tab);
    }
    const groups = this.groups();
    this.order = groups ? groups.flatMap(([, lines]) => lines) : [];
    this.list.setAttribute("aria-busy", String(!groups));
    if (!groups) this.list.replaceChildren(...Array.from({ length: 5 }, skeleton));
    else if (!this.order.length) this.list.replaceChildren(this.empty());
    else this.lay(groups);
  }

  label(/** @type {HTMLElement} */ tab) {
    const waiting = this.around.cases.count(this.around.me()).waiting;
    tab.replaceChildren(say("queue"), ...(waiting ? [element("b", "count", String(waiting))] : []));
  }

  /** @returns {[string, any[]][] | null} titles with their lines; null while they are not known */
  groups() {
    const { cases, me } = this.around;
    if (this.name === "queue") return cases.isWhole ? cases.groups(me(), this.words) : null;
    const items = this.items[this.name];
    return items && [["", this.name === "closed" ? items.filter((line) => matches(line, this.words)) : items]];
  }

  /** Only what is near the screen gets lines; scrolling adds more. @param {[string, any[]][]} groups */
  lay(groups) {
    const nodes = [];
    const kept = new Set();
    let room = this.limit;
    for (const [title, lines] of groups) {
      if (!lines.length || room <= 0) continue;
      if (title) nodes.push(heading(title, lines.length));
      const shown = lines.slice(0, room);
      room -= shown.length;
      for (const line of shown) {
        const key = line.id ?? line.conversation;
        kept.add(key);
        nodes.push(this.row(key, line));
      }
    }
    if (this.limit < this.order.length) nodes.push(this.more);
    for (const key of this.rows.keys()) if (!kept.has(key)) this.rows.delete(key);
    arrange(this.list, nodes);
  }

  /** @param {string} key @param {any} line */
  row(key, line) {
    const isOpen = line.conversation === this.around.open();
    const unread = this.around.unread(line);
    const lookers = this.around.lookers(line.conversation);
    const signature = JSON.stringify([line, isOpen, unread, lookers, this.around.me()]);
    const known = this.rows.get(key);
    if (known?.signature === signature) return known.node;
    const wait = element("span", "wait");
    const made = button("", "case");
    const group = this.name === "queue" ? groupOf(line, this.around.me()) : this.name;
    made.classList.add(group);
    made.classList.toggle("unread", unread > 0);
    made.classList.toggle("urgent", Boolean(line.is_urgent));
    if (isOpen) made.setAttribute("aria-current", "true");
    made.append(
      element("span", "name", personInWords(line.name, line.conversation)),
      wait,
      element("span", "last", preview(line)),
      unread ? counter(unread) : "",
      element("span", "facts", ...facts(line, group)),
      lookers.length ? watched(lookers) : "",
    );
    made.addEventListener("click", () => this.around.choose(line.conversation));
    const node = known?.node ?? element("div", "line");
    const hadFocus = node.contains(document.activeElement);
    node.replaceChildren(made);
    if (hadFocus) made.focus({ preventScroll: true });
    this.rows.set(key, { node, wait, signature, line });
    this.tick(key);
    return node;
  }

  /** Let the times go on. Only of what is drawn. @param {string} [only] */
  tick(only) {
    for (const [key, row] of this.rows) {
      if (only && key !== only) continue;
      const waited = this.around.cases.waitedS(row.line);
      if (waited === null) {
        setText(row.wait, row.line.ended_at || row.line.last?.at ? when(row.line.ended_at ?? row.line.last.at) : "");
        continue;
      }
      setText(row.wait, shortWait(waited));
      row.wait.dataset.age = ageOf(waited);
      row.wait.title = say("waitedFor", { time: shortWait(waited) });
    }
  }

  empty() {
    if (this.words.trim()) return nothing(say("noneFound", { words: this.words.trim() }), say("noneFoundMore"));
    const texts = /** @type {const} */ ({ queue: "noneWaiting", live: "noneLive", closed: "noneClosed" });
    const key = texts[this.name];
    return nothing(say(key), say(`${key}More`));
  }
}

/** A calm page where there is nothing. @param {string} title @param {string} more */
export function nothing(title, more) {
  return element("div", "nothing", element("h2", "", title), element("p", "", more));
}

/** Words, or what there was instead of words. @param {any} line */
function preview(line) {
  const last = line.last;
  if (!last) return "";
  const kinds = ["image", "audio", "voice", "video", "document", "sticker", "animation", "location", "contact", "cards", "choice", "reaction", "deleted"];
  const text = last.text || say(kinds.includes(last.kind) ? last.kind : "other");
  const who = /** @type {Record<string, string>} */ ({ bot: say("bot"), agent: line.agent || say("you") })[last.author];
  return who ? `${who}: ${text}` : text;
}

/** @param {any} line @param {string} group */
function facts(line, group) {
  const words = [];
  if (group === "closed") words.push(endInWords(line.end_reason ?? ""), ...(line.agent ? [line.agent] : []));
  else if (group === "others") words.push(say("standingOther", { agent: line.agent }));
  if (line.is_urgent && group !== "closed") words.push(say("urgent"));
  if (line.reason && group !== "closed") words.push(inOneLine(line));
  words.push(appInWords(line.app));
  if (line.language && !line.language.startsWith(language)) words.push(languageInWords(line.language));
  return words.filter(Boolean).flatMap((word, at) => [...(at ? [" · "] : []), element("span", "", word)]);
}

/** @param {number} unread */
function counter(unread) {
  const made = element("b", "count", String(unread));
  made.title = say("unread", { n: unread });
  return made;
}

/** @param {string[]} names */
function watched(names) {
  const made = element("span", "watched", icon("eye", 14), names.join(", "));
  made.title = say("looking", { names: names.join(", ") });
  return made;
}

/** @param {string} title @param {number} count */
function heading(title, count) {
  return element("h2", "group", say(/** @type {any} */ (title)), " ", element("span", "", String(count)));
}

function skeleton() {
  const made = element("div", "skeleton", element("i", ""), element("i", ""), element("i", ""));
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** A time of today, else a day. @param {string} at */
export function when(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" })
    : date.toLocaleDateString(language, { day: "numeric", month: "short" });
}

/** Put nodes in their order and touch only what moved. @param {HTMLElement} parent @param {Node[]} nodes */
function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  nodes.forEach((node, at) => {
    if (parent.childNodes[at] !== node) parent.insertBefore(node, parent.childNodes[at] ?? null);
  });
}

function setText(/** @type {HTMLElement} */ node, /** @type {string} */ text) {
  if (node.textContent !== text) node.textContent = text;
}
