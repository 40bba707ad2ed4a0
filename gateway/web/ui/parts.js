// The parts of a message as DOM nodes. Whatever the data holds becomes text or a checked address, never markup.

import { icon } from "./icons.js";
import { link, markdown, plain, safeLink } from "./markdown.js";

/**
 * What a part needs to know of its place.
 * @typedef {object} Place
 * @property {(key: any, values?: any) => string} say
 * @property {string} language
 * @property {boolean} isLive its options may be pressed
 * @property {string | undefined} chosen the value of the option that was taken
 * @property {number | undefined} progress of an upload, 0 to 1
 * @property {(option: any) => void} choose
 * @property {() => void} need what the rarer parts take must be there
 */

/**
 * @param {any} part
 * @param {Place} place
 * @returns {Node[]} bubbles, and what stands under them
 */
export function partNodes(part, place) {
  const type = /** @type {string} */ (part?.type);
  if (RARE.has(type)) place.need();
  if (Object.hasOwn(MAKERS, type)) return MAKERS[type](part, place);
  return [RARE.has(type) ? element("div", "bubble quiet", "…") : unsupported(place)];
}

/** @typedef {Record<string, (part: any, place: Place) => Node[]>} Makers */

/** @type {Makers} */
const MAKERS = {
  text: (part) => [bubble(...words(part))],
  selection: (part) => [bubble(String(part.label || part.choice || part.value || ""))],
  choice: (part, place) => [...(part.text ? [bubble(...words(part))] : []), options(part.options ?? [], place, part.style)],
};

const RARE = new Set(["cards", "media", "location", "contact", "reaction", "template"]);

/** Add the makers of the rarer parts, which are loaded when the first one comes. @param {Makers} more */
export function learn(more) {
  Object.assign(MAKERS, more);
}

/**
 * An element with a class and content.
 * @param {string} name
 * @param {string} className
 * @param {...(Node | string)} content
 */
export function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** What is there for screen readers only. @param {string} text */
export function spoken(text) {
  return element("span", "spoken", text);
}

export function bubble(/** @type {(Node | string)[]} */ ...content) {
  const made = element("div", "bubble", ...content);
  made.dir = "auto";
  return made;
}

export function words(/** @type {any} */ part) {
  const text = String(part.text ?? "");
  return part.markup === "markdown" ? markdown(text) : plain(text);
}

export function unsupported(/** @type {Place} */ place) {
  return element("div", "bubble quiet", place.say("unsupported"));
}

// ---------------------------------------------------------------- what can be chosen

export function options(/** @type {any[]} */ all, /** @type {Place} */ place, /** @type {string} */ style = "buttons") {
  const list = element("ul", `options ${style}`, ...all.map((option) => element("li", "", oneOption(option, place))));
  list.setAttribute("aria-label", place.say("options"));
  return list;
}

function oneOption(/** @type {any} */ option, /** @type {Place} */ place) {
  const label = String(option.label ?? "");
  if (option.url) {
    const href = safeLink(option.url);
    return href ? classed(link(href, label), "option link") : element("span", "option still", label);
  }
  if (place.chosen !== undefined && place.chosen === (option.value || label)) {
    return element("span", "option taken", icon("check", 16), label, spoken(` (${place.say("chosen")})`));
  }
  if (!place.isLive) return element("span", "option still", label);
  const button = element("button", "option", label);
  button.setAttribute("type", "button");
  button.addEventListener("click", () => place.choose(option));
  return button;
}

/** @template {HTMLElement} T @param {T} made @param {string} className @returns {T} */
export function classed(made, className) {
  made.className = className;
  return made;
}
