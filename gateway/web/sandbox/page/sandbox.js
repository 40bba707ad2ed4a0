// The sandbox page: everybody at one table. It only connects the parts; each knows how to show itself.

import { icon } from "/ui/icons.js";
import { mark } from "/ui/mark.js";
import { button, make } from "./nodes.js";
import { LANGUAGES, pageTexts } from "./texts.js";
import "./phone.js";
import "./trail.js";

const API = "/sandbox/api";
const PLACE = { latitude: 4.6482, longitude: -74.0628 };
const TROUBLE_AFTER_MS = 1500;

/** @typedef {{bot_name: string, languages: string[], starters: Record<string, string[]>, site_app: string,
 *   phones: {name: string, skin: any}[]}} Start */

class Page {
  constructor(/** @type {Start} */ start) {
    this.start = start;
    const spoken = LANGUAGES.filter((one) => start.languages.includes(one));
    this.languages = spoken.length ? spoken : LANGUAGES;
    this.language = chosenLanguage(this.languages);
    /** @type {Map<string, any>} */
    this.phones = new Map();
    this.trail = /** @type {any} */ (find("tertulia-trail"));
    find(".mark").replaceChildren(mark(28));
    this.build();
    this.speak(this.language);
  }

  build() {
    const stage = find(".stage");
    stage.style.setProperty("--phones", String(Math.max(1, this.start.phones.length)));
    if (this.start.site_app) stage.append(this.framePane("site"));
    for (const { name, skin } of this.start.phones) stage.append(this.phonePane(name, skin));
    stage.append(this.framePane("desk"));
    find(".languages").replaceChildren(
      ...this.languages.map((one) => {
        const made = button("", one.toUpperCase(), () => this.speak(one));
        made.lang = one;
        return made;
      }),
    );
  }

  // ---------------------------------------------------------------- panes

  framePane(/** @type {"site" | "desk"} */ name) {
    const frame = make("iframe", { title: name });
    const caption = make("div", "caption", make("h2"), make("span"), make("a", { target: "_blank", rel: "noopener" }, icon("forward", 16)));
    const bar = name === "site" ? make("div", { class: "bar", "aria-hidden": "true" }, make("i"), make("i"), make("i"), make("span", "", `${slug(this.start.bot_name)}.example`)) : null;
    return make("section", { class: "pane", id: `pane-${name}`, "data-pane": name }, caption, make("div", `window ${name}`, bar, make("div", "glass", frame)));
  }

  phonePane(/** @type {string} */ name, /** @type {any} */ skin) {
    const phone = /** @type {any} */ (document.createElement("tertulia-phone"));
    const base = `${API}/phones/${encodeURIComponent(name)}`;
    phone.language = this.language;
    phone.dress(skin, (/** @type {string} */ key) => `${base}/files/${encodeURIComponent(key)}`);
    phone.addEventListener("writes", (/** @type {CustomEvent} */ event) => this.act(`${base}/writes`, event.detail));
    phone.addEventListener("presses", (/** @type {CustomEvent} */ event) => this.act(`${base}/presses`, event.detail));
    phone.addEventListener("place", () => this.act(`${base}/places`, PLACE));
    phone.addEventListener("picture", (/** @type {CustomEvent} */ event) => this.act(`${base}/pictures`, event.detail.file));
    this.phones.set(name, phone);
    return make("section", { class: "pane", id: `pane-phone-${name}`, "data-pane": `phone-${name}` }, make("div", "caption", make("h2"), make("span")), phone);
  }

