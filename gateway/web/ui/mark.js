// The mark: two speech bubbles that close a circle. `mark.svg` beside it is the same one as a file.

const SVG = "http://www.w3.org/2000/svg";
const BUBBLE = "M17.2 3.05A13 13 0 0 0 5.2 23.2L3.2 29.3l6.6-2.1q1.2.7 2.4 1.1C10.1 19 19.4 12 17.2 3.05z";

/**
 * The mark in the colour of the text around it, silent to screen readers.
 * @param {number} [size] px
 */
export function mark(size = 24) {
  const svg = document.createElementNS(SVG, "svg");
  const facts = { viewBox: "0 0 32 32", width: size, height: size, fill: "currentColor", "aria-hidden": "true", focusable: "false" };
  for (const [key, value] of Object.entries(facts)) svg.setAttribute(key, String(value));
  for (const turn of [0, 180]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", BUBBLE);
    path.setAttribute("transform", `rotate(${turn} 16 16)`);
    svg.append(path);
  }
  return svg;
}
