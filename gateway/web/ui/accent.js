// Colours that suit an accent of any brightness, for sites that bring their own.

/**
 * Variables that keep text on and in `accent` readable, whatever it is. Empty when it is not a colour.
 * @param {string} accent any CSS colour
 * @returns {Record<string, string>}
 */
export function accentVariables(accent) {
  const rgb = toRgb(accent);
  if (!rgb) return {};
  const onAccent = contrast(rgb, WHITE) >= contrast(rgb, DARK) ? "#ffffff" : "#171614";
  const text = `light-dark(${readable(rgb, WHITE, INK)}, ${readable(rgb, DARK, PAPER)})`;
  return { "--tertulia-accent": accent, "--tertulia-on-accent": onAccent, "--tertulia-accent-text": text };
}

const WHITE = [251, 248, 243];
const DARK = [32, 31, 28];
const INK = [35, 32, 27];
const PAPER = [239, 234, 225];
const ENOUGH = 4.6;

/** @param {string} colour @returns {number[] | null} */
function toRgb(colour) {
  if (!CSS.supports("color", colour) || /var\(|currentcolor|inherit|light-dark/i.test(colour)) return null;
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  if (!pen) return null;
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

/** The colour, moved towards `towards` only as far as reading it on `ground` needs. */
function readable(/** @type {number[]} */ rgb, /** @type {number[]} */ ground, /** @type {number[]} */ towards) {
  for (let share = 0; share < 1; share += 0.1) {
    const mixed = rgb.map((value, at) => Math.round(value * (1 - share) + towards[at] * share));
    if (contrast(mixed, ground) >= ENOUGH) return `rgb(${mixed.join(" ")})`;
  }
  return `rgb(${towards.join(" ")})`;
}

/** Ratio of WCAG 2, 1 to 21. */
function contrast(/** @type {number[]} */ one, /** @type {number[]} */ other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(/** @type {number[]} */ rgb) {
  const [red, green, blue] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
