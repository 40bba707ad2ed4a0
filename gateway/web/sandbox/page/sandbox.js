// The sandbox page: everybody at one table. It only connects the parts; each knows how to show itself.

import { icon } from "/ui/more-icons.js";
import { mark } from "/ui/mark.js";
import { button, make } from "./nodes.js";
import { LANGUAGES, pageTexts } from "./texts.js";
import "./phone.js";
import "./trail.js";

const API = "/sandbox/api";
const PLACE = { latitude: 4.6482, longitude: -74.0628 };
const TROUBLE_AFTER_MS = 1500;
const ASK_LIMIT = "1000";

/** @typedef {{bot_name: string, languages: string[], starters: Record<string, string[]>, site_app: string, desk_page: string,
 *   phones: {name: string, skin: any}[]}} Start */

class Page {
  constructor(/** @type {Start} */ start) {
    this.start = start;
    const spoken = LANGUAGES.filter((one) => start.languages.includes(one));
    this.languages = spoken.length ? spoken : LANGUAGES;
    this.language = chosenLanguage(this.languages);
    /** @type {Map<string, any>} */
    this.phones = new Map();
    /** @type {Set<string>} */
    this.heardOf = new Set();
    this.isMany = start.phones.length > 1;
    /** Where the demo's people work: at our own desk, or in a Zendesk that runs here. */
    this.desk = start.desk_page === "/desk" ? "desk" : "zendesk";
    this.trail = /** @type {any} */ (find("tertulia-trail"));
    find(".mark").replaceChildren(mark(28));
    this.build();
    this.speak(this.language);
  }

