// How the widget looks on somebody else's page. Nothing of that page comes in but the `--tertulia-…` variables.

import { sheet } from "../ui/tokens.js";

export const widgetStyle = sheet(`
:host {
  all: initial;
  position: fixed !important; inset: auto 0 0 auto !important; width: 0 !important; height: 0 !important;
  margin: 0 !important; padding: 0 !important; border: 0 !important; transform: none !important; filter: none !important;
  display: block !important; opacity: 1 !important; visibility: visible !important;
  z-index: var(--tertulia-z, 2147483000) !important;
  font: 15px/22px system-ui, sans-serif;
}
:host([hidden]) { display: none !important; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.root { font: var(--body); color: var(--ink); text-align: start; -webkit-text-size-adjust: 100%; -webkit-tap-highlight-color: transparent; }
button, input, textarea { font: inherit; color: inherit; margin: 0; letter-spacing: normal; }
button { cursor: pointer; background: none; border: 0; padding: 0; }
h2, p, ul { margin: 0; padding: 0; list-style: none; }
:focus-visible { outline: 2px solid var(--accent-text); outline-offset: 2px; }
.spoken { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.launcher {
  position: fixed; right: max(var(--tertulia-right, 20px), env(safe-area-inset-right)); bottom: calc(var(--tertulia-bottom, 20px) + env(safe-area-inset-bottom));
  width: 60px; height: 60px; display: grid; place-items: center;
  border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: var(--shadow);
  transition: scale var(--motion) ease-out;
}
.launcher:hover { scale: 1.05; }
.launcher:active { scale: .97; }
.launcher:focus-visible { outline: 3px solid var(--accent-text); outline-offset: 3px; }
.badge {
  position: absolute; top: -3px; right: -3px; min-width: 23px; height: 23px; padding: 0 6px; border-radius: 12px;
  display: grid; place-items: center; background: var(--ink); color: var(--paper); border: 2px solid var(--paper);
  font: 600 12px/1 var(--font); font-variant-numeric: tabular-nums;
}
.panel {
  position: fixed; right: max(var(--tertulia-right, 20px), env(safe-area-inset-right)); bottom: calc(var(--tertulia-bottom, 20px) + 76px + env(safe-area-inset-bottom));
  width: 400px; height: min(660px, calc(100dvh - var(--tertulia-bottom, 20px) - 100px));
  display: flex; flex-direction: column; overflow: hidden;
  background: var(--paper); border: 1px solid var(--line); border-radius: 18px; box-shadow: var(--shadow);
  animation: rise var(--motion) ease-out;
}
@keyframes rise { from { opacity: 0; translate: 0 10px; } }
:host([data-position="left"]) .launcher, :host([data-position="left"]) .panel { right: auto; left: max(var(--tertulia-left, 20px), env(safe-area-inset-left)); }

header { display: flex; align-items: center; gap: 10px; padding: 12px 10px 12px 16px; background: var(--card); border-bottom: 1px solid var(--line); }
.seal { flex: none; width: 38px; height: 38px; display: grid; place-items: center; border-radius: 50%; background: var(--accent); color: var(--on-accent); }
.who { flex: 1; min-width: 0; }
h2 { font: 600 16px/20px var(--font); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.speaker { display: flex; align-items: center; gap: 6px; font: var(--small); color: var(--ink-soft); }
.speaker span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.speaker::before { content: ""; flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--bot); }
.speaker.agent::before { background: var(--agent); }
.speaker.queued::before, .speaker.away::before { background: var(--warn); }
.tool { flex: none; position: relative; width: 40px; height: 40px; display: grid; place-items: center; border-radius: 50%; color: var(--ink-soft); transition: background-color var(--motion); }
.tool:hover { background: color-mix(in oklab, var(--ink) 7%, transparent); color: var(--ink); }
.tool .badge { top: 0; right: 0; min-width: 18px; height: 18px; font-size: 11px; padding: 0 4px; border-color: var(--card); }
.banner { display: flex; gap: 8px; padding: 8px 16px; font: var(--small); color: var(--ink); background: color-mix(in oklab, var(--warn) 14%, var(--card)); border-bottom: 1px solid var(--line); }
.banner svg { flex: none; color: var(--warn); }
.view { position: relative; flex: 1; min-height: 0; display: flex; flex-direction: column; }
tertulia-thread { flex: 1; min-height: 120px; }

.start { display: flex; flex-direction: column; align-items: flex-start; gap: 12px; padding: 4px 0 8px; }
.welcome { max-width: 88%; padding: 9px 14px 10px 15px; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid color-mix(in oklab, var(--bot) 32%, var(--line)); border-radius: 5px 14px 14px 5px; box-shadow: inset 3px 0 0 -.5px var(--bot); }
.greeter { font: 600 13px/18px var(--font); color: var(--bot); margin: 0 0 -8px 2px; }
.starters { display: flex; flex-wrap: wrap; gap: 6px; }
.starter { min-height: 36px; padding: 6px 14px; border: 1px solid color-mix(in oklab, var(--accent-text) 55%, var(--line)); border-radius: 18px; background: var(--card); color: var(--accent-text); font-weight: 500; text-align: start; overflow-wrap: anywhere; }
.starter:hover { background: color-mix(in oklab, var(--accent-text) 9%, var(--card)); border-color: var(--accent-text); }

.composer { padding: 10px 12px calc(10px + var(--safe, 0px)); background: var(--card); border-top: 1px solid var(--line); }
.field { display: flex; align-items: flex-end; gap: 2px; padding: 3px; border: 1px solid color-mix(in oklab, var(--ink-soft) 60%, var(--line)); border-radius: 24px; background: var(--paper); }
.field:focus-within { border-color: var(--accent-text); box-shadow: 0 0 0 1px var(--accent-text); }
textarea { flex: 1; min-width: 0; max-height: 132px; padding: 9px 4px; border: 0; outline: 0; background: none; resize: none; field-sizing: content; overflow-y: auto; font: inherit; font-size: 16px; scrollbar-width: thin; }
textarea:focus-visible { outline: 0; }
textarea::placeholder, input::placeholder { color: var(--ink-soft); opacity: 1; }
.send { background: var(--accent); color: var(--on-accent); }
.send:hover { background: color-mix(in oklab, var(--accent) 88%, var(--ink)); color: var(--on-accent); }
.send:disabled { background: none; color: var(--ink-soft); cursor: default; }
.wrong { font: var(--small); color: var(--bad); padding: 0 6px 6px; }

:host(.full) .panel { inset: var(--top, 0px) 0 auto 0; width: auto; height: var(--height, 100dvh); border: 0; border-radius: 0; animation: none; --safe: env(safe-area-inset-bottom); padding-top: env(safe-area-inset-top); background: var(--card); }
:host(.full.typing) .panel { --safe: 0px; }
:host(.full) .launcher[aria-expanded="true"] { display: none; }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
@media (forced-colors: active) { .launcher, .send, .main, .starter, .chosen { border: 1px solid; } }
@media print { .root { display: none; } }
`);
