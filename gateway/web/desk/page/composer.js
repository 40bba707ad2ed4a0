// Where an agent writes: the answer with its files, a note for colleagues, or a template when the window is closed.

import { icon } from "/ui/more-icons.js";
import { element } from "/ui/parts.js";
import { Attachments, filesOf } from "./attachments.js";
import { Canned } from "./canned.js";
import { button, iconButton, labelWithKey } from "./dialogs.js";
import { keeping } from "./keeping.js";
import { askTemplate } from "./templates.js";
import { language, momentInWords, say } from "./texts.js";

const LONGEST_ANSWER = 10_000;
const LONGEST_FIELD_PX = 180;
const TYPING_AGAIN_MS = 4_000;
const TYPING_ENDS_MS = 6_000;
/** Shortly before a window closes an agent is told. */
const SOON_MS = 60 * 60_000;

/**
 * What an agent wrote.
 * @typedef {object} Written
 * @property {string} text
 * @property {{taken: import("./keeping.js").Taken, thumbnail: string}[]} files
 * @property {{name: string, language: string, values: string[], text: string} | null} template
 */

/** @typedef {import("./conversation.js").Standing} Standing */

export class Composer {
  /**
   * @param {import("./conversation.js").Around} around
   * @param {() => {shown: any, standing: Standing}} now
   * @param {() => void} leave the focus goes back to the conversation
   */
  constructor(around, now, leave) {
    this.around = around;
    this.now = now;
    this.leave = leave;
    /** @type {string | null} */
    this.conversation = null;
    /** @type {"answer" | "note"} */
    this.mode = "answer";
    this.typedAt = 0;
    this.kept = "";
    this.build();
  }

  build() {
    this.field = /** @type {HTMLTextAreaElement} */ (element("textarea", ""));
    this.field.rows = 1;
    this.field.dir = "auto";
    this.field.setAttribute("aria-describedby", "composer-note");
    this.field.setAttribute("enterkeyhint", "send");
    this.field.addEventListener("input", () => this.typed());
    this.field.addEventListener("keydown", (event) => this.pressed(event));
    this.field.addEventListener("click", () => this.canned.heed());
    this.field.addEventListener("blur", () => this.stopTyping());
    this.field.addEventListener("paste", (event) => this.pasted(event));
    this.note = element("p", "note");
    this.note.id = "composer-note";
    this.send = iconButton("send", say("answer"), "icon send");
    this.send.addEventListener("click", () => void this.submit());
    this.takeHere = button("", "primary");
    this.takeHere.addEventListener("click", () => this.around.act("take"));
    this.attachments = new Attachments(() => this.fit());
    this.canned = new Canned({
      field: this.field,
      facts: () => this.facts(),
      put: (text, from, to) => this.put(text, from, to),
      introduce: () => this.around.introduce(),
      complain: (problem) => this.around.complain(problem),
    });
    this.buildTools();
    this.window = element("div", "window");
    this.window.setAttribute("role", "status");
    this.window.hidden = true;
    const write = element("div", "write", this.field, this.send, this.takeHere);
    const foot = element("div", "foot", this.tools, this.note, this.modes);
    this.node = element("div", "composer", this.canned.node, this.window, this.attachments.node, write, foot, this.attachments.picker);
  }

  buildTools() {
    this.attach = tool("attach", say("attach"), "f", () => this.attachments.pick());
    this.ready = tool("bolt", say("canned"), "q", () => this.canned.ask());
    this.template = tool("template", say("templates"), "p", () => void this.askTemplate());
    this.tools = element("div", "tools", this.attach, this.ready, this.template);
    this.tools.setAttribute("role", "toolbar");
    this.tools.setAttribute("aria-label", say("tools"));
    this.modes = element("div", "modes", this.modeButton("answer", "modeAnswer"), this.modeButton("note", "modeNote"));
    this.modes.setAttribute("role", "group");
    this.modes.setAttribute("aria-label", say("modes"));
  }

  /** @param {"answer" | "note"} mode @param {any} label */
  modeButton(mode, label) {
    const made = button(say(label), "mode");
    if (mode === "note") made.prepend(icon("note", 16));
    made.dataset.mode = mode;
    made.addEventListener("click", () => {
      this.turn(mode);
      this.field.focus();
    });
    return made;
  }

