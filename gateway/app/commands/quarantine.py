"""``tertulia quarantine``: what was authentic and not understood, and its way back after a fix."""

from __future__ import annotations

from pathlib import Path

import msgspec

from config.settings import Settings
from gateway.app.commands.session import uuid_or_exit, with_database
from gateway.app.commands.terminal import complain, out, print_json, print_rows
from gateway.app.replay import Replayed, replay_entries
from gateway.store.database import Database
from gateway.store.quarantine import QuarantinedEntry, list_entries, show_entry

MOST_AT_ONCE = 10_000
COLUMNS = ("id", "at", "channel", "endpoint", "reason", "path", "size_bytes")


class Shown(msgspec.Struct, frozen=True):
    """An entry with its bytes as text, where they are text."""

    id: str
    channel: str
    endpoint: str
    at: str
    reason: str
    path: str
    raw: str


def list_quarantine(config: Path | None, limit: int, *, as_json: bool) -> None:
    async def work(_settings: Settings, database: Database) -> list[QuarantinedEntry]:
        return await list_entries(database, limit=limit)

    print_rows(with_database(config, work), COLUMNS, empty="the quarantine is empty", as_json=as_json)


def show_quarantined(config: Path | None, entry: str) -> None:
    entry_id = uuid_or_exit(entry)

    async def work(_settings: Settings, database: Database) -> QuarantinedEntry:
        return await show_entry(database, entry_id)

    found = with_database(config, work)
    raw = found.raw.decode("utf-8", errors="backslashreplace")
    at = found.at.isoformat()
    print_json(Shown(str(found.id), found.channel, found.endpoint, at, found.reason, found.path, raw))


def replay_quarantined(config: Path | None, entry: str, *, is_all: bool) -> None:
    """Exit code 1 when something is still not understood."""
    if is_all == bool(entry):
        complain("name one entry, or give --all")
    entry_id = None if is_all else uuid_or_exit(entry)

    async def work(settings: Settings, database: Database) -> Replayed:
        waiting = [found.id for found in await list_entries(database, limit=MOST_AT_ONCE)]
        return await replay_entries(settings, database, waiting if entry_id is None else [entry_id])

    replayed = with_database(config, work)
    out().print(f"[ok]✓[/] {replayed.understood} understood and stored")
    if replayed.still_waiting:
        complain(f"{replayed.still_waiting} still not understood; they stay in the quarantine")
