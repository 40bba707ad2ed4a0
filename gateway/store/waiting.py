"""What is read and written for customers of open cases: who waits for whom, since when, and what they were told.

The timers are the rows themselves: ``handoff.care_at`` is when a case is looked at next.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.control import Control
from gateway.core.ids import ConversationId, HandoffId

WITHIN = 50
"""Whose turn it is to speak is looked for in so many of the newest messages."""

LATELY = 200
"""So many of a desk's newest accepted cases say how long one waits there."""

LATELY_DAYS = 28

LONGEST_LINE = 100
"""Whoever has more people before them has no place that is worth telling."""

# What was not sent is no answer. Whoever wrote last is told by positions: providers' times may go backwards.
_FACTS = f"""
    SELECT h.id, h.conversation_id, h.desk, h.reason, h.asked_at, h.care_at, h.told_expected, h.reminded_at,
           greatest(h.told_expected_at, h.told_waiting_at, h.told_customer_at) AS told_at, now() AS now,
           CASE WHEN c.handoff_id = h.id THEN c.control ELSE '' END AS control,
           s.agent_position, s.agent_at, s.customer_position
    FROM handoff h JOIN conversation c ON c.id = h.conversation_id
    LEFT JOIN LATERAL (
        SELECT max(m.position) FILTER (WHERE m.author = 'agent') AS agent_position,
               max(m.at) FILTER (WHERE m.author = 'agent') AS agent_at,
               max(m.position) FILTER (WHERE m.author = 'customer') AS customer_position
        FROM message m
        WHERE c.control = 'agent' AND m.conversation_id = c.id AND m.position >= c.next_position - {WITHIN}
          AND m.status NOT IN ('failed', 'withdrawn')
    ) s ON true
    WHERE h.ended_at IS NULL AND h.care_at <= now()
"""

DUE = text(f"{_FACTS} ORDER BY h.care_at LIMIT :limit")

ONE = text(f"{_FACTS} AND h.id = :id")

LOOK_AGAIN = text("""
    UPDATE handoff h SET care_at = q.next FROM unnest(
        CAST(:ids AS uuid[]), CAST(:seen AS timestamptz[]), CAST(:next AS timestamptz[])
    ) AS q (id, seen, next)
    WHERE h.id = q.id AND h.care_at = q.seen
""")

CARE_AT = text("UPDATE handoff SET care_at = :next WHERE id = :id")

TOLD = text("UPDATE handoff SET told_expected = told_expected + 1, told_expected_at = now() WHERE id = :id")

REMINDED = text("UPDATE handoff SET reminded_at = now() WHERE id = :id")

WAITED = text("""
    SELECT asked_at, reason, extract(epoch FROM accepted_at - asked_at)::float AS waited_s FROM (
        SELECT asked_at, reason, accepted_at FROM handoff
        WHERE desk = :desk AND accepted_at IS NOT NULL AND accepted_at > now() - CAST(:lately AS interval)
        ORDER BY accepted_at DESC LIMIT :limit
    ) x
""")

BEFORE = text("""
    SELECT count(*) FROM (
        SELECT 1 FROM handoff
        WHERE desk = :desk AND ended_at IS NULL AND accepted_at IS NULL AND asked_at < :asked_at LIMIT :limit
    ) x
""")


class Cared(msgspec.Struct, frozen=True, kw_only=True):
    """How a case stands for its customer. ``control`` is ``None`` when the conversation is not in it.

    ``told_at``: when the customer was last told anything about the wait. The positions are those of the newest
    messages of each side; ``now`` is the database's time.
    """

    id: HandoffId
    conversation_id: ConversationId
    desk: str
    reason: str
    asked_at: datetime
    care_at: datetime
    told_expected: int
    told_at: datetime | None
    reminded_at: datetime | None
    control: Control | None
    agent_position: int | None
    agent_at: datetime | None
    customer_position: int | None
    now: datetime

    @property
    def quiet_since(self) -> datetime | None:
        """Since when the customer owes an answer; ``None``: the agent does."""
        if self.agent_position is None or (self.customer_position or 0) > self.agent_position:
            return None
        return self.agent_at


class Waited(msgspec.Struct, frozen=True):
    """How long one customer waited for an agent, in seconds."""

    asked_at: datetime
    reason: str
    waited_s: float


async def due(connection: AsyncConnection, *, limit: int) -> list[Cared]:
    """Cases to look at now. They are not locked: whoever acts looks again, at the locked conversation."""
    return [_cared(row) for row in (await connection.execute(DUE, {"limit": limit})).mappings()]


async def again(connection: AsyncConnection, handoff_id: HandoffId) -> Cared | None:
    """One case as it stands now; ``None``: it is not due any more."""
    row = (await connection.execute(ONE, {"id": handoff_id})).mappings().one_or_none()
    return None if row is None else _cared(row)


async def look_again(connection: AsyncConnection, looks: Sequence[tuple[Cared, float]]) -> None:
    """Set when cases are looked at next, in seconds from their ``now``."""
    values = {
        "ids": [case.id for case, _ in looks],
        "seen": [case.care_at for case, _ in looks],
        "next": [case.now + timedelta(seconds=after_s) for case, after_s in looks],
    }
    await connection.execute(LOOK_AGAIN, values)


async def set_next(connection: AsyncConnection, case: Cared, after_s: float) -> None:
    """The same for one case that is locked."""
    await connection.execute(CARE_AT, {"id": case.id, "next": case.now + timedelta(seconds=after_s)})


async def told_expected(connection: AsyncConnection, case: Cared) -> None:
    """The customer was told how long the wait is."""
    await connection.execute(TOLD, {"id": case.id})


async def reminded(connection: AsyncConnection, case: Cared) -> None:
    """The customer was asked whether they are still there."""
    await connection.execute(REMINDED, {"id": case.id})


async def waited(connection: AsyncConnection, desk: str) -> list[Waited]:
    """How long people waited at that desk lately, the newest first."""
    values = {"desk": desk, "limit": LATELY, "lately": timedelta(days=LATELY_DAYS)}
    return [Waited(**row) for row in (await connection.execute(WAITED, values)).mappings()]


async def before(connection: AsyncConnection, case: Cared) -> int:
    """How many wait at that desk who asked earlier, at most ``LONGEST_LINE``."""
    values = {"desk": case.desk, "asked_at": case.asked_at, "limit": LONGEST_LINE}
    return int((await connection.execute(BEFORE, values)).scalar_one())


def _cared(row: RowMapping) -> Cared:
    return Cared(**{**row, "control": Control(row["control"]) if row["control"] else None})
