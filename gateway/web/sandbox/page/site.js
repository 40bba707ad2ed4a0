// The company's colour, which its author chose, for the page around the chat.
const { colour } = document.documentElement.dataset;
if (colour && CSS.supports("color", colour)) document.documentElement.style.setProperty("--brand", colour);

// What is asked everywhere at once is asked in this chat too, as a visitor would: typed into its field, and sent.
window.addEventListener("message", async ({ origin, data }) => {
  if (origin !== location.origin || typeof data?.ask !== "string") return;
  const page = /** @type {any} */ (window);
  page.tertulia?.open();
  const field = await chatField();
  if (!field) return;
  field.value = data.ask;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
});

/** The field to write into, once the chat is there; nothing when it asks for something first. */
async function chatField() {
  for (let tries = 0; tries < 40; tries += 1) {
    const field = document.querySelector("tertulia-widget")?.shadowRoot?.querySelector("textarea");
    if (field && !field.disabled) return field;
    await new Promise((go) => setTimeout(go, 100));
  }
  return null;
}
