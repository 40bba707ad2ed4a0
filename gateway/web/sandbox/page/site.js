// The company's colour, which its author chose, for the page around the chat.
const { colour } = document.documentElement.dataset;
if (colour && CSS.supports("color", colour)) document.documentElement.style.setProperty("--brand", colour);
