"""``tertulia dead-letters``: what could not be sent, and the way to send it after all."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from config.settings import Settings
from gateway.app.commands.session import uuid_or_exit, with_database
from gateway.app.commands.terminal import complain, out, print_json, print_rows
from gateway.core.ids import MessageId
from gateway.store.database import Database
from gateway.store.dead_letters import DeadLetter, list_letters, replay_letter, show_letter

COLUMNS = ("message_id", "at", "channel", "endpoint", "account", "author", "reason", "detail", "failures")


def list_dead_letters(config: Path | None, limit: int, *, as_json: bool) -> None:
    async def work(_settings: Settings, database: Database) -> list[DeadLetter]:
        return await list_letters(database, limit=limit)

    print_rows(with_database(config, work), COLUMNS, empty="no dead letters", as_json=as_json)


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
