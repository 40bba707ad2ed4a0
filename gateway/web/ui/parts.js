// The parts of a message as DOM nodes. Whatever the data holds becomes text or a checked address, never markup.

import { icon } from "./icons.js";
import { link, markdown, plain, safeLink } from "./markdown.js";
import { fileSize } from "./times.js";

/**
 * What a part needs to know of its place.
 * @typedef {object} Place
 * @property {(key: any, values?: any) => string} say
 * @property {string} language
 * @property {boolean} isLive its options may be pressed
 * @property {string | undefined} chosen the value of the option that was taken
 * @property {number | undefined} progress of an upload, 0 to 1
 * @property {(option: any) => void} choose
 * @property {(url: string, caption: string) => void} enlarge
 */

/**
 * @param {any} part
 * @param {Place} place
 * @returns {Node[]} bubbles, and what stands under them
 */
export function partNodes(part, place) {
  const make = MAKERS[/** @type {string} */ (part?.type)];
  return make ? make(part, place) : [unsupported(place)];
}

/** @type {Record<string, (part: any, place: Place) => Node[]>} */
const MAKERS = {
  text: (part) => [bubble(...words(part))],
  selection: (part) => [bubble(String(part.label || part.choice || part.value || ""))],
  choice: (part, place) => [...(part.text ? [bubble(...words(part))] : []), options(part.options ?? [], place, part.style)],
  cards: (part, place) => [carousel(part.cards ?? [], place)],
  media: (part, place) => [media(part, place), ...(part.caption ? [bubble(...plain(String(part.caption)))] : [])],
  location: (part, place) => [location(part, place)],
  contact: (part, place) => [contact(part, place)],
  reaction: (part, place) => [part.emojis?.length ? element("div", "reaction", part.emojis.join(" ")) : unsupported(place)],
  template: (part, place) => [part.text ? bubble(...words(part)) : unsupported(place)],
};

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

function bubble(/** @type {(Node | string)[]} */ ...content) {
  const made = element("div", "bubble", ...content);
  made.dir = "auto";
  return made;
}

function words(/** @type {any} */ part) {
  const text = String(part.text ?? "");
  return part.markup === "markdown" ? markdown(text) : plain(text);
}

function unsupported(/** @type {Place} */ place) {
  return element("div", "bubble quiet", place.say("unsupported"));
}

// ---------------------------------------------------------------- what can be chosen

function options(/** @type {any[]} */ all, /** @type {Place} */ place, /** @type {string} */ style = "buttons") {
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

function carousel(/** @type {any[]} */ cards, /** @type {Place} */ place) {
  const list = element("ul", "cards", ...cards.map((card) => oneCard(card, place)));
  list.tabIndex = 0;
  list.setAttribute("aria-label", place.say("cards"));
  list.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way || event.target !== list) return;
    event.preventDefault();
    turn(list, way);
  });
  if (cards.length < 2) return list;
  return element("div", "carousel", list, turner(list, "back", -1, place), turner(list, "forward", 1, place));
}

function turner(
  /** @type {HTMLElement} */ list,
  /** @type {"back" | "forward"} */ name,
  /** @type {number} */ way,
  /** @type {Place} */ place,
) {
  const button = element("button", `turn ${name}`, icon(name), spoken(place.say(way < 0 ? "previous" : "next")));
  button.setAttribute("type", "button");
  button.addEventListener("click", () => turn(list, way));
  return button;
}

function turn(/** @type {HTMLElement} */ list, /** @type {number} */ way) {
  const step = (list.firstElementChild?.getBoundingClientRect().width ?? 0) + 12;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  list.scrollBy({ left: way * step, behavior: isCalm ? "instant" : "smooth" });
}

function oneCard(/** @type {any} */ card, /** @type {Place} */ place) {
  const body = element("div", "card-body", element("div", "card-title", String(card.title ?? "")));
  if (card.subtitle) body.append(element("div", "card-subtitle", String(card.subtitle)));
  const made = element("li", "card");
  const address = card.image_url ? mediaAddress(card.image_url) : null;
  if (address) made.append(picture(address, "", () => element("div", "card-gap")));
  made.append(body);
  if (card.options?.length) made.append(options(card.options, place));
  return made;
}

// ---------------------------------------------------------------- files

