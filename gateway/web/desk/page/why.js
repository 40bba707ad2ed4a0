// Why a person was asked for: in words, at the head of the conversation, with what led there when one opens it.

import { element } from "/ui/parts.js";
import { reachable } from "./reachable.js";
import { factInWords, reasonInWords, say, sentimentInWords } from "./texts.js";

export class Why {
  constructor() {
    this.button = /** @type {HTMLButtonElement} */ (element("button", "why-line"));
    this.button.type = "button";
    this.button.setAttribute("aria-expanded", "false");
    this.button.setAttribute("aria-controls", "why-more");
    this.button.addEventListener("click", () => this.toggle());
    this.more = reachable(element("div", "why-more"));
    this.more.id = "why-more";
    this.more.hidden = true;
    this.node = element("section", "why", this.button, this.more);
    this.node.setAttribute("aria-label", say("whyTitle"));
    this.node.hidden = true;
    this.signature = "";
  }

  /** @param {any} shown the conversation as the server told it */
  show(shown) {
    const why = shown?.why ?? null;
    const signature = JSON.stringify([shown?.conversation, why]);
    if (signature === this.signature) return;
    const isAnother = JSON.parse(this.signature || "[]")[0] !== shown?.conversation;
    this.signature = signature;
    this.node.hidden = !why;
    if (!why) return;
    if (isAnother) this.toggle(false);
    this.node.classList.toggle("urgent", Boolean(why.is_urgent));
    this.button.replaceChildren(element("b", "", inOneLine(why)), ...hints(why));
    this.more.replaceChildren(...this.explained(why));
    this.button.disabled = !this.more.childElementCount;
    if (this.button.disabled) this.toggle(false);
  }

  /** Open or shut; where nothing led there, there is nothing to open. */
  toggle(isOpen = this.more.hidden) {
    const opens = isOpen && this.more.childElementCount > 0;
    this.more.hidden = !opens;
    this.button.setAttribute("aria-expanded", String(opens));
  }

  /** @param {any} why */
  explained(why) {
    const steps = why.steps ?? [];
    const slots = Object.entries(why.slots ?? {});
    return [
      ...(steps.length ? [element("h3", "", say("whatLedThere")), element("ol", "led", ...steps.map(step))] : []),
      ...(slots.length ? [element("h3", "", say("knewThen")), element("dl", "slots", ...slots.flatMap(slot))] : []),
    ];
  }
}

/** @param {any} why */
export function inOneLine(why) {
  return reasonInWords(why.detail && !why.reason.includes(":") ? `${why.reason}: ${why.detail}` : why.reason);
}

/** @param {any} why */
function hints(why) {
  const words = [];
  if (why.is_urgent) words.push(say("urgent"));
  if (why.unresolved > 1 && !why.reason.startsWith("unresolved")) words.push(say("unresolvedTimes", { n: why.unresolved }));
  if (why.sentiment === "negative") words.push(sentimentInWords(why.sentiment));
  if (why.reopened_agent) words.push(say("reopened", { agent: why.reopened_agent }));
  const last = why.steps?.at(-1);
  if (!words.length && last?.said) words.push(`«${last.said}»`);
  return words.map((word) => element("span", "", word));
}

/** @param {any} one */
function step(one) {
  const said = element("q", "", one.said || say("notShown"));
  said.dir = "auto";
  const understood = one.intent ? `${one.intent} ${(one.confidence ?? 0).toFixed(2)}` : say("unresolved");
  const facts = [one.link === "none" ? "" : one.link, understood, one.reason, one.sentiment === "negative" ? sentimentInWords(one.sentiment) : ""];
  const made = element("li", one.intent ? "" : "unresolved", said, element("span", "soft", facts.filter(Boolean).join(" · ")));
  return made;
}

/** @param {[string, unknown]} entry */
function slot([name, value]) {
  return [element("dt", "", factInWords(name)), element("dd", "", String(value))];
}
