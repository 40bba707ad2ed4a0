// <tertulia-trail>: the pipeline at work. A line for each message with the time of every step; pressed, it says why.

import { icon } from "/ui/more-icons.js";
import { sheet } from "/ui/tokens.js";
import { button, make } from "./nodes.js";
import { pageTexts, wordFor } from "./texts.js";
import { trailStyle } from "./trail-style.js";

const KEPT = 300;
const SHOWN_AT_FIRST = 40;
const SHOWN_MORE = 60;
const FRESH_MS = 700;

/**
 * @typedef {{name: string, ms?: number | null, is_done?: boolean}} Step
 * @typedef {{text: string, status: string, key?: string, tries?: number, reason?: string}} Reply
 * @typedef {{outcome: string, link: string, duration_ms: number, intent?: string, confidence?: number, language?: string,
 *   sentiment?: string, reason?: string, source?: string, candidates?: {intent: string, confidence: number}[],
 *   entities?: {kind: string, value: string, text?: string}[], citations?: string[], steps?: string[],
 *   read_messages?: number, epoch?: number, bot_version?: string, model?: string}} Decision
 * @typedef {{id: string, conversation: string, app: string, contact: string, kind: string, at: string, text?: string,
 *   who?: string, steps?: Step[], decision?: Decision, replies?: Reply[]}} Line
 */

