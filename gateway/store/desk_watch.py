"""What the watchdog reads and writes: cases that wait, for whom and since when, and what was done about it.

Its timers are the rows themselves: ``handoff.watch_at`` is when a case is looked at next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.control import Control
from gateway.core.events import EventKind
from gateway.core.ids import ConversationId, HandoffId
from gateway.store import handoffs
from gateway.store.handoffs import Locked

WITHIN = 200
"""Who waits for an agent is looked for in so many of the newest messages."""

# Whoever wrote after the agent's last words waits; with an agent who said nothing yet, since that agent came.
_FACTS = f"""
    SELECT h.id, h.conversation_id, h.desk, h.asked_at, h.acknowledged_at, h.told_customer_at, h.told_waiting_at,
           h.alerted_at, h.watch_at, h.problem, now() AS now,
           CASE WHEN c.handoff_id = h.id THEN c.control ELSE '' END AS control, w.waiting_since
    FROM handoff h JOIN conversation c ON c.id = h.conversation_id
    LEFT JOIN LATERAL (
        SELECT CASE WHEN count(*) > 0 THEN greatest(min(m.at), h.accepted_at) END AS waiting_since FROM message m
        WHERE c.control = 'agent' AND m.conversation_id = c.id AND m.position >= c.next_position - {WITHIN}
          AND m.author = 'customer' AND m.deleted_at IS NULL AND m.position > coalesce((
              SELECT max(a.position) FROM message a
              WHERE a.conversation_id = c.id AND a.position >= c.next_position - {WITHIN} AND a.author = 'agent'
          ), 0)
    ) w ON true
    WHERE h.ended_at IS NULL AND h.watch_at <= now()
"""

DUE = text(f"{_FACTS} ORDER BY h.watch_at LIMIT :limit")

ONE = text(f"{_FACTS} AND h.id = :id")

# Measured: compiling the statement takes a hundred times as long as carrying it out.
NO_COMPILING = text("SET LOCAL jit = off")

LOOK_AGAIN = text("""
    UPDATE handoff h SET watch_at = q.next FROM unnest(
        CAST(:ids AS uuid[]), CAST(:seen AS timestamptz[]), CAST(:next AS timestamptz[])
    ) AS q (id, seen, next)
    WHERE h.id = q.id AND h.watch_at = q.seen
""")

MARK = {
    "told_delayed": text("UPDATE handoff SET told_customer_at = now() WHERE id = :id"),
    "told_waiting": text("UPDATE handoff SET told_waiting_at = now() WHERE id = :id"),
    "alerted": text("UPDATE handoff SET alerted_at = now(), is_urgent = true WHERE id = :id"),
}

WATCH_AT = text("UPDATE handoff SET watch_at = :next WHERE id = :id")

FALL_BACK = text("""
    UPDATE handoff SET desk = :desk, acknowledged_at = NULL, reference = '', told_position = 0, tries = 0, problem = '',
        due_at = now()
    WHERE id = :id AND acknowledged_at IS NULL
""")

STUCK = text("""
    SELECT h.desk, count(*) AS cases, min(h.asked_at) AS since
    FROM (
        SELECT desk, asked_at, conversation_id, id FROM handoff
        WHERE ended_at IS NULL AND acknowledged_at IS NULL AND alerted_at IS NOT NULL ORDER BY alerted_at LIMIT 10000
    ) h JOIN conversation c ON c.id = h.conversation_id AND c.control = 'queued' AND c.handoff_id = h.id
    GROUP BY h.desk
""")


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """How a case stands. ``control`` is empty when the conversation is not in it; ``now`` is the database's time.

    ``waiting_since``: the customer waits for the agent who has it.
    """

    id: HandoffId
    conversation_id: ConversationId
    desk: str
    asked_at: datetime
    acknowledged_at: datetime | None
    told_customer_at: datetime | None
    told_waiting_at: datetime | None
    alerted_at: datetime | None
    watch_at: datetime
    problem: str
    control: Control | None
    waiting_since: datetime | None
    now: datetime


class Stuck(msgspec.Struct, frozen=True):
    """Conversations that wait for a desk which does not take them over."""

    desk: str
    cases: int
    since: datetime


async def due(connection: AsyncConnection, *, limit: int) -> list[Watched]:
    """Cases to look at now. They are not locked: whoever acts looks again, at the locked conversation."""
    await connection.execute(NO_COMPILING)
    return [_watched(row) for row in (await connection.execute(DUE, {"limit": limit})).mappings()]


async def again(connection: AsyncConnection, handoff_id: HandoffId) -> Watched | None:
    """One case as it stands now; ``None``: it is not due any more."""
    await connection.execute(NO_COMPILING)
    row = (await connection.execute(ONE, {"id": handoff_id})).mappings().one_or_none()
    return None if row is None else _watched(row)


async def look_again(connection: AsyncConnection, looks: Sequence[tuple[Watched, float | None]]) -> None:
    """Set when cases are looked at next, in seconds from their ``now`` (``None``: not by themselves)."""
    values = {
        "ids": [watched.id for watched, _ in looks],
        "seen": [watched.watch_at for watched, _ in looks],
        "next": [_after(watched, after_s) for watched, after_s in looks],
    }
    await connection.execute(LOOK_AGAIN, values)


async def set_next(connection: AsyncConnection, watched: Watched, after_s: float | None) -> None:
    """The same for one case that is locked."""
    await connection.execute(WATCH_AT, {"id": watched.id, "next": _after(watched, after_s)})


async def mark(connection: AsyncConnection, watched: Watched, done: str) -> None:
    """Note that this was done: ``told_delayed``, ``told_waiting`` or ``alerted``."""
    await connection.execute(MARK[done], {"id": watched.id})


async def tell_stuck(connection: AsyncConnection, locked: Locked, watched: Watched) -> None:
    """The event of the alert."""
    await handoffs.tell(connection, locked, EventKind.HANDOFF_STUCK, watched.id)


async def fall_back(connection: AsyncConnection, watched: Watched, desk: str) -> None:
    """The case goes to another desk, as if it were new there."""
    await connection.execute(FALL_BACK, {"id": watched.id, "desk": desk})


async def stuck(connection: AsyncConnection) -> list[Stuck]:
    """What an operator must see now, by desk."""
    return [Stuck(**row) for row in (await connection.execute(STUCK)).mappings()]


def _after(watched: Watched, after_s: float | None) -> datetime:
    if after_s is None:
        return datetime.max.replace(tzinfo=watched.now.tzinfo)
    return watched.now + timedelta(seconds=after_s)


def _watched(row: RowMapping) -> Watched:
    return Watched(**{**row, "control": Control(row["control"]) if row["control"] else None})
