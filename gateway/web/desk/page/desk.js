// The desk: what the server tells goes into the three columns, what the agent does goes to the server.

import { icon } from "/ui/icons.js";
import { mark } from "/ui/mark.js";
import { element } from "/ui/parts.js";
import { Cases, groupOf } from "./cases.js";
import { ContextView } from "./context.js";
import { ConversationView, standingOf } from "./conversation.js";
import { askName, button, showKeys } from "./dialogs.js";
import { keeping } from "./keeping.js";
import { hearKeys } from "./keys.js";
import { LISTS, Queue, nothing } from "./queue.js";
import { Line, Problem, get, newKey, post } from "./server.js";
import { language, personInWords, say } from "./texts.js";

const LIST_AGAIN_MS = 8_000;
const TOAST_MS = 7_000;
const GATHER_MS = 60;
/** What the rules of sending forbid: the server says why, in words. */
const RULES = new Set(["opted_out", "unreachable", "window_closed", "no_consent"]);

const query = new URLSearchParams(location.search);
const isCompact = query.has("embed") || window.parent !== window;

class Desk {
  constructor() {
    this.cases = new Cases();
    /** @type {string | null} */
    this.open = null;
    this.isAway = false;
    /** @type {"open" | "broken" | "refused" | "new"} */
    this.state = "new";
    this.isActing = false;
    if (!keeping.agent() && query.get("agent")) keeping.setAgent(/** @type {string} */ (query.get("agent")).slice(0, 60));
    this.build();
    this.line = new Line((frame) => this.heard(frame), (state) => this.changed(state));
  }

  // ---------------------------------------------------------------- the page

  build() {
    document.documentElement.lang = language;
    document.body.classList.toggle("compact", isCompact);
    this.queue = new Queue({
      cases: this.cases,
      me: () => keeping.agent(),
      open: () => this.open,
      isUnread: (line) => this.isUnread(line),
      choose: (conversation) => this.choose(conversation),
      load: (name, words) => void this.load(name, words),
    });
    this.conversation = new ConversationView({
      me: () => keeping.agent(),
      act: (act) => void this.act(act),
      answer: (text) => void this.answer(text),
      resend: (key) => void this.resend(key),
      typing: (isOn) => this.typing(isOn),
      seen: (seq) => this.seen(seq),
      older: () => void this.older(),
      waitedS: () => this.waitedS(),
    });
    this.context = new ContextView(() => this.show("conversation"));
    this.banner = element("div", "banner");
    this.banner.setAttribute("role", "status");
    this.banner.hidden = true;
    this.toasts = element("div", "toasts");
    this.toasts.setAttribute("role", "status");
    this.spoken = element("div", "spoken");
    this.spoken.setAttribute("aria-live", "polite");
    this.columns = element("main", "columns", this.queue.node, this.conversation.node, this.context.node);
    document.body.replaceChildren(this.bar(), this.banner, this.columns, this.toasts, this.spoken);
    this.show("queue");
  }

  bar() {
    this.who = button("", "who");
    this.who.title = say("changeName");
    this.who.addEventListener("click", () => void this.rename());
    const help = button("?", "icon help");
    help.setAttribute("aria-label", say("keys"));
    help.title = say("keys");
    help.addEventListener("click", showKeys);
    this.drawName();
    return element("header", "bar", mark(26), element("strong", "", "Tertulia"), element("span", "soft", say("desk")), element("span", "gap"), this.who, help);
  }

  drawName() {
    const name = keeping.agent();
    this.who.replaceChildren(element("i", "dot"), name || say("nobody"));
    this.who.setAttribute("aria-label", `${say("changeName")}: ${name || say("nobody")}`);
  }

  async rename() {
    if (await askName()) this.draw();
    this.drawName();
  }

  /** Which column is seen where there is room for one only. @param {"queue" | "conversation" | "context"} view */
  show(view) {
    document.body.dataset.view = view;
  }

