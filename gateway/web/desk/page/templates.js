// Texts that the provider approved: what one may send when the customer wrote too long ago.

import { element } from "/ui/parts.js";
import { button, dialog } from "./dialogs.js";
import { get } from "./server.js";
import { languageInWords, say } from "./texts.js";

const BLANK = /\{\{\s*([\w.]+)\s*\}\}/g;
const MOST_BLANKS = 20;

/** @typedef {{name: string, language?: string, text?: string, blanks?: number, category?: string}} Template */

/** The names of a template's blanks, in their order. @param {Template} template */
function blanksOf(template) {
  const named = [...new Set([...(template.text ?? "").matchAll(BLANK)].map((found) => found[1]))];
  const count = template.blanks ?? -1;
  if (named.length || count <= 0) return named;
  return Array.from({ length: Math.min(count, MOST_BLANKS) }, (_, at) => String(at + 1));
}

/**
 * Choose a template of the conversation's account and fill its blanks.
 * @param {string} conversation
 * @param {{name: string, language: string}} customer
 * @returns {Promise<{name: string, language: string, values: string[], text: string} | null>}
 */
export function askTemplate(conversation, customer) {
  const search = /** @type {HTMLInputElement} */ (element("input", "search"));
  search.type = "search";
  search.placeholder = say("searchTemplates");
  search.setAttribute("aria-label", say("searchTemplates"));
  const content = element("div", "templates");
  content.setAttribute("aria-busy", "true");
  content.append(...Array.from({ length: 3 }, () => element("div", "skeleton", element("i", ""), element("i", ""))));
  const problem = element("p", "problem");
  problem.setAttribute("role", "alert");
  const cancel = button(say("cancel"));
  const back = button(say("otherTemplate"));
  const send = button(say("sendTemplate"), "primary");
  const opened = dialog(say("templates"), search, content, problem, element("div", "buttons", back, cancel, send));
  opened.classList.add("wide");
  /** @type {any} */
  let result = null;
  /** @type {Template[]} */
  let all = [];
  /** @type {Filling | null} */
  let filling = null;

  const list = () => {
    filling = null;
    for (const node of [back, send]) node.hidden = true;
    search.hidden = all.length < 6;
    const words = search.value.trim().toLowerCase();
    const found = all.filter((one) => !words || `${one.name} ${one.text ?? ""}`.toLowerCase().includes(words));
    content.removeAttribute("aria-busy");
    content.replaceChildren(...(found.length ? found.map((one) => choice(one, customer, () => fill(one))) : [element("p", "soft", say(all.length ? "noTemplateFound" : "noTemplates"))]));
  };
  const fill = (/** @type {Template} */ template) => {
    filling = new Filling(template, customer, () => accept());
    for (const node of [back, send]) node.hidden = false;
    search.hidden = true;
    content.replaceChildren(filling.node);
    (filling.firstEmpty() ?? send).focus();
  };
  const accept = () => {
    result = filling?.result() ?? null;
    problem.textContent = result ? "" : say("blankEmpty");
    if (result) opened.close();
    else filling?.firstEmpty()?.focus();
  };
  search.addEventListener("input", list);
  back.addEventListener("click", list);
  cancel.addEventListener("click", () => opened.close());
  send.addEventListener("click", accept);
  for (const node of [search, back, send]) node.hidden = true;
  get(`/desk/api/conversations/${conversation}/templates`).then(
    (answer) => {
      all = byLanguage(answer.items, customer.language);
      list();
      /** @type {HTMLElement | null} */ (search.hidden ? content.querySelector("button") : search)?.focus();
    },
    (error) => {
      content.replaceChildren();
      content.removeAttribute("aria-busy");
      problem.textContent = say("templatesFailed", { why: error.isPassing ? say("notNow") : error.message });
    },
  );
  return new Promise((resolve) => opened.addEventListener("close", () => resolve(result)));
}

/** The customer's language first. @param {Template[]} all @param {string} language */
function byLanguage(all, language) {
  const spoken = (/** @type {Template} */ one) => ((one.language ?? "").slice(0, 2) === language.slice(0, 2) ? 0 : 1);
  return [...all].sort((one, other) => spoken(one) - spoken(other) || one.name.localeCompare(other.name));
}

/** @param {Template} template @param {{name: string, language: string}} customer @param {() => void} onChoose */
function choice(template, customer, onChoose) {
  const title = element("span", "title", element("b", "", template.name));
  if (template.language) title.append(element("span", "soft", languageInWords(template.language)));
  const made = button("", "template");
  made.append(title, element("span", "text", template.text || say("templateUntold")));
  made.addEventListener("click", onChoose);
  return made;
}

/** The blanks of one template, and how it reads with them. */
class Filling {
  /** @param {Template} template @param {{name: string, language: string}} customer @param {() => void} onEnter */
  constructor(template, customer, onEnter) {
    this.template = template;
    this.names = blanksOf(template);
    this.preview = element("div", "preview");
    this.preview.dir = "auto";
    this.list = element("div", "fields");
    /** @type {HTMLInputElement[]} */
    this.fields = [];
    this.onEnter = onEnter;
    for (const name of this.names) this.add(name);
    if (customer.name && this.fields.length && /^(hola|hello|hi|olá|oi|buen)/i.test(template.text ?? "")) this.fields[0].value = customer.name;
    this.node = element("div", "filling", element("p", "soft", template.name), this.preview, this.list);
    if (!this.names.length && (template.blanks ?? -1) < 0 && !template.text) this.node.append(this.more());
    this.draw();
  }

  /** @param {string} name */
  add(name) {
    const field = /** @type {HTMLInputElement} */ (element("input", ""));
    field.id = `blank-${this.fields.length}`;
    field.maxLength = 1000;
    field.autocomplete = "off";
    field.addEventListener("input", () => this.draw());
    field.addEventListener("keydown", (event) => event.key === "Enter" && !event.isComposing && this.onEnter());
    const label = /** @type {HTMLLabelElement} */ (element("label", "", say("blank", { name })));
    label.htmlFor = field.id;
    this.fields.push(field);
    this.list.append(element("div", "labelled", label, field));
    return field;
  }

  /** Of a template whose text nobody tells, it is not known how many values it takes. */
  more() {
    const made = button(say("addBlank"), "link");
    made.addEventListener("click", () => this.fields.length < MOST_BLANKS && this.add(String(this.fields.length + 1)).focus());
    return made;
  }

  draw() {
    const text = this.template.text ?? "";
    this.preview.hidden = !text;
    const values = new Map(this.names.map((name, at) => [name, this.fields[at].value.trim()]));
    const pieces = [];
    let from = 0;
    for (const found of text.matchAll(BLANK)) {
      const value = values.get(found[1]);
      pieces.push(text.slice(from, found.index), element("mark", value ? "" : "empty", value || found[0]));
      from = found.index + found[0].length;
    }
    this.preview.replaceChildren(...pieces, text.slice(from));
  }

  firstEmpty() {
    return this.fields.find((field) => !field.value.trim());
  }

  result() {
    if (this.firstEmpty()) return null;
    const values = this.fields.map((field) => field.value.trim());
    const { name, language = "", text = "" } = this.template;
    const known = new Map(this.names.map((one, at) => [one, values[at]]));
    const shown = text ? text.replace(BLANK, (whole, one) => known.get(one) ?? whole) : values.join(" · ") || name;
    return { name, language, values, text: shown };
  }
}
