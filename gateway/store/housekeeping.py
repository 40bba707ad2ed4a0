"""What a database of messages needs now and then: partitions ahead of time, old keys gone, a sign of life."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from gateway.store import changes
from gateway.store.migrate import ensure_partitions

PRUNE_SEEN = """
    DELETE FROM seen WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM seen WHERE at < now() - $1::interval LIMIT $2
    ))
"""

PRUNE_ANSWERS = "DELETE FROM api_answer WHERE at < now() - interval '7 days'"
"""After that time an idempotency key may be used anew."""

ALIVE = "UPDATE node SET seen_at = now() WHERE id = $1"

PRUNE_BATCH = 5_000


async def tidy(connection: asyncpg.Connection, now: datetime, *, keep_keys: timedelta) -> None:
    """Make partitions, and forget event keys and parked changes that no provider will send again."""
    await ensure_partitions(connection, now)
    await connection.execute("SET LOCAL enable_seqscan = off")
    while await connection.execute(PRUNE_SEEN, keep_keys, PRUNE_BATCH) == f"DELETE {PRUNE_BATCH}":
        pass
    await changes.expire_parked(connection, keep_keys)
    await connection.execute(PRUNE_ANSWERS)


async def alive(connection: asyncpg.Connection, node: int) -> None:
    """This process still runs."""
    await connection.execute(ALIVE, node)
