// The way to the gateway: calls that fail by name, and a line over which news come, which mends itself.

const CALL_MS = 15_000;
const UPLOAD_MS = 300_000;
const SILENT_MS = 50_000;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 8_000;
/** A way that has told nothing within this time lets nothing through. */
const ESTABLISHED_MS = 8_000;
const POLL_MS = 3_000;
/** So often the better way is tried again while a worse one serves. */
const BETTER_MS = 60_000;
const TRIES_OF_A_SOCKET = 2;

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
  throw named(answer.status, content);
}

/** @param {number} status @param {any} content */
function named(status, content) {
  const error = content?.error ?? {};
  return new Problem(error.code ?? (status >= 500 ? "unavailable" : "refused"), error.message ?? "");
}

/**
 * Send a file, and tell how far it is.
 * @param {string} path
 * @param {File} file
 * @param {(share: number) => void} onProgress 0 to 1
 * @returns {{done: Promise<any>, stop: () => void}} `done` raises `Problem`
 */
export function upload(path, file, onProgress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress(event.loaded / event.total));
    request.addEventListener("load", () => {
      const content = parsed(request.responseText);
      if (request.status === 200 && content) resolve(content);
      else reject(named(request.status, content));
    });
    for (const name of ["error", "timeout", "abort"]) request.addEventListener(name, () => reject(new Problem("offline", "")));
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", path);
  request.timeout = UPLOAD_MS;
  request.send(form);
  return { done, stop: () => request.abort() };
}

function parsed(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A name for something that must happen once, however often it is asked for. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @typedef {"open" | "slow" | "broken" | "refused"} State `slow`: asked every few seconds, because nothing better gets through */
/** @typedef {{watch: () => void, close: () => void}} Way */
/** @typedef {{established: () => void, frame: (frame: any) => void, ended: () => void}} Ears */

/**
 * Tells what comes, and how the line stands. A socket first; where none gets through, a stream of events; where that
 * is held back too, questions every few seconds. Each begins with everything, so nothing is lost or told twice.
 */
export class Line {
  /** @param {(frame: any) => void} onFrame @param {(state: State) => void} onState @param {() => string} agent */
  constructor(onFrame, onState, agent) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.agent = agent;
    this.isOpen = false;
    this.pauseMs = FIRST_PAUSE_MS;
    /** @type {string | null} */
    this.watched = null;
    /** @type {Way | null} */
    this.way = null;
    /** Which of the ways is tried: 0 socket, 1 events, 2 questions. */
    this.rank = 0;
    this.failures = 0;
    this.timer = 0;
    this.silence = 0;
    this.better = 0;
  }

  open() {
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => this.way?.close());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retryNow());
    this.connect();
  }

  /** The conversation that the page looks at. @param {string | null} conversation */
  watch(conversation) {
    this.watched = conversation;
    if (this.isOpen) this.way?.watch();
  }

  /** The agent has another name now. */
  introduce() {
    if (this.isOpen) this.way?.watch();
  }

  connect() {
    window.clearTimeout(this.timer);
    /** @type {Way} */
    let way;
    const isCurrent = () => way === this.way;
    /** @type {Ears} */
    const ears = {
      established: () => isCurrent() && this.established(),
      frame: (frame) => {
        if (!isCurrent()) return;
        this.listen(SILENT_MS);
        this.onFrame(frame);
      },
      ended: () => isCurrent() && void this.ended(),
    };
    const make = [bySocket, byEvents, byQuestions][this.rank];
    way = make(ears, () => ({ watched: this.watched, agent: this.agent() }));
    this.way = way;
    this.listen(ESTABLISHED_MS);
  }

  established() {
    if (this.isOpen) return;
    this.isOpen = true;
    this.failures = 0;
    this.pauseMs = FIRST_PAUSE_MS;
    this.listen(SILENT_MS);
    this.onState(this.rank === 2 ? "slow" : "open");
    this.way?.watch();
    window.clearTimeout(this.better);
    if (this.rank) this.better = window.setTimeout(() => this.tryBetter(), BETTER_MS);
  }

  tryBetter() {
    this.rank = 0;
    this.failures = TRIES_OF_A_SOCKET - 1;
    this.leave();
    this.connect();
  }

  /** Whoever says nothing for long has gone without telling. @param {number} withinMs */
  listen(withinMs) {
    window.clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.way?.close(), withinMs);
  }

  leave() {
    const way = this.way;
    this.way = null;
    this.isOpen = false;
    window.clearTimeout(this.silence);
    way?.close();
  }

  async ended() {
    const wasOpen = this.isOpen;
    this.leave();
    if (!wasOpen) this.failures += 1;
    this.onState("broken");
    const isHopeless = !wasOpen && this.failures >= (this.rank ? 1 : TRIES_OF_A_SOCKET) && navigator.onLine;
    if (isHopeless && (await isAnswering())) {
      this.rank = Math.min(this.rank + 1, 2);
      this.failures = 0;
      this.pauseMs = FIRST_PAUSE_MS;
    } else if (this.rank) {
      this.rank = 0;
    }
    await this.again(wasOpen);
  }

  /** @param {boolean} wasOpen */
  async again(wasOpen) {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.way || this.connect(), this.pauseMs * (0.6 + 0.8 * Math.random()));
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    if (!wasOpen && (await isRefused())) {
      window.clearTimeout(this.timer);
      this.leave();
      this.onState("refused");
    }
  }

  retryNow() {
    if (this.way) return;
    this.pauseMs = FIRST_PAUSE_MS;
    this.connect();
  }
}