/** `add(lines)` as often as there are new ones; `language` for the words. */
export class Trail extends HTMLElement {
  constructor() {
    super();
    this._language = "en";
    this._say = pageTexts("en");
    /** @type {Map<string, Line>} */
    this._lines = new Map();
    /** @type {Map<string, {node: HTMLElement, drawn: string}>} */
    this._rows = new Map();
    this._open = "";
    this._only = "";
    this._shown = SHOWN_AT_FIRST;
    this._isFirst = true;
    /** @type {Map<string, string>} the names of apps, where they have one */
    this.apps = new Map();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet(trailStyle)];
    this._build();
  }

  get language() {
    return this._language;
  }

  set language(language) {
    this._language = language;
    this._say = pageTexts(language);
    this._rows.clear();
    this._build();
    this._arrange();
  }

  /** @param {Line[]} lines new ones, and known ones that changed */
  add(lines) {
    for (const line of lines) this._lines.set(line.id, line);
    if (this._lines.size > KEPT) {
      const newest = [...this._lines.values()].sort(newestFirst).slice(0, KEPT);
      this._lines = new Map(newest.map((line) => [line.id, line]));
    }
    this._arrange();
    this._isFirst = false;
  }

  // ---------------------------------------------------------------- the frame

  _build() {
    const say = this._say;
    this._filter = /** @type {HTMLSelectElement} */ (make("select", { id: "filter" }));
    this._filter.addEventListener("change", () => {
      this._only = this._filter.value;
      this._shown = SHOWN_AT_FIRST;
      this._arrange();
    });
    const head = make(
      "header",
      "",
      make("div", "titles", make("h2", "", say("trailTitle")), make("p", "", say("trailLead"))),
      make("label", { class: "filter", for: "filter" }, make("span", "spoken", say("showOf")), this._filter),
    );
    const columns = ["columnWho", "columnReceived", "columnTurn", "columnSent", "columnStatus", "columnTotal"];
    const names = make("div", { class: "columns", "aria-hidden": "true" }, ...columns.map((name) => make("span", "", say(name))), make("span"));
    this._list = make("ol", { class: "lines", "aria-label": say("trailTitle") });
    this._empty = make("div", "empty", make("div", "ghost", ...ghost()), make("p", "", say("trailEmpty")));
    this._more = button("more", say("older"), () => {
      this._shown += SHOWN_MORE;
      this._arrange();
    });
    /** @type {ShadowRoot} */ (this.shadowRoot).replaceChildren(head, names, this._list, this._empty, this._more);
    this._columns = names;
  }

  _arrange() {
    const all = [...this._lines.values()].sort(newestFirst);
    this._fillFilter(all);
    const wanted = all.filter((line) => !this._only || line.conversation === this._only);
    const shown = wanted.slice(0, this._shown);
    const nodes = shown.map((line) => this._row(line));
    const isSame = nodes.length === this._list.childNodes.length && nodes.every((node, place) => this._list.childNodes[place] === node);
    if (!isSame) this._place(nodes);
    const kept = new Set(shown.map((line) => line.id));
    for (const id of this._rows.keys()) if (!kept.has(id)) this._rows.delete(id);
    this._empty.hidden = wanted.length > 0;
    this._columns.hidden = wanted.length === 0;
    this._more.hidden = wanted.length <= this._shown;
  }

  /** Move as little as possible, so that focus and the reader's place stay. */
  _place(/** @type {HTMLElement[]} */ nodes) {
    const wanted = new Set(nodes);
    for (const node of [...this._list.children]) if (!wanted.has(/** @type {HTMLElement} */ (node))) node.remove();
    nodes.forEach((node, place) => {
      if (this._list.children[place] !== node) this._list.insertBefore(node, this._list.children[place] ?? null);
    });
  }

  _fillFilter(/** @type {Line[]} */ all) {
    const conversations = new Map(all.map((line) => [line.conversation, `${line.contact || line.conversation.slice(-6)} · ${this._app(line)}`]));
    const facts = JSON.stringify([this._language, ...conversations]);
    if (this._filter.dataset.facts === facts) return;
    this._filter.dataset.facts = facts;
    const options = [["", this._say("everyConversation")], ...conversations].map(([value, label]) => make("option", { value }, label));
    this._filter.replaceChildren(...options);
    this._filter.value = conversations.has(this._only) ? this._only : "";
    this._only = this._filter.value;
  }

  // ---------------------------------------------------------------- a line

  _row(/** @type {Line} */ line) {
    const isOpen = this._open === line.id;
    const drawn = JSON.stringify([line, isOpen]);
    const known = this._rows.get(line.id);
    if (known?.drawn === drawn) return known.node;
    const node = known?.node ?? this._newRow();
    const hadFocus = node.contains(/** @type {ShadowRoot} */ (this.shadowRoot).activeElement);
    node.replaceChildren(this._summary(line, isOpen), ...(isOpen ? [this._detail(line)] : []));
    node.classList.toggle("open", isOpen);
    if (hadFocus) /** @type {HTMLElement} */ (node.firstElementChild).focus();
    this._rows.set(line.id, { node, drawn });
    return node;
  }

  _newRow() {
    const node = make("li", this._isFirst ? "" : "fresh");
    window.setTimeout(() => node.classList.remove("fresh"), FRESH_MS);
    return node;
  }

  _summary(/** @type {Line} */ line, /** @type {boolean} */ isOpen) {
    const say = this._say;
    const steps = new Map((line.steps ?? []).map((step) => [step.name, step]));
    const made = make(
      "button",
      { type: "button", class: `line ${line.kind}`, "aria-expanded": String(isOpen), "aria-controls": `detail-${line.id}` },
      this._who(line),
      this._received(line, steps),
      this._turn(line, steps),
      this._sent(line, steps),
      this._status(line, steps),
      make("span", "total", this._total(line)),
      make("span", "chevron", icon("minimise", 16)),
    );
    made.addEventListener("click", () => {
      const before = this._open;
      this._open = isOpen ? "" : line.id;
      for (const id of [before, line.id]) {
        const one = this._lines.get(id);
        if (one && this._rows.has(id)) this._row(one);
      }
    });
    return made;
  }

  _who(/** @type {Line} */ line) {
    const authors = /** @type {Record<string, string>} */ ({
      agent: "agentWrote", system: "systemWrote", bot: "botWrote", timer: "timerWrote", desk: "deskWrote", action: "actionWrote", event: "eventWrote",
    });
    const texts = /** @type {Record<string, string>} */ ({ timer: "timerText", desk: "deskText", action: "actionText", event: "eventText" });
    const author = line.kind === "customer" ? line.contact || this._say("visitor") : [this._say(authors[line.kind] ?? "eventWrote"), line.who].filter(Boolean).join(" · ");
    const at = new Date(line.at);
    const clock = make("time", { datetime: line.at }, at.toLocaleTimeString(this._language, { hour12: false }));
    const text = line.text || (texts[line.kind] ? this._say(texts[line.kind]) : "");
    return make("span", "who", make("span", "meta", make("b", "", author), make("span", "app", this._app(line)), clock), make("span", { class: "text", dir: "auto" }, text));
  }

  _app(/** @type {Line} */ { app }) {
    return this.apps.get(app) ?? app;
  }

  _received(/** @type {Line} */ line, /** @type {Map<string, Step>} */ steps) {
    if (!steps.has("received")) return make("span", "step none");
    return stepNode("done", this._say("received"), line.kind === "customer" ? "0 ms" : "");
  }

  _turn(/** @type {Line} */ line, /** @type {Map<string, Step>} */ steps) {
    const step = steps.get("turn");
    if (!step) return make("span", "step none");
    if (step.is_done === false) return stepNode("waiting", this._say("waitsTurn"), "");
    const { intent = "", confidence = 0, link = "none", outcome = "" } = line.decision ?? {};
    const isDecided = intent && outcome !== "left_to_desk";
    const what = isDecided ? make("code", "", intent) : wordFor(this._language, "outcomes", outcome);
    const sure = isDecided && confidence > 0 ? ` ${percent(confidence, this._language)}` : "";
    const how = link === "none" ? "" : wordFor(this._language, "links", link);
    const facts = [milliseconds(step.ms, this._language), how].filter(Boolean).join(" · ");
    return stepNode(outcome === "failed" ? "bad" : "done", what, facts, sure);
  }

  _sent(/** @type {Line} */ line, /** @type {Map<string, Step>} */ steps) {
    const failed = steps.get("failed") ?? steps.get("withdrawn");
    const step = steps.get("sent");
    if (failed) return stepNode("bad", this._say(steps.has("failed") ? "failedStatus" : "withdrawn"), milliseconds(failed.ms, this._language));
    if (step?.is_done === false) return stepNode("waiting", this._say("waitsSend"), tries(line, this._say));
    if (step) return stepNode("done", count(line) > 1 ? `${this._say("sent")} ×${count(line)}` : this._say("sent"), milliseconds(step.ms, this._language));
    if (!line.decision || line.decision.outcome === "left_to_desk") return make("span", "step none");
    return stepNode("quiet", this._say("noReply"), "");
  }

  _status(/** @type {Line} */ _line, /** @type {Map<string, Step>} */ steps) {
    const name = ["read", "delivered"].find((one) => steps.has(one));
    if (!name) return make("span", "step none");
    return stepNode(`done ${name}`, this._say(name), milliseconds(steps.get(name)?.ms, this._language));
  }

  /** From the arrival to the sending; what people do with it afterwards is not ours. */
  _total(/** @type {Line} */ line) {
    const ours = (line.steps ?? []).filter((step) => ["turn", "sent"].includes(step.name));
    if (!ours.some((step) => step.name === "sent") || ours.some((step) => step.ms === undefined || step.ms === null)) return "";
    return milliseconds(ours.reduce((sum, step) => sum + (step.ms ?? 0), 0), this._language);
  }

  // ---------------------------------------------------------------- what was decided, and why

  _detail(/** @type {Line} */ line) {
    const decision = line.decision;
    return make(
      "div",
      { class: "detail", id: `detail-${line.id}` },
      make("section", "", make("h3", "", this._say("why")), ...this._why(line)),
      make("section", "", make("h3", "", this._say("replies")), this._replies(line)),
      decision ? make("section", "", make("h3", "", this._say("facts")), this._facts(decision)) : null,
    );
  }

  _why(/** @type {Line} */ { kind, decision }) {
    if (!decision) return [make("p", "quiet", this._say(kind === "customer" ? "stillWaiting" : "nothingDecided"))];
    if (decision.outcome === "left_to_desk") return [make("p", "quiet", this._say("leftToDesk"))];
    return [this._candidates(decision), this._steps(decision), this._entities(decision), this._listOf("citations", decision.citations)];
  }

  _candidates(/** @type {Decision} */ { candidates = [], intent = "", confidence = 0 }) {
    const all = candidates.length ? candidates : intent ? [{ intent, confidence }] : [];
    if (!all.length) return null;
    const bars = all.map((one) => {
      const bar = make("meter", { min: "0", max: "1", value: String(one.confidence) });
      return make("li", one.intent === intent ? "chosen" : "", make("code", "", one.intent), bar, make("span", "number", percent(one.confidence, this._language)));
    });
    return make("div", "block", make("h4", "", this._say("candidates")), make("ul", "candidates", ...bars));
  }

  _steps(/** @type {Decision} */ { steps = [] }) {
    if (!steps.length) return null;
    const rows = steps.map((step) => {
      const [link, ...rest] = step.split(": ");
      return make("li", "", make("b", "", rest.length ? link : ""), make("span", "", rest.length ? rest.join(": ") : step));
    });
    return make("div", "block", make("h4", "", this._say("steps")), make("ol", "steps", ...rows));
  }

  _entities(/** @type {Decision} */ { entities = [] }) {
    if (!entities.length) return null;
    const tags = entities.map((one) => make("li", "", make("b", "", one.kind), one.value || one.text || ""));
    return make("div", "block", make("h4", "", this._say("entities")), make("ul", "tags", ...tags));
  }

  _listOf(/** @type {string} */ title, /** @type {string[] | undefined} */ all) {
    if (!all?.length) return null;
    return make("div", "block", make("h4", "", this._say(title)), make("ul", "plain", ...all.map((one) => make("li", "", one))));
  }

  _replies(/** @type {Line} */ { replies = [] }) {
    if (!replies.length) return make("p", "quiet", this._say("noReplies"));
    const statuses = /** @type {Record<string, string>} */ ({ failed: "failedStatus" });
    const rows = replies.map((reply) => {
      const status = make("span", `status ${reply.status}`, this._say(statuses[reply.status] ?? reply.status));
      const key = reply.key ? make("code", { title: this._say("replyKey") }, reply.key) : null;
      const tried = reply.tries ? make("span", "", this._say("tries", { n: reply.tries })) : null;
      const reason = reply.reason ? make("span", "reason", reply.reason) : null;
      return make("li", "", make("p", { dir: "auto" }, reply.text), make("div", "facts", status, key, tried, reason));
    });
    return make("ul", "replies", ...rows);
  }

  _facts(/** @type {Decision} */ decision) {
    const language = this._language;
    /** @type {[string, string | undefined][]} */
    const facts = [
      ["outcome", wordFor(language, "outcomes", decision.outcome)],
      ["link", decision.link === "none" ? "" : wordFor(language, "links", decision.link)],
      ["intent", decision.intent],
      ["confidence", decision.confidence ? percent(decision.confidence, language) : ""],
      ["reason", decision.reason],
      ["source", decision.source],
      ["languageFact", decision.language],
      ["sentiment", decision.sentiment],
      ["duration", milliseconds(decision.duration_ms, language)],
      ["readTogether", (decision.read_messages ?? 1) > 1 ? String(decision.read_messages) : ""],
      ["epoch", decision.epoch ? String(decision.epoch) : ""],
      ["version", decision.bot_version],
      ["model", decision.model],
    ];
    const rows = facts.filter(([, value]) => value).map(([name, value]) => make("div", "", make("dt", "", this._say(name)), make("dd", "", value)));
    return make("dl", "", ...rows);
  }
}

