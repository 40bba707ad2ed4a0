// <tertulia-widget>: the button in the corner and the panel that it opens, on somebody else's page.

import { icon, mark } from "../ui/icons.js";
import { element, spoken } from "../ui/parts.js";
import { chooseLanguage, speaker } from "../ui/texts.js";
import "../ui/thread.js";
import { tokens } from "../ui/tokens.js";
import { Chat } from "./chat.js";
import { Composer, tool } from "./composer.js";
import { widgetStyle } from "./style.js";

const FULL = "(max-width: 520px), (max-height: 460px)";
const KEYBOARD_PX = 120;
const FOCUSABLE = "button:not([disabled]), textarea, input:not([type=file]), a[href], tertulia-thread";

/**
 * Put the widget on the page.
 * @param {URL} base where the gateway lives
 * @param {DOMStringMap} options `site`; `language`, `identity`, `accent`, `title`, `theme`, `position`, `open`
 */
export async function start(base, options) {
  const language = chooseLanguage(options.language, document.documentElement.lang, navigator.language);
  const [sheet, { default: texts }] = await Promise.all([tokens(), import(`./words/${language}.js`)]);
  const widget = /** @type {Widget} */ (document.createElement("tertulia-widget"));
  widget.begin(base, options, sheet, language, speaker(texts));
  document.body.append(widget);
  return widget;
}

export class Widget extends HTMLElement {
  /**
   * @param {URL} base
   * @param {DOMStringMap} options
   * @param {CSSStyleSheet} sheet
   * @param {string} language
   * @param {(key: any, values?: any) => string} say
   */
  begin(base, options, sheet, language, say) {
    this.options = options;
    this.language = language;
    this.say = say;
    this.isOpen = false;
    this.view = "talk";
    this.listeners = /** @type {Map<string, Set<(detail: any) => void>>} */ (new Map());
    for (const name of ["theme", "position"]) if (options[name]) this.dataset[name] = options[name];
    if (options.accent || pageAccent()) this.paint(options.accent ?? "");
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [widgetStyle, sheet];
    root.append(this.build());
    const site = new URL(`chat/${encodeURIComponent(options.site ?? "site")}/`, base);
    this.chat = new Chat(site, this.thread, { say: this.say, language }, options.identity ?? "");
    this.listen();
    this.chat.begin();
    if (options.open !== undefined || kept("open") === "yes") this.open(false);
  }

  // ---------------------------------------------------------------- what a page may call

  /** @param {boolean} [takesFocus] */
  open(takesFocus = true) {
    if (this.isOpen) return;
    this.isOpen = true;
    this.panel.hidden = false;
    this.launcher.setAttribute("aria-expanded", "true");
    keep("open", "yes");
    this.fit();
    this.chat.join();
    this.show();
    if (takesFocus) this.enter();
    this.refresh();
    this.fire("open", {});
  }

  close() {
    if (!this.isOpen) return;
    const hadFocus = document.activeElement === this;
    this.isOpen = false;
    this.panel.hidden = true;
    this.launcher.setAttribute("aria-expanded", "false");
    keep("open", "");
    this.fit();
    if (hadFocus) this.launcher.focus({ preventScroll: true });
    this.refresh();
    this.fire("close", {});
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  /** The visitor is signed in. @param {string} identity a JWT of the site */
  identify(identity) {
    return this.chat.identify(identity);
  }

  /** The visitor signed out: nothing of them stays in this browser. */
  async forget() {
    await this.chat.forget();
    this.show();
    if (this.isOpen) this.chat.join();
  }

  /**
   * Hear of `open`, `close`, `message` {author, name, parts}, `unread` {count}, `expired` (the identity).
   * @param {string} name
   * @param {(detail: any) => void} hear
   * @returns {() => void} stops it
   */
  on(name, hear) {
    const all = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, all.add(hear));
    return () => void all.delete(hear);
  }

  // ---------------------------------------------------------------- building

  build() {
    this.launcher = element("button", "launcher");
    this.launcher.setAttribute("type", "button");
    this.launcher.setAttribute("aria-expanded", "false");
    this.launcher.setAttribute("aria-controls", "panel");
    this.panel = element("section", "panel", this.buildHeader(), this.buildBanner(), this.buildTalk(), this.buildList());
    this.panel.id = "panel";
    this.panel.hidden = true;
    this.panel.setAttribute("role", "dialog");
    this.panel.setAttribute("aria-labelledby", "title");
    const root = element("div", "root", this.panel, this.launcher);
    root.lang = this.language;
    return root;
  }

