// Elements in one line. Whatever the data holds goes in as text.

/**
 * @param {string} name of the tag
 * @param {string | Record<string, string>} facts the class, or attributes
 * @param {...(Node | string | null | undefined)} content
 * @returns {HTMLElement}
 */
export function make(name, facts = "", ...content) {
  const made = document.createElement(name);
  if (typeof facts === "string") {
    if (facts) made.className = facts;
  } else {
    for (const [key, value] of Object.entries(facts)) made.setAttribute(key, value);
  }
  made.append(...content.filter((part) => part !== null && part !== undefined && part !== ""));
  return made;
}

/**
 * A button with a name for screen readers.
 * @param {string} className
 * @param {string} label
 * @param {() => void} press
 * @param {...(Node | string)} content shown; the label when there is none
 */
export function button(className, label, press, ...content) {
  const made = /** @type {HTMLButtonElement} */ (make("button", className, ...(content.length ? content : [label])));
  made.type = "button";
  if (content.length) {
    made.setAttribute("aria-label", label);
    made.title = label;
  }
  made.addEventListener("click", press);
  return made;
}

/** @param {string} text read out, not seen */
export function spoken(text) {
  return make("span", "spoken", text);
}
