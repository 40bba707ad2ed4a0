// The right column: who the customer is, why they wait, what the bot knows, what was before.

import { element } from "/ui/parts.js";
import { fullTime } from "/ui/times.js";
import { iconButton } from "./dialogs.js";
import { reachable } from "./reachable.js";
import { appInWords, endInWords, factInWords, language, languageInWords, personInWords, say } from "./texts.js";
import { when } from "./queue.js";
import { inOneLine } from "./why.js";

export class ContextView {
  /** @param {() => void} onBack */
  constructor(onBack) {
    const back = iconButton("close", say("backToConversation"), "icon back");
    back.addEventListener("click", onBack);
    this.title = element("h2", "", say("details"));
    this.content = reachable(element("div", "sections"));
    this.node = element("aside", "context", element("header", "", this.title, back), this.content);
    this.node.setAttribute("aria-label", say("details"));
    this.node.hidden = true;
    this.signature = "";
  }

  /** @param {any} shown the conversation @param {any} turn the latest one that is explained */
  show(shown, turn) {
    const { messages: _, now: __, ...facts } = shown ?? {};
    const signature = JSON.stringify([facts, turn?.id]);
    if (signature === this.signature) return;
    this.signature = signature;
    this.node.hidden = !shown;
    if (!shown) this.content.replaceChildren();
    else this.content.replaceChildren(contact(shown), ...currentCase(shown), knowledge(shown, turn), history(shown));
  }
}

/** @param {string} title @param {...Node} content */
function section(title, ...content) {
  return element("section", "", element("h3", "", title), ...content);
}

/** A list of facts; what is empty is left out. @param {[string, string | Node | null | undefined][]} rows */
function factList(rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", "facts", ...shown.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", /** @type {string | Node} */ (value))]));
}

function contact(/** @type {any} */ shown) {
  const person = shown.contact;
  const isSomebody = Boolean(person.name || Object.keys(person.details ?? {}).some((name) => !name.startsWith("time_zone")));
  const evidences = ["verified", "claimed", "inferred"];
  const rows = /** @type {[string, any][]} */ ([
    ...Object.entries(person.details ?? {}).map(([name, value]) => [factInWords(name), plainValue(value)]),
    [say("username"), person.username && `@${person.username}`],
    [say("app"), shown.app === shown.account ? appInWords(shown.app) : `${appInWords(shown.app)} · ${shown.account}`],
    [say("language"), languageInWords(shown.language || person.language || "")],
    [say("evidence"), isSomebody && evidences.includes(person.evidence) ? say(person.evidence) : ""],
    [say("knownSince"), time(person.known_since)],
  ]);
  return section(say("contactTitle"), element("p", "person", personInWords(person.name, shown.conversation)), factList(rows));
}

function currentCase(/** @type {any} */ shown) {
  const stay = (shown.stays ?? []).find((/** @type {any} */ one) => one.handoff_id === shown.handoff);
  if (!stay) return [];
  const accepted = stay.accepted_at ? element("span", "", `${stay.agent} · `, time(stay.accepted_at)) : null;
  return [section(say("caseTitle"), factList([[say("reason"), inOneLine(stay)], [say("askedAt"), time(stay.asked_at)], [say("acceptedAt"), accepted]]))];
}

function knowledge(/** @type {any} */ shown, /** @type {any} */ turn) {
  const slots = Object.entries(shown.slots ?? {}).map(([name, value]) => /** @type {[string, string]} */ ([factInWords(name), String(value)]));
  const intent = turn?.intent ? `${turn.intent} · ${(turn.confidence ?? 0).toFixed(2)}` : "";
  const rows = /** @type {[string, string][]} */ ([[say("intent"), intent], [say("flow"), shown.flow ?? ""], ...slots]);
  const isEmpty = rows.every(([, value]) => !value);
  return section(say("knows"), isEmpty ? element("p", "soft", say("nothingKnown")) : factList(rows));
}

function history(/** @type {any} */ shown) {
  const stays = (shown.stays ?? [])
    .filter((/** @type {any} */ stay) => stay.handoff_id !== shown.handoff)
    .map((/** @type {any} */ stay) => ({
      at: stay.asked_at,
      title: inOneLine(stay),
      facts: [endInWords(stay.end_reason), stay.agent],
    }));
  const visits = (shown.visits ?? []).map((/** @type {any} */ visit) => ({
    at: visit.opened_at,
    title: say("visit"),
    facts: [visit.closed_at ? endInWords(visit.outcome) : say("openNow")],
    rating: visit.rating,
  }));
  const entries = [...stays, ...visits].sort((one, other) => (one.at < other.at ? 1 : -1));
  if (entries.length < 2) return section(say("history"), element("p", "soft", say("noHistory")));
  return section(say("history"), element("ol", "history", ...entries.map(historyEntry)));
}

function historyEntry(/** @type {any} */ entry) {
  const line = element("li", "", time(entry.at), element("span", "title", entry.title));
  const facts = entry.facts.filter(Boolean).join(" · ");
  if (facts) line.append(element("span", "soft", facts));
  if (entry.rating) line.append(stars(entry.rating));
  return line;
}

function stars(/** @type {number} */ rating) {
  const made = element("span", "stars", "★".repeat(rating), element("i", "", "★".repeat(5 - rating)));
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", `${say("rating")}: ${say("ratingOf", { n: rating })}`);
  return made;
}

function time(/** @type {string} */ at) {
  const made = element("time", "", when(at));
  made.setAttribute("datetime", at);
  made.title = fullTime(new Date(at), language);
  return made;
}

function plainValue(/** @type {unknown} */ value) {
  if (Array.isArray(value)) return value.map(String).join(", ");
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
}