  start() {
    hearKeys((act, key) => this.pressed(act, key));
    window.addEventListener("hashchange", () => this.turnTo(location.hash.slice(1) || null));
    document.addEventListener("visibilitychange", () => this.draw());
    window.setInterval(() => this.tick(), 1000);
    window.setInterval(() => this.reload(), LIST_AGAIN_MS);
    this.queue.draw();
    this.turnTo(location.hash.slice(1) || null);
    this.line.open();
  }

  tick() {
    if (document.visibilityState !== "visible") return;
    this.queue.tick();
    if (this.conversation.standing === "waiting") this.conversation.drawFacts();
  }

  // ---------------------------------------------------------------- what the server tells

  /** @param {any} frame */
  heard(frame) {
    if (frame.type === "away") this.isAway = true;
    else if (frame.type !== "here") this.isAway = false;
    if (frame.type === "cases") this.heardCases(frame);
    if (frame.type === "conversation") this.heardConversation(frame);
    if (frame.type === "unknown" && frame.conversation === this.open) this.conversation.showUnknown();
    if (frame.type === "typing") this.heardTyping(frame);
    this.drawBanner();
  }

  heardCases(/** @type {any} */ frame) {
    const newcomers = this.cases.take(frame);
    for (const one of newcomers) this.say(say("waits", { name: personInWords(one.name, one.conversation) }));
    if (frame.gone.length && this.queue.name !== "queue") this.reload();
    if (isCompact && this.cases.isWhole) this.chooseFirst(newcomers);
    this.draw();
  }

  heardConversation(/** @type {any} */ frame) {
    if (frame.conversation !== this.open) return;
    this.conversation.show(frame);
    this.draw();
    void this.fillGap();
    for (const answer of keeping.answers()) this.showAnswer(answer, "sending");
    void this.flush();
  }

  heardTyping(/** @type {any} */ frame) {
    if (frame.conversation !== this.open || frame.author === "bot") return;
    if (frame.author === "agent" && frame.name === keeping.agent()) return;
    const name = frame.name || (frame.author === "customer" ? this.conversation.shown?.contact.name : "");
    this.conversation.thread.typing(frame.author, name ?? "", frame.on);
  }

  /** @param {"open" | "broken" | "refused"} state */
  changed(state) {
    this.state = state;
    if (state === "refused") this.refuse();
    else if (state === "open") void this.flush();
    this.drawBanner();
  }

  refuse() {
    document.body.replaceChildren(element("main", "refused", mark(40), nothing(say("refusedTitle"), say("refusedMore"))));
  }

  // ---------------------------------------------------------------- drawing

