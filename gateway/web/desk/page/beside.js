// What stands beside a conversation: notes of colleagues, which are no messages and have no place of their own in it.

/** @typedef {import("/ui/ledger.js").Ledger} Ledger */

/**
 * Show a message behind the one whose seq is `after`, in the order of coming. The same key again changes it.
 * @param {string} key
 * @param {import("/ui/ledger.js").Message} message
 * @param {number} after
 * @returns {(ledger: Ledger) => void} for the thread's `change`
 */
export function put(key, message, after) {
  return (ledger) => {
    const known = ledger.byKey.get(named(key));
    if (known) ledger.merge(known, message);
    else ledger.byKey.set(named(key), ledger.enter({ ...message }, after, ++ledger.count));
  };
}

/** Take it away. @param {string} key @returns {(ledger: Ledger) => void} for the thread's `change` */
export function takeAway(key) {
  return (ledger) => {
    const known = ledger.byKey.get(named(key));
    if (!known) return;
    ledger.byKey.delete(named(key));
    ledger.entries.splice(ledger.entries.indexOf(known), 1);
  };
}

function named(/** @type {string} */ key) {
  return `beside:${key}`;
}
