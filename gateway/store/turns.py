"""What became of a customer's words, for whoever watches one conversation."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy import text

from gateway.store.database import Database

WATCH = text("""
    SELECT c.id AS conversation_id, c.control,
           c.lease_until IS NULL AND NOT EXISTS (
               SELECT 1 FROM outbox o WHERE o.conversation_id = c.id
           ) AS is_settled,
           coalesce(t.outcome, '') AS outcome, coalesce(t.link, '') AS link, coalesce(t.intent, '') AS intent,
           coalesce(t.confidence, 0) AS confidence, coalesce(t.language, '') AS language,
           coalesce(t.duration_us, 0) AS duration_us
    FROM account a
    JOIN address_alias l ON l.account_id = a.id
    JOIN conversation c ON c.id = l.conversation_id
    LEFT JOIN LATERAL (
        SELECT * FROM turn WHERE turn.conversation_id = c.id ORDER BY from_seq DESC LIMIT 1
    ) t ON true
    WHERE a.channel = :channel AND a.endpoint = :endpoint AND l.value = :address
    LIMIT 1
""")


class Watched(msgspec.Struct, frozen=True):
    """A conversation and its newest turn (empty strings before the first).

    ``is_settled``: everything was read, nobody works on it, and nothing waits to be sent.
    """

    conversation_id: UUID
    control: str
    is_settled: bool
    outcome: str
    link: str
    intent: str
    confidence: float
    language: str
    duration_us: int


async def watch(database: Database, channel: str, endpoint: str, address: str) -> Watched | None:
    """The conversation of one address; ``None`` before the first message."""
    values = {"channel": channel, "endpoint": endpoint, "address": address}
    async with database.begin() as connection:
        row = (await connection.execute(WATCH, values)).one_or_none()
    return None if row is None else Watched(**row._mapping)  # noqa: SLF001