function stepNode(/** @type {string} */ state, /** @type {string | Node} */ what, /** @type {string} */ time, after = "") {
  return make("span", `step ${state}`, make("i"), make("span", "what", what, after), time ? make("span", "ms", time) : null);
}

function ghost() {
  return [0, 1, 2, 3].map(() => make("i"));
}

function newestFirst(/** @type {Line} */ one, /** @type {Line} */ other) {
  if (one.at !== other.at) return one.at < other.at ? 1 : -1;
  return one.id < other.id ? 1 : -1;
}

function count(/** @type {Line} */ line) {
  return (line.replies ?? []).length;
}

function tries(/** @type {Line} */ line, /** @type {(key: string, values?: any) => string} */ say) {
  const most = Math.max(0, ...(line.replies ?? []).map((reply) => reply.tries ?? 0));
  return most > 1 ? say("tries", { n: most }) : "";
}

function percent(/** @type {number} */ share, /** @type {string} */ language) {
  return `${(share * 100).toLocaleString(language, { maximumFractionDigits: 0 })} %`;
}

function milliseconds(/** @type {number | null | undefined} */ ms, /** @type {string} */ language) {
  if (ms === null || ms === undefined) return "";
  if (ms >= 60_000) return `${Math.round(ms / 60_000)} min`;
  if (ms >= 1000) return `${(ms / 1000).toLocaleString(language, { maximumFractionDigits: 1 })} s`;
  return `${ms.toLocaleString(language, { maximumFractionDigits: ms < 10 ? 1 : 0 })} ms`;
}

customElements.define("tertulia-trail", Trail);