/** @typedef {() => {watched: string | null, agent: string}} Wants */

/** @param {Ears} ears @param {Wants} wants @returns {Way} */
function bySocket(ears, wants) {
  const address = new URL("/desk/socket", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address);
  let wasTold = "";
  socket.addEventListener("open", () => ears.established());
  socket.addEventListener("message", (event) => ears.frame(JSON.parse(event.data)));
  socket.addEventListener("close", () => ears.ended());
  return {
    close: () => socket.close(),
    watch: () => {
      const { watched, agent } = wants();
      const frame = JSON.stringify({ type: "watch", conversation: watched, agent });
      if (frame === wasTold || (!watched && !wasTold)) return;
      wasTold = frame;
      socket.send(frame);
    },
  };
}

/** What is looked at stands in the address, so turning elsewhere begins anew. @param {Ears} ears @param {Wants} wants @returns {Way} */
function byEvents(ears, wants) {
  /** @type {EventSource} */
  let source;
  let address = "";
  const listen = () => {
    const { watched, agent } = wants();
    const wanted = `/desk/events?${new URLSearchParams({ watch: watched ?? "", agent })}`;
    if (wanted === address) return;
    source?.close();
    address = wanted;
    const opened = new EventSource(wanted);
    source = opened;
    opened.addEventListener("message", (event) => {
      if (opened !== source) return;
      ears.established();
      ears.frame(JSON.parse(event.data));
    });
    opened.addEventListener("error", () => {
      if (opened !== source) return;
      opened.close();
      ears.ended();
    });
  };
  listen();
  return {
    watch: listen,
    close: () => {
      source.close();
      ears.ended();
    },
  };
}

/** @param {Ears} ears @param {Wants} wants @returns {Way} */
function byQuestions(ears, wants) {
  let timer = 0;
  let round = 0;
  const ask = async () => {
    window.clearTimeout(timer);
    const own = ++round;
    try {
      const { watched } = wants();
      const [queue, shown] = await Promise.all([get("/desk/api/queue"), watched ? get(`/desk/api/conversations/${watched}`).catch(unknown(watched)) : null]);
      if (own !== round) return;
      ears.established();
      ears.frame({ type: "cases", cases: queue.items, gone: [], begins: true, is_whole: true, now: queue.now });
      if (shown && wants().watched === watched) ears.frame(shown);
      timer = window.setTimeout(ask, POLL_MS);
    } catch {
      if (own === round) ears.ended();
    }
  };
  void ask();
  return {
    watch: () => void ask(),
    close: () => {
      round += 1;
      window.clearTimeout(timer);
      ears.ended();
    },
  };
}

/** @param {string} conversation */
function unknown(conversation) {
  return (/** @type {unknown} */ problem) => {
    if (problem instanceof Problem && problem.code === "not_found") return { type: "unknown", conversation };
    throw problem;
  };
}

/** Whether the gateway is there, so that only this way to it is closed. */
async function isAnswering() {
  try {
    await get("/desk/api/closed");
    return true;
  } catch {
    return false;
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