  // ---------------------------------------------------------------- where one is

  /** @param {string | null} conversation */
  turnTo(conversation) {
    this.stopTyping();
    this.canned.close();
    this.conversation = conversation;
    this.mode = "answer";
    this.field.value = conversation ? keeping.draft(conversation) : "";
    this.attachments.turnTo(conversation);
  }

  /** Write an answer, or a note. @param {"answer" | "note"} mode */
  turn(mode) {
    if (mode === this.mode || !this.conversation) return;
    this.stopTyping();
    this.canned.close();
    this.mode = mode;
    this.field.value = mode === "note" ? keeping.noteDraft(this.conversation) : keeping.draft(this.conversation);
    this.draw();
  }

  get isNote() {
    return this.mode === "note";
  }

  facts() {
    const { shown } = this.now();
    return { name: (shown?.contact.name ?? "").trim(), agent: this.around.me(), language: shown?.language || shown?.contact.language || language };
  }

  /** Whether one may write now. The server's word holds until the window closes by itself. */
  speaking() {
    const speaking = this.now().shown?.speaking ?? {};
    const { kind = "open", until } = speaking;
    const isOver = (kind === "open" || kind === "late") && until && new Date(until).getTime() <= this.serverNow();
    return isOver ? { ...speaking, kind: "closed", since: until, reason: "window_closed" } : { ...speaking, kind };
  }

  serverNow() {
    return Date.now() + this.around.offsetMs();
  }

  // ---------------------------------------------------------------- drawing

  draw() {
    const { shown, standing } = this.now();
    const isMine = standing === "mine";
    const speaking = this.speaking();
    const mayWrite = this.isNote || (isMine && !["closed", "refused"].includes(speaking.kind));
    this.field.disabled = !mayWrite || !shown;
    this.field.setAttribute("aria-label", say(this.isNote ? "yourNote" : "yourAnswer"));
    this.field.placeholder = this.placeholder(speaking);
    this.send.hidden = !this.isNote && !isMine;
    this.send.title = say(this.isNote ? "leaveNote" : "answer");
    this.send.setAttribute("aria-label", this.send.title);
    this.takeHere.hidden = this.isNote || isMine || standing === "none";
    const labels = /** @type {Record<Standing, string>} */ ({ waiting: say("take"), others: say("takeFrom", { agent: shown?.agent ?? "" }), bot: say("stepIn"), mine: "", none: "" });
    if (!this.takeHere.hidden) labelWithKey(this.takeHere, labels[standing], "t");
    this.takeHere.classList.toggle("primary", standing === "waiting");
    this.node.classList.toggle("resting", !mayWrite);
    this.node.classList.toggle("noting", this.isNote);
    this.drawTools(shown, mayWrite, isMine, speaking);
    this.drawWindow(speaking, isMine);
    this.kept = this.hint(isMine, speaking);
    this.fit();
  }

  /** @param {any} shown @param {boolean} mayWrite @param {boolean} isMine @param {any} speaking */
  drawTools(shown, mayWrite, isMine, speaking) {
    for (const mode of /** @type {Iterable<HTMLElement>} */ (this.modes.children)) mode.setAttribute("aria-pressed", String(mode.dataset.mode === this.mode));
    this.modes.hidden = !shown;
    this.tools.hidden = this.isNote || !isMine;
    const showsFiles = !shown?.shows || shown.shows.length > 0;
    this.attach.hidden = !showsFiles;
    this.attach.disabled = this.ready.disabled = !mayWrite;
    this.template.hidden = !speaking.has_templates;
    this.attachments.node.classList.toggle("resting", this.isNote);
  }

  /** @param {any} speaking @returns {string} */
  placeholder(speaking) {
    const { shown, standing } = this.now();
    if (this.isNote) return say("notePlaceholder");
    if (standing === "mine" && speaking.kind === "closed") return say("closedPlaceholder");
    if (standing === "mine" && speaking.kind === "refused") return say("refusedPlaceholder");
    const words = /** @type {Record<Standing, string>} */ ({
      none: "",
      waiting: say("takeToAnswer"),
      mine: say("writeAs", { agent: this.around.me() }),
      others: say("otherAnswers", { agent: shown?.agent ?? "" }),
      bot: say("botAnswers"),
    });
    return words[standing];
  }

