"""Asks the database what became of everything that was sent in: the delivery contract, as statements.

Used by the bench after each whole run, and by the fault tests after each fault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec

_IN_ONE_TURN = """
    SELECT count(*) FILTER (WHERE turns <> 1), count(*) FILTER (WHERE unanswered > 0)
    FROM (
        SELECT count(t.seq) AS turns, count(*) FILTER (WHERE t.outcome = '') AS unanswered
        FROM message m
        LEFT JOIN (
            SELECT conversation_id, generate_series(from_seq, to_seq) AS seq, outcome FROM turn
        ) t ON t.conversation_id = m.conversation_id AND t.seq = m.seq
        WHERE m.author = 'customer' AND m.seq IS NOT NULL
        GROUP BY m.conversation_id, m.position, m.id
    ) x
"""
_STORED = """
    SELECT count(*), count(DISTINCT (conversation_id, provider_message_id))
    FROM message WHERE author = 'customer'
"""
_REPLIES = """
    SELECT count(*), count(*) FILTER (WHERE status NOT IN ('sent', 'delivered', 'read')),
           count(*) FILTER (WHERE status = 'withdrawn')
    FROM message WHERE author <> 'customer'
"""
_WAITING = """
    SELECT (SELECT count(*) FROM outbox),
           (SELECT count(*) FROM conversation WHERE read_seq < next_seq - 1),
           (SELECT count(*) FROM dead_letter)
"""


class Audit(msgspec.Struct, frozen=True):
    """Counts over a whole database. ``unread`` counts conversations with entries that no turn has read."""

    stored: int
    stored_once: int
    not_in_one_turn: int
    without_outcome: int
    replies: int
    replies_unsent: int
    replies_withdrawn: int
    outbox: int
    unread: int
    dead_letters: int

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits any more."""
        return self.outbox == 0 and self.unread == 0

    def faults(self, sent_in: int) -> list[str]:
        """What breaks the contract, when *sent_in* different messages were acknowledged. Empty: it holds."""
        claims = {
            f"{self.stored} stored of {sent_in} acknowledged": self.stored != sent_in,
            f"{self.stored - self.stored_once} stored twice": self.stored != self.stored_once,
            f"{self.not_in_one_turn} not in exactly one turn": self.not_in_one_turn > 0,
            f"{self.without_outcome} in a turn without outcome": self.without_outcome > 0,
            f"{self.replies_unsent} replies not sent": self.replies_unsent > 0,
            f"{self.outbox} left in the outbox": self.outbox > 0,
            f"{self.unread} conversations with unread entries": self.unread > 0,
            f"{self.dead_letters} dead letters": self.dead_letters > 0,
        }
        return [claim for claim, is_broken in claims.items() if is_broken]


async def audit(connection: asyncpg.Connection) -> Audit:
    """Count everything at one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        stored = await connection.fetchrow(_STORED)
        turns = await connection.fetchrow(_IN_ONE_TURN)
        replies = await connection.fetchrow(_REPLIES)
        waiting = await connection.fetchrow(_WAITING)
    counts = [int(number) for row in (stored, turns, replies, waiting) for number in row]
    return msgspec.convert(dict(zip(Audit.__struct_fields__, counts, strict=True)), Audit)


async def settled(connection: asyncpg.Connection, patience_s: float) -> Audit:
    """Wait until nothing waits any more, at most *patience_s*; the audit of that moment, settled or not."""
    await quiet(connection, patience_s)
    return await audit(connection)


async def quiet(connection: asyncpg.Connection, patience_s: float) -> bool:
    """Wait until nothing waits any more, at most *patience_s*; whether it came to that."""

    async def is_quiet() -> bool:
        outbox, unread, _ = await connection.fetchrow(_WAITING)
        return int(outbox) + int(unread) == 0

    return await became(is_quiet, patience_s)


async def became(claim: Callable[[], Awaitable[bool]], patience_s: float, every_s: float = 0.1) -> bool:
    """Ask until the claim holds; false when it does not in time."""
    give_up = time.monotonic() + patience_s
    while not await claim():
        if time.monotonic() > give_up:
            return False
        await asyncio.sleep(every_s)
    return True
