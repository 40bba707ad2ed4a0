// How a phone looks. Colours come from the skin; what is ours is the frame around it.

export const phoneStyle = `
  :host { display: block; height: 100%; min-height: 0; font: 14px/19px var(--font); color: var(--phone-ink); }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  button, textarea { font: inherit; color: inherit; }
  button { cursor: pointer; border: 0; background: none; padding: 0; }
  :focus-visible { outline: 2px solid var(--phone-accent); outline-offset: 2px; }

  .phone {
    height: 100%;
    padding: 7px;
    border-radius: 38px;
    background: light-dark(#26231f, #0c0b0a);
    box-shadow: 0 0 0 1px light-dark(#3b3630, #3a3732), var(--shadow);
  }
  .screen {
    position: relative;
    display: flex;
    flex-direction: column;
    height: 100%;
    overflow: hidden;
    border-radius: 31px;
    background: var(--phone-wallpaper);
  }
  .status {
    display: flex;
    justify-content: space-between;
    align-items: center;
    padding: 9px 24px 2px;
    font: 600 12px/16px var(--font);
    font-variant-numeric: tabular-nums;
    background: var(--phone-header);
    color: var(--phone-on-header);
  }
  .signal { display: flex; align-items: flex-end; gap: 2px; }
  .signal i { width: 3px; border-radius: 1px; background: currentColor; height: 5px; }
  .signal i:nth-child(2) { height: 8px; }
  .signal i:nth-child(3) { height: 11px; }
  header {
    display: flex;
    align-items: center;
    gap: 10px;
    padding: 6px 14px 9px 10px;
    background: var(--phone-header);
    color: var(--phone-on-header);
    box-shadow: 0 1px 0 light-dark(rgb(0 0 0 / 9%), rgb(0 0 0 / 45%));
    z-index: 1;
  }
  header > svg { flex: none; }
  .avatar, .face {
    --face: light-dark(color-mix(in srgb, var(--phone-accent), #000 12%), color-mix(in srgb, var(--phone-accent), #000 55%));

    flex: none;
    display: grid;
    place-items: center;
    width: 36px;
    height: 36px;
    border-radius: 50%;
    font: 600 14px/1 var(--font);
    color: #fff;
    background: linear-gradient(160deg, color-mix(in srgb, var(--face), #fff 8%), var(--face));
    box-shadow: 0 0 0 1px rgb(255 255 255 / 22%);
  }
  .face { width: 24px; height: 24px; margin-right: 6px; align-self: flex-end; font-size: 10px; visibility: hidden; }
  .row.last .face { visibility: visible; }
  .head-middle header { position: relative; justify-content: center; flex-direction: column; gap: 2px; padding: 2px 44px 7px; }
  .head-middle header > svg { position: absolute; left: 12px; top: 14px; color: var(--phone-accent); }
  .head-middle .avatar { width: 40px; height: 40px; }
  .head-middle .who { align-items: center; max-width: 100%; }
  .head-middle .name { font: 500 12px/15px var(--font); max-width: 100%; }
  .head-middle .subtitle { font-size: 11px; line-height: 14px; }
  .who { display: flex; flex-direction: column; min-width: 0; }
  .name { font: 600 15px/19px var(--font); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .subtitle { font: 12px/15px var(--font); }

  .chat { position: relative; flex: 1; min-height: 0; }
  .list {
    height: 100%;
    overflow-y: auto;
    overscroll-behavior: contain;
    scrollbar-width: thin;
    padding: 8px 8px 10px;
    display: flex;
    flex-direction: column;
    gap: 3px;
  }
  .times-bubble .list {
    background-image: radial-gradient(light-dark(rgb(255 255 255 / 26%), rgb(255 255 255 / 2.5%)) 1.2px, transparent 1.6px);
    background-size: 18px 18px;
  }
  .list:focus-visible { outline-offset: -3px; }
  .list > :first-child { margin-top: auto; }
  .day {
    align-self: center;
    margin: 6px 0;
    padding: 2px 10px;
    border-radius: 12px;
    font: 500 12px/18px var(--font);
    color: var(--phone-soft);
    background: color-mix(in srgb, var(--phone-bubble) 88%, transparent);
  }
  .times-gaps .day { background: none; font-weight: 600; font-size: 11px; }
  .note { align-self: center; max-width: 84%; margin: 6px 0; text-align: center; font: 12px/16px var(--font); color: var(--phone-soft); text-wrap: balance; }
  .row { display: flex; padding: 0 6px; }
  .row.own { justify-content: flex-end; }
  .row.last { margin-bottom: 5px; }
  .stack { display: flex; flex-direction: column; gap: 4px; max-width: 88%; min-width: 0; }
  .row.own .stack { align-items: flex-end; }
  .row.theirs:has(.cards, .quick) .stack { max-width: 100%; flex: 1; }
  .row.theirs:has(.cards, .quick) .block { max-width: 88%; align-self: flex-start; }
  .faced .row.theirs { padding-left: 0; }
  .faced .row.theirs:has(.quick, .beside, .cards, .reactions, .under) .face { align-self: flex-start; }
  .block { display: flex; flex-direction: column; gap: 4px; min-width: 0; max-width: 100%; }
  .speaker { padding-left: 11px; font: 11px/14px var(--font); color: var(--phone-soft); }
  .bubble {
    position: relative;
    min-width: 74px;
    padding: 6px 10px 6px 11px;
    border-radius: var(--phone-radius);
    background: var(--phone-bubble);
    color: var(--phone-ink);
    box-shadow: 0 1px 1px light-dark(rgb(16 35 47 / 12%), rgb(0 0 0 / 30%));
    overflow-wrap: anywhere;
  }
  .row.own .bubble { background: linear-gradient(var(--phone-own-bubble), var(--phone-own-bubble-to)) var(--phone-own-bubble); color: var(--phone-own-ink); }
  .times-gaps .bubble { min-width: 0; padding: 7px 12px; box-shadow: none; }
  .row.failed .bubble { opacity: 0.75; }
  blockquote {
    margin: 0 0 4px;
    padding: 4px 8px;
    border-left: 3px solid var(--phone-accent);
    border-radius: 5px;
    font-size: 13px;
    line-height: 17px;
    color: var(--phone-soft);
    background: color-mix(in srgb, currentColor 9%, transparent);
    display: -webkit-box;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 2;
    overflow: hidden;
  }
  .row.own blockquote { color: inherit; border-color: currentColor; }
  .bubble .head { display: block; margin-bottom: 2px; }
  .footer { display: block; margin-top: 3px; font-size: 12px; line-height: 16px; color: var(--phone-soft); }
  .beside { padding: 0 11px; font: 11px/14px var(--font); color: var(--phone-soft); }
  .row:not(.newest, .failed) .ticks { display: none; }
  .row.failed .ticks { color: light-dark(#a3262a, #ff9d9d); }
  .reactions { align-self: flex-start; margin: -9px 0 0 10px; padding: 1px 6px; border-radius: 11px; background: var(--phone-bubble); box-shadow: 0 0 0 1.5px var(--phone-wallpaper); font-size: 13px; z-index: 1; }
  .block:has(.under) + .reactions { margin-top: 0; }
  .text { white-space: pre-wrap; }
  .text code { font: 13px/18px var(--mono); }
  .text a { color: var(--phone-accent); }
  .tailed .row.theirs.last .bubble { border-bottom-left-radius: 2px; }
  .tailed .row.own.last .bubble { border-bottom-right-radius: 2px; }
  .tailed .row.last .bubble::after {
    content: "";
    position: absolute;
    bottom: 0;
    width: 8px;
    height: 12px;
    background: inherit;
  }
  .tailed .row.theirs.last .bubble::after { left: -6px; clip-path: path("M8 0 C7 6 4 10 0 12 L8 12 Z"); }
  .tailed .row.own.last .bubble::after { right: -6px; clip-path: path("M0 0 C1 6 4 10 8 12 L0 12 Z"); }
  .tailed .row:has(.cards) .bubble.bubble::after { display: none; }
  .meta {
    float: right;
    display: inline-flex;
    align-items: center;
    gap: 3px;
    margin: 5px -3px -3px 10px;
    font: 11px/15px var(--font);
    font-variant-numeric: tabular-nums;
    color: var(--phone-soft);
    white-space: nowrap;
  }
  .row.own .meta { color: color-mix(in srgb, var(--phone-own-ink) 74%, var(--phone-own-bubble)); }
  .row.own .meta.seen svg { color: var(--phone-accent); }
  .bubble.bare { padding: 4px; }
  .bubble.bare .meta {
    position: absolute;
    right: 10px;
    bottom: 10px;
    margin: 0;
    padding: 1px 7px;
    border-radius: 10px;
    color: #fff;
    background: rgb(0 0 0 / 55%);
  }
  img { display: block; max-width: 100%; max-height: 220px; border-radius: calc(var(--phone-radius) - 4px); }
  video, audio { display: block; max-width: 100%; border-radius: 10px; }
  audio { width: 220px; height: 40px; }
  .placed { display: grid; gap: 2px; min-width: 190px; margin: -2px -6px 0 -7px; }
  .placed .file { padding: 3px 7px 0; }
  .map {
    display: grid;
    place-items: center;
    height: 92px;
    border-radius: calc(var(--phone-radius) - 4px);
    color: #b3382c;
    background:
      linear-gradient(115deg, transparent 46%, #fff 46% 50%, transparent 50%),
      linear-gradient(24deg, transparent 58%, #fff 58% 61%, transparent 61%),
      linear-gradient(160deg, transparent 70%, #b9d8ec 70%),
      linear-gradient(70deg, #d3e5c4 30%, transparent 30%), #e9e5da;
  }
  .file { display: flex; align-items: center; gap: 10px; padding: 3px 2px; }
  .file svg { flex: none; color: var(--phone-accent); }
  .row.own .file svg { color: inherit; }
  .file-text { display: flex; flex-direction: column; min-width: 0; }
  .file-name { font-weight: 600; }
  .facts { font-size: 12px; color: var(--phone-soft); }
  .row.own .facts { color: inherit; }

  .under { display: flex; flex-direction: column; gap: 3px; }
  .keys { display: flex; gap: 3px; }
  .key {
    display: flex;
    align-items: center;
    justify-content: center;
    gap: 7px;
    flex: 1;
    min-width: 0;
    min-height: 34px;
    padding: 7px 8px;
    border-radius: 9px;
    font: 500 13px/17px var(--font);
    text-align: center;
    text-decoration: none;
    overflow-wrap: anywhere;
    color: light-dark(#fff, #eaf2fa);
    background: light-dark(rgb(54 82 57 / 84%), rgb(43 60 79 / 92%));
    transition: background var(--motion);
  }
  .key:hover { background: light-dark(rgb(42 66 45 / 92%), rgb(56 78 102)); }
  .key:disabled { opacity: 0.6; cursor: default; }
  .key img { width: 18px; height: 18px; border-radius: 50%; object-fit: cover; }
  .buttons-inside .key, .buttons-chips .key, .card .key { color: var(--phone-accent); background: var(--phone-bubble); }
  .buttons-inside .key:hover, .buttons-chips .key:hover, .card .key:hover { background: color-mix(in srgb, var(--phone-accent) 9%, var(--phone-bubble)); }
  .buttons-chips .under { flex-flow: row wrap; gap: 6px; }
  .buttons-chips .under .keys { display: contents; }
  .buttons-chips .key { flex: none; max-width: 100%; border: 1px solid currentColor; border-radius: 18px; padding-inline: 14px; }

  /* Buttons that belong to the bubble: the bubble goes on below a line. */
  .buttons-inside .block:has(.under) { gap: 0; filter: drop-shadow(0 1px 1px light-dark(rgb(16 35 47 / 12%), rgb(0 0 0 / 30%))); }
  .buttons-inside .block:has(.under) .bubble { border-bottom-left-radius: 0; border-bottom-right-radius: 0; box-shadow: none; }
  .buttons-inside .block:has(.under) .bubble::after { display: none; }
  .buttons-inside .under {
    gap: 0;
    overflow: hidden;
    background: var(--phone-bubble);
    border-radius: 0 0 var(--phone-radius) var(--phone-radius);
  }
  .buttons-inside .under .keys { gap: 0; }
  .buttons-inside .under .key { border-radius: 0; min-height: 38px; border-top: 1px solid color-mix(in srgb, var(--phone-soft) 26%, transparent); }
  .buttons-inside .under .key:focus-visible { outline-offset: -3px; }

  .quick { display: flex; flex-wrap: wrap; gap: 6px; padding: 2px 0; }
  .quick .key, .buttons-under .quick .key, .buttons-inside .quick .key {
    flex: none;
    max-width: 100%;
    display: flex;
    align-items: center;
    gap: 6px;
    min-height: 32px;
    padding: 6px 13px;
    border: 1px solid color-mix(in srgb, var(--phone-accent) 60%, transparent);
    border-radius: 17px;
    color: var(--phone-accent);
    background: var(--phone-bubble);
  }
  .times-gaps .quick .key { background: var(--phone-wallpaper); }

  .cards {
    display: flex;
    gap: 8px;
    margin: 0 -14px 0 0;
    padding: 1px 14px 4px 0;
    overflow-x: auto;
    scroll-snap-type: x mandatory;
    scrollbar-width: none;
    list-style: none;
  }
  .card {
    flex: 0 0 204px;
    display: flex;
    flex-direction: column;
    overflow: hidden;
    scroll-snap-align: start;
    border-radius: calc(min(var(--phone-radius), 16px));
    background: var(--phone-bubble);
    box-shadow: 0 0 0 1px color-mix(in srgb, var(--phone-soft) 20%, transparent);
  }
  .card > img { width: 100%; height: 112px; object-fit: cover; border-radius: 0; }
  .card-words { display: flex; flex-direction: column; flex: 1; gap: 1px; padding: 9px 12px 10px; }
  .card-words span { font-size: 13px; line-height: 17px; color: var(--phone-soft); }
  .card .key { flex: none; max-width: none; border: 0; border-top: 1px solid color-mix(in srgb, var(--phone-soft) 26%, transparent); border-radius: 0; min-height: 36px; }
  .card .key:focus-visible { outline-offset: -3px; }

  .over { position: absolute; inset: 0; z-index: 3; display: flex; flex-direction: column; justify-content: flex-end; background: rgb(0 0 0 / 42%); border-radius: inherit; }
  .sheet { display: flex; flex-direction: column; max-height: 82%; padding-bottom: 12px; border-radius: 18px 18px 0 0; background: var(--phone-bubble); color: var(--phone-ink); animation: rise var(--motion) ease-out; }
  @keyframes rise { from { transform: translateY(24px); opacity: 0.4; } }
  .sheet-top { display: flex; align-items: center; gap: 4px; padding: 8px 16px 6px 8px; }
  .lines { overflow-y: auto; padding: 0 8px; }
  .lines h4 { margin: 8px 8px 2px; font: 600 12px/16px var(--font); color: var(--phone-accent); }
  .line { display: flex; align-items: center; gap: 12px; width: 100%; padding: 10px 8px; text-align: left; border-radius: 9px; }
  .line + .line { border-top: 1px solid color-mix(in srgb, var(--phone-soft) 18%, transparent); border-radius: 0; }
  .line:hover { background: color-mix(in srgb, var(--phone-accent) 8%, transparent); }
  .line-words { display: flex; flex-direction: column; flex: 1; min-width: 0; overflow-wrap: anywhere; }
  .line b { font-weight: 500; }
  .line-words span { font-size: 13px; line-height: 17px; color: var(--phone-soft); }
  .line i { flex: none; width: 18px; height: 18px; border: 2px solid var(--phone-soft); border-radius: 50%; }
  .line:is(:hover, :focus-visible) i { border-color: var(--phone-accent); box-shadow: inset 0 0 0 3px var(--phone-bubble); background: var(--phone-accent); }

  .dots { display: flex; gap: 4px; padding: 11px 13px; min-width: 0; }
  .dots i { width: 7px; height: 7px; border-radius: 50%; background: var(--phone-soft); animation: breathe 1.2s infinite; }
  .dots i:nth-child(2) { animation-delay: 0.15s; }
  .dots i:nth-child(3) { animation-delay: 0.3s; }
  @keyframes breathe { 0%, 60%, 100% { opacity: 0.35; } 30% { opacity: 1; } }

  .pill {
    position: absolute;
    right: 12px;
    bottom: 10px;
    display: flex;
    align-items: center;
    gap: 5px;
    padding: 6px 11px;
    border-radius: 18px;
    font: 600 12px/16px var(--font);
    color: var(--phone-accent);
    background: var(--phone-bubble);
    box-shadow: var(--shadow);
  }

  .composer {
    position: relative;
    display: flex;
    align-items: center;
    gap: 2px;
    padding: 6px 6px 14px;
    background: var(--phone-bubble);
    color: var(--phone-ink);
  }
  textarea {
    flex: 1;
    min-width: 0;
    resize: none;
    max-height: 96px;
    field-sizing: content;
    padding: 8px 12px;
    border: 1px solid light-dark(#d5dbe0, #33404e);
    border-radius: 19px;
    background: light-dark(#fff, #141b24);
    font: 15px/20px var(--font);
  }
  .times-gaps .composer { background: var(--phone-wallpaper); }
  .times-gaps textarea { background: light-dark(color-mix(in srgb, var(--phone-soft) 9%, var(--phone-wallpaper)), color-mix(in srgb, var(--phone-soft) 22%, var(--phone-wallpaper))); border-color: transparent; }
  .head-middle textarea { background: transparent; border-color: color-mix(in srgb, var(--phone-soft) 45%, transparent); }
  textarea::placeholder { color: var(--phone-soft); opacity: 1; }
  .round {
    flex: none;
    display: grid;
    place-items: center;
    width: 38px;
    height: 38px;
    border-radius: 50%;
    color: var(--phone-soft);
  }
  .round:hover { color: var(--phone-accent); }
  .send { color: var(--phone-accent); }
  .buttons-inside .send { width: 36px; height: 36px; margin-left: 4px; color: var(--phone-bubble); background: var(--phone-accent); }
  .buttons-inside .send:hover { color: var(--phone-bubble); filter: brightness(1.06); }
  .menu {
    position: absolute;
    left: 8px;
    bottom: calc(100% + 6px);
    display: flex;
    flex-direction: column;
    min-width: 160px;
    padding: 6px;
    border-radius: 12px;
    background: var(--phone-bubble);
    box-shadow: var(--shadow);
    z-index: 2;
  }
  .item { display: flex; align-items: center; gap: 10px; padding: 9px 10px; border-radius: 8px; text-align: left; }
  .item:hover, .item:focus-visible { background: light-dark(#eef3f6, #26323f); }
  .item svg { color: var(--phone-accent); }
  .keyboard { display: flex; flex-direction: column; gap: 5px; padding: 0 8px 12px; background: var(--phone-bubble); }
  .keyboard .key { color: var(--phone-ink); background: light-dark(#e8edf1, #2a3644); border-radius: 8px; min-height: 38px; }

  @media (prefers-reduced-motion: reduce) { .dots i { animation: none; opacity: 0.7; } .sheet { animation: none; } }
  @media (forced-colors: active) { .bubble, .key, .phone { border: 1px solid; } }
`;
