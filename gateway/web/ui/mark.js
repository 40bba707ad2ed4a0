// The mark, for pages that want nothing else of the pictures.

export { mark } from "./icons.js";
