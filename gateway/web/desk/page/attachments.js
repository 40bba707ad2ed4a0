// The files of an answer: picked, dragged or pasted, sent to the server at once, and shown with what will become of them.

import { icon } from "/ui/more-icons.js";
import { element } from "/ui/parts.js";
import { fileSize } from "/ui/times.js";
import { iconButton } from "./dialogs.js";
import { keeping } from "./keeping.js";
import { Problem, upload } from "./server.js";
import { fileProblemInWords, language, lossInWords, say } from "./texts.js";

const MAX_FILE_BYTES = 25_000_000;
const MOST_FILES = 10;

/** What the server takes; it looks again at what a file really is. */
export const ACCEPTED =
  "image/jpeg,image/png,image/gif,image/webp,image/heic,audio/*,video/mp4,video/webm,video/quicktime,application/pdf,.docx,.xlsx,.pptx,.odt,.ods,.txt,.csv,.m4a,.mp3,.ogg,.opus,.wav";

/**
 * @typedef {object} Item
 * @property {string} name
 * @property {number} size_bytes
 * @property {File | null} file absent after the page was loaded again
 * @property {string} thumbnail an address of this page, or empty
 * @property {"sending" | "ready" | "failed"} state
 * @property {number} progress 0 to 1
 * @property {string} problem
 * @property {boolean} isFinal trying again would not help
 * @property {import("./keeping.js").Taken | null} taken
 * @property {(() => void) | null} stop
 */

