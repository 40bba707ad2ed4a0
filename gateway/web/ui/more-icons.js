// All small pictures: with those that the first look at a chat does not need, and is quicker without.

import { PATHS as FIRST, lines } from "./icons.js";

const PATHS = {
  ...FIRST,
  again: "M15.5 8A6 6 0 1 0 16 11.5M16 4v4h-4",
  bell: "M5.5 8.5a4.5 4.5 0 0 1 9 0c0 4 1.5 5 1.5 5H4s1.5-1 1.5-5M8.5 16.2a1.6 1.6 0 0 0 3 0",
  bellOff: "M7.2 5a4.5 4.5 0 0 1 7.3 3.5c0 1.4.2 2.5.5 3.2M5.7 7.4a5 5 0 0 0-.2 1.1c0 4-1.5 5-1.5 5h9.5M8.5 16.2a1.6 1.6 0 0 0 3 0M3.5 3.5l13 13",
  bin: "M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6",
  bolt: "M11 2.5 5 11h4l-.5 6.5L15 9h-4z",
  card: "M3.5 4.5h13v11h-13zM6.5 12.5c.4-1.6 3.6-1.6 4 0M7 8.5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0M13 8h1M13 11h1",
  eye: "M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5M8 10a2 2 0 1 0 4 0 2 2 0 0 0-4 0",
  forward: "M7.5 4.5 13 10l-5.5 5.5",
  list: "M7.5 5.5h9M7.5 10h9M7.5 14.5h9M3.5 5.5h.01M3.5 10h.01M3.5 14.5h.01",
  lock: "M5.5 9h9v7.5h-9zM7 9V6.5a3 3 0 0 1 6 0V9",
  note: "M4 4h12v8l-4 4H4zM12 16v-4h4M7 8h6M7 11h3",
  person: "M6.8 7a3.2 3.2 0 1 0 6.4 0 3.2 3.2 0 0 0-6.4 0M4 16.5c.6-3.6 3-5 6-5s5.4 1.4 6 5",
  pin: "M10 17.5s-5.5-5-5.5-9.2a5.5 5.5 0 0 1 11 0c0 4.2-5.5 9.2-5.5 9.2M8 8.3a2 2 0 1 0 4 0 2 2 0 0 0-4 0",
  play: "M6.5 4.5v11l9-5.5z",
  plus: "M10 4v12M4 10h12",
  template: "M4 3.5h12v4H4zM4 10.5h5v6H4zM12 10.5h4M12 13.5h4M12 16.5h2",
};

/**
 * A picture that says nothing to a screen reader: what it is for stands in words beside it.
 * @param {keyof typeof PATHS} name
 * @param {number} [size] px
 */
export function icon(name, size = 20) {
  return lines(PATHS[name], size);
}
