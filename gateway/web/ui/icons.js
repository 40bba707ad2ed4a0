// Small pictures of our own, drawn with lines in the colour of the text beside them.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  attach: "M13.5 6.5 7 13a2 2 0 0 0 3 3l6.5-6.5a3.7 3.7 0 0 0-5.3-5.3L4.6 10.8a5.4 5.4 0 0 0 7.6 7.6l4.3-4.3",
  back: "M12.5 4.5 7 10l5.5 5.5",
  card: "M3.5 4.5h13v11h-13zM6.5 12.5c.4-1.6 3.6-1.6 4 0M7 8.5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0M13 8h1M13 11h1",
  chats: "M3.5 4.5h9v6.5H7L4.5 13v-2h-1zM9 13.500h3l3 2.500v-2.500h1.500V7.500H15",
  check: "m4.500 10.500 3.500 3.500 7.500-8",
  checks: "m1.500 10.500 3.500 3.500 7-8M9.500 13.500l.5.5 7.500-8",
  clock: "M10 3.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M10 6.500V10l2.500 1.500",
  close: "m5 5 10 10M15 5 5 15",
  down: "M10 4v12M5 11l5 5 5-5",
  file: "M5.500 2.500h6l3.500 3.500v11.500h-9.500zM11.500 2.500v3.500H15",
  forward: "M7.500 4.500 13 10l-5.500 5.500",
  minimise: "m4.500 7.500 5.500 5.500 5.500-5.500",
  offline: "m3 3 14 14M6 8.500a8 8 0 0 1 1.500-.8M2.500 7.500A13 13 0 0 1 5 5.800M9 4.500a13 13 0 0 1 8.500 3M12 7.600a8 8 0 0 1 3 1.900M6.500 12a5 5 0 0 1 4.500-1.300M10 15.500h.01",
  pin: "M10 17.500s-5.500-5-5.500-9.200a5.500 5.500 0 0 1 11 0c0 4.200-5.500 9.200-5.500 9.200M8 8.300a2 2 0 1 0 4 0 2 2 0 0 0-4 0",
  plus: "M10 4v12M4 10h12",
  problem: "M10 3.500a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M10 6.500v4.500M10 13.500h.01",
  send: "M3.500 10h8M3.500 10l-1-6 15 6-15 6z",
  sound: "M4 8v4h2.500L10 15V5L6.500 8zM12.500 7.500a3.500 3.500 0 0 1 0 5M14.500 5.500a6.400 6.400 0 0 1 0 9",
  soundOff: "M4 8v4h2.500L10 15V5L6.500 8zM13 8l4 4M17 8l-4 4",
};

/**
 * A picture that says nothing to a screen reader: what it is for stands in words beside it.
 * @param {keyof typeof PATHS} name
 * @param {number} [size] px
 */
export function icon(name, size = 20) {
  const svg = document.createElementNS(SVG, "svg");
  const facts = { viewBox: "0 0 20 20", width: size, height: size, fill: "none", stroke: "currentColor", "stroke-width": 1.6 };
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries(facts)) svg.setAttribute(key, String(value));
  svg.setAttribute("stroke-linecap", "round");
  svg.setAttribute("stroke-linejoin", "round");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
