// Small pictures of our own, drawn with lines in the colour of the text beside them.

const SVG = "http://www.w3.org/2000/svg";
const BUBBLE = "M17.2 3.05A13 13 0 0 0 5.2 23.2L3.2 29.3l6.6-2.1q1.2.7 2.4 1.1C10.1 19 19.4 12 17.2 3.05z";

export const PATHS = {
  attach: "M13.5 6.5 7 13a2 2 0 0 0 3 3l6.5-6.5a3.7 3.7 0 0 0-5.3-5.3L4.6 10.8a5.4 5.4 0 0 0 7.6 7.6l4.3-4.3",
  back: "M12.5 4.5 7 10l5.5 5.5",
  chats: "M3.5 4.5h9v6.5H7L4.5 13v-2h-1zM9 13.5h3l3 2.5v-2.5h1.5V7.5H15",
  check: "m4.5 10.5 3.5 3.5 7.5-8",
  checks: "m1.5 10.5 3.5 3.5 7-8M9.5 13.5l.5.5 7.5-8",
  clock: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.5V10l2.5 1.5",
  close: "m5 5 10 10M15 5 5 15",
  down: "M10 4v12M5 11l5 5 5-5",
  file: "M5.5 2.5h6l3.5 3.5v11.5h-9.5zM11.5 2.5v3.5H15",
  minimise: "m4.5 7.5 5.5 5.5 5.5-5.5",
  offline: "m3 3 14 14M6 8.5a8 8 0 0 1 1.5-.8M2.5 7.5A13 13 0 0 1 5 5.8M9 4.5a13 13 0 0 1 8.5 3M12 7.6a8 8 0 0 1 3 1.9M6.5 12a5 5 0 0 1 4.5-1.3M10 15.5h.01",
  problem: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.5v4.5M10 13.5h.01",
  send: "M3.5 10h8M3.5 10l-1-6 15 6-15 6z",
  sound: "M4 8v4h2.5L10 15V5L6.5 8zM12.5 7.5a3.5 3.5 0 0 1 0 5M14.5 5.5a6.4 6.4 0 0 1 0 9",
  soundOff: "M4 8v4h2.5L10 15V5L6.5 8zM13 8l4 4M17 8l-4 4",
};

/**
 * A picture that says nothing to a screen reader: what it is for stands in words beside it.
 * @param {keyof typeof PATHS} name
 * @param {number} [size] px
 */
export function icon(name, size = 20) {
  return lines(PATHS[name], size);
}

/**
 * A picture of lines on a field of 20 by 20, for pages that have more of them.
 * @param {string} path
 * @param {number} size px
 */
export function lines(path, size) {
  const ends = { "stroke-linecap": "round", "stroke-linejoin": "round" };
  return picture(20, size, { fill: "none", stroke: "currentColor", "stroke-width": 1.6, ...ends }, { d: path });
}

/**
 * The mark: two speech bubbles that close a circle. `mark.svg` beside this is the same one as a file.
 * @param {number} [size] px
 */
export function mark(size = 24) {
  return picture(32, size, { fill: "currentColor" }, { d: BUBBLE }, { d: BUBBLE, transform: "rotate(180 16 16)" });
}

/** @param {number} side @param {number} size @param {Record<string, unknown>} look @param {...Record<string, string>} paths */
function picture(side, size, look, ...paths) {
  const facts = { viewBox: `0 0 ${side} ${side}`, width: size, height: size, "aria-hidden": true, focusable: false, ...look };
  const svg = drawn("svg", facts);
  svg.append(...paths.map((path) => drawn("path", path)));
  return svg;
}

/** @param {"svg" | "path"} name @param {Record<string, unknown>} facts */
function drawn(name, facts) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(facts)) made.setAttribute(key, String(value));
  return made;
}