  /** @param {boolean} isMine @param {any} speaking */
  hint(isMine, speaking) {
    if (this.isNote) return say("noteHint");
    if (!isMine) return this.field.value.trim() ? say("draftKept") : "";
    if (this.now().shown?.is_opted_out) return say("optedOut");
    return speaking.kind === "closed" ? "" : say("enterSends");
  }

  /** What is closed, since when, and what one can do: said before anybody types. @param {any} speaking @param {boolean} isMine */
  drawWindow(speaking, isMine) {
    const words = isMine && !this.isNote ? this.windowWords(speaking) : null;
    const signature = JSON.stringify([words, speaking.kind, speaking.has_templates]);
    if (signature === this.windowSignature) return;
    this.windowSignature = signature;
    this.window.hidden = !words;
    if (!words) {
      this.window.replaceChildren();
      return;
    }
    this.window.className = `window ${speaking.kind}`;
    const [title, more] = words;
    const picture = speaking.kind === "open" || speaking.kind === "late" ? "clock" : "lock";
    this.window.replaceChildren(icon(picture), element("div", "", element("b", "", title), " ", element("span", "", more)));
    if (!speaking.has_templates || speaking.kind === "open") return;
    const choose = button(say("chooseTemplate"), speaking.kind === "closed" ? "primary" : "");
    choose.addEventListener("click", () => void this.askTemplate());
    this.window.append(choose);
  }

  /** @param {any} speaking @returns {[string, string] | null} */
  windowWords({ kind, since, until, stand_in, has_templates, words }) {
    const when = since ? say("closedSince", { time: momentInWords(since, this.serverNow()) }) : say("closedNever");
    if (kind === "closed") return [say("windowClosed"), `${when} ${say(has_templates ? "closedTemplates" : "closedWait")}`];
    if (kind === "held") return [say("windowClosed"), `${when} ${say("heldMore", { template: stand_in ?? "" })}`];
    if (kind === "late") return [say("windowLate"), until ? say("lateUntil", { time: momentInWords(until, this.serverNow()) }) : ""];
    if (kind === "refused") return [say("windowRefused"), words?.[language] ?? words?.en ?? ""];
    if (until && new Date(until).getTime() - this.serverNow() < SOON_MS) return [say("windowSoon"), say("soonMore", { time: momentInWords(until, this.serverNow()) })];
    return null;
  }

  // ---------------------------------------------------------------- writing

  focus() {
    if (!this.field.disabled) this.field.focus();
  }

  typed() {
    this.keep();
    this.fit();
    if (this.isNote) return;
    this.canned.heed();
    if (!this.field.value.trim()) {
      this.stopTyping();
      return;
    }
    const now = Date.now();
    if (now - this.typedAt > TYPING_AGAIN_MS) {
      this.typedAt = now;
      this.around.typing(true);
    }
    window.clearTimeout(this.typingTimer);
    this.typingTimer = window.setTimeout(() => this.stopTyping(), TYPING_ENDS_MS);
  }

  keep() {
    if (!this.conversation) return;
    if (this.isNote) keeping.setNoteDraft(this.conversation, this.field.value);
    else keeping.setDraft(this.conversation, this.field.value);
  }

  stopTyping() {
    window.clearTimeout(this.typingTimer);
    if (this.typedAt) this.around.typing(false);
    this.typedAt = 0;
  }

