// Parts that scroll are reached by the keyboard.

/**
 * A part that scrolls, and has nothing in it to move to, is reached by the keyboard itself; only while it scrolls.
 * @template {HTMLElement} T @param {T} part @returns {T}
 */
export function reachable(part) {
  const look = () => {
    if (part.scrollHeight > part.clientHeight + 1) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  };
  new ResizeObserver(look).observe(part);
  new MutationObserver(look).observe(part, { childList: true });
  return part;
}
