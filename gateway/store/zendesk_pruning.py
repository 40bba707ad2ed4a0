"""Forgets which words went where in cases that have been over for long, so that none of them could be said again.

What still protects from a repetition stays, in one row a case: up to where the ticket holds the conversation, and up to
where its comments were heard. A ticket's comments are forgotten with the last of its cases, and not while an event of
the ticket waits or is a dead letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.ids import HandoffId

CASES_AT_ONCE = 25
"""With at most 5,000 comments a ticket: what one transaction deletes is bounded."""

HEARD_BEYOND = timedelta(minutes=1, microseconds=1)
"""A little more than what is read again of a ticket, each time that it is read."""

SLACK = timedelta(hours=1)
"""Clocks differ: what agents said up to so long after a case's end is taken for part of it."""

DUE = text("""
    SELECT c.handoff_id, array_append(c.old_tickets, c.ticket_id) AS tickets,
           coalesce(h.told_end AND h.ended_at < now() - CAST(:keep AS interval), h.id IS NULL) AS is_over
    FROM zendesk_case c LEFT JOIN handoff h ON h.id = c.handoff_id
    WHERE c.desk = :desk AND c.tidy_at <= now() AND c.tidy_at < 'infinity'
    ORDER BY c.tidy_at LIMIT :limit FOR UPDATE OF c SKIP LOCKED
""")

LATER = text("""
    UPDATE zendesk_case c SET tidy_at = greatest(
        coalesce((SELECT h.ended_at FROM handoff h WHERE h.id = c.handoff_id), now()) + CAST(:keep AS interval),
        now() + interval '1 hour'
    )
    WHERE c.desk = :desk AND c.handoff_id = ANY(:ids)
""")

# Dead letters can be tried again at any time.
WAITING = text("""
    SELECT reference FROM desk_event
    WHERE desk = :desk AND reference = ANY(:references) AND applied_at IS NULL AND gave_up_at IS NULL
    UNION
    SELECT reference FROM desk_event
    WHERE gave_up_at IS NOT NULL AND applied_at IS NULL AND desk = :desk AND reference = ANY(:references)
""")

IN_USE = text("""
    SELECT ticket_id FROM zendesk_case
    WHERE desk = :desk AND ticket_id = ANY(:tickets) AND handoff_id <> ALL(:ids) AND tidy_at < 'infinity'
""")

FOLD = text("""
    UPDATE zendesk_case c SET tidy_at = 'infinity', heard_until = c.heard_until + CAST(:beyond AS interval),
        forgotten_until = CAST(:slack AS interval)
            + coalesce((SELECT h.ended_at FROM handoff h WHERE h.id = c.handoff_id), now()),
        made_position = greatest(c.made_position, coalesce((
            SELECT max(u.to_position) FROM zendesk_update u
            WHERE u.desk = c.desk AND u.handoff_id = c.handoff_id AND u.done_at IS NOT NULL
        ), 0))
    WHERE c.desk = :desk AND c.handoff_id = ANY(:ids)
""")

FORGET_UPDATES = text("DELETE FROM zendesk_update WHERE desk = :desk AND handoff_id = ANY(:ids)")

FORGET_UPLOADS = text("DELETE FROM zendesk_upload WHERE desk = :desk AND handoff_id = ANY(:ids)")

FORGET_COMMENTS = text("DELETE FROM zendesk_comment WHERE desk = :desk AND ticket_id = ANY(:tickets)")


IS_FORGOTTEN = text("""
    SELECT 1 FROM zendesk_case WHERE desk = :desk AND ticket_id = :ticket_id AND forgotten_until >= :at LIMIT 1
""")


class _Due(msgspec.Struct, frozen=True):
    handoff_id: HandoffId
    tickets: frozenset[int]
    is_over: bool


async def prune(connection: AsyncConnection, desk: str, keep: timedelta) -> bool:
    """Forget what concerns cases that ended longer than *keep* ago; true when there may be more at once."""
    values = {"desk": desk, "keep": keep, "limit": CASES_AT_ONCE}
    rows = (await connection.execute(DUE, values)).all()
    due = [_Due(row.handoff_id, frozenset(one for one in row.tickets if one is not None), row.is_over) for row in rows]
    waiting = await _waiting(connection, desk, [ticket for one in due for ticket in one.tickets])
    over = [one for one in due if one.is_over and not one.tickets & waiting]
    later = [one.handoff_id for one in due if one not in over]
    if later:
        await connection.execute(LATER, {"desk": desk, "ids": later, "keep": keep})
    if over:
        await _forget(connection, desk, over)
    return len(due) == CASES_AT_ONCE


async def is_forgotten(connection: AsyncConnection, desk: str, ticket_id: int, at: datetime) -> bool:
    """Whether nobody remembers any more what became of a comment of that time: all of them were dealt with."""
    values = {"desk": desk, "ticket_id": ticket_id, "at": at}
    return (await connection.execute(IS_FORGOTTEN, values)).one_or_none() is not None


async def _waiting(connection: AsyncConnection, desk: str, tickets: Sequence[int]) -> frozenset[int]:
    """Those of the tickets of which an event is still to be applied, or could be."""
    rows = await connection.execute(WAITING, {"desk": desk, "references": [str(ticket) for ticket in tickets]})
    return frozenset(int(reference) for reference in rows.scalars())


async def _forget(connection: AsyncConnection, desk: str, over: Sequence[_Due]) -> None:
    ids = [one.handoff_id for one in over]
    tickets = [ticket for one in over for ticket in one.tickets]
    in_use = frozenset((await connection.execute(IN_USE, {"desk": desk, "tickets": tickets, "ids": ids})).scalars())
    await connection.execute(FOLD, {"desk": desk, "ids": ids, "beyond": HEARD_BEYOND, "slack": SLACK})
    await connection.execute(FORGET_UPDATES, {"desk": desk, "ids": ids})
    await connection.execute(FORGET_UPLOADS, {"desk": desk, "ids": ids})
    free = [ticket for ticket in tickets if ticket not in in_use]
    await connection.execute(FORGET_COMMENTS, {"desk": desk, "tickets": free})