/** An address that a file may be fetched from. A path alone is one of the gateway that this code came from. */
function mediaAddress(/** @type {string} */ url) {
  try {
    const parsed = new URL(url, import.meta.url);
    return ["http:", "https:", "blob:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

function media(/** @type {any} */ part, /** @type {Place} */ place) {
  const address = part.url ? mediaAddress(part.url) : null;
  const frame = element("div", "media");
  if (!address) frame.append(fileRow(part, null, place));
  else if (["image", "sticker"].includes(part.kind)) frame.append(enlargeable(part, address, place));
  else if (["video", "animation"].includes(part.kind)) frame.append(player("video", part, address, place));
  else if (["audio", "voice"].includes(part.kind)) frame.append(player("audio", part, address, place));
  else frame.append(fileRow(part, address, place));
  if (part.kind === "sticker") frame.classList.add("sticker");
  if (place.progress !== undefined) frame.append(progressBar(place));
  return frame;
}

function progressBar(/** @type {Place} */ place) {
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = place.progress ?? 0;
  bar.setAttribute("aria-label", place.say("uploading"));
  return bar;
}

function enlargeable(/** @type {any} */ part, /** @type {string} */ address, /** @type {Place} */ place) {
  const button = element("button", "enlarge");
  const name = String(part.caption || part.name || place.say("image"));
  button.setAttribute("type", "button");
  button.setAttribute("aria-label", `${place.say("openImage")}: ${name}`);
  button.append(picture(address, "", () => lost(button, part, place)));
  button.addEventListener("click", () => place.enlarge(address, name));
  return button;
}

/** Replaces the whole button by a row that says that the file is gone. */
function lost(/** @type {HTMLElement} */ button, /** @type {any} */ part, /** @type {Place} */ place) {
  const row = fileRow(part, null, place);
  queueMicrotask(() => button.replaceWith(row));
  return row;
}

function picture(/** @type {string} */ address, /** @type {string} */ alt, /** @type {() => Node} */ otherwise) {
  const image = document.createElement("img");
  image.alt = alt;
  image.loading = "lazy";
  image.decoding = "async";
  image.referrerPolicy = "no-referrer";
  image.addEventListener("error", () => image.replaceWith(otherwise()), { once: true });
  image.src = address;
  return image;
}

function player(
  /** @type {"audio" | "video"} */ kind,
  /** @type {any} */ part,
  /** @type {string} */ address,
  /** @type {Place} */ place,
) {
  const made = document.createElement(kind);
  made.controls = true;
  made.preload = "metadata";
  made.setAttribute("playsinline", "");
  made.setAttribute("aria-label", String(part.name || place.say(kind)));
  made.addEventListener("error", () => made.replaceWith(fileRow(part, address, place)), { once: true });
  made.src = address;
  return made;
}

function fileRow(/** @type {any} */ part, /** @type {string | null} */ address, /** @type {Place} */ place) {
  const kinds = /** @type {Record<string, string>} */ ({ image: "image", video: "video", audio: "audio", voice: "audio" });
  const name = String(part.name || place.say(kinds[part.kind] ?? "document"));
  const size = part.size_bytes ? fileSize(part.size_bytes, place.language) : "";
  const facts = address || place.progress !== undefined ? size : [size, place.say("unavailable")].filter(Boolean).join(" · ");
  const content = [icon("file", 24), element("span", "file-text", element("span", "file-name", name), element("span", "file-facts", facts))];
  if (!address) return element("div", "file", ...content);
  const row = classed(link(address, ...content), "file");
  row.setAttribute("download", name);
  return row;
}

// ---------------------------------------------------------------- places and people

function location(/** @type {any} */ part, /** @type {Place} */ place) {
  const latitude = Number(part.latitude);
  const longitude = Number(part.longitude);
  const name = String(part.name || place.say(part.is_live ? "liveLocation" : "location"));
  const where = String(part.address || `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`);
  const text = element("span", "file-text", element("span", "file-name", name), element("span", "file-facts", where));
  if (!Number.isFinite(latitude) || !Number.isFinite(longitude)) return unsupported(place);
  const spot = `${latitude.toFixed(6)}`;
  const map = `https://www.openstreetmap.org/?mlat=${spot}&mlon=${longitude.toFixed(6)}#map=16/${spot}/${longitude.toFixed(6)}`;
  text.append(element("span", "file-action", place.say("openMap")));
  return classed(link(map, icon("pin", 24), text), "file");
}

function contact(/** @type {any} */ part, /** @type {Place} */ place) {
  const phone = String(part.phone ?? "");
  const text = element("span", "file-text", element("span", "file-name", String(part.name || place.say("contact"))));
  if (phone) text.append(element("span", "file-facts", phone));
  const href = phone ? safeLink(`tel:${phone.replace(/[^+\d]/g, "")}`) : null;
  if (!href) return element("div", "file", icon("card", 24), text);
  return classed(link(href, icon("card", 24), text), "file");
}

/** @template {HTMLElement} T @param {T} made @param {string} className @returns {T} */
function classed(made, className) {
  made.className = className;
  return made;
}
