"""A database for the length of one command; an embedded server that already runs is joined, not started twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from config.settings import Settings
from gateway.app.commands.terminal import complain, complaints, settings_or_exit
from gateway.app.runtime import open_database
from gateway.app.telemetry import configure_logging
from gateway.store.database import Database

T = TypeVar("T")


@asynccontextmanager
async def database_session(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings, migrated where that is ours to do."""
    from gateway.app.runtime import migrate_at_start

    async with open_database(settings) as dsn:
        await migrate_at_start(settings, dsn)
        database = Database(dsn, cached_statements=settings.database.statement_cache_size)
        try:
            yield database
        finally:
            await database.close()


def with_database(
    config: Path | None, work: Callable[[Settings, Database], Awaitable[T]], *, log_level: str = "warning"
) -> T:
    """Run *work* on the database; named errors and unknown ids become one clear line.

    A command that tells of all that it finds by itself raises the *log_level*.
    """

    async def run() -> T:
        async with database_session(settings) as database:
            return await work(settings, database)

    settings = settings_or_exit(config)
    configure_logging(settings.telemetry.model_copy(update={"log_level": log_level}), "command", sys.stderr)
    with complaints():
        try:
            return asyncio.run(run())
        except LookupError as error:
            complain(str(error.args[0]) if error.args else "no such thing")


def uuid_or_exit(text: str) -> UUID:
    """An id from the command line."""
    try:
        return UUID(text)
    except ValueError:
        complain(f"{text} is not an id; `list` shows them")
