// The rarer parts of a message: cards, files, places and people. Loaded when the first one is to be shown.

import { icon } from "./more-icons.js";
import { link, plain, safeLink } from "./markdown.js";
import { bubble, classed, element, options, spoken, unsupported, words } from "./parts.js";
import { fileSize } from "./times.js";
import { sheet } from "./tokens.js";

/** @typedef {import("./parts.js").Place} Place */

/** @type {import("./parts.js").Makers} */
export const RICH = {
  cards: (part, place) => [carousel(part.cards ?? [], place)],
  media: (part, place) => [media(part, place), ...(part.caption ? [bubble(...plain(String(part.caption)))] : [])],
  location: (part, place) => [location(part, place)],
  contact: (part, place) => [contact(part, place)],
  reaction: (part, place) => [part.emojis?.length ? element("div", "reaction", part.emojis.join(" ")) : unsupported(place)],
  template: (part, place) => [part.text ? bubble(...words(part)) : unsupported(place)],
};

// ---------------------------------------------------------------- cards

const EDGE_PX = 8;

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
  const [back, forward] = [turner(list, "back", -1, place), turner(list, "forward", 1, place)];
  const mind = () => {
    back.hidden = list.scrollLeft < EDGE_PX;
    forward.hidden = list.clientWidth > 0 && list.scrollLeft + list.clientWidth > list.scrollWidth - EDGE_PX;
  };
  list.addEventListener("scroll", mind, { passive: true });
  new ResizeObserver(mind).observe(list);
  mind();
  return element("div", "carousel", list, back, forward);
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
  button.addEventListener("click", () => enlarge(button, address, name, place));
  return button;
}

/** The picture on the whole screen; Escape or a press anywhere ends it, and the focus is where it was. */
function enlarge(
  /** @type {HTMLElement} */ from,
  /** @type {string} */ address,
  /** @type {string} */ name,
  /** @type {Place} */ place,
) {
  const image = Object.assign(document.createElement("img"), { src: address, alt: name });
  const close = element("button", "", icon("close", 24), spoken(place.say("close")));
  const dialog = document.createElement("dialog");
  close.setAttribute("type", "button");
  dialog.setAttribute("aria-label", name);
  dialog.append(image, close);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => event.stopPropagation());
  dialog.addEventListener("close", () => dialog.remove());
  from.getRootNode().appendChild(dialog);
  dialog.showModal();
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
  const text = element("span", "file-text", element("span", "file-name", name), element("span", "file-facts", facts));
  const content = [icon("file", 24), text];
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

// ---------------------------------------------------------------- how they look

export const richStyle = sheet(`
.reaction { font-size: 22px; line-height: 28px; }
.body:has(.carousel, .cards) { max-width: 100%; width: 100%; }
.carousel { position: relative; width: 100%; }
.cards { display: flex; gap: 12px; width: 100%; overflow-x: auto; scroll-snap-type: x mandatory; padding: 2px 2px 10px; scrollbar-width: none; border-radius: var(--radius); }
.card {
  flex: 0 0 min(240px, 80%); scroll-snap-align: start; display: flex; flex-direction: column;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--card); overflow: hidden;
}
.card img, .card-gap { width: 100%; aspect-ratio: 16 / 9; object-fit: cover; background: var(--line); display: block; }
.card-body { padding: 12px 14px; flex: 1; }
.card-title { font-weight: 600; overflow-wrap: anywhere; }
.card-subtitle { font: var(--small); color: var(--ink-soft); margin-top: 2px; overflow-wrap: anywhere; }
.card .options { flex-direction: column; flex-wrap: nowrap; gap: 0; padding: 0; }
.card .options li { border-top: 1px solid var(--line); }
.card .option { width: 100%; min-height: 40px; justify-content: center; border: 0; border-radius: 0; background: transparent; }
.card .option:focus-visible { outline-offset: -3px; }
.turn {
  position: absolute; top: calc(50% - 22px); width: 36px; height: 36px; display: grid; place-items: center; cursor: pointer;
  border: 1px solid var(--line); border-radius: 50%; background: var(--card); color: var(--ink); padding: 0;
}
.turn[hidden] { display: none; }
.turn.back { left: -8px; }
.turn.forward { right: -8px; }
@media (pointer: coarse) { .turn { display: none; } }

.media { position: relative; max-width: 100%; border-radius: var(--radius); }
.enlarge { display: block; padding: 0; border: 1px solid var(--line); border-radius: var(--radius); overflow: hidden; cursor: zoom-in; background: var(--line); }
.enlarge img { display: block; width: 240px; max-width: 100%; aspect-ratio: 4 / 3; object-fit: cover; }
.sticker .enlarge { border: 0; background: none; }
.sticker img { width: 140px; aspect-ratio: 1; object-fit: contain; }
video { display: block; width: 300px; max-width: 100%; aspect-ratio: 16 / 9; border-radius: var(--radius); background: #000; }
audio { display: block; width: 280px; max-width: 100%; height: 44px; }
progress { display: block; width: 100%; height: 4px; margin-top: 6px; appearance: none; border: 0; border-radius: 2px; overflow: hidden; background: var(--line); color: var(--accent); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); transition: width var(--motion); }
progress::-moz-progress-bar { background: var(--accent); }
.file {
  display: flex; align-items: center; gap: 12px; max-width: 100%; padding: 10px 14px; color: var(--ink);
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--card); text-decoration: none;
}
.file svg { flex: none; color: var(--edge); }
.customer .file svg { color: var(--accent-text); }
a.file:hover .file-name { text-decoration: underline; }
.file-text { display: flex; flex-direction: column; min-width: 0; }
.file-name { font-weight: 500; overflow-wrap: anywhere; }
.file-facts { font: var(--small); color: var(--ink-soft); overflow-wrap: anywhere; }
.file-action { font: var(--small); color: var(--accent-text); text-decoration: underline; text-underline-offset: 2px; }

dialog { width: 100vw; height: 100dvh; max-width: none; max-height: none; margin: 0; padding: 0; border: 0; background: rgb(10 9 8 / 92%); }
dialog::backdrop { background: none; }
dialog img { width: 100%; height: 100%; object-fit: contain; padding: 56px 16px 24px; cursor: zoom-out; }
dialog button {
  position: absolute; top: max(12px, env(safe-area-inset-top)); right: 12px; width: 44px; height: 44px; padding: 0;
  display: grid; place-items: center; border: 0; border-radius: 50%; background: rgb(255 255 255 / 14%); color: #fff; cursor: pointer;
}
dialog button:focus-visible { outline-color: #fff; }
`);
