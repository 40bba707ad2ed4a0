// The way to the gateway: a session, then a socket, or an event stream where sockets are blocked; again and again.

import { Order, asObject, waitMs } from "./order.js";

const PROTOCOL = "tertulia.v1.";
const REQUEST_MS = 15_000;
const OPENING_MS = 10_000;
const CHECK_MS = 5_000;
const ASLEEP_MS = 20_000;
const ASLEEP_HIDDEN_MS = 150_000; // browsers let the timers of a hidden page run once a minute
const QUIET_MS = 25_000;
const ANSWER_MS = 8_000;
const BLOCKED = 2;

/** A refusal of the server's, by its code; `afterMs`: not before. */
export class Refusal extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {number} afterMs */
  constructor(status, code, message, afterMs) {
    super(message);
    this.status = status;
    this.code = code;
    this.afterMs = afterMs;
  }
}

/**
 * @typedef {object} Listener
 * @property {(session: any) => void} session it began, or was renewed
 * @property {(frame: any) => void} frame messages come in order, without a gap
 * @property {(state: "connecting" | "online" | "offline" | "refused") => void} state
 * @property {() => void} expired the identity does not hold (any more): forget it
 * @property {(code: number) => void} broken the server ended the connection because of what was sent
 */

export class Connection {
  /**
   * @param {URL} base ends in `/chat/{site}/`
   * @param {import("./memory.js").BrowserMemory} memory
   * @param {() => Record<string, unknown>} facts what a session begins with
   * @param {Listener} listener
   */
  constructor(base, memory, facts, listener) {
    this.base = base;
    this.memory = memory;
    this.facts = facts;
    this.listener = listener;
    this.session = null;
    this.conversation = "";
    this.order = new Order();
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {EventSource | null} */
    this.stream = null;
    this.turn = 0;
    this.socketsWork = false;
    this.blocked = 0;
    this.heardAt = 0;
    this.askedAt = 0;
    this.wake = () => {};
    this.watch();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN || this.stream?.readyState === EventSource.OPEN;
  }

  // ---------------------------------------------------------------- session

  /** A session, kept or new. One at a time over all tabs, so that they share a visitor. */
  async begin() {
    const work = () => this.askForSession();
    this.session = await (navigator.locks ? navigator.locks.request(this.memory.scope, work) : work());
    this.listener.session(this.session);
  }

  /** What is not accepted any more is let go: an identity that ended, then a token. */
  async askForSession() {
    for (;;) {
      const facts = { token: this.memory.get("token") ?? undefined, ...this.facts() };
      try {
        const session = await this.ask("session", facts, false);
        this.memory.set("token", session.token);
        return session;
      } catch (error) {
        if (!(error instanceof Refusal) || error.status !== 401 || (!facts.token && !facts.identity)) throw error;
        if (facts.identity) this.listener.expired();
        else this.memory.set("token", null);
      }
    }
  }

  /**
   * POST in JSON. Raises `Refusal`, or `TypeError` when nobody answers.
   * @param {string} path
   * @param {unknown} content
   * @param {boolean} [isSignedIn]
   */
  async ask(path, content, isSignedIn = true) {
    const headers = { "Content-Type": "application/json", ...(isSignedIn ? this.authorization() : {}) };
    const answer = await fetch(new URL(path, this.base), {
      method: "POST",
      headers,
      body: JSON.stringify(content),
      credentials: "omit",
      signal: AbortSignal.timeout(REQUEST_MS),
    });
    const body = answer.status === 204 ? null : asObject(await answer.text());
    if (answer.ok) return body;
    throw refusal(answer.status, body, answer.headers.get("Retry-After"));
  }

  authorization() {
    return { Authorization: `Bearer ${this.session?.token}` };
  }

  // ---------------------------------------------------------------- listening

  /**
   * Stay connected to a conversation until `leave`. Everything after `after` is told, in order.
   * @param {string} conversation empty: the one that the session names
   * @param {number} [after]
   */
  join(conversation, after = 0) {
    this.leave();
    this.conversation = conversation;
    this.order = new Order(after);
    this.live(++this.turn);
  }

  leave() {
    this.turn += 1;
    this.hangUp();
    this.wake();
  }

  /** Connect again at once, e.g. because the network came back. */
  hurry() {
    this.hangUp();
    this.wake();
  }

  async live(/** @type {number} */ turn) {
    let attempt = 0;
    let isStale = !this.session;
    while (turn === this.turn) {
      this.tell("connecting");
      let afterMs = 0;
      try {
        if (isStale) await this.begin();
        if (turn !== this.turn) return;
        const wasOpen = await (this.blocked >= BLOCKED ? this.listenOtherwise() : this.listenToSocket());
        isStale = !wasOpen;
        if (wasOpen) attempt = 0;
        else if (!this.socketsWork) this.blocked += 1;
      } catch (error) {
        isStale = true;
        if (error instanceof Refusal) afterMs = error.afterMs;
        if (isForever(error)) {
          this.tell("refused");
          return;
        }
      }
      if (turn !== this.turn) return;
      this.tell("offline");
      await this.pause(Math.max(waitMs(attempt), afterMs));
      attempt += 1;
    }
  }

