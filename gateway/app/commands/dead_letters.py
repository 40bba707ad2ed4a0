"""``tertulia dead-letters``: what could not be sent, and the way to send it after all."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from config.settings import Settings
from gateway.app.commands.session import uuid_or_exit, with_database
from gateway.app.commands.terminal import complain, out, print_json, print_rows
from gateway.core.ids import MessageId
from gateway.store import desk_events
from gateway.store.database import Database
from gateway.store.dead_letters import DeadLetter, list_letters, replay_letter, show_letter
from gateway.store.desk_events import DeadEvent

EVENT_COLUMNS = ("desk", "key", "kind", "reference", "at", "tries", "problem")

COLUMNS = ("message_id", "at", "channel", "endpoint", "account", "author", "reason", "detail", "failures")


def list_dead_letters(config: Path | None, limit: int, *, as_json: bool) -> None:
    async def work(_settings: Settings, database: Database) -> list[DeadLetter]:
        return await list_letters(database, limit=limit)

    print_rows(with_database(config, work), COLUMNS, empty="no dead letters", as_json=as_json)


def list_dead_events(config: Path | None, limit: int, *, as_json: bool) -> None:
    async def work(_settings: Settings, database: Database) -> list[DeadEvent]:
        async with database.lane().transaction() as connection:
            return await desk_events.dead(connection, limit=limit)

    print_rows(with_database(config, work), EVENT_COLUMNS, empty="no dead letters of desks", as_json=as_json)


def retry_dead_event(config: Path | None, desk: str, key: str) -> None:
    """It is applied by whichever gateway runs on this database, now or later."""

    async def work(_settings: Settings, database: Database) -> bool:
        async with database.lane().transaction() as connection:
            return await desk_events.replay(connection, desk, key)

    if not with_database(config, work):
        complain(f"{desk} has no dead letter of the key {key}")
    out().print("[ok]✓[/] it is tried again")


def show_dead_letter(config: Path | None, message: str) -> None:
    message_id = uuid_or_exit(message)

    async def work(_settings: Settings, database: Database) -> DeadLetter:
        return await show_letter(database, message_id)

    print_json(with_database(config, work))


def replay_dead_letter(config: Path | None, message: str) -> None:
    """The new message is sent by whichever gateway runs on this database, now or later."""
    message_id: UUID = uuid_or_exit(message)

    async def work(_settings: Settings, database: Database) -> MessageId | None:
        return await replay_letter(database, message_id)

    new_id = with_database(config, work)
    if new_id is None:
        complain(f"{message} is no dead letter, or was replayed before")
    out().print(f"[ok]✓[/] sent again as {new_id}")