export class Attachments {
  /** @param {() => void} onChange something that decides whether one can send */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {string | null} */
    this.conversation = null;
    /** @type {Map<string, Item[]>} by conversation: what is being sent goes on while one looks elsewhere */
    this.drafts = new Map();
    this.node = element("ul", "attachments");
    this.node.setAttribute("aria-label", say("files"));
    this.picker = /** @type {HTMLInputElement} */ (element("input", ""));
    this.picker.type = "file";
    this.picker.multiple = true;
    this.picker.accept = ACCEPTED;
    this.picker.hidden = true;
    this.picker.addEventListener("change", () => {
      this.add([...(this.picker.files ?? [])]);
      this.picker.value = "";
    });
    this.draw();
  }

  /** @param {string | null} conversation */
  turnTo(conversation) {
    this.conversation = conversation;
    if (conversation && !this.drafts.has(conversation)) this.drafts.set(conversation, keeping.files(conversation).map(recalled));
    this.draw();
  }

  get items() {
    return (this.conversation && this.drafts.get(this.conversation)) || [];
  }

  get isEmpty() {
    return !this.items.length;
  }

  /** Whether all of them may go now. */
  get isReady() {
    return this.items.every((item) => item.state === "ready");
  }

  pick() {
    this.picker.click();
  }

  /** @param {File[]} files */
  add(files) {
    const { conversation } = this;
    if (!conversation || !files.length) return;
    const items = this.drafts.get(conversation) ?? [];
    const room = Math.max(0, MOST_FILES - items.length);
    const added = files.slice(0, room).map(asItem);
    this.drafts.set(conversation, [...items, ...added]);
    for (const item of added) this.send(conversation, item);
    this.tooMany = files.length > room;
    this.draw();
    this.onChange();
  }

  /** @param {string} conversation @param {Item} item */
  async send(conversation, item) {
    if (!item.file) return;
    if (item.file.size > MAX_FILE_BYTES) {
      this.fail(conversation, item, fileProblemInWords("too_large", fileSize(MAX_FILE_BYTES, language)), true);
      return;
    }
    Object.assign(item, { state: "sending", progress: 0, problem: "" });
    const { done, stop } = upload(`/desk/api/conversations/${conversation}/files`, item.file, (share) => this.progress(item, share));
    item.stop = stop;
    this.draw();
    try {
      const taken = await done;
      if (!this.holds(conversation, item)) return;
      Object.assign(item, { state: "ready", taken, name: taken.name, size_bytes: taken.size_bytes, stop: null });
      this.changed(conversation);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (this.holds(conversation, item)) this.fail(conversation, item, fileProblemInWords(problem.code, ""), !problem.isPassing);
    }
  }

  /** @param {string} conversation @param {Item} item */
  holds(conversation, item) {
    return (this.drafts.get(conversation) ?? []).includes(item);
  }

  /** @param {string} conversation @param {Item} item @param {string} problem @param {boolean} isFinal */
  fail(conversation, item, problem, isFinal) {
    Object.assign(item, { state: "failed", problem, isFinal, stop: null });
    this.changed(conversation);
    this.node.querySelector(".failed")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {Item} item @param {number} share */
  progress(item, share) {
    item.progress = share;
    const bar = /** @type {HTMLProgressElement | null} */ (this.node.querySelector(`[data-at="${this.items.indexOf(item)}"] progress`));
    if (bar) bar.value = share;
  }

  /** @param {string} conversation */
  changed(conversation) {
    const items = this.drafts.get(conversation) ?? [];
    keeping.setFiles(conversation, items.flatMap((item) => (item.taken ? [item.taken] : [])));
    if (conversation === this.conversation) this.draw();
    this.onChange();
  }

  /** Hand over the files of this draft, which is empty then. @returns {{taken: import("./keeping.js").Taken, thumbnail: string}[]} */
  takeAll() {
    const items = this.items;
    if (this.conversation) {
      this.drafts.set(this.conversation, []);
      this.changed(this.conversation);
    }
    return items.flatMap((item) => (item.taken ? [{ taken: item.taken, thumbnail: item.thumbnail }] : []));
  }

  /** Files of an answer that could not be said. @param {string} conversation @param {import("./keeping.js").Taken[]} files */
  giveBack(conversation, files) {
    this.drafts.set(conversation, [...files.map(recalled), ...(this.drafts.get(conversation) ?? keeping.files(conversation).map(recalled))]);
    this.changed(conversation);
  }

  /** @param {Item} item */
  remove(item) {
    const { conversation } = this;
    if (!conversation) return;
    item.stop?.();
    if (item.thumbnail) URL.revokeObjectURL(item.thumbnail);
    this.drafts.set(conversation, this.items.filter((one) => one !== item));
    this.tooMany = false;
    this.changed(conversation);
  }

  // ---------------------------------------------------------------- drawing

  draw() {
    const items = this.items;
    this.node.hidden = !items.length;
    const had = /** @type {HTMLElement | null} */ (document.activeElement)?.closest?.(".attachments li")?.getAttribute("data-at");
    const lines = items.map((item, at) => this.line(item, at));
    if (this.tooMany) lines.push(element("li", "problem", say("tooManyFiles", { n: MOST_FILES })));
    this.node.replaceChildren(...lines);
    if (had !== null && had !== undefined) /** @type {HTMLElement | null} */ (this.node.querySelector(`[data-at="${Math.min(Number(had), items.length - 1)}"] button`))?.focus();
  }

  /** @param {Item} item @param {number} at */
  line(item, at) {
    const line = element("li", `attachment ${item.state}`);
    line.dataset.at = String(at);
    const size = fileSize(item.size_bytes, language);
    const words = element("span", "words", element("span", "name", item.name), this.fate(item, size));
    line.append(face(item), words);
    if (item.state === "failed" && !item.isFinal && item.file) line.append(this.retry(item));
    const remove = iconButton("close", say("removeFile", { name: item.name }), "icon remove");
    remove.addEventListener("click", () => this.remove(item));
    line.append(remove);
    return line;
  }

  /** @param {Item} item @param {string} size */
  fate(item, size) {
    if (item.state === "failed") return element("span", "fate problem", item.problem);
    if (item.state === "sending") {
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = item.progress;
      bar.setAttribute("aria-label", say("sendingFile", { name: item.name }));
      return bar;
    }
    const losses = (item.taken?.losses ?? []).map(lossInWords);
    return element("span", losses.length ? "fate warn" : "fate", [size, ...losses].join(" · "));
  }

  /** @param {Item} item */
  retry(item) {
    const again = iconButton("again", say("tryAgain"), "icon retry");
    again.addEventListener("click", () => this.conversation && void this.send(this.conversation, item));
    return again;
  }
}

/** @param {Item} item */
function face(item) {
  if (!item.thumbnail) return element("span", "face", icon(kindIcon(item)));
  const image = document.createElement("img");
  image.src = item.thumbnail;
  image.alt = "";
  return element("span", "face", image);
}

/** @param {Item} item @returns {any} */
function kindIcon(item) {
  const kind = item.taken?.kind ?? item.file?.type.split("/")[0] ?? "";
  return kind === "audio" || kind === "voice" ? "sound" : kind === "video" ? "play" : "file";
}

/** @param {File} file @returns {Item} */
function asItem(file) {
  const thumbnail = /^image\/(jpeg|png|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : "";
  return { name: file.name || say("image"), size_bytes: file.size, file, thumbnail, state: "sending", progress: 0, problem: "", isFinal: false, taken: null, stop: null };
}

/** @param {import("./keeping.js").Taken} taken @returns {Item} */
function recalled(taken) {
  return { name: taken.name, size_bytes: taken.size_bytes, file: null, thumbnail: "", state: "ready", progress: 1, problem: "", isFinal: false, taken, stop: null };
}

/** The files of a drag or of a paste. @param {DataTransfer | null} data */
export function filesOf(data) {
  return data ? [...data.files] : [];
}
