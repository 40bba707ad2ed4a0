// The way to the gateway: calls that fail by name, and a line over which news come, which mends itself.

const CALL_MS = 15_000;
const SILENT_MS = 50_000;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 8_000;

/** What went wrong, named by what the page should do: offline, unavailable, token_needed, taken, over, not_found, … */
export class Problem extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  /** Whether the same call may succeed later. */
  get isPassing() {
    return ["offline", "unavailable", "overloaded"].includes(this.code);
  }
}

/** @param {string} path @returns {Promise<any>} Raises `Problem`. */
export function get(path) {
  return call(path, { method: "GET" });
}

/** @param {string} path @param {object} body @returns {Promise<any>} Raises `Problem`. */
export function post(path, body) {
  const headers = { "Content-Type": "application/json", "Accept-Language": document.documentElement.lang || "en" };
  return call(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** @param {string} path @param {RequestInit} request */
async function call(path, request) {
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(path, { ...request, credentials: "same-origin", signal: AbortSignal.timeout(CALL_MS) });
  } catch {
    throw new Problem("offline", "");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  const error = content?.error ?? {};
  throw new Problem(error.code ?? (answer.status >= 500 ? "unavailable" : "refused"), error.message ?? "");
}

/** A name for something that must happen once, however often it is asked for. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Tells what comes, and whether the line stands: `"open"`, `"broken"`, `"refused"` (no token). */
export class Line {
  /** @param {(frame: any) => void} onFrame @param {(state: "open" | "broken" | "refused") => void} onState */
  constructor(onFrame, onState) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.isOpen = false;
    this.pauseMs = FIRST_PAUSE_MS;
    /** @type {string | null} */
    this.watched = null;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.timer = 0;
    this.silence = 0;
  }

  open() {
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => this.socket?.close());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retryNow());
    this.connect();
  }

  /** The conversation that the page looks at. @param {string | null} conversation */
  watch(conversation) {
    this.watched = conversation;
    if (this.isOpen) this.socket?.send(JSON.stringify({ type: "watch", conversation }));
  }

  connect() {
    window.clearTimeout(this.timer);
    const address = new URL("/desk/socket", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.addEventListener("open", () => this.opened());
    socket.addEventListener("message", (event) => {
      this.listen();
      this.onFrame(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => socket === this.socket && this.closed());
  }

  opened() {
    this.isOpen = true;
    this.pauseMs = FIRST_PAUSE_MS;
    this.listen();
    this.onState("open");
    if (this.watched) this.watch(this.watched);
  }

  /** A line that says nothing for long has broken without telling. */
  listen() {
    window.clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.socket?.close(), SILENT_MS);
  }

  async closed() {
    window.clearTimeout(this.silence);
    const wasOpen = this.isOpen;
    this.isOpen = false;
    this.socket = null;
    this.onState("broken");
    this.timer = window.setTimeout(() => this.connect(), this.pauseMs * (0.6 + 0.8 * Math.random()));
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    if (!wasOpen && (await isRefused())) {
      window.clearTimeout(this.timer);
      this.onState("refused");
    }
  }

  retryNow() {
    if (this.socket) return;
    this.pauseMs = FIRST_PAUSE_MS;
    this.connect();
  }
}

/** A socket that does not open does not say why. */
async function isRefused() {
  try {
    await get("/desk/api/closed");
  } catch (problem) {
    return problem instanceof Problem && problem.code === "token_needed";
  }
  return false;
}
