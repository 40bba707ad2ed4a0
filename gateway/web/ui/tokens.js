// The tokens for a shadow root that stands on somebody else's page.
// tokens.css is the one place of colours, type and space. `--tertulia-…` variables, set from outside, go first: so a
// site themes the widget.

/**
 * The shared tokens as a sheet for `adoptedStyleSheets`. Asks once; a later call gets the same sheet.
 * @returns {Promise<CSSStyleSheet>}
 */
export function tokens() {
  loading ??= load();
  return loading;
}

/** @type {Promise<CSSStyleSheet> | undefined} */
let loading;

async function load() {
  const answer = await fetch(new URL("tokens.css", import.meta.url), { credentials: "omit" });
  if (!answer.ok) throw new Error(`tokens.css: ${answer.status}`);
  return sheet(await answer.text());
}

/**
 * A constructed sheet, which a strict content security policy allows.
 * @param {string} css
 */
export function sheet(css) {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}
