// The one script that a page embeds: finds out where it came from, and brings the rest from there.
(() => {
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const page = /** @type {any} */ (window);
  if (!script || page.tertulia) return;

  /** @type {[string, any[]][]} what the page asked for before the rest was here */
  const asked = [];
  const names = ["open", "close", "toggle", "identify", "forget", "on"];
  const later = (/** @type {string} */ name) => (/** @type {any[]} */ ...given) => void asked.push([name, given]);
  page.tertulia = Object.fromEntries(names.map((name) => [name, later(name)]));

  // One after another would take as many round trips as the imports are deep.
  const base = new URL(".", script.src);
  const view = "icons ledger markdown parts texts thread thread-style times tokens";
  const own = "chat composer connection element memory order style";
  for (const [folder, modules] of [["ui", view], ["widget", own]]) {
    for (const name of modules.split(" ")) {
      const href = new URL(`${folder}/${name}.js`, base).href;
      document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
    }
  }

  const bodyIsThere = new Promise((resolve) => {
    if (document.body) resolve(undefined);
    else document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });

  const load = async () => {
    const { start } = await import(new URL("widget/element.js", base).href);
    await bodyIsThere;
    const widget = await start(base, { ...script.dataset });
    for (const name of names) page.tertulia[name] = widget[name].bind(widget);
    for (const [name, given] of asked) widget[name](...given);
  };
  load().catch((error) => console.warn("tertulia: the chat could not be loaded", error));
})();
