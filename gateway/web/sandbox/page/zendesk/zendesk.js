// The agents' page of the Zendesk sandbox: views on the left, the ticket in the middle, its facts and the limits on the right.

import { icon } from "/ui/more-icons.js";
import { mark } from "/ui/mark.js";
import { button, make } from "../nodes.js";
import { Composer, Conversation } from "./conversation.js";
import { accountFacts, ticketFacts } from "./facts.js";
import { Problem, get, listen, post, sendPicture } from "./server.js";
import { LANGUAGES, Words } from "./texts.js";
import { Views, VIEWS } from "./views.js";

const LANGUAGE_KEY = "tertulia-demo-language";
const AGENT_KEY = "tertulia-zendesk-agent";
const TROUBLE_MS = 6_000;
const NO_PULSE = { revision: -1, budgets: [], hooks: [] };

class Page {
  constructor(/** @type {{id: number, name: string}[]} */ agents) {
    const asked = new URLSearchParams(location.search);
    this.agents = agents;
    const wished = asked.get("agent") ?? recalled(AGENT_KEY);
    this.agent = agents.find((one) => String(one.id) === wished || one.name === wished) ?? agents[0];
    this.words = new Words(asked.get("language"), recalled(LANGUAGE_KEY), navigator.language);
    document.body.classList.toggle("embedded", asked.has("embed"));
    this.view = "unassigned";
    this.chosen = 0;
    this.waiting = 0;
    /** @type {any} */
    this.ticket = null;
    this.pulse = /** @type {any} */ (NO_PULSE);
    this.views = new Views(find(".views"), (view) => this.look(view), (ticket) => this.choose(ticket));
    this.composer = new Composer({ send: (said) => this.say(said), picture: (file) => this.picture(file) });
    this.head = make("header", "head");
    this.place = make("div", "place");
    this.foot = make("div", "foot");
    find(".ticket").append(this.head, this.place, this.foot);
    this.conversation = new Conversation(this.place);
    document.addEventListener("keydown", (event) => this.key(event));
    this.isReading = false;
    this.isStale = false;
    this.speak(this.words.language);
  }

  // ---------------------------------------------------------------- words

  speak(/** @type {string} */ language) {
    this.words = new Words(language);
    const { say } = this.words;
    document.documentElement.lang = language;
    this.name();
    keep(LANGUAGE_KEY, language);
    find(".skip").textContent = say("skip");
    find(".facts").setAttribute("aria-label", say("details"));
    find(".views").setAttribute("aria-label", say("views"));
    this.drawTop();
    this.drawTicket(true);
    this.drawFacts();
    this.read();
  }

  /** The tab of the browser says how many wait. */
  name() {
    const waiting = this.waiting ? `(${this.waiting}) ` : "";
    document.title = `${waiting}${this.words.say("title")} · Tertulia`;
  }

  drawTop() {
    const { say } = this.words;
    const who = /** @type {HTMLSelectElement} */ (make("select", { id: "agent", "aria-label": say("agent") }));
    who.append(...this.agents.map((one) => make("option", { value: String(one.id) }, one.name)));
    who.value = String(this.agent.id);
    who.addEventListener("change", () => this.become(Number(who.value)));
    const languages = make("div", { class: "languages", role: "group", "aria-label": say("language") });
    for (const one of LANGUAGES) {
      const choice = button("", one.toUpperCase(), () => this.speak(one));
      choice.lang = one;
      choice.setAttribute("aria-pressed", String(one === this.words.language));
      languages.append(choice);
    }
    const brand = make("div", "brand", mark(26), make("h1", "", say("title")), make("span", "badge", say("demo")));
    const stage = make("a", { class: "stage", href: "/sandbox" }, icon("chats", 18), say("stage"));
    find(".top").replaceChildren(brand, make("p", "idea", say("idea")), stage, make("label", "who", make("span", "", say("agent")), who), languages);
  }

  become(/** @type {number} */ id) {
    this.agent = this.agents.find((one) => one.id === id) ?? this.agent;
    keep(AGENT_KEY, String(id));
    this.drawTicket(true);
    this.read();
  }

  // ---------------------------------------------------------------- what there is

