// <desk-turn>: why the bot said it. One quiet line under the message; it opens to what else was thought of.

import { element } from "/ui/parts.js";
import { sheet } from "/ui/tokens.js";
import { languageInWords, say, sentimentInWords } from "./texts.js";

const style = sheet(`
:host { display: block; max-width: min(100%, 460px); font: var(--small); color: var(--ink-soft); }
button {
  display: inline-flex; align-items: center; gap: 6px; max-width: 100%; min-height: 24px; padding: 0 8px 0 4px;
  border: 0; border-radius: 6px; background: none; font: inherit; color: inherit; text-align: start; cursor: pointer;
  font-variant-numeric: tabular-nums;
}
button:hover { color: var(--ink); background: color-mix(in oklab, var(--ink) 6%, transparent); }
button:focus-visible { outline: 2px solid var(--accent-text); outline-offset: 1px; }
button span { min-width: 0; overflow-wrap: anywhere; }
button::before { content: ""; flex: none; width: 5px; height: 5px; border: solid currentColor; border-width: 0 1.5px 1.5px 0; rotate: -45deg; transition: rotate var(--motion); }
button[aria-expanded="true"]::before { rotate: 45deg; }
.unsure { color: color-mix(in oklab, var(--warn) 85%, var(--ink)); }
button .mood { flex: none; }
button .mood::before { content: "· "; }
.why { margin: 4px 0 6px; padding: 12px 14px; border: 1px solid var(--line); border-radius: var(--radius-field); background: var(--card); color: var(--ink); }
.why[hidden] { display: none; }
h4 { margin: 12px 0 4px; font: 600 13px/18px var(--font); color: var(--ink-soft); }
h4:first-child { margin-top: 0; }
p { margin: 0 0 8px; overflow-wrap: anywhere; }
ul, ol { margin: 0; padding: 0; list-style: none; }
.candidate { display: grid; grid-template-columns: minmax(0, 1fr) 90px 40px; gap: 10px; align-items: center; min-height: 22px; }
.candidate span { overflow-wrap: anywhere; }
.candidate i { height: 6px; border-radius: 3px; background: color-mix(in oklab, var(--line) 80%, transparent); overflow: hidden; }
.candidate i b { display: block; height: 100%; border-radius: 3px; background: var(--bot); opacity: .55; }
.candidate.chosen { font-weight: 600; }
.candidate.chosen i b { opacity: 1; }
.candidate em { font-style: normal; text-align: end; font-variant-numeric: tabular-nums; }
li.entity { overflow-wrap: anywhere; }
li.entity q { color: var(--ink-soft); quotes: "“" "”"; }
.steps li { font: 12px/18px var(--mono); padding-inline-start: 14px; text-indent: -14px; overflow-wrap: anywhere; color: var(--ink-soft); }
.steps li::before { content: "→ "; }
.facts { margin: 10px 0 0; color: var(--ink-soft); }
@media (prefers-reduced-motion: reduce) { button::before { transition: none; } }
`);

export class DeskTurn extends HTMLElement {
  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style];
    this.button = element("button", "");
    this.button.setAttribute("type", "button");
    this.button.setAttribute("aria-expanded", "false");
    this.button.addEventListener("click", () => this.toggle());
    this.why = element("div", "why");
    this.why.hidden = true;
    root.append(this.button, this.why);
    /** @type {any} */
    this.turn = null;
  }

  /** @param {any} turn as the API tells it */
  show(turn) {
    this.turn = turn;
    const ms = Math.max(1, Math.round(turn.duration_ms ?? 0));
    const what = turn.intent ? `${turn.intent} ${fixed(turn.confidence ?? 0)}` : turn.source || turn.reason || say("unresolved");
    const mood = turn.sentiment === "negative" ? [element("span", "mood", sentimentInWords(turn.sentiment))] : [];
    this.button.replaceChildren(element("span", turn.intent || turn.source ? "" : "unsure", [turn.link, what, `${ms} ms`].join(" · ")), ...mood);
    if (!this.why.hidden) this.explain();
  }

  toggle(isOpen = this.why.hidden) {
    if (isOpen) this.explain();
    this.why.hidden = !isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
  }

  explain() {
    const turn = this.turn;
    const facts = [turn.outcome, turn.language ? languageInWords(turn.language) : "", turn.sentiment ? sentimentInWords(turn.sentiment) : "", say("version", { version: turn.bot_version })];
    this.why.replaceChildren(
      ...(turn.reason ? [element("p", "", turn.reason)] : []),
      ...section("candidates", candidates(turn)),
      ...section("entities", entities(turn)),
      ...section("steps", steps(turn)),
      element("p", "facts", facts.filter(Boolean).join(" · ")),
    );
  }
}

/** @param {"candidates" | "entities" | "steps"} title @param {HTMLElement | null} content */
function section(title, content) {
  return content ? [element("h4", "", say(title)), content] : [];
}

function candidates(/** @type {any} */ turn) {
  if (!turn.candidates?.length) return null;
  const rows = turn.candidates.map((/** @type {any} */ one) => {
    const bar = element("b", "");
    bar.style.width = `${Math.round(100 * Math.min(1, Math.max(0, one.confidence)))}%`;
    const row = element("li", one.intent === turn.intent ? "candidate chosen" : "candidate");
    row.append(element("span", "", String(one.intent)), element("i", "", bar), element("em", "", fixed(one.confidence)));
    return row;
  });
  return element("ul", "", ...rows);
}

function entities(/** @type {any} */ turn) {
  if (!turn.entities?.length) return null;
  const rows = turn.entities.map((/** @type {any} */ one) => {
    const row = element("li", "entity", `${one.kind}: ${one.value}`);
    if (one.text && one.text !== one.value) row.append(" ", element("q", "", String(one.text)));
    return row;
  });
  return element("ul", "", ...rows);
}

function steps(/** @type {any} */ turn) {
  if (!turn.steps?.length) return null;
  return element("ol", "steps", ...turn.steps.map((/** @type {string} */ step) => element("li", "", step)));
}

function fixed(/** @type {number} */ confidence) {
  return confidence.toFixed(2);
}

customElements.define("desk-turn", DeskTurn);
