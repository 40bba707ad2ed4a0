"""What was authentic and not understood: kept raw until a fix lets it be replayed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text

from gateway.store.database import Database

COLUMNS = "id, channel, endpoint, at, reason, path, octet_length(raw) AS size_bytes, replayed_at"

LIST = text(f"SELECT {COLUMNS} FROM quarantine WHERE replayed_at IS NULL OR :all ORDER BY at LIMIT :limit")

SHOW = text(f"SELECT {COLUMNS}, raw FROM quarantine WHERE id = :id")

MARK = text("UPDATE quarantine SET replayed_at = now() WHERE id = :id AND replayed_at IS NULL")


class QuarantinedEntry(msgspec.Struct, frozen=True):
    """``raw`` is only there when one entry is shown."""

    id: UUID
    channel: str
    endpoint: str
    at: datetime
    reason: str
    path: str
    size_bytes: int
    replayed_at: datetime | None
    raw: bytes = b""


async def list_entries(database: Database, *, limit: int = 100, with_replayed: bool = False) -> list[QuarantinedEntry]:
    """What waits to be replayed, the oldest first."""
    async with database.begin() as connection:
        rows = (await connection.execute(LIST, {"limit": limit, "all": with_replayed})).all()
    return [QuarantinedEntry(**row._mapping) for row in rows]  # noqa: SLF001


async def show_entry(database: Database, entry_id: UUID) -> QuarantinedEntry:
    """One entry with its bytes. Raises ``LookupError``."""
    async with database.begin() as connection:
        row = (await connection.execute(SHOW, {"id": entry_id})).one_or_none()
    if row is None:
        raise LookupError(f"nothing in the quarantine has the id {entry_id}")
    return QuarantinedEntry(**row._mapping)  # noqa: SLF001


async def mark_replayed(database: Database, entry_id: UUID) -> None:
    """The entry was understood and stored: it need not be shown again."""
    async with database.begin() as connection:
        await connection.execute(MARK, {"id": entry_id})