  listen() {
    listen(
      (pulse) => {
        const isNews = pulse.revision !== this.pulse.revision;
        this.pulse = pulse;
        this.drawFacts();
        if (isNews) this.read();
      },
      (isOpen) => (isOpen ? this.mended() : this.trouble(this.words.say("offline"))),
    );
  }

  /** The line stands again: whatever happened meanwhile was not told. */
  mended() {
    this.calm();
    this.read();
  }

  /** The view and the open ticket as they are now; calls that come meanwhile are answered by one more reading. */
  async read() {
    this.isStale = true;
    if (this.isReading) return;
    this.isReading = true;
    try {
      while (this.isStale) {
        this.isStale = false;
        await this.readOnce();
      }
    } catch (problem) {
      this.tell(problem);
    } finally {
      this.isReading = false;
    }
  }

  async readOnce() {
    const name = this.view;
    const view = await get(`/views/${name}?agent=${this.agent.id}`);
    this.waiting = view.counts.unassigned;
    this.name();
    if (name === this.view) this.views.show(this.words, name, view, this.chosen);
    else this.isStale = true;
    const chosen = this.chosen;
    if (!chosen) return;
    const ticket = await get(`/tickets/${chosen}`).catch((problem) => {
      if (problem instanceof Problem && problem.code === "not_found") return null;
      throw problem;
    });
    if (chosen === this.chosen) this.show(ticket);
  }

  look(/** @type {string} */ view) {
    this.view = view;
    return this.read();
  }

  choose(/** @type {number} */ id) {
    const isOther = id !== this.chosen;
    this.chosen = id;
    if (isOther) this.composer.clear();
    document.body.classList.toggle("reading", Boolean(id));
    document.body.classList.remove("knowing");
    if (!id) this.show(null);
    return this.read();
  }

  show(/** @type {any} */ ticket) {
    const isOther = ticket?.line.id !== this.ticket?.line.id;
    this.ticket = ticket;
    if (!ticket && this.chosen) {
      this.chosen = 0;
      document.body.classList.remove("reading");
    }
    this.drawTicket(isOther);
    this.drawFacts();
  }

  // ---------------------------------------------------------------- the ticket

  drawTicket(/** @type {boolean} */ isOther) {
    const { say } = this.words;
    const { ticket } = this;
    this.place.hidden = !ticket;
    this.foot.hidden = !ticket;
    if (!ticket) {
      this.head.className = "head none";
      this.head.replaceChildren(make("p", "pick", mark(40), make("strong", "", say("pick")), make("span", "", say("pickMore"))));
      return;
    }
    this.head.className = "head";
    this.head.replaceChildren(...this.titleOf(ticket), this.actsOn(ticket));
    if (isOther) this.conversation.begin(this.words, ticket);
    else this.conversation.grow(this.words, ticket);
    if (ticket.line.status === "closed") {
      this.foot.replaceChildren(make("p", "closed", say("closedNote"), ticket.merged_into ? ` ${say("mergedNote", { id: ticket.merged_into })}` : ""));
      return;
    }
    if (isOther || this.foot.firstChild !== this.composer.form) {
      this.composer.speak(this.words, { name: ticket.requester.name, agent: this.agent.name });
      this.foot.replaceChildren(this.composer.form);
    }
  }

  titleOf(/** @type {any} */ ticket) {
    const { say } = this.words;
    const { line } = ticket;
    const back = button("icon back", say("back"), () => this.choose(0), icon("back", 20));
    const followup = ticket.followup_of ? ` · ${say("followup", { id: ticket.followup_of })}` : "";
    const about = make("p", "soft", `${say("number", { id: line.id })} · ${line.requester}${followup}`);
    const title = make("div", "title", make("h2", "", line.subject || say("number", { id: line.id })), about);
    return [back, title, make("span", `status ${line.status}`, this.words.word("statuses", line.status))];
  }