  /** Everything in that language: the page, the phones, the frames. */
  speak(/** @type {string} */ language) {
    this.language = language;
    this.say = pageTexts(language);
    document.documentElement.lang = language;
    document.title = this.say("title");
    remember(language);
    find(".skip").textContent = this.say("skip");
    find(".badge").textContent = this.say("demo");
    find(".idea").textContent = this.say("idea");
    const group = find(".languages");
    group.setAttribute("aria-label", this.say("language"));
    for (const one of group.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.lang === language));
    this.trail.apps = new Map(this.start.phones.map(({ name, skin }) => [name, skin.app]));
    this.trail.apps.set(this.start.site_app, this.say("site"));
    this.trail.language = language;
    this.captions();
    this.tabs();
    this.tries();
    this.act(`${API}/language`, { language });
  }

  captions() {
    const say = this.say ?? pageTexts("en");
    const isOpen = matchMedia("(min-width: 700px)").matches ? "&open=1" : "";
    const addresses = { site: `/sandbox/site?language=${this.language}${isOpen}`, desk: `/desk?embed=1&agent=Berta&language=${this.language}` };
    for (const name of /** @type {const} */ (["site", "desk"])) {
      const pane = document.querySelector(`[data-pane="${name}"]`);
      if (!pane) continue;
      const title = say(`${name}Caption`, { name: this.start.bot_name });
      caption(pane, title, say(`${name}Note`));
      const alone = /** @type {HTMLAnchorElement} */ (pane.querySelector("a"));
      alone.href = name === "desk" ? "/desk" : `/sandbox/site?language=${this.language}`;
      alone.title = say("openAlone");
      alone.setAttribute("aria-label", `${say("openAlone")}: ${title}`);
      const frame = /** @type {HTMLIFrameElement} */ (pane.querySelector("iframe"));
      frame.title = title;
      if (frame.getAttribute("src") !== addresses[name]) frame.src = addresses[name];
    }
    for (const { name, skin } of this.start.phones) {
      const pane = /** @type {Element} */ (document.querySelector(`[data-pane="phone-${CSS.escape(name)}"]`));
      caption(pane, say("phoneCaption", { app: skin.app }), say("phoneNote"));
      this.phones.get(name).language = this.language;
    }
  }

  tries() {
    const group = find(".tries");
    const [first] = this.phones.values();
    const starters = this.start.starters[this.language] ?? [];
    group.hidden = !first || !starters.length;
    group.setAttribute("aria-label", this.say?.("tryIt") ?? "");
    group.replaceChildren(make("span", "", `${this.say?.("tryIt")}:`), ...starters.map((text) => button("", text, () => first.typeAndSend(text))));
  }

  // ---------------------------------------------------------------- tabs, where only one fits

  tabs() {
    const list = find(".tabs");
    const say = this.say ?? pageTexts("en");
    const panes = [...document.querySelectorAll(".pane")].map((pane) => /** @type {HTMLElement} */ (pane).dataset.pane ?? "");
    const names = new Map(this.start.phones.map(({ name, skin }) => [`phone-${name}`, skin.app]));
    list.hidden = false;
    list.replaceChildren(
      ...panes.map((pane) => {
        const tab = button("", names.get(pane) ?? say(pane), () => this.choose(pane));
        tab.role = "tab";
        tab.id = `tab-${pane}`;
        tab.setAttribute("aria-controls", `pane-${pane}`);
        return tab;
      }),
    );
    list.onkeydown = (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!way) return;
      const at = panes.indexOf(document.body.dataset.tab ?? "");
      const next = panes[(at + way + panes.length) % panes.length];
      this.choose(next);
      document.getElementById(`tab-${next}`)?.focus();
    };
    this.choose(document.body.dataset.tab || panes.find((pane) => pane.startsWith("phone-")) || panes[0]);
  }

  choose(/** @type {string} */ chosen) {
    document.body.dataset.tab = chosen;
    for (const pane of document.querySelectorAll(".pane")) {
      pane.classList.toggle("current", /** @type {HTMLElement} */ (pane).dataset.pane === chosen);
    }
    for (const tab of document.querySelectorAll(".tabs button")) {
      const isChosen = tab.id === `tab-${chosen}`;
      tab.setAttribute("aria-selected", String(isChosen));
      /** @type {HTMLElement} */ (tab).tabIndex = isChosen ? 0 : -1;
    }
  }

  // ---------------------------------------------------------------- the server

  /** Do something to a sandbox; what comes of it is heard on the stream. */
  async act(/** @type {string} */ path, /** @type {object | Blob} */ body) {
    try {
      const answer = await fetch(path, { method: "POST", body: body instanceof Blob ? body : JSON.stringify(body) });
      if (answer.ok) return;
      const { error } = await answer.json();
      this.tell(this.say?.("failed", { why: error.message }) ?? "", 6000);
    } catch {
      this.tell(this.say?.("offline") ?? "");
    }
  }

  listen() {
    const stream = new EventSource(`${API}/stream`);
    let late = 0;
    stream.addEventListener("open", () => {
      window.clearTimeout(late);
      this.tell("");
    });
    stream.addEventListener("error", () => {
      window.clearTimeout(late);
      late = window.setTimeout(() => this.tell(this.say?.("offline") ?? ""), TROUBLE_AFTER_MS);
      if (stream.readyState === EventSource.CLOSED) window.setTimeout(() => this.listen(), 2000);
    });
    stream.addEventListener("phone", (event) => {
      const { phone, view } = JSON.parse(event.data);
      this.phones.get(phone)?.show(view);
    });
    stream.addEventListener("trail", (event) => this.trail.add(JSON.parse(event.data).lines));
  }

  tell(/** @type {string} */ words, forMs = 0) {
    const line = find(".trouble");
    line.hidden = !words;
    line.textContent = words;
    if (words && forMs) window.setTimeout(() => line.textContent === words && this.tell(""), forMs);
  }
}

/** @returns {HTMLElement} */
function find(/** @type {string} */ selector) {
  return /** @type {HTMLElement} */ (document.querySelector(selector));
}

/** "Faro Móvil" as the name of a host. */
function slug(/** @type {string} */ name) {
  return name.normalize("NFD").replace(/[^a-z0-9]/gi, "").toLowerCase() || "site";
}

function caption(/** @type {Element} */ pane, /** @type {string} */ title, /** @type {string} */ note) {
  /** @type {HTMLElement} */ (pane.querySelector("h2")).textContent = title;
  /** @type {HTMLElement} */ (pane.querySelector(".caption span")).textContent = note;
}

function chosenLanguage(/** @type {string[]} */ languages) {
  const wishes = [new URLSearchParams(location.search).get("language"), recalled(), navigator.language];
  return wishes.map((wish) => wish?.slice(0, 2) ?? "").find((wish) => languages.includes(wish)) ?? languages[0];
}

function recalled() {
  try {
    return localStorage.getItem("tertulia-demo-language");
  } catch {
    return null;
  }
}

function remember(/** @type {string} */ language) {
  try {
    localStorage.setItem("tertulia-demo-language", language);
  } catch {
    // a browser that keeps nothing asks again next time
  }
}

async function open() {
  try {
    const answer = await fetch(`${API}/start`);
    if (!answer.ok) throw new Error(String(answer.status));
    new Page(await answer.json()).listen();
  } catch (error) {
    const line = find(".trouble");
    line.textContent = pageTexts(navigator.language.slice(0, 2))(error instanceof TypeError ? "offline" : "denied");
    line.hidden = false;
  }
}

open();
