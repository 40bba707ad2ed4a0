// The page's dialogs: the agent's name, and the keys.

import { icon } from "/ui/more-icons.js";
import { element } from "/ui/parts.js";
import { KEYS } from "./keys.js";
import { keeping } from "./keeping.js";
import { say } from "./texts.js";

/** @param {string} label @param {string} [className] */
export function button(label, className = "") {
  const made = /** @type {HTMLButtonElement} */ (element("button", className, label));
  made.type = "button";
  return made;
}

/** A button that shows a picture, and its name to whoever asks. @param {any} picture @param {string} label @param {string} [className] */
export function iconButton(picture, label, className = "icon") {
  const made = button("", className);
  made.append(icon(picture));
  made.setAttribute("aria-label", label);
  made.title = label;
  return made;
}

/** @param {HTMLElement} made @param {string} label @param {string} key */
export function labelWithKey(made, label, key) {
  if (made.getAttribute("aria-label") === label) return;
  made.replaceChildren(element("span", "", label), element("kbd", "", key));
  made.setAttribute("aria-keyshortcuts", key);
  made.setAttribute("aria-label", label);
}

/** @param {string} title @param {...(Node | string)} content @returns {HTMLDialogElement} */
export function dialog(title, ...content) {
  const made = /** @type {HTMLDialogElement} */ (element("dialog", "", element("h2", "", title), ...content));
  made.setAttribute("aria-label", title);
  made.addEventListener("click", (event) => event.target === made && made.close());
  made.addEventListener("close", () => made.remove());
  document.body.append(made);
  made.showModal();
  return made;
}

/**
 * Ask whether something should really be done.
 * @param {string} title @param {string} more @param {string} label of the button that does it
 * @returns {Promise<boolean>}
 */
export function confirm(title, more, label) {
  const cancel = button(say("cancel"));
  const accept = button(label, "primary");
  const opened = dialog(title, element("p", "soft", more), element("div", "buttons", cancel, accept));
  accept.focus();
  return new Promise((resolve) => {
    let isSure = false;
    accept.addEventListener("click", () => {
      isSure = true;
      opened.close();
    });
    cancel.addEventListener("click", () => opened.close());
    opened.addEventListener("close", () => resolve(isSure));
  });
}

/**
 * Ask for the agent's name, and keep it.
 * @returns {Promise<string>} empty when they thought better of it
 */
export function askName() {
  const field = /** @type {HTMLInputElement} */ (element("input", ""));
  field.id = "agent-name";
  field.maxLength = 60;
  field.autocomplete = "given-name";
  field.value = keeping.agent();
  const label = /** @type {HTMLLabelElement} */ (element("label", "", say("nameLabel")));
  label.htmlFor = field.id;
  const problem = element("p", "problem");
  problem.id = "agent-name-problem";
  problem.setAttribute("role", "alert");
  const cancel = button(say("cancel"));
  const save = button(say("save"), "primary");
  const opened = dialog(say("nameTitle"), element("p", "soft", say("nameMore")), label, field, problem, element("div", "buttons", cancel, save));
  field.select();
  return new Promise((resolve) => {
    let name = "";
    const accept = () => {
      name = field.value.trim();
      problem.textContent = name ? "" : say("nameEmpty");
      field.setAttribute("aria-invalid", String(!name));
      field.setAttribute("aria-describedby", problem.id);
      if (name) opened.close();
      else field.focus();
    };
    save.addEventListener("click", accept);
    cancel.addEventListener("click", () => opened.close());
    field.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && accept());
    opened.addEventListener("close", () => {
      if (name) keeping.setAgent(name);
      resolve(name);
    });
  });
}

/** Show every key, and let them be switched off. */
export function showKeys() {
  const rows = KEYS.map(({ keys, does }) => {
    const shown = keys.flatMap((key, at) => [...(at ? [" "] : []), element("kbd", "", key)]);
    return [element("dt", "", ...shown), element("dd", "", say(does))];
  });
  const box = /** @type {HTMLInputElement} */ (element("input", ""));
  box.type = "checkbox";
  box.checked = keeping.hasKeys();
  box.addEventListener("change", () => keeping.setKeys(box.checked));
  const close = button(say("ok"), "primary");
  const note = element("p", "soft", say("keysNote"));
  const opened = dialog(say("keys"), element("dl", "keys", ...rows.flat()), element("label", "check", box, say("keysOn")), note, element("div", "buttons", close));
  close.addEventListener("click", () => opened.close());
  close.focus();
}
