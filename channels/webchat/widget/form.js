// The few questions that a site may ask before the first message.

import { element } from "../ui/parts.js";
import { sheet } from "../ui/tokens.js";

/** @type {Record<string, {type: string, autocomplete: string, pattern?: RegExp, wrong?: string}>} */
const KINDS = {
  name: { type: "text", autocomplete: "name" },
  email: { type: "email", autocomplete: "email", pattern: /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/, wrong: "bad_email" },
  phone: { type: "tel", autocomplete: "tel", pattern: /^\+?[\d\s().-]{7,20}$/, wrong: "bad_phone" },
};

/**
 * Put the form in the composer's place, until it is answered.
 * @param {import("./element.js").Widget} widget
 * @param {{name: string, label: string, required: boolean}[]} fields
 */
export function askFirst(widget, fields) {
  const form = build(fields, widget.say, async (profile) => {
    try {
      await widget.chat.introduce(profile);
      widget.show();
      widget.composer.focus();
    } catch {
      widget.warn(widget.say("tryAgain"));
    }
  });
  widget.wear(formStyle);
  if (!widget.formIsShown) return;
  const hadFocus = document.activeElement === widget;
  widget.foot.replaceChildren(form);
  if (hadFocus) widget.enter();
}

/**
 * @param {{name: string, label: string, required: boolean}[]} fields
 * @param {(key: any, values?: any) => string} say
 * @param {(profile: Record<string, string>) => void} done with what was answered
 */
function build(fields, say, done) {
  const title = element("h3", "", say("form"));
  title.id = "form-title";
  const questions = fields.map((field) => question(field, say));
  const begin = element("button", "main", say("begin"));
  begin.setAttribute("type", "submit");
  const form = document.createElement("form");
  form.noValidate = true;
  form.setAttribute("aria-labelledby", title.id);
  form.append(title, ...questions.map(({ node }) => node), begin);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = questions.filter((one) => !one.check());
    if (wrong.length) wrong[0].input.focus();
    else done(Object.fromEntries(questions.map((one) => one.answer()).filter(([, value]) => value)));
  });
  return form;
}

function question(/** @type {{name: string, label: string, required: boolean}} */ field, /** @type {any} */ say) {
  const kind = KINDS[field.name] ?? { type: "text", autocomplete: "off" };
  const label = document.createElement("label");
  const input = document.createElement("input");
  const problem = element("p", "wrong");
  label.append(field.label);
  if (!field.required) label.append(" ", element("i", "", `(${say("optional")})`));
  label.htmlFor = input.id = `form-${field.name}`;
  problem.id = `wrong-${field.name}`;
  Object.assign(input, { type: kind.type, autocomplete: kind.autocomplete, required: field.required, maxLength: 200 });
  input.setAttribute("aria-describedby", problem.id);
  const check = () => {
    const value = input.value.trim();
    const isBad = Boolean(value && kind.pattern && !kind.pattern.test(value));
    problem.textContent = isBad ? say(kind.wrong) : field.required && !value ? say("required") : "";
    input.setAttribute("aria-invalid", String(Boolean(problem.textContent)));
    return !problem.textContent;
  };
  input.addEventListener("input", () => input.getAttribute("aria-invalid") === "true" && check());
  const answer = () => [field.name, input.value.trim()];
  return { node: element("div", "", label, input, problem), input, check, answer };
}

const formStyle = sheet(`
.foot-of-talk:has(form) { max-height: 75%; overflow-y: auto; }
form { padding: 16px; display: flex; flex-direction: column; gap: 14px; background: var(--card); border-top: 1px solid var(--line); padding-bottom: calc(16px + var(--safe, 0px)); }
form h3 { font: 600 16px/20px var(--font); margin: 0; }
label { display: block; font: 550 13px/18px var(--font); margin-bottom: 4px; }
label i { font-style: normal; font-weight: 400; color: var(--ink-soft); }
input { width: 100%; height: 44px; padding: 0 12px; border: 1px solid color-mix(in oklab, var(--ink-soft) 60%, var(--line)); border-radius: var(--radius-field); background: var(--paper); font-size: 16px; }
input[aria-invalid="true"] { border-color: var(--bad); }
form .wrong { padding: 4px 0 0; }
.main { min-height: 44px; padding: 0 20px; border-radius: 22px; background: var(--accent); color: var(--on-accent); font-weight: 600; }
.main:hover { background: color-mix(in oklab, var(--accent) 88%, var(--ink)); }
`);
