// What only the desk shows in a conversation: notes for colleagues, and what stands under a message.

import { sheet } from "/ui/tokens.js";

export const deskThreadStyle = sheet(`
.row.note { --edge: var(--warn); align-items: center; margin-top: 12px; }
.row.note .body { max-width: min(100%, 52ch); align-items: stretch; }
.row.note .name { color: color-mix(in oklab, var(--warn) 85%, var(--ink)); }
.row.note .bubble {
  border: 1px dashed color-mix(in oklab, var(--warn) 60%, var(--line)); box-shadow: none; padding-inline-start: 14px;
  background: color-mix(in oklab, var(--warn) 9%, var(--card)); border-radius: var(--radius-field);
}
.row.note .below { align-self: center; }

.annotation { margin: 4px 0 0; max-width: 100%; }
.annotation .lost { margin: 0; font: var(--small); color: var(--ink-soft); }
.annotation .quiet { border: 0; background: none; padding: 2px 6px; min-height: 24px; font: var(--small); color: var(--ink-soft); text-decoration: underline; text-underline-offset: 2px; border-radius: 4px; cursor: pointer; }
.annotation .quiet:hover { color: var(--ink); }
`);
