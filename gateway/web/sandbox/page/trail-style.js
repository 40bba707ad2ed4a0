// How the pipeline panel looks: one grid for all lines, dots on a rail for the steps.

export const trailStyle = `
  :host { display: block; color: var(--ink); font: var(--body); container: trail / inline-size; }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  h2, h3, h4, p, ol, ul, dl, dd { margin: 0; padding: 0; }
  ol, ul { list-style: none; }
  button, select { font: inherit; color: inherit; }
  :focus-visible { outline: 2px solid var(--bot); outline-offset: -2px; }
  code { font: 13px/18px var(--mono); }

  header { display: flex; align-items: end; justify-content: space-between; gap: 12px 24px; flex-wrap: wrap; padding: 18px 20px 14px; }
  .titles { min-width: 0; flex: 1 1 520px; }
  h2 { font: var(--heading); }
  header p { font: var(--small); color: var(--ink-soft); margin-top: 2px; }
  select {
    padding: 7px 10px;
    max-width: 100%;
    border: 1px solid var(--line);
    border-radius: var(--radius-field);
    background: var(--card);
    font: var(--small);
  }

  .columns, .line {
    display: grid;
    grid-template-columns: minmax(200px, 1.5fr) minmax(96px, 0.55fr) minmax(170px, 1fr) minmax(110px, 0.6fr) minmax(100px, 0.55fr) 72px 16px;
    gap: 0 12px;
    padding: 0 20px;
  }
  .columns { padding-block: 6px; font: var(--small); color: var(--ink-soft); border-block: 1px solid var(--line); }
  .columns span:nth-child(6), .total { text-align: right; font-variant-numeric: tabular-nums; }
  .columns span:nth-child(n + 2):nth-child(-n + 5) { padding-left: 18px; }

  li + li > .line { border-top: 1px solid var(--line); }
  .line {
    width: 100%;
    align-items: center;
    padding-block: 10px;
    border: 0;
    background: none;
    text-align: left;
    cursor: pointer;
    transition: background var(--motion);
  }
  .line:hover, .open > .line { background: color-mix(in srgb, var(--ink) 4%, transparent); }
  .fresh > .line { animation: arrive 600ms ease-out; }
  @keyframes arrive { from { background: color-mix(in srgb, var(--bot) 22%, transparent); } }

  .who { display: flex; flex-direction: column; min-width: 0; padding-left: 12px; border-left: 3px solid var(--accent); }
  .line.agent .who { border-color: var(--agent); }
  .line.bot .who { border-color: var(--bot); }
  .line:is(.system, .timer, .desk, .action, .event) .who { border-color: var(--line); }
  .meta { display: flex; gap: 8px; align-items: baseline; font: var(--small); color: var(--ink-soft); }
  .meta b { font-weight: 600; color: var(--ink); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .meta time { font-variant-numeric: tabular-nums; }
  .app { padding: 0 7px; border: 1px solid var(--line); border-radius: 9px; font-size: 12px; line-height: 16px; white-space: nowrap; }
  .text { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

  .step { position: relative; display: grid; grid-template-columns: 10px minmax(0, 1fr); gap: 0 8px; align-items: center; min-width: 0; }
  .step i { width: 10px; height: 10px; border-radius: 50%; background: var(--bot); z-index: 1; }
  .step .what { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font: 14px/20px var(--font); }
  .step .ms { grid-column: 2; font: var(--small); color: var(--ink-soft); font-variant-numeric: tabular-nums; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .step.waiting i { background: var(--card); border: 2px solid var(--warn); animation: wait 1.2s infinite; }
  .step.waiting .what { color: var(--warn); }
  .step.bad i { background: var(--bad); }
  .step.bad .what { color: var(--bad); }
  .step.quiet i { background: none; border: 2px solid var(--line); }
  .step.quiet .what { color: var(--ink-soft); }
  .step.read i, .step.delivered i { background: var(--agent); }
  @keyframes wait { 50% { opacity: 0.35; } }
  .total { font: 600 14px/20px var(--font); }
  .chevron { color: var(--ink-soft); display: grid; transition: transform var(--motion); }
  .open .chevron { transform: rotate(180deg); }

  .detail {
    display: grid;
    grid-template-columns: minmax(0, 1.2fr) minmax(0, 1fr) minmax(0, 0.9fr);
    gap: 20px 28px;
    padding: 6px 20px 22px 35px;
    background: color-mix(in srgb, var(--ink) 4%, transparent);
  }
  h3 { font: 600 14px/20px var(--font); margin-bottom: 8px; }
  h4 { font: var(--small); color: var(--ink-soft); margin-bottom: 4px; }
  .block + .block { margin-top: 12px; }
  .quiet { color: var(--ink-soft); }
  .candidates li { display: grid; grid-template-columns: minmax(90px, 0.8fr) 1fr 48px; gap: 10px; align-items: center; padding: 2px 0; color: var(--ink-soft); }
  .candidates code { overflow: hidden; text-overflow: ellipsis; }
  .candidates .chosen { color: var(--ink); font-weight: 600; }
  .number { text-align: right; font: var(--small); font-variant-numeric: tabular-nums; }
  meter { width: 100%; height: 8px; border: 0; border-radius: 4px; background: color-mix(in srgb, var(--ink) 9%, transparent); appearance: none; overflow: hidden; }
  meter::-webkit-meter-bar { height: 8px; border: 0; border-radius: 4px; background: color-mix(in srgb, var(--ink) 9%, transparent); }
  meter::-webkit-meter-optimum-value { background: var(--ink-soft); border-radius: 4px; }
  meter::-moz-meter-bar { background: var(--ink-soft); }
  .chosen meter::-webkit-meter-optimum-value { background: var(--bot); }
  .chosen meter::-moz-meter-bar { background: var(--bot); }
  .steps { counter-reset: step; }
  .steps li { counter-increment: step; display: grid; grid-template-columns: 18px auto 1fr; gap: 6px; font: var(--small); padding: 2px 0; }
  .steps li::before { content: counter(step); color: var(--ink-soft); font-variant-numeric: tabular-nums; }
  .steps b { font-weight: 600; }
  .tags { display: flex; flex-wrap: wrap; gap: 6px; }
  .tags li { padding: 1px 9px; border: 1px solid var(--line); border-radius: 10px; font: var(--small); background: var(--card); overflow-wrap: anywhere; }
  .tags b { font-weight: 600; margin-right: 6px; color: var(--bot); }
  .plain li { font: var(--small); overflow-wrap: anywhere; }
  .replies { display: grid; gap: 8px; }
  .replies li { padding: 8px 12px; border-left: 3px solid var(--bot); border-radius: 4px 10px 10px 4px; background: var(--card); }
  .replies p { white-space: pre-line; overflow-wrap: anywhere; font: 14px/20px var(--font); display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 5; overflow: hidden; }
  .facts { display: flex; flex-wrap: wrap; gap: 2px 10px; margin-top: 3px; font: var(--small); color: var(--ink-soft); }
  .facts code { font-size: 12px; overflow-wrap: anywhere; }
  .status.sent, .status.delivered, .status.read { color: var(--agent); }
  .status.failed, .status.withdrawn, .reason { color: var(--bad); }
  .status.queued { color: var(--warn); }
  dl { display: grid; gap: 4px; }
  dl div { display: grid; grid-template-columns: minmax(96px, 0.8fr) 1fr; gap: 10px; font: var(--small); }
  dt { color: var(--ink-soft); }
  dd { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }

  .empty { display: grid; justify-items: center; gap: 14px; padding: 26px 20px 34px; color: var(--ink-soft); text-align: center; }
  .ghost { display: flex; gap: 64px; position: relative; }
  .ghost::before { content: ""; position: absolute; inset: 5px 5px auto; height: 2px; background: var(--line); }
  .ghost i { width: 12px; height: 12px; border-radius: 50%; background: var(--card); border: 2px solid var(--line); z-index: 1; }
  .more { display: block; margin: 8px auto 16px; padding: 8px 18px; border: 1px solid var(--line); border-radius: 18px; background: none; cursor: pointer; font: var(--small); }
  .more:hover { border-color: var(--ink-soft); }

  @container trail (max-width: 860px) {
    .columns { display: none; }
    .lines { border-top: 1px solid var(--line); }
    .line { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) 16px; gap: 8px 12px; padding-inline: 16px; }
    .who { grid-column: 1 / 3; }
    .chevron { grid-column: 3; grid-row: 1; }
    .step { padding-left: 15px; }
    .step:nth-child(even) { grid-column: 1; }
    .step:nth-child(odd) { grid-column: 2; }
    .step.none { display: none; }
    .total { grid-column: 1 / 3; text-align: left; padding-left: 33px; }
    .total:empty { display: none; }
    .total::before { content: "Σ "; color: var(--ink-soft); font-weight: 400; }
    .detail { grid-template-columns: 1fr; padding: 6px 16px 20px; }
    header { padding-inline: 16px; }
    .ghost { gap: 40px; }
  }
  @media (prefers-reduced-motion: reduce) { .fresh > .line, .step.waiting i { animation: none; } }
  @media (forced-colors: active) { .step i { border: 2px solid; } }
`;