  /** Soon, once for all that changes now. */
  draw() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    window.setTimeout(() => {
      this.isDrawing = false;
      this.queue.draw();
      this.conversation.draw();
      this.context.show(this.conversation.shown, this.conversation.latestTurn());
      this.drawTitle();
    }, this.cases.isWhole ? GATHER_MS : 0);
  }

  drawTitle() {
    const lines = [...this.cases.byId.values()];
    const me = keeping.agent();
    const count = lines.filter((one) => groupOf(one, me) === "waiting" || (groupOf(one, me) === "mine" && this.isUnread(one))).length;
    if (count === this.count) return;
    this.count = count;
    document.title = (count ? `(${count}) ` : "") + say("title");
    drawIcon(count);
  }

  drawBanner() {
    const isOffline = this.state === "broken";
    this.banner.hidden = !isOffline && !this.isAway;
    if (this.banner.hidden) return;
    const [title, more] = isOffline ? [say("offline"), say("offlineMore")] : [say("away"), say("awayMore")];
    if (this.banner.dataset.title === title) return;
    this.banner.dataset.title = title;
    this.banner.replaceChildren(icon("offline"), element("strong", "", title), element("span", "", more));
  }

  /** @param {string} text */
  say(text) {
    this.spoken.append(element("p", "", text));
    while (this.spoken.childElementCount > 3) this.spoken.firstElementChild?.remove();
  }

  /** @param {string} text @param {"news" | "bad"} [kind] @param {[string, () => void]} [action] */
  toast(text, kind = "news", action) {
    const made = element("div", `toast ${kind}`, element("span", "", text));
    if (kind === "bad") made.setAttribute("role", "alert");
    if (action) {
      const [label, act] = action;
      const again = button(label, "link");
      again.addEventListener("click", () => {
        made.remove();
        act();
      });
      made.append(again);
    }
    this.toasts.replaceChildren(made);
    window.setTimeout(() => made.remove(), TOAST_MS);
  }

  // ---------------------------------------------------------------- choosing

  isUnread(/** @type {any} */ line) {
    if (!line.unanswered || (line.conversation === this.open && document.visibilityState === "visible")) return false;
    return line.position > keeping.seen(line.conversation);
  }

  waitedS() {
    const one = this.open && this.cases.byConversation.get(this.open);
    return one ? this.cases.waitedS(one) : null;
  }

  /** @param {string} conversation */
  choose(conversation) {
    if (isCompact) history.replaceState(null, "", `#${conversation}`);
    if (location.hash.slice(1) === conversation) this.turnTo(conversation);
    else location.hash = conversation;
  }

  /** Beside phones nobody should have to look for what just happened. @param {import("./cases.js").Case[]} newcomers */
  chooseFirst(newcomers) {
    const all = this.cases.groups(keeping.agent(), "").flatMap(([, lines]) => lines);
    const first = this.open ? newcomers[0] : all[0];
    const isIdle = !this.open || (this.conversation.standing === "bot" && !this.conversation.field.value);
    if (first && isIdle) this.choose(first.conversation);
  }

  /** @param {string | null} conversation */
  turnTo(conversation) {
    const wanted = conversation && /^[0-9a-f-]{36}$/.test(conversation) ? conversation : null;
    this.show(wanted ? "conversation" : "queue");
    if (wanted !== this.open) {
      this.open = wanted;
      const known = wanted && this.cases.byConversation.get(wanted);
      this.conversation.open(wanted, known ? personInWords(known.name, known.conversation) : "");
      this.line.watch(wanted);
      this.queue.draw();
    }
    this.draw();
  }

  /** Lists that nobody pushes are read again while they are looked at. */
  reload() {
    if (document.visibilityState !== "visible" || this.queue.name === "queue") return;
    void this.load(this.queue.name, this.queue.name === "live" ? this.queue.words : "");
  }

  /** @param {string} name @param {string} words */
  async load(name, words) {
    if (name === "queue") return;
    const path = name === "live" ? `/desk/api/live?search=${encodeURIComponent(words)}` : "/desk/api/closed";
    try {
      const answer = await get(path);
      if (name !== "live" || words === this.queue.words) this.queue.fill(/** @type {any} */ (name), answer.items);
    } catch (problem) {
      this.complain(problem);
    }
  }

  async older() {
    const conversation = this.open;
    if (!conversation || !this.conversation.shown || !this.conversation.start.hidden) return;
    await this.read(conversation, this.conversation.oldest());
  }

  /** News tell of the newest messages; after a long silence some may lie between those and what is here. */
  async fillGap() {
    const conversation = this.open;
    let gap = this.conversation.gap();
    while (conversation && gap !== null && conversation === this.open && (await this.read(conversation, gap))) {
      const next = this.conversation.gap();
      if (next === gap) return;
      gap = next;
    }
  }

  /** @param {string} conversation @param {number} before */
  async read(conversation, before) {
    try {
      const page = await get(`/desk/api/conversations/${conversation}/messages?before=${before}`);
      if (conversation === this.open) this.conversation.add(page.messages, page.is_first);
      return true;
    } catch {
      return false; // the line is broken too, and says so; when it is mended this is asked for again
    }
  }

  seen(/** @type {number} */ seq) {
    const { shown } = this.conversation;
    if (!this.open || !shown) return;
    keeping.setSeen(this.open, seq);
    this.draw();
    if (standingOf(shown, keeping.agent()) === "mine") this.tell("seen", {});
  }

  /** @param {boolean} isOn */
  typing(isOn) {
    if (this.conversation.standing === "mine") this.tell("typing", { on: isOn });
  }

  /** Something passing; when it does not arrive, nothing is lost. @param {string} what @param {object} body */
  tell(what, body) {
    post(`/desk/api/conversations/${this.open}/${what}`, { agent: keeping.agent(), ...body }).catch(() => null);
  }

  // ---------------------------------------------------------------- acting

  /** @param {"take" | "giveBack" | "close" | "details" | "back"} act */
  async act(act) {
    if (act === "back") this.back();
    else if (act === "details") this.show(document.body.dataset.view === "context" ? "conversation" : "context");
    else if (!this.isActing) {
      this.isActing = true;
      document.body.classList.add("acting");
      await (act === "take" ? this.take() : this.leave(act)).catch((problem) => this.complain(problem));
      this.isActing = false;
      document.body.classList.remove("acting");
    }
  }

  async take() {
    const { shown, standing } = this.conversation;
    if (!shown || standing === "mine" || standing === "none") return;
    const agent = keeping.agent() || (await askName());
    this.drawName();
    if (!agent) return;
    const taking = { agent, instead_of: shown.agent ?? "" };
    if (standing === "bot") await post(`/desk/api/conversations/${shown.conversation}/take-over`, taking);
    else await post(`/desk/api/handoffs/${shown.handoff}/take`, taking);
    await this.refresh(shown.conversation);
    this.conversation.focus();
  }

  /** @param {"giveBack" | "close"} act */
  async leave(act) {
    const { shown, standing } = this.conversation;
    if (!shown || standing !== "mine") return;
    await post(`/desk/api/handoffs/${shown.handoff}/${act === "close" ? "close" : "give-back"}`, { agent: keeping.agent() });
    const again = () => {
      this.choose(shown.conversation);
      void this.takeAgain(shown.conversation);
    };
    this.toast(say(act === "close" ? "closedIt" : "gaveBack"), "news", [say("undo"), again]);
    await this.refresh(shown.conversation);
  }

  /** @param {string} conversation */
  async takeAgain(conversation) {
    try {
      await post(`/desk/api/conversations/${conversation}/take-over`, { agent: keeping.agent() });
      await this.refresh(conversation);
    } catch (problem) {
      this.complain(problem);
    }
  }

  /** See at once what one has done, without waiting for the news of it. @param {string} conversation */
  async refresh(conversation) {
    try {
      this.heardConversation(await get(`/desk/api/conversations/${conversation}`));
    } catch {
      return; // the news will tell it
    }
  }

  /** @param {unknown} problem */
  complain(problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.code === "token_needed") this.refuse();
    else if (problem.code === "taken" || problem.code === "over") this.toast(this.whoWasQuicker(problem), "bad");
    else this.toast(say("failed", { why: problem.isPassing ? say("notNow") : problem.message }), "bad");
    if (this.open && !problem.isPassing) void this.refresh(this.open);
  }

  /** @param {Problem} problem */
  whoWasQuicker(problem) {
    const agent = this.open ? this.cases.byConversation.get(this.open)?.agent : "";
    if (problem.code === "over") return say("over");
    return agent && agent !== keeping.agent() ? say("taken", { agent }) : say("takenUnknown");
  }

  // ---------------------------------------------------------------- answering

  /** @param {string} text */
  async answer(text) {
    const { shown } = this.conversation;
    if (!shown?.handoff) return;
    const at = new Date(Date.now() + this.cases.offsetMs).toISOString();
    const answer = { key: newKey(), handoff: shown.handoff, conversation: shown.conversation, agent: keeping.agent(), text, at };
    keeping.setAnswers([...keeping.answers(), answer]);
    this.showAnswer(answer, "sending");
    await this.flush();
  }

  /** @param {string} key */
  async resend(key) {
    const answer = keeping.answers().find((one) => one.key === key);
    if (answer) this.showAnswer(answer, "sending");
    await this.flush();
  }

  /** Send what was not confirmed, in order. The same key says nothing twice, so trying again is harmless. */
  async flush() {
    if (this.isFlushing) return;
    this.isFlushing = true;
    try {
      for (let answer = keeping.answers()[0]; answer; answer = keeping.answers()[0]) {
        if (!(await this.sent(answer))) return;
        keeping.setAnswers(keeping.answers().filter((one) => one.key !== answer.key));
      }
    } finally {
      this.isFlushing = false;
    }
  }

  /** @param {import("./keeping.js").Answer} answer @returns {Promise<boolean>} whether it needs no further try */
  async sent(answer) {
    try {
      await post(`/desk/api/handoffs/${answer.handoff}/answer`, { agent: answer.agent, key: answer.key, text: answer.text });
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.isPassing) {
        this.showAnswer(answer, "failed", say("notDelivered"));
        return false;
      }
      this.giveUp(answer, problem);
      return true;
    }
  }

  /** It can never be said; the words go back to where they came from. */
  giveUp(/** @type {import("./keeping.js").Answer} */ answer, /** @type {Problem} */ problem) {
    const isRule = RULES.has(problem.code);
    this.showAnswer(answer, "failed", isRule ? problem.message : say("notDelivered"), true);
    const isOpen = answer.conversation === this.open;
    const draft = isOpen ? this.conversation.field.value : keeping.draft(answer.conversation);
    const text = [answer.text, draft].filter((words) => words.trim()).join("\n");
    if (isOpen) this.conversation.setText(text);
    else keeping.setDraft(answer.conversation, text);
    this.complain(problem);
    const wasQuicker = problem.code === "taken" || problem.code === "over";
    const why = wasQuicker ? this.whoWasQuicker(problem) : isRule ? problem.message : say("notDelivered");
    this.toast(`${why} ${say("textIsBack")}`, "bad");
  }

  /** @param {import("./keeping.js").Answer} answer @param {string} status @param {string} [problem] @param {boolean} [isFinal] */
  showAnswer(answer, status, problem = "", isFinal = false) {
    if (answer.conversation !== this.open) return;
    const { key, agent, at, text } = answer;
    this.conversation.thread.upsert({ client_id: key, author: "agent", name: agent, at, parts: [{ type: "text", text }], status, problem, is_final: isFinal });
  }

  // ---------------------------------------------------------------- keys

  /** @param {string} act @param {string} key */
  pressed(act, key) {
    if (act === "next" || act === "previous") this.step(act === "next" ? 1 : -1);
    else if (act === "list") this.list(LISTS[Number(key) - 1]);
    else if (act === "search") this.queue.search.focus();
    else if (act === "help") showKeys();
    else if (act === "answer") this.conversation.focus();
    else if (act === "explain") this.conversation.explainLatest();
    else if (act === "thread") this.conversation.thread.focus();
    else void this.act(/** @type {any} */ (act));
  }

  list(/** @type {any} */ name) {
    this.queue.go(name);
    this.show("queue");
    /** @type {HTMLElement} */ (this.queue.tabs.querySelector("[aria-selected=true]")).focus();
  }

  /** @param {1 | -1} step */
  step(step) {
    const next = this.queue.beside(step);
    if (!next) return;
    this.choose(next);
    this.turnTo(next);
    this.queue.draw();
    this.queue.focus();
    document.activeElement?.scrollIntoView({ block: "nearest" });
  }

  back() {
    if (document.body.dataset.view === "context") this.show("conversation");
    else if (document.body.dataset.view === "conversation" && this.open) {
      this.show("queue");
      this.queue.focus();
      if (window.matchMedia("(width < 720px)").matches) location.hash = "";
    }
  }
}

/** The mark with the number of those who wait. @param {number} count */
function drawIcon(count) {
  const bubble = "M17.2 3.05A13 13 0 0 0 5.2 23.2L3.2 29.3l6.6-2.1q1.2.7 2.4 1.1C10.1 19 19.4 12 17.2 3.05z";
  const text = count > 99 ? "99" : String(count);
  const badge = count
    ? `<circle cx="22" cy="10" r="9.5" fill="#9a6a00"/><text x="22" y="14.5" font-family="sans-serif" font-size="13" font-weight="700" text-anchor="middle" fill="#fff">${text}</text>`
    : "";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="#b5482f"><path d="${bubble}"/><path transform="rotate(180 16 16)" d="${bubble}"/>${badge}</svg>`;
  const link = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

new Desk().start();
