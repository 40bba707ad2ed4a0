// The desk: what the server tells goes into the three columns, what the agent does goes to the server.

import { icon } from "/ui/more-icons.js";
import { mark } from "/ui/mark.js";
import { element } from "/ui/parts.js";
import { Cases, groupOf } from "./cases.js";
import { ContextView } from "./context.js";
import { ConversationView, standingOf } from "./conversation.js";
import { askName, button, confirm, iconButton, showKeys } from "./dialogs.js";
import { keeping } from "./keeping.js";
import { hearKeys } from "./keys.js";
import { LISTS, Queue, nothing } from "./queue.js";
import { Line, Problem, get, newKey, post } from "./server.js";
import { Signals } from "./signals.js";
import { language, personInWords, say } from "./texts.js";
import { inOneLine } from "./why.js";

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
    /** @type {Map<string, string[]>} who looks at each conversation */
    this.looking = new Map();
    /** @type {Map<string, number>} the position up to which one was called already */
    this.called = new Map();
    this.signals = new Signals((conversation) => this.choose(conversation));
    /** @type {import("./server.js").State | "new"} */
    this.state = "new";
    this.isActing = false;
    /** @type {Map<string, string>} pictures that were just sent, as this page has them, by their seal */
    this.thumbnails = new Map();
    if (!keeping.agent() && query.get("agent")) keeping.setAgent(/** @type {string} */ (query.get("agent")).slice(0, 60));
    this.build();
    this.line = new Line((frame) => this.heard(frame), (state) => this.changed(state), () => keeping.agent());
  }

  // ---------------------------------------------------------------- the page

  build() {
    document.documentElement.lang = language;
    document.body.classList.toggle("compact", isCompact);
    this.queue = new Queue({
      cases: this.cases,
      me: () => keeping.agent(),
      open: () => this.open,
      unread: (line) => this.unread(line),
      lookers: (conversation) => this.lookers(conversation),
      choose: (conversation) => this.choose(conversation),
      load: (name, words) => void this.load(name, words),
    });
    this.conversation = new ConversationView({
      me: () => keeping.agent(),
      act: (act) => void this.act(act),
      answer: (written) => void this.answer(written),
      note: (text) => this.leaveNote(text),
      removeNote: (id) => void this.removeNote(id),
      introduce: () => this.introduced(),
      complain: (problem) => this.complain(problem),
      lookers: (conversation) => this.lookers(conversation),
      offsetMs: () => this.cases.offsetMs,
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
    this.counters = element("span", "counters");
    this.sound = iconButton("sound", say("sound"), "icon");
    this.sound.addEventListener("click", () => this.toggleSound());
    this.notices = iconButton("bell", say("notices"), "icon");
    this.notices.addEventListener("click", () => void this.toggleNotices());
    this.drawName();
    this.drawSignals();
    const name = element("span", "soft place", say("desk"));
    return element("header", "bar", mark(26), element("strong", "", "Tertulia"), name, this.counters, element("span", "gap"), this.sound, this.notices, this.who, help);
  }

  toggleSound() {
    keeping.setSound(!keeping.hasSound());
    this.signals.wake();
    this.drawSignals();
    if (keeping.hasSound()) this.signals.sound("answer");
  }

  async toggleNotices() {
    if (this.signals.isNotifying) keeping.setNotices(false);
    else if (!(await this.signals.wantNotices())) this.toast(say("noticesDenied"));
    this.drawSignals();
  }

  drawSignals() {
    const isLoud = keeping.hasSound();
    this.sound.replaceChildren(icon(isLoud ? "sound" : "soundOff"));
    this.sound.setAttribute("aria-pressed", String(isLoud));
    this.sound.title = `${say(isLoud ? "soundOn" : "soundOff")} (s)`;
    this.notices.hidden = !this.signals.canNotify;
    const isNotifying = this.signals.isNotifying;
    this.notices.replaceChildren(icon(isNotifying ? "bell" : "bellOff"));
    this.notices.setAttribute("aria-pressed", String(isNotifying));
    this.notices.title = say(isNotifying ? "noticesOn" : "noticesOff");
  }

  drawName() {
    const name = keeping.agent();
    this.who.replaceChildren(element("i", "dot"), name || say("nobody"));
    this.who.setAttribute("aria-label", `${say("changeName")}: ${name || say("nobody")}`);
  }

  async rename() {
    if (await askName()) this.draw();
    this.drawName();
    this.line.introduce();
  }

  /** The agent's name, asked for when it is not known yet. */
  async introduced() {
    const agent = keeping.agent() || (await askName());
    this.drawName();
    this.line.introduce();
    return agent;
  }

  /** Which column is seen where there is room for one only. @param {"queue" | "conversation" | "context"} view */
  show(view) {
    document.body.dataset.view = view;
  }

  start() {
    hearKeys((act, key) => this.pressed(act, key));
    fitToScreen();
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
    if (this.conversation.hasTurned()) this.conversation.draw();
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
    if (frame.type === "delta" && frame.conversation === this.open) this.conversation.thread.delta(frame.id, frame.text);
    if (frame.type === "presence") this.heardPresence(frame);
    this.drawBanner();
  }

  heardCases(/** @type {any} */ frame) {
    const wasWhole = this.cases.isWhole;
    const newcomers = this.cases.take(frame);
    this.call(frame.cases, newcomers, wasWhole);
    for (const one of newcomers) this.say(say("waits", { name: personInWords(one.name, one.conversation) }));
    if (frame.gone.length && this.queue.name !== "queue") this.reload();
    if (isCompact && this.cases.isWhole) this.chooseFirst(newcomers);
    this.draw();
  }

  /** Who begins to wait, and who answers one's own words, is heard; not what was there when the page opened. */
  call(/** @type {any[]} */ lines, /** @type {any[]} */ newcomers, /** @type {boolean} */ wasWhole) {
    const me = keeping.agent();
    for (const one of lines) {
      const before = this.called.get(one.id) ?? (wasWhole ? 0 : one.position);
      this.called.set(one.id, Math.max(before, one.position));
      if (!wasWhole) continue;
      const isNew = newcomers.includes(one);
      const isAnswer = groupOf(one, me) === "mine" && one.position > before && one.last?.author === "customer" && this.unread(one) > 0;
      if (!isNew && !isAnswer) continue;
      const name = personInWords(one.name, one.conversation);
      if (isNew) this.signals.call("waiting", one.conversation, say("waits", { name }), inOneLine(one));
      else this.signals.call("answer", one.conversation, name, one.last?.text ?? "");
    }
    for (const id of this.called.keys()) if (!this.cases.byId.has(id)) this.called.delete(id);
  }

  heardPresence(/** @type {any} */ frame) {
    if (frame.is_whole) this.looking.clear();
    for (const { conversation, agents } of frame.looking) {
      if (agents.length) this.looking.set(conversation, agents);
      else this.looking.delete(conversation);
    }
    this.draw();
  }

  /** @param {string} conversation */
  lookers(conversation) {
    const me = keeping.agent();
    return (this.looking.get(conversation) ?? []).filter((name) => name !== me);
  }

  heardConversation(/** @type {any} */ frame) {
    if (frame.conversation !== this.open) return;
    const before = this.conversation.shown;
    this.conversation.show(frame);
    this.tellOfLoss(before, frame);
    this.draw();
    void this.fillGap();
    for (const answer of keeping.answers()) this.showAnswer(answer, "sending");
    void this.flush();
  }

  /** A colleague took what was one's own: that must not be found out by accident. */
  tellOfLoss(/** @type {any} */ before, /** @type {any} */ after) {
    const me = keeping.agent();
    const wasMine = before?.conversation === after.conversation && standingOf(before, me) === "mine";
    if (!wasMine || standingOf(after, me) !== "others") return;
    this.toast([say("tookYours", { agent: after.agent }), this.conversation.composer.text().trim() ? say("draftKept") : ""].join(" ").trim());
    this.signals.sound("waiting");
  }

  heardTyping(/** @type {any} */ frame) {
    if (frame.conversation !== this.open || frame.author === "bot") return;
    if (frame.author === "agent" && frame.name === keeping.agent()) return;
    const name = frame.name || (frame.author === "customer" ? this.conversation.shown?.contact.name : "");
    this.conversation.thread.typing(frame.author, name ?? "", frame.on);
  }

  /** @param {import("./server.js").State} state */
  changed(state) {
    this.state = state;
    if (state === "refused") this.refuse();
    else if (state === "open" || state === "slow") void this.flush();
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
    const me = keeping.agent();
    const { waiting, mine } = this.cases.count(me);
    const unread = [...this.cases.byId.values()].filter((one) => groupOf(one, me) === "mine" && this.unread(one)).length;
    this.signals.show(waiting + unread, unread > 0);
    this.counters.replaceChildren(element("span", waiting ? "waiting" : "", say("countWaiting", { n: waiting })), element("span", unread ? "mine" : "", say("countMine", { n: mine })));
  }

  drawBanner() {
    const isOffline = this.state === "broken";
    const isSlow = this.state === "slow";
    this.banner.hidden = !isOffline && !this.isAway && !isSlow;
    if (this.banner.hidden) return;
    const [title, more] = isOffline ? [say("offline"), say("offlineMore")] : this.isAway ? [say("away"), say("awayMore")] : [say("slow"), say("slowMore")];
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

  /** How many words of a customer are unanswered and not seen here. */
  unread(/** @type {any} */ line) {
    if (!line.unanswered || (line.conversation === this.open && document.visibilityState === "visible")) return 0;
    return Math.max(0, Math.min(line.unanswered, line.position - keeping.seen(line.conversation)));
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
    const isIdle = !this.open || (this.conversation.standing === "bot" && !this.conversation.composer.text());
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
      if (conversation === this.open) this.conversation.add(page.messages, page.is_first, page.notes);
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
    const { shown, standing } = this.conversation;
    if (shown && standing === "mine") this.tell("typing", { on: isOn, handoff: shown.handoff }, shown.conversation);
  }

  /** Something passing; when it does not arrive, nothing is lost. @param {string} what @param {object} body @param {string | null} [conversation] */
  tell(what, body, conversation = this.open) {
    post(`/desk/api/conversations/${conversation}/${what}`, { agent: keeping.agent(), ...body }).catch(() => null);
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
    const agent = await this.introduced();
    if (!agent) return;
    if (standing === "others" && !(await confirm(say("takeFrom", { agent: shown.agent }), say("takeFromMore", { agent: shown.agent }), say("takeFrom", { agent: shown.agent })))) return;
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

  /** @param {import("./composer.js").Written} written */
  async answer(written) {
    const { shown } = this.conversation;
    if (!shown?.handoff) return;
    const at = new Date(Date.now() + this.cases.offsetMs).toISOString();
    const { text, files, template } = written;
    /** @type {import("./keeping.js").Answer} */
    const answer = { key: newKey(), handoff: shown.handoff, conversation: shown.conversation, agent: keeping.agent(), text, at };
    if (files.length) answer.files = files.map(({ taken }) => taken);
    if (template) answer.template = template;
    for (const { taken, thumbnail } of files) this.thumbnails.set(taken.file, thumbnail);
    keeping.setAnswers([...keeping.answers(), answer]);
    this.showAnswer(answer, "sending");
    await this.flush();
  }

  /** @param {string} text @returns {Promise<boolean>} */
  async leaveNote(text) {
    const conversation = this.open;
    const agent = await this.introduced();
    if (!conversation || !agent) return false;
    try {
      const note = await post(`/desk/api/conversations/${conversation}/notes`, { agent, key: newKey(), text });
      if (conversation === this.open) this.conversation.addNote(note);
      return true;
    } catch (problem) {
      this.complain(problem);
      return false;
    }
  }

  /** @param {string} id */
  async removeNote(id) {
    const conversation = this.open;
    if (!conversation || !(await confirm(say("removeNote"), say("removeNoteMore"), say("removeNote")))) return;
    try {
      await post(`/desk/api/conversations/${conversation}/notes/${id}/remove`, { agent: keeping.agent() });
      await this.refresh(conversation);
    } catch (problem) {
      this.complain(problem);
    }
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
      await post(`/desk/api/handoffs/${answer.handoff}/answer`, body(answer));
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
    const { composer } = this.conversation;
    const draft = isOpen ? composer.text() : keeping.draft(answer.conversation);
    const text = [answer.text, draft].filter((words) => words.trim()).join("\n");
    if (isOpen) composer.setText(text);
    else keeping.setDraft(answer.conversation, text);
    if (answer.files?.length && problem.code !== "file_unknown") composer.attachments.giveBack(answer.conversation, answer.files);
    this.complain(problem);
    const wasQuicker = problem.code === "taken" || problem.code === "over";
    const why = wasQuicker ? this.whoWasQuicker(problem) : isRule ? problem.message : say("notDelivered");
    this.toast(answer.text || answer.files ? `${why} ${say("textIsBack")}` : why, "bad");
  }

  /** @param {import("./keeping.js").Answer} answer @param {string} status @param {string} [problem] @param {boolean} [isFinal] */
  showAnswer(answer, status, problem = "", isFinal = false) {
    if (answer.conversation !== this.open) return;
    const { key, agent, at } = answer;
    this.conversation.thread.upsert({ client_id: key, author: "agent", name: agent, at, parts: this.parts(answer), status, problem, is_final: isFinal });
  }

  /** An answer as it will be seen, before the server has told it. @param {import("./keeping.js").Answer} answer */
  parts({ text, files = [], template }) {
    if (template) return [{ type: "template", name: template.name, text: template.text }];
    const media = files.map((one) => ({ type: "media", kind: one.kind, name: one.name, size_bytes: one.size_bytes, url: this.thumbnails.get(one.file) ?? "" }));
    return [...media, ...(text ? [{ type: "text", text }] : [])];
  }

  // ---------------------------------------------------------------- keys

  /** @param {string} act @param {string} key */
  pressed(act, key) {
    if (act === "next" || act === "previous") this.step(act === "next" ? 1 : -1);
    else if (act === "list") this.list(LISTS[Number(key) - 1]);
    else if (act === "search") this.queue.search.focus();
    else if (act === "help") showKeys();
    else if (act === "answer") this.conversation.writeAnswer();
    else if (act === "note") this.conversation.writeNote();
    else if (act === "files") this.conversation.composer.pickFiles();
    else if (act === "canned") this.conversation.askCanned();
    else if (act === "template") void this.conversation.composer.askTemplate();
    else if (act === "why") this.conversation.why.node.hidden || this.conversation.why.toggle();
    else if (act === "sound") this.toggleSound();
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

/** What the server is asked to say. @param {import("./keeping.js").Answer} answer */
function body({ agent, key, text, files = [], template }) {
  const filled = template && { name: template.name, language: template.language, values: template.values };
  return { agent, key, text, files: files.map((one) => one.file), ...(filled ? { template: filled } : {}) };
}

/** Where the keyboard of a phone lies over the page, the page ends above it. */
function fitToScreen() {
  const seen = window.visualViewport;
  if (!seen) return;
  const fit = () => {
    const isCovered = window.innerHeight - seen.height > 80 && seen.scale === 1;
    document.body.style.height = isCovered ? `${Math.round(seen.height)}px` : "";
    if (isCovered) window.scrollTo(0, 0);
  };
  seen.addEventListener("resize", fit);
  fit();
}

new Desk().start();
