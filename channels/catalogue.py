"""What the channels can show and how good each is, as tables for people, made from the channels themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import msgspec

from channels.discovery import discover
from channels.specimen import specimen_of
from gateway.core.channel import Capabilities, Channel, ServesApps, Window, capabilities_of
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


class Column(msgspec.Struct, frozen=True):
    """One app on one channel. ``media`` and the like are what this app shows of the channel's abilities."""

    title: str
    channel: Channel
    shows: Capabilities
    window: Window


def columns(channels: Mapping[str, Channel]) -> list[Column]:
    """The apps of all channels, as their examples configure them."""
    found: list[Column] = []
    for name, channel in channels.items():
        settings = channel.settings.model_validate(dict(specimen_of(name).settings_values))
        apps = {account.app: account for account in channel.accounts(settings)}
        for app, account in apps.items():
            title = f"{name}: {app}" if isinstance(channel, ServesApps) else name
            found.append(Column(title, channel, capabilities_of(channel, app), account.window))
    return found


def capability_table(channels: Mapping[str, Channel]) -> str:
    """A Markdown table: one row a capability, one column an app."""
    shown = columns(channels)
    header = ["", *(column.title for column in shown)]
    rows = [header, ["---"] * len(header)]
    rows.extend([label, *(_shown(column, field) for column in shown)] for field, label in _LABELS.items())
    rows.extend([label, *(tell(column.window) for column in shown)] for label, tell in _WINDOWS.items())
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
    "shows_speaker": "shows which agent speaks",
    "can_redeliver": "redelivers what was not answered",
}


_AS_TEXT = frozenset({"buttons", "quick_replies", "list_rows", "cards", "has_location", "has_contact"})
"""What is told in words where the app has no form for it."""

_WINDOWS: dict[str, Callable[[Window], str]] = {
    "anything may be said for": lambda window: _hours(window.free_s) if window.free_s else "ever",
    "… after an advertisement": lambda window: _hours(window.ad_s or window.free_s) if window.free_s else "ever",
    "… by an agent": lambda window: _hours(window.agent_s or window.free_s) if window.free_s else "ever",
    "we may write first": lambda window: "yes" if window.may_begin else "no",
}


def _hours(seconds: float) -> str:
    hours = round(seconds / 3600)
    return f"{hours // 24} days" if hours > 24 and hours % 24 == 0 else f"{hours} hours"


def _shown(column: Column, field: str) -> str:
    if field == "can_redeliver":
        return "yes" if column.channel.can_redeliver else "no"
    value = getattr(column.shows, field)
    if field == "media":
        kinds = get_args(MediaKind)
        return ", ".join(kind for kind in kinds if kind in column.shows.media) or "as links"
    if not value:
        return "as text" if field in _AS_TEXT else "no"
    return "yes" if isinstance(value, bool) else str(value)


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
