// How a conversation looks. Colours and sizes are the shared tokens, which come in from the page around it. Bubbles have
// corners by sides, not by starts and ends: their text may run the other way, their place does not.

import { sheet } from "./tokens.js";

export const threadStyle = sheet(`
:host {
  display: block;
  position: relative;
  min-height: 0;
  font: var(--body);
  color: var(--ink);
  background: var(--paper);
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
button { font: inherit; color: inherit; }
ul { list-style: none; margin: 0; padding: 0; }
a { color: inherit; text-decoration: underline; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--accent-text); outline-offset: 2px; }
.spoken {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}

.scroll {
  position: absolute; inset: 0;
  overflow: hidden auto;
  overscroll-behavior: contain;
  overflow-anchor: none;
  padding: 16px;
  scrollbar-width: thin;
  scrollbar-color: var(--line) transparent;
}
.scroll:focus-visible { outline-offset: -2px; }
.column { display: flex; flex-direction: column; min-height: 100%; justify-content: flex-end; max-width: 860px; margin: 0 auto; }

.row { display: flex; flex-direction: column; align-items: flex-start; margin-top: 2px; --edge: var(--ink-soft); }
.row.first { margin-top: 12px; }
.row.bot { --edge: var(--bot); }
.row.agent { --edge: var(--agent); }
.row.customer { align-items: flex-end; }
.row.fresh .body { animation: arrive var(--motion) ease-out; }
@keyframes arrive { from { opacity: 0; transform: translateY(6px); } }
.body { display: flex; flex-direction: column; align-items: inherit; gap: 4px; max-width: min(88%, var(--measure)); min-width: 0; }
.name { font: 600 13px/18px var(--font); color: var(--edge); margin: 0 0 4px 2px; }
.name .face { width: 18px; height: 18px; margin-inline-end: 6px; border-radius: 50%; object-fit: cover; vertical-align: text-bottom; }
.customer .name { color: var(--ink-soft); margin: 0 2px 4px 0; }

.bubble {
  max-width: 100%;
  padding: 9px 14px 10px;
  background: var(--card);
  border: 1px solid color-mix(in oklab, var(--edge) 32%, var(--line));
  border-radius: var(--radius);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  unicode-bidi: plaintext;
}
.row:not(.customer) .bubble { border-top-left-radius: 5px; }
.row:not(.customer, .first) .body > .bubble:first-child,
.row:not(.customer) .bubble + .bubble { border-top-left-radius: var(--radius); }
.row:not(.customer) .bubble { box-shadow: inset 3px 0 0 -0.5px var(--edge); padding-left: 15px; border-bottom-left-radius: 5px; }
.row:not(.customer) .bubble, .row:not(.customer) .body > .bubble:first-child { border-top-left-radius: 5px; }
.customer .bubble {
  background: var(--accent);
  border-color: transparent;
  color: var(--on-accent);
}
.customer.last .bubble:last-of-type { border-bottom-right-radius: 5px; }
.customer .bubble ::selection { background: var(--on-accent); color: var(--accent); }
.bubble.quiet { color: var(--ink-soft); background: transparent; border-style: dashed; border-color: var(--line); }
.bubble code { font: 0.9em/1.4 var(--mono); padding: 1px 4px; border-radius: 4px; background: color-mix(in oklab, currentColor 10%, transparent); }
.bubble pre { margin: 4px 0; padding: 8px 10px; overflow-x: auto; border-radius: 8px; background: color-mix(in oklab, currentColor 8%, transparent); white-space: pre; }
.bubble pre code { padding: 0; background: none; }
.withdrawn .bubble { color: var(--ink-soft); background: transparent; text-decoration: line-through; }
.sending .media img { opacity: .72; }
.failed .bubble { background: transparent; color: var(--ink); border: 1px solid var(--bad); }

.options { display: flex; flex-wrap: wrap; gap: 6px; max-width: 100%; padding: 2px 0; }
.option {
  display: inline-flex; align-items: center; gap: 6px;
  min-height: 36px; max-width: 100%;
  padding: 6px 14px;
  border: 1px solid color-mix(in oklab, var(--accent-text) 55%, var(--line));
  border-radius: 18px;
  background: var(--card);
  color: var(--accent-text);
  font-weight: 500;
  text-align: start;
  text-decoration: none;
  overflow-wrap: anywhere;
}
button.option, a.option { cursor: pointer; transition: background-color var(--motion), border-color var(--motion); }
button.option:hover, a.option:hover { background: color-mix(in oklab, var(--accent-text) 9%, var(--card)); border-color: var(--accent-text); }
button.option:active { background: color-mix(in oklab, var(--accent-text) 18%, var(--card)); }
.option.still { border-color: var(--line); background: transparent; color: var(--ink-soft); font-weight: 400; }
.option.taken { border-color: var(--accent-text); background: color-mix(in oklab, var(--accent-text) 10%, var(--card)); }
.options.list { flex-direction: column; gap: 0; width: 320px; border: 1px solid var(--line); border-radius: var(--radius); background: var(--card); padding: 0; overflow: hidden; }
.options.list li + li { border-top: 1px solid var(--line); }
.options.list .option { width: 100%; min-height: 44px; border: 0; border-radius: 0; padding: 10px 14px; background: transparent; }
.options.list button.option:hover, .options.list a.option:hover, .options.list .option.taken { background: color-mix(in oklab, var(--accent-text) 9%, var(--card)); }
.options.list .option:focus-visible { outline-offset: -3px; }

.gap, .line { align-self: center; text-align: center; font: var(--small); color: var(--ink-soft); max-width: 52ch; }
.gap { margin: 16px 0 4px; font-variant-numeric: tabular-nums; }
.gap .day { font-weight: 600; color: var(--ink); }
.line { margin: 12px 0 4px; padding: 0 8px; overflow-wrap: anywhere; text-wrap: balance; }
.row.system { align-items: center; margin-top: 12px; }
.row.system .body { align-items: center; max-width: 100%; }
.row.system .bubble { border: 0; background: none; box-shadow: none; padding: 0 8px; font: var(--small); color: var(--ink-soft); text-align: center; text-wrap: balance; max-width: 52ch; }

.status { display: flex; align-items: center; gap: 4px; font: var(--small); color: var(--ink-soft); margin: 2px 2px 0; min-height: 16px; }
.status svg { flex: none; }
.status.read svg { color: var(--bot); }
.status.failed { color: var(--bad); flex-wrap: wrap; justify-content: inherit; }
.again { border: 0; background: none; padding: 2px 4px; min-height: 24px; color: var(--bad); text-decoration: underline; text-underline-offset: 2px; cursor: pointer; font: 550 13px/18px var(--font); border-radius: 4px; }
.again:hover { text-decoration-thickness: 2px; }
.below { display: flex; flex-direction: column; align-items: inherit; max-width: 100%; }

.dots { display: inline-flex; gap: 4px; padding: 14px 16px; }
.dots i { width: 6px; height: 6px; border-radius: 50%; background: var(--ink-soft); animation: breathe 1.2s infinite ease-in-out; }
.dots i:nth-child(2) { animation-delay: .16s; }
.dots i:nth-child(3) { animation-delay: .32s; }
.customer .dots i { background: var(--on-accent); }
@keyframes breathe { 0%, 60%, 100% { opacity: .3; } 30% { opacity: 1; } }
.streaming .bubble::after { content: ""; display: inline-block; width: 2px; height: 1em; margin-inline-start: 2px; vertical-align: -2px; background: var(--edge); animation: breathe 1s infinite; }

.skeleton { display: none; flex-direction: column; gap: 12px; }
:host([loading]) .skeleton { display: flex; }
.skeleton i { height: 42px; width: 58%; border-radius: var(--radius); background: color-mix(in oklab, var(--line) 70%, transparent); animation: breathe 1.6s infinite; }
.skeleton i:nth-child(2) { width: 42%; align-self: flex-end; }
.skeleton i:nth-child(3) { width: 66%; height: 64px; }

.pill {
  position: absolute; bottom: 12px; left: 50%; translate: -50% 0;
  display: inline-flex; align-items: center; gap: 6px; min-height: 36px; padding: 6px 14px 6px 10px; white-space: nowrap;
  border: 1px solid var(--line); border-radius: 18px; background: var(--card); color: var(--accent-text); font-weight: 500;
  box-shadow: var(--shadow); cursor: pointer;
}
.pill[hidden] { display: none; }
.pill:hover { border-color: var(--accent-text); }
.pill.bare { padding: 6px 8px; }

@media (prefers-reduced-motion: reduce) {
  *, *::after { animation: none !important; transition: none !important; }
  .dots i { opacity: .6; }
}
@media (forced-colors: active) {
  .bubble, .option, .file { border: 1px solid; }
}
`);