  actsOn(/** @type {any} */ ticket) {
    const { say } = this.words;
    const { status } = ticket.line;
    const acts = make("div", { class: "acts", role: "group", "aria-label": say("status") });
    const isMine = ticket.assignee_id === this.agent.id;
    const isOver = status === "solved" || status === "closed";
    if (!isMine && !isOver) acts.append(button("primary", say("take"), () => this.take()));
    if (!isOver && status !== "pending") acts.append(button("", say("pend"), () => this.set("pending")));
    if (status === "pending" || status === "solved" || status === "hold") acts.append(button("", say("reopen"), () => this.set("open")));
    if (!isOver) acts.append(button("", say("solve"), () => this.set("solved")));
    const isKnowing = document.body.classList.contains("knowing");
    const more = button("more", say(isKnowing ? "less" : "more"), () => this.know());
    more.setAttribute("aria-expanded", String(isKnowing));
    acts.append(more);
    return acts;
  }

  /** On a small screen: the facts in the conversation's place, and back. */
  know() {
    document.body.classList.toggle("knowing");
    this.drawTicket(false);
  }

  drawFacts() {
    const parts = this.ticket ? ticketFacts(this.words, this.ticket) : [];
    const keys = make("p", "soft keys", this.words.say("keys"));
    find(".facts").replaceChildren(...parts, ...accountFacts(this.words, this.pulse, this.ticket), keys);
  }

  // ---------------------------------------------------------------- acts

  take() {
    return this.act("take", {});
  }

  set(/** @type {string} */ status) {
    return this.act("status", { status });
  }

  say(/** @type {any} */ said) {
    return this.act("say", said);
  }

  async act(/** @type {string} */ name, /** @type {object} */ body) {
    const id = this.chosen;
    if (!id) return false;
    try {
      const ticket = await post(`/tickets/${id}/${name}`, { agent: this.agent.id, ...body });
      if (id === this.chosen) this.show(ticket);
      this.calm();
      return true;
    } catch (problem) {
      this.tell(problem);
      return false;
    }
  }

  async picture(/** @type {File} */ file) {
    try {
      return await sendPicture(file);
    } catch (problem) {
      const isWrong = problem instanceof Problem && ["not_a_picture", "too_large"].includes(problem.code);
      if (isWrong) this.trouble(this.words.say("dropped"), TROUBLE_MS);
      else this.tell(problem);
      return null;
    }
  }

  key(/** @type {KeyboardEvent} */ event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isTyping = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (isTyping) return;
    const key = event.key.toLowerCase();
    if (key === "j" || key === "k") this.choose(this.views.beside(this.chosen, key === "j" ? 1 : -1) || this.chosen);
    else if (key === "t" && this.ticket) this.take();
    else if ((key === "r" || key === "n") && this.foot.firstChild === this.composer.form) this.composer.address(key === "r");
    else if (key === "escape" && this.chosen) this.choose(0);
    else if (/^[1-4]$/.test(key)) this.look(VIEWS[Number(key) - 1]);
    else return;
    event.preventDefault();
  }

  // ---------------------------------------------------------------- trouble

  tell(/** @type {unknown} */ problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code === "offline") this.trouble(this.words.say("offline"));
    else if (problem.code === "token_needed") this.trouble(this.words.say("denied"));
    else this.trouble(this.words.say("failed", { why: problem.message }), TROUBLE_MS);
  }

  trouble(/** @type {string} */ text, /** @type {number} */ forMs = 0) {
    const line = find(".trouble");
    line.textContent = text;
    line.hidden = false;
    window.clearTimeout(this.timer);
    if (forMs) this.timer = window.setTimeout(() => this.calm(), forMs);
  }

  calm() {
    window.clearTimeout(this.timer);
    find(".trouble").hidden = true;
  }
}

/** @returns {HTMLElement} */
function find(/** @type {string} */ selector) {
  return /** @type {HTMLElement} */ (document.querySelector(selector));
}

function recalled(/** @type {string} */ key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(/** @type {string} */ key, /** @type {string} */ value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // a browser that keeps nothing asks again next time
  }
}

async function open() {
  try {
    new Page((await get("/start")).agents).listen();
  } catch (problem) {
    const line = find(".trouble");
    const isOffline = problem instanceof Problem && problem.code === "offline";
    line.textContent = new Words(navigator.language).say(isOffline ? "offline" : "denied");
    line.hidden = false;
  }
}

open();
