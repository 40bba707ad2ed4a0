// What a browser remembers for one site of one gateway. Where storage is forbidden, it lasts as long as the page.

/** @typedef {import("./order.js").Memory} Memory */

/** @implements {Memory} */
export class BrowserMemory {
  /** @param {string} scope */
  constructor(scope) {
    this.scope = `tertulia:${scope}:`;
    /** @type {Map<string, string>} */
    this.own = new Map();
    this.storage = usable();
  }

  /** @param {string} key */
  get(key) {
    return this.own.get(key) ?? this.storage?.getItem(this.scope + key) ?? null;
  }

  /** @param {string} key @param {string | null} value */
  set(key, value) {
    this.own.delete(key);
    try {
      if (value === null) this.storage?.removeItem(this.scope + key);
      else if (this.storage) this.storage.setItem(this.scope + key, value);
      else this.own.set(key, value);
    } catch {
      if (value !== null) this.own.set(key, value); // full
    }
  }

  /** @param {string} prefix */
  keys(prefix) {
    const stored = this.storage ? Object.keys(this.storage) : [];
    const mine = stored.filter((key) => key.startsWith(this.scope)).map((key) => key.slice(this.scope.length));
    return [...new Set([...mine, ...this.own.keys()])].filter((key) => key.startsWith(prefix));
  }

  clear() {
    for (const key of this.keys("")) this.set(key, null);
  }

  /** Hear what other tabs write. @param {(key: string, value: string | null) => void} hear */
  listen(hear) {
    window.addEventListener("storage", ({ key, newValue }) => {
      if (key?.startsWith(this.scope)) hear(key.slice(this.scope.length), newValue);
    });
  }
}

function usable() {
  try {
    const storage = window.localStorage;
    storage.setItem("tertulia:?", "");
    storage.removeItem("tertulia:?");
    return storage;
  } catch {
    return null;
  }
}
