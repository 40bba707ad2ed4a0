// Authors' small Markdown as DOM nodes: bold, italic, strike, code, links. Anything else stays the characters it is.

const MAX_CHARS = 20_000;
const MAX_DEPTH = 6;
const LINK_PROTOCOLS = new Set(["http:", "https:", "mailto:", "tel:"]);
const LINK = /\[([^[\]]{1,500})\]\(\s*([^\s()<>]{1,2000}(?:\([^\s()<>]*\)[^\s()<>]*)*)\s*\)/y;
const BARE = /<?(https?:\/\/[^\s<>"]{1,2000})>?/y;
const FENCE = /```[^\n`]*\n([\s\S]*?)\n?```[ \t]*(?:\n|$)/g;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
/** @type {[string, string][]} */
const MARKS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
];

/**
 * The address if a person may be sent there (http, https, mailto, tel), else nothing.
 * @param {string | undefined} url
 * @returns {string | null}
 */
export function safeLink(url) {
  const parsed = url ? URL.parse?.(url) ?? parse(url) : null;
  return parsed && LINK_PROTOCOLS.has(parsed.protocol) ? parsed.href : null;
}

function parse(/** @type {string} */ url) {
  try {
    return new URL(url);
  } catch {
    return null;
  }
}

/**
 * A link that opens beside the page and tells the other side nothing.
 * @param {string} href one that passed `safeLink`
 * @param {...(Node | string)} content
 */
export function link(href, ...content) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer nofollow";
  anchor.append(...content);
  return anchor;
}

/**
 * Nodes for a text with markup.
 * @param {string} source
 * @returns {(Node | string)[]}
 */
export function markdown(source) {
  if (source.length > MAX_CHARS) return [source];
  const nodes = [];
  let at = 0;
  for (const block of source.matchAll(FENCE)) {
    nodes.push(...inline(source.slice(at, block.index).replace(/\n$/, ""), 0, true));
    nodes.push(element("pre", element("code", block[1])));
    at = block.index + block[0].length;
  }
  nodes.push(...inline(source.slice(at), 0, true));
  return nodes;
}

/**
 * Nodes for a text without markup: only web addresses become links.
 * @param {string} source
 * @returns {(Node | string)[]}
 */
export function plain(source) {
  return source.length > MAX_CHARS ? [source] : inline(source, 0, false);
}

function element(/** @type {string} */ name, /** @type {(Node | string)[]} */ ...content) {
  const made = document.createElement(name);
  made.append(...content);
  return made;
}

/** @param {string} text @param {number} depth @param {boolean} hasMarkup @returns {(Node | string)[]} */
function inline(text, depth, hasMarkup) {
  /** @type {(Node | string)[]} */
  const nodes = [];
  let plainFrom = 0;
  let at = 0;
  while (at < text.length) {
    const found = piece(text, at, depth, hasMarkup);
    if (found) {
      if (at > plainFrom) nodes.push(text.slice(plainFrom, at));
      nodes.push(found.node);
      plainFrom = at += found.length;
    } else {
      at += 1;
    }
  }
  if (at > plainFrom) nodes.push(text.slice(plainFrom));
  return nodes;
}

/** What begins at `at`, if it is more than a character. */
function piece(
  /** @type {string} */ text,
  /** @type {number} */ at,
  /** @type {number} */ depth,
  /** @type {boolean} */ hasMarkup,
) {
  const sign = text[at];
  if (sign === "h" || sign === "<") return bareLink(text, at);
  if (!hasMarkup) return null;
  if (sign === "\\" && ESCAPABLE.test(text[at + 1] ?? "")) return { node: text[at + 1], length: 2 };
  if (sign === "`") return code(text, at);
  if (sign === "[") return namedLink(text, at, depth);
  return "*_~".includes(sign) && depth < MAX_DEPTH ? marked(text, at, depth) : null;
}

function bareLink(/** @type {string} */ text, /** @type {number} */ at) {
  BARE.lastIndex = at;
  const found = BARE.exec(text);
  if (!found) return null;
  const isBracketed = found[0].startsWith("<") && found[0].endsWith(">");
  if (found[0].startsWith("<") && !isBracketed) return null;
  const shown = isBracketed ? found[1] : trimmed(found[1]);
  const href = safeLink(shown);
  return href ? { node: link(href, shown), length: isBracketed ? found[0].length : shown.length } : null;
}

/** Without the punctuation of the sentence that the address ends. */
function trimmed(/** @type {string} */ url) {
  const short = url.replace(/[.,;:!?'*_~]+$/, "");
  return short.endsWith(")") && !short.includes("(") ? short.slice(0, -1) : short;
}

function namedLink(/** @type {string} */ text, /** @type {number} */ at, /** @type {number} */ depth) {
  LINK.lastIndex = at;
  const found = LINK.exec(text);
  if (!found) return null;
  const label = inline(found[1], depth + 1, true).map((node) =>
    node instanceof HTMLAnchorElement ? node.textContent ?? "" : node,
  );
  const href = safeLink(found[2]);
  return { node: href ? link(href, ...label) : element("span", ...label), length: found[0].length };
}

function code(/** @type {string} */ text, /** @type {number} */ at) {
  const fence = /`+/y;
  fence.lastIndex = at;
  const mark = fence.exec(text)?.[0] ?? "`";
  const end = text.indexOf(mark, at + mark.length);
  if (end <= at + mark.length) return null;
  return { node: element("code", text.slice(at + mark.length, end)), length: end + mark.length - at };
}

function marked(/** @type {string} */ text, /** @type {number} */ at, /** @type {number} */ depth) {
  for (const [mark, name] of MARKS) {
    if (!text.startsWith(mark, at) || !opens(text, at, mark)) continue;
    const end = closing(text, at + mark.length, mark);
    if (end < 0) continue;
    const node = element(name, ...inline(text.slice(at + mark.length, end), depth + 1, true));
    return { node, length: end + mark.length - at };
  }
  return null;
}

function opens(/** @type {string} */ text, /** @type {number} */ at, /** @type {string} */ mark) {
  const next = text[at + mark.length];
  if (!next || /\s/.test(next) || next === mark[0]) return false;
  return mark[0] !== "_" || !isWordSign(text[at - 1]);
}

/** Where the mark closes, or -1. A single mark never closes inside a double one. */
function closing(/** @type {string} */ text, /** @type {number} */ from, /** @type {string} */ mark) {
  for (let end = text.indexOf(mark, from + 1); end > 0; end = text.indexOf(mark, end + 1)) {
    const isDouble = mark.length === 1 && text[end + 1] === mark;
    if (isDouble) {
      end += 1;
      continue;
    }
    if (/\s/.test(text[end - 1]) || text[end - 1] === "\\") continue;
    if (mark[0] === "_" && isWordSign(text[end + mark.length])) continue;
    return end;
  }
  return -1;
}

function isWordSign(/** @type {string | undefined} */ sign) {
  return sign !== undefined && /[\p{L}\p{N}_]/u.test(sign);
}