  /** As high as its words, and a word when they are too many. */
  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight + 2, LONGEST_FIELD_PX)}px`;
    const excess = this.field.value.length - LONGEST_ANSWER;
    const { shown, standing } = this.now();
    const isSending = !this.isNote && !this.attachments.isReady;
    this.note.textContent = excess > 0 ? say("tooLong", { n: excess }) : isSending ? say("filesUnderWay") : this.kept;
    this.note.classList.toggle("shown", isSending);
    this.note.classList.toggle("problem", excess > 0 || (!this.isNote && standing === "mine" && Boolean(shown?.is_opted_out)));
    const isEmpty = !this.field.value.trim() && (this.isNote || this.attachments.isEmpty);
    this.send.disabled = this.field.disabled || excess > 0 || isEmpty || isSending;
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (this.canned.pressed(event)) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (this.isNote) this.turn("answer");
      else this.leave();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      void this.submit();
    } else if (event.key.startsWith("Arrow")) {
      window.setTimeout(() => this.canned.heed());
    }
  }

  /** @param {ClipboardEvent} event */
  pasted(event) {
    const files = filesOf(event.clipboardData);
    const hasWords = event.clipboardData?.types.includes("text/plain");
    if (!files.length || hasWords || this.isNote || this.attach.hidden) return;
    event.preventDefault();
    this.attachments.add(files);
  }

  /** Files may be dropped anywhere on the conversation. @param {HTMLElement} area */
  dropInto(area) {
    const sheet = element("div", "drop", icon("attach", 28), element("span", "", say("dropHere")));
    sheet.hidden = true;
    area.append(sheet);
    let depth = 0;
    const isMeant = (/** @type {DragEvent} */ event) => Boolean(event.dataTransfer?.types.includes("Files")) && this.mayAttach();
    area.addEventListener("dragenter", (event) => {
      if (!isMeant(event)) return;
      depth += 1;
      sheet.hidden = false;
    });
    area.addEventListener("dragleave", () => {
      depth = Math.max(0, depth - 1);
      if (!depth) sheet.hidden = true;
    });
    area.addEventListener("dragover", (event) => isMeant(event) && event.preventDefault());
    area.addEventListener("drop", (event) => {
      depth = 0;
      sheet.hidden = true;
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      if (!this.mayAttach()) return;
      this.attachments.add(filesOf(event.dataTransfer));
      this.focus();
    });
  }

  mayAttach() {
    return !this.isNote && !this.field.disabled && !this.attach.hidden;
  }

  pickFiles() {
    if (this.mayAttach()) this.attachments.pick();
  }

  async submit() {
    const text = this.field.value.trim();
    if (this.send.disabled || text.length > LONGEST_ANSWER) return;
    if (this.isNote) {
      await this.leaveNote(text);
      return;
    }
    if (this.now().standing !== "mine") return;
    this.setText("");
    this.stopTyping();
    this.around.answer({ text, files: this.attachments.takeAll(), template: null });
    this.focus();
  }

  /** One stays with the note: going back to the answer by itself could carry the next words to the customer. @param {string} text */
  async leaveNote(text) {
    const { conversation } = this;
    if (!conversation) return;
    this.setNote(conversation, "");
    if (await this.around.note(text)) return;
    const since = this.conversation === conversation && this.isNote ? this.field.value : keeping.noteDraft(conversation);
    this.setNote(conversation, [text, since].filter((words) => words.trim()).join("\n"));
  }

  /** @param {string} conversation @param {string} text */
  setNote(conversation, text) {
    keeping.setNoteDraft(conversation, text);
    if (conversation !== this.conversation || !this.isNote) return;
    this.field.value = text;
    this.fit();
  }

  async askTemplate() {
    const { shown, standing } = this.now();
    if (!shown || standing !== "mine" || !this.speaking().has_templates) return;
    const conversation = shown.conversation;
    const { name, language: spoken } = this.facts();
    const template = await askTemplate(conversation, { name, language: spoken });
    if (template && conversation === this.conversation) this.around.answer({ text: "", files: [], template });
  }

  /** The words of the answer, also while a note is being written. @returns {string} */
  text() {
    if (!this.isNote) return this.field.value;
    return this.conversation ? keeping.draft(this.conversation) : "";
  }

  /** @param {string} text */
  setText(text) {
    if (this.conversation) keeping.setDraft(this.conversation, text);
    if (this.isNote) return;
    this.field.value = text;
    this.fit();
  }

  /** Replace what stands from one place to another, as typing would (so that it can be undone). @param {string} text @param {number} from @param {number} to */
  put(text, from, to) {
    this.field.focus();
    this.field.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) this.field.setRangeText(text, from, to, "end");
    this.typed();
  }
}

/** @param {any} picture @param {string} label @param {string} key @param {() => void} act */
function tool(picture, label, key, act) {
  const made = iconButton(picture, label, "icon tool");
  made.title = `${label} (${key})`;
  made.setAttribute("aria-keyshortcuts", key);
  made.addEventListener("click", act);
  return made;
}
