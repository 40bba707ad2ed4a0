"""What the channels can show and how good each is, as tables for people, made from the channels themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from channels.discovery import discover
from gateway.core.channel import Capabilities, Channel
from gateway.core.messages import MediaKind

QUALITY_RULES: dict[str, str] = {
    "verify": "a webhook without the right secret is refused, in constant time, before it is parsed",
    "no-secret-no-start": "an endpoint without a secret does not start",
    "rotation": "a new secret can be introduced without losing a webhook",
    "parse-all-kinds": "every kind of event is parsed, or ignored by name",
    "parse-any-bytes": "arbitrary bytes raise only named errors",
    "quarantine": "an authentic event of an unknown shape is kept, with the place of the fault, and can be replayed",
    "once": "a redelivered event has the same key, and two events never share one",
    "render-any-part": "every kind of part is shown, degraded with its loss named, or refused",
    "split": "a long text is cut between words and never inside formatting",
    "errors-named": "every failure of the provider's library is named by what to do about it",
    "ambiguity": "a call that may have taken effect is told from one that did not",
    "rates": "the documented rates are the defaults, and a wait that the provider asks for is obeyed",
    "files-in": "a file is fetched with a limit of size, and only from the provider's host",
    "files-out": "a file of ours is uploaded",
    "consent": "blocking and unblocking are told",
    "moved": "a changed address is followed",
    "doctor": "a wrong or missing registration at the provider is found and explained",
    "no-secrets-in-errors": "no error, log line or representation holds a token",
    "sandbox": "a local stand-in follows the provider's rules, and is checked by an independent judge",
}
"""What is asked of every channel; its README answers each."""

State = Literal["done", "to do", "exempt"]


class LedgerLine(msgspec.Struct, frozen=True):
    """A channel's answer to one rule. *note* is the reason, unless the rule is simply kept."""

    rule: str
    state: State
    note: str


class LedgerFault(Exception):
    """A ledger that does not answer as it should."""


def read_ledger(readme: str) -> dict[str, LedgerLine]:
    """The table below the heading ``## Ledger`` of a channel's README, by rule. Raises ``LedgerFault``."""
    _, found, section = readme.partition("\n## Ledger\n")
    if not found:
        raise LedgerFault("the README has no section 'Ledger'")
    rows = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in section.splitlines() if "|" in row]
    lines: dict[str, LedgerLine] = {}
    for row in rows[2:]:
        if len(row) != 3 or row[1] not in get_args(State):
            raise LedgerFault(f"not 'rule | done, to do or exempt | note': {' | '.join(row)}")
        lines[row[0]] = msgspec.convert({"rule": row[0], "state": row[1], "note": row[2]}, LedgerLine)
    return lines


def capability_table(channels: Mapping[str, Channel]) -> str:
    """A Markdown table: one row a capability, one column a channel."""
    header = ["", *channels]
    rows = [header, ["---"] * len(header)]
    rows.extend([label, *(_shown(channel, field) for channel in channels.values())] for field, label in _LABELS.items())
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


_LABELS = {
    "text_units": "longest text in one message",
    "media": "files out",
    "buttons": "buttons",
    "quick_replies": "quick replies",
    "list_rows": "rows of a list",
    "cards": "cards side by side",
    "has_templates": "templates",
    "has_location": "location out",
    "has_contact": "contact card out",
    "has_reactions_in": "reactions in",
    "has_edits_in": "edits in",
    "has_receipts": "receipts",
    "has_typing": "shows that it types",
    "repeats_harmlessly": "a message sent twice is seen once",
    "answers_opt_out": "answers STOP by itself",
    "can_redeliver": "redelivers what was not answered",
}


def _shown(channel: Channel, field: str) -> str:
    if field == "can_redeliver":
        return "yes" if channel.can_redeliver else "no"
    value = getattr(channel.capabilities, field)
    if field == "media":
        kinds = get_args(MediaKind)
        return ", ".join(kind for kind in kinds if kind in channel.capabilities.media) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value else "shown as text"


_BEGIN = "<!-- made by: python -m channels.catalogue -->\n"
_END = "<!-- end -->"


def page_with_table(page: str, channels: Mapping[str, Channel]) -> str:
    """*page* (``docs/channels.md``) with its table as the channels are now."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{capability_table(channels)}\n{_END}{after}"


def unlisted_capabilities() -> set[str]:
    """Fields of ``Capabilities`` that the table forgets."""
    return set(Capabilities.__struct_fields__) - set(_LABELS)


def main() -> None:
    """Bring ``docs/channels.md`` of the working directory up to date."""
    from pathlib import Path

    page = Path("docs/channels.md")
    page.write_text(page_with_table(page.read_text("utf-8"), discover()), "utf-8")


if __name__ == "__main__":
    main()
