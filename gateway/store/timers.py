"""Timers are rows: due ones become entries of their conversation, in the transaction that takes them away."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec

from gateway.core.events import EventKind
from gateway.core.ids import derived_id
from gateway.core.turns import TimerFired

ABANDON = "abandon"
"""The router's own timer: closes an episode in which nothing was said for a while."""

TAKE_DUE = """
    DELETE FROM timer t USING (
        SELECT conversation_id, kind FROM timer WHERE due_at <= now()
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) u
    WHERE t.conversation_id = u.conversation_id AND t.kind = u.kind
    RETURNING t.conversation_id, t.kind, t.due_at, t.payload
"""

# A conversation without a lease gets an expired one: the next sweep of any process works on it.
APPEND_ENTRY = """
    WITH c AS (
        UPDATE conversation SET next_seq = next_seq + 1,
            lease_until = CASE WHEN lease_until IS NULL THEN '-infinity' ELSE lease_until END
        WHERE id = $1
        RETURNING id, next_seq - 1 AS seq
    )
    SELECT seq FROM c
"""

INSERT_ENTRY = "INSERT INTO entry (conversation_id, seq, kind, at, data) VALUES ($1, $2, $3, now(), $4)"

LAST_SAID = """
    SELECT extract(epoch FROM now() - m.at)::float AS quiet_s, c.control, c.lease_until IS NULL AS is_idle,
           c.episode_id, c.account_id
    FROM conversation c
    LEFT JOIN LATERAL (
        SELECT at FROM message WHERE conversation_id = c.id ORDER BY position DESC LIMIT 1
    ) m ON true
    WHERE c.id = $1 FOR UPDATE OF c
"""

REARM = """
    INSERT INTO timer (conversation_id, kind, due_at) VALUES ($1, $2, now() + $3)
    ON CONFLICT (conversation_id, kind) DO UPDATE SET due_at = excluded.due_at
"""

CLOSE_EPISODE = "UPDATE episode SET closed_at = now(), outcome = 'abandoned' WHERE id = $1 AND closed_at IS NULL"

INSERT_EVENT = """
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject) VALUES ($1, $2, $3, $4, $5, $5)
"""

_encoder = msgspec.json.Encoder()


async def fire_due(connection: asyncpg.Connection, *, limit: int, abandon_after_s: float) -> int:
    """Turn due timers into entries; returns how many there were. Rows are taken in the order of their times."""
    rows = await connection.fetch(TAKE_DUE, limit)
    for row in sorted(rows, key=lambda r: r["conversation_id"]):
        if row["kind"] == ABANDON:
            await _abandon(connection, row, abandon_after_s)
        else:
            await append_entry(connection, row["conversation_id"], row["kind"], row["payload"], row)
    return len(rows)


async def append_entry(
    connection: asyncpg.Connection, conversation_id: object, kind: str, payload: str, row: asyncpg.Record
) -> None:
    """Put a fired timer into the conversation's line."""
    seq = await connection.fetchval(APPEND_ENTRY, conversation_id)
    if seq is None:
        return
    fired = TimerFired(seq=seq, at=row["due_at"], kind=kind, payload=payload)
    await connection.execute(INSERT_ENTRY, conversation_id, seq, "timer", _encoder.encode(fired))


async def _abandon(connection: asyncpg.Connection, row: asyncpg.Record, after_s: float) -> None:
    """Close the episode when nobody said anything for *after_s*; else look again when that could be."""
    found = await connection.fetchrow(LAST_SAID, row["conversation_id"])
    if found is None or found["episode_id"] is None:
        return
    quiet_s = found["quiet_s"] or 0.0
    if quiet_s < after_s or found["control"] != "bot" or not found["is_idle"]:
        rest = timedelta(seconds=max(60.0, after_s - quiet_s))
        await connection.execute(REARM, row["conversation_id"], ABANDON, rest)
        return
    episode_id = found["episode_id"]
    await connection.execute("UPDATE conversation SET episode_id = NULL WHERE id = $1", row["conversation_id"])
    await connection.execute(CLOSE_EPISODE, episode_id)
    kind = EventKind.EPISODE_CLOSED
    await connection.execute(
        INSERT_EVENT,
        derived_id(episode_id, kind),
        kind.value,
        found["account_id"],
        row["conversation_id"],
        episode_id,
    )
