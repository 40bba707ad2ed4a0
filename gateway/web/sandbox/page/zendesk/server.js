// The way to the sandbox: calls that fail by name, and a line over which news come.

const API = "/sandbox/zendesk/api";
const CALL_MS = 15_000;

/** What went wrong: `offline`, `token_needed`, `not_possible`, … */
export class Problem extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {string} path @returns {Promise<any>} Raises `Problem`. */
export function get(path) {
  return call(path, { method: "GET" });
}

/** @param {string} path @param {object} body @returns {Promise<any>} Raises `Problem`. */
export function post(path, body) {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** Put a picture aside for a comment. @param {File} file @returns {Promise<{token: string, name: string}>} Raises `Problem`. */
export function sendPicture(file) {
  return call(`/pictures?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
}

/** The address of a comment's file. @param {string} key */
export function fileAddress(key) {
  return `${API}/files/${encodeURIComponent(key)}`;
}

/** Hear the pulse; the browser mends the line by itself. @param {(pulse: any) => void} onPulse @param {(isOpen: boolean) => void} onState */
export function listen(onPulse, onState) {
  const line = new EventSource(`${API}/stream`);
  line.addEventListener("pulse", (event) => onPulse(JSON.parse(event.data)));
  line.addEventListener("open", () => onState(true));
  line.addEventListener("error", () => onState(false));
}

/** @param {string} path @param {RequestInit} request */
async function call(path, request) {
  /** @type {Response} */
  let answer;
  try {
    answer = await fetch(API + path, { ...request, credentials: "same-origin", signal: AbortSignal.timeout(CALL_MS) });
  } catch {
    throw new Problem("offline", "");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  throw new Problem(content?.error?.code ?? "refused", content?.error?.message ?? String(answer.status));
}
