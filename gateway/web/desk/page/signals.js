// What calls an agent who looks elsewhere: the title, the icon of the tab, a sound, a notice of the system.

import { keeping } from "./keeping.js";
import { say } from "./texts.js";

const BUBBLE = "M17.2 3.05A13 13 0 0 0 5.2 23.2L3.2 29.3l6.6-2.1q1.2.7 2.4 1.1C10.1 19 19.4 12 17.2 3.05z";
const PAUSE_MS = 1_500;

/** Two short notes, the second one higher for somebody new, lower for an answer. Hz. */
const TUNES = { waiting: [587.33, 880], answer: [659.25, 523.25] };
const NOTE_S = 0.16;
const LOUDNESS = 0.12;

export class Signals {
  /** @param {(conversation: string) => void} onChosen somebody pressed a notice */
  constructor(onChosen) {
    this.onChosen = onChosen;
    this.count = -1;
    this.isDotted = false;
    this.soundedAt = 0;
    /** @type {AudioContext | null} made at the first gesture, before which a browser would stay silent anyway */
    this.audio = null;
    for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, () => this.wake(), { once: true, capture: true });
  }

  wake() {
    if (!this.audio && "AudioContext" in window) this.audio = new AudioContext();
  }

  get canNotify() {
    return "Notification" in window && window.isSecureContext;
  }

  get isNotifying() {
    return this.canNotify && Notification.permission === "granted" && keeping.hasNotices();
  }

  /** @returns {Promise<boolean>} whether notices are shown from now on */
  async wantNotices() {
    const permission = Notification.permission === "default" ? await Notification.requestPermission() : Notification.permission;
    keeping.setNotices(permission === "granted");
    return permission === "granted";
  }

  /** How many need a person's eye; the dot says that one of them is the agent's own. @param {number} count @param {boolean} isDotted */
  show(count, isDotted) {
    if (count === this.count && isDotted === this.isDotted) return;
    this.count = count;
    this.isDotted = isDotted;
    document.title = (count ? `(${count}) ` : "") + say("title");
    drawIcon(count, isDotted);
  }

  /** Something happened that is not on the screen. @param {"waiting" | "answer"} kind @param {string} conversation @param {string} title @param {string} text */
  call(kind, conversation, title, text) {
    this.sound(kind);
    if (!this.isNotifying || document.visibilityState === "visible") return;
    const notice = new Notification(title, { body: text, tag: conversation, silent: true });
    notice.addEventListener("click", () => {
      window.focus();
      this.onChosen(conversation);
      notice.close();
    });
  }

  /** @param {"waiting" | "answer"} kind */
  sound(kind) {
    const { audio } = this;
    const now = Date.now();
    if (!audio || !keeping.hasSound() || now - this.soundedAt < PAUSE_MS) return;
    this.soundedAt = now;
    void audio.resume();
    TUNES[kind].forEach((hertz, at) => play(audio, hertz, audio.currentTime + at * NOTE_S));
    document.dispatchEvent(new CustomEvent("desk-sound", { detail: kind }));
  }
}

/** @param {AudioContext} audio @param {number} hertz @param {number} at */
function play(audio, hertz, at) {
  const tone = audio.createOscillator();
  const loudness = audio.createGain();
  tone.frequency.value = hertz;
  loudness.gain.setValueAtTime(0, at);
  loudness.gain.linearRampToValueAtTime(LOUDNESS, at + 0.015);
  loudness.gain.exponentialRampToValueAtTime(0.0001, at + NOTE_S * 1.6);
  tone.connect(loudness).connect(audio.destination);
  tone.start(at);
  tone.stop(at + NOTE_S * 1.7);
}

/** The mark with the number of those who wait. @param {number} count @param {boolean} isDotted */
function drawIcon(count, isDotted) {
  const text = count > 99 ? "99" : String(count);
  const badge = count
    ? `<circle cx="22" cy="10" r="9.5" fill="#9a6a00"/><text x="22" y="14.5" font-family="sans-serif" font-size="13" font-weight="700" text-anchor="middle" fill="#fff">${text}</text>`
    : "";
  const dot = isDotted ? `<circle cx="25" cy="25" r="6" fill="#5a7247" stroke="#fff" stroke-width="1.5"/>` : "";
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="#b5482f"><path d="${BUBBLE}"/><path transform="rotate(180 16 16)" d="${BUBBLE}"/>${badge}${dot}</svg>`;
  const link = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
  link.href = `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
