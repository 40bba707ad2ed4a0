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
  .avatar {
    flex: none;
    display: grid;
    place-items: center;
    width: 36px;
    height: 36px;
    border-radius: 50%;
    font: 600 14px/1 var(--font);
    color: #fff;
    background: linear-gradient(160deg, #4f9fd6, #2a6fa8);
  }
  .who { display: flex; flex-direction: column; min-width: 0; }
  .name { font: 600 15px/19px var(--font); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .subtitle { font: 12px/15px var(--font); opacity: 0.9; }

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
    color: #fff;
    background: light-dark(rgb(60 82 62 / 78%), rgb(30 42 56 / 90%));
  }
  .row { display: flex; padding: 0 6px; }
  .row.own { justify-content: flex-end; }
  .row.last { margin-bottom: 5px; }
  .stack { display: flex; flex-direction: column; gap: 4px; max-width: 90%; min-width: 0; }
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
  .row.own .bubble { background: var(--phone-own-bubble); color: var(--phone-own-ink); }
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
  .row.own .meta { color: light-dark(#3f7a3a, #b7dcff); }
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
  .file { display: flex; align-items: center; gap: 10px; padding: 3px 2px; }
  .file svg { flex: none; color: var(--phone-accent); }
  .row.own .file svg { color: inherit; }
  .file-text { display: flex; flex-direction: column; min-width: 0; }
  .file-name { font-weight: 600; }
  .facts { font-size: 12px; color: var(--phone-soft); }

  .under { display: flex; flex-direction: column; gap: 3px; }
  .keys { display: flex; gap: 3px; }
  .key {
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
  .buttons-inside .key, .buttons-chips .key { color: var(--phone-accent); background: var(--phone-bubble); }
  .buttons-chips .under { flex-flow: row wrap; }
  .buttons-chips .key { flex: none; border: 1px solid currentColor; border-radius: 18px; padding-inline: 14px; }

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

  @media (prefers-reduced-motion: reduce) { .dots i { animation: none; opacity: 0.7; } }
  @media (forced-colors: active) { .bubble, .key, .phone { border: 1px solid; } }
`;