  buildHeader() {
    this.heading = element("h2", "", this.options.title || this.say("title"));
    this.heading.id = "title";
    this.speaker = element("div", "speaker", element("span", ""));
    this.speaker.setAttribute("role", "status");
    this.listTool = tool("chats", this.say("conversations"));
    this.listTool.hidden = true;
    this.soundTool = tool("soundOff", this.say("soundOn"));
    this.closeTool = tool("minimise", this.say("close"));
    const seal = element("div", "seal", mark(22));
    const who = element("div", "who", this.heading, this.speaker);
    return element("header", "", seal, who, this.listTool, this.soundTool, this.closeTool);
  }

  buildBanner() {
    this.banner = element("div", "banner");
    this.banner.setAttribute("role", "status");
    this.banner.hidden = true;
    return this.banner;
  }

  buildTalk() {
    this.thread = /** @type {import("../ui/thread.js").Thread} */ (document.createElement("tertulia-thread"));
    this.thread.language = this.language;
    this.welcome = element("div", "start");
    this.welcome.slot = "start";
    this.thread.append(this.welcome);
    this.composer = new Composer(this.say, this.language);
    this.foot = element("div", "foot-of-talk", this.composer.node);
    this.talk = element("div", "view", this.thread, this.foot);
    return this.talk;
  }

  buildList() {
    this.list = element("div", "view");
    this.list.hidden = true;
    return this.list;
  }

  // ---------------------------------------------------------------- listening

