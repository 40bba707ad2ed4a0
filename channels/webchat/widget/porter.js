// Brings files to the gateway, each before the message that shows it.

import { Refusal, refusal } from "./connection.js";
import { asObject } from "./order.js";
import { fileSize } from "../ui/times.js";

const RETRY_MS = 2_000;

export class Porter {
  /** @param {import("./chat.js").Chat} chat */
  constructor(chat) {
    this.chat = chat;
    /** @type {Map<string, {file: File, preview: string}>} by the id of the message */
    this.files = new Map();
    /** @type {Set<string>} */
    this.underWay = new Set();
  }

  /** @param {File} file */
  take(file) {
    const kind = ["image", "video", "audio"].find((one) => file.type.startsWith(`${one}/`)) ?? "document";
    const shown = { type: "media", kind, name: file.name, mime: file.type, size_bytes: file.size };
    const entry = this.chat.write([], [shown]);
    this.files.set(entry.id, { file, preview: URL.createObjectURL(file) });
    this.chat.show(entry);
    this.go();
  }

  /** @param {string} id */
  has(id) {
    return this.files.has(id);
  }

  /** Shown from the file itself while it is on its way. @param {string} id */
  previewOf(id) {
    return this.files.get(id)?.preview;
  }

  /** The message is stored. Its picture may still be on the screen, so its address is let go a little later. @param {string} id */
  drop(id) {
    const held = this.files.get(id);
    if (held) setTimeout(() => URL.revokeObjectURL(held.preview), 60_000);
    this.files.delete(id);
  }

  /** Start what is not on its way, if there is a way. */
  go() {
    if (!this.chat.connection.isOpen || Date.now() < (this.chat.notBefore ?? 0)) return;
    for (const [id, { file }] of this.files) {
      const entry = this.chat.outbox.entries.get(id);
      if (entry?.needsFile && entry.state === "" && !this.underWay.has(id)) this.bring(id, file);
    }
  }

  async bring(/** @type {string} */ id, /** @type {File} */ file) {
    this.underWay.add(id);
    try {
      const upload = await send(this.chat.connection, file, (progress) => this.chat.thread.upsert({ client_id: id, progress }));
      this.chat.outbox.ready(id, [{ type: "media", upload }]);
      this.chat.flush();
    } catch (error) {
      this.failed(id, error);
    } finally {
      this.underWay.delete(id);
    }
  }

  failed(/** @type {string} */ id, /** @type {unknown} */ error) {
    const { chat } = this;
    if (!(error instanceof Refusal) || error.status === 401) {
      chat.later(RETRY_MS);
      if (error instanceof Refusal) chat.connection.hurry();
    } else if (error.status === 429 || error.status >= 500) {
      chat.later(error.afterMs || RETRY_MS);
    } else {
      const { say, language } = chat.words;
      const size = fileSize(chat.session?.site?.max_upload_bytes ?? 0, language);
      const problems = /** @type {Record<number, string>} */ ({ 413: say("too_large", { size }), 415: say("bad_type") });
      chat.fail(id, problems[error.status] ?? say("not_sent"), true);
    }
  }
}

/**
 * Raises `Refusal`, or `TypeError` when the network fails.
 * @param {import("./connection.js").Connection} connection
 * @param {File} file
 * @param {(share: number) => void} progress 0 to 1
 * @returns {Promise<string>} what to name it by in a message
 */
function send(connection, file, progress) {
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", connection.address("uploads"));
  request.setRequestHeader("Authorization", connection.authorization().Authorization);
  request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
  return new Promise((resolve, reject) => {
    request.onload = () => {
      const body = asObject(request.responseText);
      if (request.status < 300 && body?.upload) resolve(body.upload);
      else reject(refusal(request.status, body, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new TypeError("the network failed"));
    request.send(form);
  });
}
