// The one script that a page embeds: finds out where it came from, and brings the rest from there.
(() => {
  const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
  const page = /** @type {any} */ (window);
  if (!script || page.tertulia) return;

  /** @type {[string, any[]][]} what the page asked for before the rest was here */
  const asked = [];
  const names = ["open", "close", "toggle", "identify", "forget", "on"];
  page.tertulia = Object.fromEntries(names.map((name) => [name, (/** @type {any[]} */ ...given) => void asked.push([name, given])]));

  const bodyIsThere = new Promise((resolve) => {
    if (document.body) resolve(undefined);
    else document.addEventListener("DOMContentLoaded", resolve, { once: true });
  });

  const load = async () => {
    const { start } = await import(new URL("widget/element.js", script.src).href);
    await bodyIsThere;
    const widget = await start(new URL(".", script.src), { ...script.dataset });
    for (const name of names) page.tertulia[name] = widget[name].bind(widget);
    for (const [name, given] of asked) widget[name](...given);
  };
  load().catch((error) => console.warn("tertulia: the chat could not be loaded", error));
})();