  build() {
    const stage = find(".stage");
    document.body.classList.toggle("many", this.isMany);
    stage.style.setProperty("--phones", String(Math.max(1, this.start.phones.length)));
    if (this.start.site_app) stage.append(this.framePane("site"));
    for (const { name, skin } of this.start.phones) stage.append(this.phonePane(name, skin));
    if (this.isMany) find(".table").prepend(this.framePane("desk"));
    else stage.append(this.framePane("desk"));
    if (this.isMany) this.watchShelf(stage);
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
    find(".idea").textContent = this.say(this.isMany ? "ideaMany" : "idea", { desk: this.say(`${this.desk}InWords`) });
    this.door();
    const group = find(".languages");
    group.setAttribute("aria-label", this.say("language"));
    for (const one of group.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.lang === language));
    this.trail.apps = appNames(this.start.phones.map(({ name, skin }) => [name, skin.app]));
    this.trail.apps.set(this.start.site_app, this.say("site"));
    this.trail.language = language;
    this.captions();
    this.tabs();
    this.ask();
    this.tries();
    this.shelf();
    this.act(`${API}/language`, { language });
  }

  /** The way to the agents' page, in a window of its own. */
  door() {
    const words = this.say?.(`${this.desk}Caption`) ?? "";
    const link = /** @type {HTMLAnchorElement} */ (find(".to-desk"));
    link.href = this.start.desk_page;
    link.title = this.say?.("openAlone") ?? "";
    link.hidden = false;
    link.replaceChildren(icon("person", 18), make("span", "", words));
    link.setAttribute("aria-label", `${words}: ${link.title}`);
  }

  captions() {
    const say = this.say ?? pageTexts("en");
    const isOpen = matchMedia("(min-width: 700px)").matches ? "&open=1" : "";
    const addresses = { site: `/sandbox/site?language=${this.language}${isOpen}`, desk: `${this.start.desk_page}?embed=1&agent=Berta&language=${this.language}` };
    for (const name of /** @type {const} */ (["site", "desk"])) {
      const pane = document.querySelector(`[data-pane="${name}"]`);
      if (!pane) continue;
      const key = name === "desk" ? this.desk : name;
      const title = say(`${key}Caption`, { name: this.start.bot_name });
      caption(pane, title, say(`${name}Note`));
      const alone = /** @type {HTMLAnchorElement} */ (pane.querySelector("a"));
      alone.href = name === "desk" ? this.start.desk_page : `/sandbox/site?language=${this.language}`;
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

  // ---------------------------------------------------------------- the same question everywhere

  /** The field that writes on all phones, and in the chat of the company's page. */
  ask() {
    const form = /** @type {HTMLFormElement} */ (find(".ask"));
    const say = this.say ?? pageTexts("en");
    const draft = form.querySelector("input")?.value ?? "";
    form.hidden = !this.isMany;
    const isWide = matchMedia("(min-width: 700px)").matches;
    const field = /** @type {HTMLInputElement} */ (make("input", { type: "text", maxlength: ASK_LIMIT, autocomplete: "off", enterkeyhint: "send", "aria-label": say("askAll"), placeholder: say(isWide ? "askAll" : "askAllShort") }));
    field.value = draft;
    form.replaceChildren(field, Object.assign(button("send", say("sendAll"), () => {}, icon("send", 18)), { type: "submit" }));
    form.onsubmit = (event) => {
      event.preventDefault();
      if (field.value.trim()) this.askEverywhere(field.value.trim());
      field.value = "";
    };
  }

  askEverywhere(/** @type {string} */ text) {
    for (const phone of this.phones.values()) phone.typeAndSend(text);
    const site = /** @type {HTMLIFrameElement | null} */ (document.querySelector("#pane-site iframe"));
    site?.contentWindow?.postMessage({ ask: text }, location.origin);
  }

  tries() {
    const group = find(".tries");
    const [first] = this.phones.values();
    const starters = this.start.starters[this.language] ?? [];
    const words = this.say?.(this.isMany ? "tryAll" : "tryIt") ?? "";
    const send = (/** @type {string} */ text) => (this.isMany ? this.askEverywhere(text) : first.typeAndSend(text));
    group.hidden = !first || !starters.length;
    group.setAttribute("aria-label", words);
    group.replaceChildren(make("span", "", `${words}:`), ...starters.map((text) => button("", text, () => send(text))));
  }

  // ---------------------------------------------------------------- the shelf, where not all fit

  /** Know which panes of the shelf are seen, and follow when it moves. */
  watchShelf(/** @type {HTMLElement} */ stage) {
    const seen = new IntersectionObserver(
      (entries) => {
        for (const { target, intersectionRatio } of entries) {
          const pane = /** @type {HTMLElement} */ (target);
          const isSeen = intersectionRatio > 0.6;
          pane.classList.toggle("seen", isSeen);
          const knob = document.getElementById(`shelf-${pane.dataset.pane}`);
          knob?.classList.toggle("seen", isSeen);
          if (isSeen) this.mark(pane.dataset.pane ?? "", false);
        }
        this.arrows();
      },
      { root: stage, threshold: [0, 0.6, 1] },
    );
    for (const pane of stage.children) seen.observe(pane);
    stage.addEventListener("scroll", () => this.arrows(), { passive: true });
  }

  shelf() {
    if (!this.isMany) return;
    const say = this.say ?? pageTexts("en");
    const nav = find(".shelf");
    const stage = find(".stage");
    nav.hidden = false;
    nav.setAttribute("aria-label", say("shelf"));
    const skins = new Map(this.start.phones.map(({ name, skin }) => [`phone-${name}`, skin]));
    const knobs = [...stage.children].map((one) => {
      const pane = /** @type {HTMLElement} */ (one);
      const name = pane.dataset.pane ?? "";
      const skin = skins.get(name);
      const knob = make("button", { type: "button", class: "knob", id: `shelf-${name}` }, make("i"), skin?.app ?? say(name), make("span", "new"));
      const shade = skin && (isPale(skin.header.light) ? skin.own_bubble : skin.header);
      if (shade) knob.style.setProperty("--knob", `light-dark(${shade.light}, ${shade.light})`);
      knob.classList.toggle("seen", pane.classList.contains("seen"));
      knob.addEventListener("click", () => this.slideTo(pane));
      return knob;
    });
    const slide = (/** @type {number} */ way) => stage.scrollBy({ left: way * stage.clientWidth * 0.75, behavior: smoothness() });
    nav.replaceChildren(
      button("arrow earlier", say("earlier"), () => slide(-1), icon("back", 18)),
      make("div", "knobs", ...knobs),
      button("arrow further", say("further"), () => slide(1), icon("forward", 18)),
    );
    this.arrows();
  }

  slideTo(/** @type {HTMLElement} */ pane) {
    pane.scrollIntoView({ inline: "center", block: "nearest", behavior: smoothness() });
    pane.classList.add("found");
    window.setTimeout(() => pane.classList.remove("found"), 900);
  }

  arrows() {
    const stage = find(".stage");
    const earlier = /** @type {HTMLButtonElement | null} */ (document.querySelector(".arrow.earlier"));
    const further = /** @type {HTMLButtonElement | null} */ (document.querySelector(".arrow.further"));
    if (!earlier || !further) return;
    earlier.disabled = stage.scrollLeft < 4;
    further.disabled = stage.scrollLeft > stage.scrollWidth - stage.clientWidth - 4;
  }

  /** Say at the name of an app that something new stands on its screen, out of sight. */
  mark(/** @type {string} */ pane, /** @type {boolean} */ isNew) {
    for (const id of [`shelf-${pane}`, `tab-${pane}`]) {
      const knob = document.getElementById(id);
      knob?.classList.toggle("fresh", isNew);
      const words = knob?.querySelector(".new");
      if (words) words.textContent = isNew ? `, ${this.say?.("unseen")}` : "";
    }
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
        tab.append(make("span", "new"));
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
    this.mark(chosen, false);
    for (const pane of document.querySelectorAll(".pane")) {
      pane.classList.toggle("current", /** @type {HTMLElement} */ (pane).dataset.pane === chosen);
    }
    for (const tab of document.querySelectorAll(".tabs button")) {
      const isChosen = tab.id === `tab-${chosen}`;
      if (isChosen) tab.scrollIntoView({ inline: "center", block: "nearest" });
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
      this.heard(phone, view);
    });
    stream.addEventListener("trail", (event) => this.trail.add(JSON.parse(event.data).lines));
  }

  /** Something was said on that phone: tell it who looks elsewhere. */
  heard(/** @type {string} */ phone, /** @type {any} */ view) {
    const isFirst = !this.heardOf.has(phone);
    this.heardOf.add(phone);
    if (isFirst || !view.messages.some((/** @type {any} */ message) => !message.is_own)) return;
    const pane = document.getElementById(`pane-phone-${phone}`);
    const isSmall = matchMedia("(max-width: 699px)").matches;
    const isSeen = isSmall ? pane?.classList.contains("current") : pane?.classList.contains("seen");
    if (!isSeen) this.mark(`phone-${phone}`, true);
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

function smoothness() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
}

/**
 * What people call the apps of the pipeline's lines, which are named after the channel, or as "apple_messages".
 * @param {[string, string][]} phones
 */
function appNames(phones) {
  const ends = phones.map(([name, app]) => /** @type {[string, string]} */ ([name.slice(name.lastIndexOf("-") + 1), app]));
  const spelled = phones.map(([, app]) => /** @type {[string, string]} */ ([app.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_"), app]));
  return new Map([...ends, ...phones, ...spelled]);
}

/** Whether a colour like #f6f6f6 would not be seen on paper. */
function isPale(/** @type {string} */ colour) {
  const parts = /^#?(..)(..)(..)$/.exec(colour)?.slice(1).map((part) => parseInt(part, 16)) ?? [0, 0, 0];
  return parts.every((part) => part > 200);
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