  listen() {
    this.launcher.addEventListener("click", () => this.toggle());
    this.closeTool.addEventListener("click", () => this.close());
    this.soundTool.addEventListener("click", () => this.switchSound());
    this.listTool.addEventListener("click", () => this.turnTo(this.view === "list" ? "talk" : "list"));
    this.panel.addEventListener("keydown", (event) => this.pressed(event));
    this.thread.addEventListener("choose", (event) => this.chosen(/** @type {CustomEvent} */ (event).detail));
    this.listenToComposer();
    this.listenToChat();
    this.panel.addEventListener("dragenter", () => import("./drops.js").then(({ showDrops }) => showDrops(this)), { once: true });
    this.panel.ondragover = this.panel.ondrop = (event) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); // else the browser leaves the page for them
      if (event.type === "drop" && !this.talk.hidden) this.composer.add([...(event.dataTransfer?.files ?? [])]);
    };
    matchMedia(FULL).addEventListener("change", () => this.fit());
    for (const name of ["resize", "scroll"]) window.visualViewport?.addEventListener(name, () => this.fit());
    this.refresh();
  }

  listenToComposer() {
    const hear = (/** @type {string} */ name, /** @type {(detail: any) => void} */ react) =>
      this.composer.addEventListener(name, (event) => react(/** @type {CustomEvent} */ (event).detail));
    this.composer.wear = (sheet) => this.wear(sheet);
    hear("say", ({ text, files }) => this.chat.say(text, files));
    hear("typing", ({ on }) => this.chat.connection.say({ type: "typing", on }));
    hear("draft", ({ text }) => this.chat.memory.set("draft", text || null));
    this.composer.draft = "";
  }

  listenToChat() {
    const refresh = () => this.refresh();
    for (const name of ["state", "control"]) this.chat.addEventListener(name, refresh);
    this.chat.addEventListener("unread", () => {
      this.refresh();
      this.fire("unread", { count: this.chat.unread });
    });
    this.chat.addEventListener("session", () => this.furnish());
    this.chat.addEventListener("talked", () => this.show());
    this.chat.addEventListener("expired", () => this.fire("expired", {}));
    this.chat.addEventListener("message", (event) => this.came(/** @type {CustomEvent} */ (event).detail));
    this.composer.draft = this.chat.memory.get("draft") ?? "";
  }

  // ---------------------------------------------------------------- what the session brought

  /** The site's own words and colour. */
  furnish() {
    const { site = {}, is_identified: isIdentified } = this.chat.session;
    if (site.accent && !this.options.accent) this.paint(site.accent);
    this.heading.textContent = this.options.title || site.title || this.say("title");
    this.composer.maxBytes = site.max_upload_bytes ?? Infinity;
    this.composer.types = site.upload_types ?? [];
    this.listTool.hidden = !isIdentified;
    this.show();
    this.refresh();
  }

  /** A colour of the site's, and what is readable on it and in it. What the page's own style says goes first. */
  async paint(/** @type {string} */ accent) {
    const { accentVariables } = await import("../ui/accent.js");
    const page = getComputedStyle(document.documentElement);
    for (const [name, value] of Object.entries(accentVariables(pageAccent() || accent))) {
      if (!page.getPropertyValue(name)) this.style.setProperty(name, value);
    }
  }

  /** What stands above and below the conversation: welcome and starters, the form, the composer. */
  show() {
    const site = this.chat.session?.site ?? {};
    const starters = this.chat.hasTalked || this.mustIntroduce() ? [] : (site.starters ?? []);
    const greeter = element("div", "greeter", site.title || this.say("bot"));
    const greeting = site.welcome ? [greeter, element("div", "welcome", site.welcome)] : [];
    this.welcome.replaceChildren(...greeting, ...(starters.length ? [this.starters(starters)] : []));
    if (!this.mustIntroduce()) {
      this.formIsShown = false;
      if (!this.foot.contains(this.composer.node)) this.foot.replaceChildren(this.composer.node);
    } else if (!this.formIsShown) {
      this.formIsShown = true;
      import("./form.js").then(({ askFirst }) => askFirst(this, site.form));
    }
  }

  /** The look of a part that is loaded when it is needed. */
  wear(/** @type {CSSStyleSheet} */ sheet) {
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  }

  mustIntroduce() {
    const { session, hasTalked, memory } = this.chat;
    return Boolean(session?.site?.form?.length) && !hasTalked && !memory.get("introduced") && !memory.get("talked");
  }

  starters(/** @type {{label: string, value: string}[]} */ all) {
    const list = element("div", "starters");
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", this.say("starters"));
    for (const { label, value } of all) {
      const button = element("button", "starter", label);
      button.setAttribute("type", "button");
      button.addEventListener("click", () => {
        this.chat.choose(value, label);
        this.thread.focus();
      });
      list.append(button);
    }
    return list;
  }

  // ---------------------------------------------------------------- what happens

  chosen(/** @type {any} */ { value, label, asks_for: asksFor }) {
    if (asksFor === "location") return void import("./place.js").then(({ tellWhere }) => tellWhere(this));
    if (asksFor === "phone") return this.composer.focus();
    this.chat.choose(value, label);
  }

  async came(/** @type {any} */ detail) {
    this.fire("message", detail);
    const isSeen = this.isOpen && document.visibilityState === "visible";
    if (this.chat.memory.get("sound") !== "on" || isSeen) return;
    (await import("./sound.js")).chime();
  }

  switchSound() {
    const isOn = this.chat.memory.get("sound") === "on";
    this.chat.memory.set("sound", isOn ? null : "on");
    this.refresh();
  }

  turnTo(/** @type {"talk" | "list"} */ view) {
    this.view = view;
    this.talk.hidden = view === "list";
    this.list.hidden = view === "talk";
    this.refresh();
    if (view === "talk") this.enter();
    else import("./conversations.js").then(({ showConversations }) => showConversations(this));
  }

  // ---------------------------------------------------------------- how it stands

  refresh() {
    this.refreshLauncher();
    this.refreshSpeaker();
    this.refreshBanner();
    const soundIsOn = this.chat.memory.get("sound") === "on";
    relabel(this.soundTool, soundIsOn ? "sound" : "soundOff", this.say(soundIsOn ? "soundOff" : "soundOn"));
    this.listTool.setAttribute("aria-expanded", String(this.view === "list"));
    const [picture, label] = this.view === "list" ? ["back", "back"] : ["chats", "conversations"];
    relabel(this.listTool, picture, this.say(label));
  }

  refreshLauncher() {
    const count = this.isOpen ? 0 : this.chat.unread;
    const label = this.say(this.isOpen ? "close" : "open") + (count ? `, ${this.say("unread", { n: count })}` : "");
    this.launcher.setAttribute("aria-label", label);
    const badge = element("span", "badge", count > 99 ? "99+" : String(count));
    this.launcher.replaceChildren(this.isOpen ? icon("minimise", 28) : mark(32), ...(count ? [badge] : []));
  }

  refreshSpeaker() {
    const { held_by: by, name } = this.chat.control;
    const isAway = this.chat.state !== "online" && this.chat.isJoined;
    const person = this.say("agent", { name: name || this.say("person") });
    const words = by === "agent" ? person : this.say(by === "queued" ? "queued" : "bot");
    this.speaker.className = `speaker ${isAway ? "away" : by}`;
    const text = this.chat.state === "connecting" && isAway ? this.say("connecting") : words;
    const line = /** @type {HTMLElement} */ (this.speaker.firstElementChild);
    if (line.textContent !== text) line.textContent = text;
  }

  /** After a moment only: a reconnection that succeeds at once need not worry anybody. */
  refreshBanner() {
    const problem = this.chat.state === "refused" ? "refused" : "offline";
    if (this.chat.state === "online" || !this.chat.isJoined) {
      clearTimeout(this.bannerTimer);
      this.bannerTimer = undefined;
      this.banner.hidden = true;
    } else if (problem === "refused" || !navigator.onLine) {
      this.warn(this.say(problem));
    } else {
      this.bannerTimer ??= setTimeout(() => this.warn(this.say("offline")), 1_500);
    }
  }

  warn(/** @type {string} */ text) {
    if (this.banner.hidden || this.banner.textContent !== text) this.banner.replaceChildren(icon("offline", 18), text);
    this.banner.hidden = false;
  }

  /** On a small screen the panel is the screen, and shrinks when the keyboard comes. */
  fit() {
    const isFull = matchMedia(FULL).matches;
    const seen = window.visualViewport;
    this.classList.toggle("full", isFull);
    this.panel.setAttribute("aria-modal", String(isFull));
    const isCovering = isFull && this.isOpen;
    if (isCovering !== this.isCovering) {
      this.isCovering = isCovering;
      const page = document.documentElement.style;
      if (isCovering) this.pageOverflow = page.overflow;
      page.overflow = isCovering ? "hidden" : (this.pageOverflow ?? "");
    }
    if (!seen || !isCovering || seen.scale > 1.01) return;
    this.classList.toggle("typing", window.innerHeight - seen.height > KEYBOARD_PX);
    this.style.setProperty("--height", `${seen.height}px`);
    this.style.setProperty("--top", `${seen.offsetTop}px`);
  }

  /** Where the focus goes on opening; on a touch screen not to the field, for the keyboard would cover the conversation. */
  enter() {
    const form = /** @type {HTMLElement | null} */ (this.foot.querySelector("form input"));
    if (matchMedia("(pointer: coarse)").matches) this.closeTool.focus({ preventScroll: true });
    else if (form) form.focus({ preventScroll: true });
    else this.composer.focus();
  }

  pressed(/** @type {KeyboardEvent} */ event) {
    if (event.key === "Escape" && !event.isComposing) {
      event.stopPropagation();
      if (this.view === "list") this.turnTo("talk");
      else this.close();
    }
    if (event.key === "Tab" && this.isCovering) this.keepInside(event);
  }

  /** While the panel is the screen, the focus does not leave it. */
  keepInside(/** @type {KeyboardEvent} */ event) {
    const found = /** @type {HTMLElement[]} */ ([...this.panel.querySelectorAll(FOCUSABLE)]);
    const all = found.filter((one) => one.checkVisibility());
    const current = /** @type {ShadowRoot} */ (this.shadowRoot).activeElement;
    const [from, to] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
    if (current !== from) return;
    event.preventDefault();
    to?.focus();
  }

  fire(/** @type {string} */ name, /** @type {any} */ detail) {
    for (const hear of this.listeners.get(name) ?? []) hear(detail);
  }
}

function pageAccent() {
  return getComputedStyle(document.documentElement).getPropertyValue("--tertulia-accent").trim();
}

function relabel(/** @type {HTMLElement} */ button, /** @type {any} */ name, /** @type {string} */ label) {
  if (button.title === label) return;
  button.title = label;
  button.replaceChildren(icon(name), spoken(label));
}

/** For this tab only, so that a click on a link of the page does not close the chat. */
function keep(/** @type {string} */ name, /** @type {string} */ value) {
  try {
    sessionStorage.setItem(`tertulia:${name}`, value);
  } catch {
    // a browser that forbids it forgets
  }
}

function kept(/** @type {string} */ name) {
  try {
    return sessionStorage.getItem(`tertulia:${name}`);
  } catch {
    return null;
  }
}

if (!customElements.get("tertulia-widget")) customElements.define("tertulia-widget", Widget);
