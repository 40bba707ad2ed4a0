// The views: who waits, what is mine, what is solved; each line says who, what, and whose words came last.

import { clockTime, isSameDay } from "/ui/times.js";
import { make } from "../nodes.js";

/** @typedef {import("./texts.js").Words} Words */

export const VIEWS = ["unassigned", "mine", "open", "solved"];

const EMPTY = { unassigned: "emptyUnassigned", mine: "emptyMine", open: "emptyOpen", solved: "emptySolved" };

/** The column on the left. */
export class Views {
  /** @param {HTMLElement} place @param {(view: string) => void} onView @param {(ticket: number) => void} onTicket */
  constructor(place, onView, onTicket) {
    this.onView = onView;
    this.onTicket = onTicket;
    this.tabs = make("div", { class: "tabs", role: "tablist" });
    this.list = make("ol", { class: "list", role: "list", id: "list" });
    this.empty = make("p", "empty");
    place.append(this.tabs, this.list, this.empty);
    /** @type {any[]} */
    this.lines = [];
  }

  /** @param {Words} words @param {string} name @param {any} view @param {number} chosen */
  show(words, name, view, chosen) {
    this.tabs.setAttribute("aria-label", words.say("views"));
    this.list.setAttribute("aria-label", words.say(name));
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.focus : undefined;
    this.tabs.replaceChildren(...VIEWS.map((one) => this.tab(words, one, one === name, view.counts[one] ?? 0)));
    this.lines = view.lines;
    this.list.replaceChildren(...view.lines.map((/** @type {any} */ line) => this.line(words, line, line.id === chosen)));
    this.empty.textContent = words.say(EMPTY[/** @type {keyof typeof EMPTY} */ (name)]);
    this.empty.hidden = view.lines.length > 0;
    if (focused) /** @type {HTMLElement | null} */ (document.querySelector(`[data-focus="${CSS.escape(focused)}"]`))?.focus();
  }

  /** The ticket that stands so many lines from the chosen one. @param {number} chosen @param {number} step */
  beside(chosen, step) {
    const place = this.lines.findIndex((line) => line.id === chosen);
    const wanted = place < 0 ? (step > 0 ? 0 : this.lines.length - 1) : place + step;
    return this.lines[Math.max(0, Math.min(wanted, this.lines.length - 1))]?.id ?? 0;
  }

  tab(/** @type {Words} */ words, /** @type {string} */ name, /** @type {boolean} */ isChosen, /** @type {number} */ count) {
    const made = make("button", { class: "tab", type: "button", role: "tab", "aria-selected": String(isChosen), "aria-controls": "list", "data-focus": name }, make("span", "", words.say(name)), make("b", "", String(count)));
    made.tabIndex = isChosen ? 0 : -1;
    made.addEventListener("click", () => this.onView(name));
    made.addEventListener("keydown", (event) => this.step(event, name));
    return made;
  }

  step(/** @type {KeyboardEvent} */ event, /** @type {string} */ name) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = VIEWS[(VIEWS.indexOf(name) + step + VIEWS.length) % VIEWS.length];
    /** @type {HTMLElement | null} */ (this.tabs.querySelector(`[data-focus="${next}"]`))?.focus();
    this.onView(next);
  }

  line(/** @type {Words} */ words, /** @type {any} */ line, /** @type {boolean} */ isChosen) {
    const at = new Date(line.updated_at);
    const time = isSameDay(at, new Date()) ? clockTime(at, words.language) : at.toLocaleDateString(words.language, { day: "numeric", month: "short" });
    const urgent = line.priority === "urgent" ? make("span", "urgent", words.word("priorities", "urgent")) : null;
    const made = make(
      "button",
      { class: `line ${line.status}`, type: "button", "data-focus": `ticket-${line.id}`, ...(isChosen ? { "aria-current": "true" } : {}) },
      make("span", "head", make("strong", "", line.requester), make("time", { datetime: line.updated_at }, time)),
      make("span", "subject", line.subject || words.say("number", { id: line.id })),
      make("span", `preview ${line.by}`, make("b", "", words.word("by", line.by)), line.preview),
      make("span", "marks", make("span", `status ${line.status}`, words.word("statuses", line.status)), urgent, make("span", "who", line.assignee || words.say("nobody"))),
    );
    made.addEventListener("click", () => this.onTicket(line.id));
    return make("li", "", made);
  }
}