  tell(/** @type {"connecting" | "online" | "offline" | "refused"} */ state) {
    if (state === this.state) return;
    this.state = state;
    this.listener.state(state);
  }

  pause(/** @type {number} */ ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  address(/** @type {string} */ path) {
    const address = new URL(path, this.base);
    address.searchParams.set("conversation", this.conversation || this.session.conversation);
    address.searchParams.set("after", String(this.order.after));
    return address;
  }

  /** Ends with the socket; tells whether it ever opened. @returns {Promise<boolean>} */
  listenToSocket() {
    const address = this.address("socket");
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address, PROTOCOL + this.session.token);
    this.socket = socket;
    return new Promise((resolve) => {
      let wasOpen = false;
      const opening = setTimeout(() => socket.close(), OPENING_MS);
      socket.onopen = () => {
        wasOpen = this.socketsWork = true;
        clearTimeout(opening);
        this.opened();
      };
      socket.onmessage = ({ data }) => this.heard(data);
      socket.onclose = ({ code }) => {
        clearTimeout(opening);
        if (this.socket === socket) this.socket = null;
        if (wasOpen && (code === 1008 || code === 1009)) this.listener.broken(code);
        resolve(wasOpen);
      };
      // A dead network lets the close wait for minutes; whoever hangs up goes on at once.
      socket.addEventListener("hangup", () => {
        clearTimeout(opening);
        socket.onopen = socket.onmessage = socket.onclose = null;
        resolve(wasOpen);
      });
    });
  }

  /** The same over server-sent events, and requests for what is said. @returns {Promise<boolean>} */
  async listenOtherwise() {
    const { listenToEvents } = await import("./events.js");
    return listenToEvents(this);
  }

  opened() {
    this.heardAt = Date.now();
    this.askedAt = 0;
    this.tell("online");
  }

  heard(/** @type {unknown} */ data) {
    this.heardAt = Date.now();
    this.askedAt = 0;
    const frame = typeof data === "string" ? asObject(data) : null;
    if (!frame) return;
    if (frame.type === "message") {
      const place = this.order.take(frame.seq);
      if (place === "gap") return this.hurry();
    }
    this.listener.frame(frame);
  }

  hangUp() {
    const [socket, stream] = [this.socket, this.stream];
    this.socket = this.stream = null;
    socket?.close();
    socket?.dispatchEvent(new Event("hangup"));
    stream?.dispatchEvent(new Event("hangup"));
  }

  // ---------------------------------------------------------------- speaking

  /**
   * Send a frame if there is a way. The answer to a message comes as a frame.
   * @param {any} frame
   * @returns {boolean} whether it is on its way
   */
  say(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(frame));
      return true;
    }
    if (this.stream?.readyState !== EventSource.OPEN) return false;
    if (frame.type !== "typing") import("./events.js").then(({ post }) => post(this, frame));
    return true;
  }

  // ---------------------------------------------------------------- noticing that a connection is dead

  watch() {
    let lastMs = Date.now();
    setInterval(() => {
      const passed = Date.now() - lastMs;
      lastMs = Date.now();
      const limit = document.visibilityState === "visible" ? ASLEEP_MS : ASLEEP_HIDDEN_MS;
      if (passed > CHECK_MS + limit) this.hurry(); // the machine slept, or the page was frozen
      else this.check();
    }, CHECK_MS);
    for (const change of ["online", "offline"]) addEventListener(change, () => this.hurry());
    addEventListener("pageshow", ({ persisted }) => persisted && this.hurry());
    addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.check());
  }

  /** Ask for a sign of life after a silence; no answer, no connection. */
  check() {
    if (this.socket?.readyState !== WebSocket.OPEN) {
      if (document.visibilityState === "visible" && this.state === "offline") this.wake();
      return;
    }
    const now = Date.now();
    if (this.askedAt && now - this.askedAt > ANSWER_MS) this.hurry();
    else if (!this.askedAt && now - this.heardAt > QUIET_MS) {
      this.askedAt = now;
      this.say({ type: "ping" });
    }
  }
}

export function refusal(/** @type {number} */ status, /** @type {any} */ body, /** @type {string | null} */ retryAfter) {
  const error = body?.error ?? {};
  return new Refusal(status, error.code ?? `http_${status}`, error.message ?? "", Number(retryAfter ?? 0) * 1000 || 0);
}

/** Whether asking again cannot help: this page may not talk here, or there is nobody of that name. */
function isForever(/** @type {unknown} */ error) {
  return error instanceof Refusal && [403, 404].includes(error.status);
}
