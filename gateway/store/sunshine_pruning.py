"""Forgets what agents said in cases that have been over for long, so that none of it could be said again.

Of a conversation that nothing came after, all that was said until its last case ended counts as heard from then on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SAID_AT_ONCE = 1_000

HEARD_BEYOND = timedelta(hours=1)
"""So much longer than the end is counted as heard: clocks differ, and a little is read again each time."""

# Dead letters can be tried again at any time.
DUE = text("""
    SELECT s.message_id, h.conversation_id, h.ended_at,
           coalesce(h.told_end AND h.ended_at < now() - CAST(:keep AS interval), h.id IS NULL) AND NOT EXISTS (
               SELECT 1 FROM desk_event e
               WHERE e.desk = s.desk AND e.key = 'm:' || s.message_id AND e.applied_at IS NULL
           ) AS is_over
    FROM sunshine_said s LEFT JOIN handoff h ON h.id = s.handoff_id
    WHERE s.desk = :desk AND s.tidy_at <= now()
    ORDER BY s.tidy_at LIMIT :limit FOR UPDATE OF s SKIP LOCKED
""")

LATER = text("""
    UPDATE sunshine_said s SET tidy_at = greatest(
        coalesce((SELECT h.ended_at FROM handoff h WHERE h.id = s.handoff_id), now()) + CAST(:keep AS interval),
        now() + interval '1 hour'
    )
    WHERE s.desk = :desk AND s.message_id = ANY(:ids)
""")

HEARD = text("""
    UPDATE sunshine_stay s SET heard_until = greatest(s.heard_until, e.ended_at + CAST(:beyond AS interval)),
        forgotten_until = greatest(s.forgotten_until, e.ended_at + CAST(:beyond AS interval))
    FROM unnest(CAST(:conversations AS uuid[]), CAST(:ends AS timestamptz[])) AS e (conversation_id, ended_at)
    WHERE s.desk = :desk AND s.conversation_id = e.conversation_id
""")

FORGET = text("DELETE FROM sunshine_said WHERE desk = :desk AND message_id = ANY(:ids)")


IS_FORGOTTEN = text("""
    SELECT 1 FROM sunshine_talk t JOIN sunshine_stay s ON s.desk = t.desk AND s.conversation_id = t.conversation_id
    WHERE t.desk = :desk AND t.talk_id = :talk_id AND s.forgotten_until >= :at
""")


async def is_forgotten(connection: AsyncConnection, desk: str, talk_id: str, at: datetime) -> bool:
    """Whether nobody remembers any more what became of a message of that time: all of them were dealt with."""
    values = {"desk": desk, "talk_id": talk_id, "at": at}
    return (await connection.execute(IS_FORGOTTEN, values)).one_or_none() is not None


async def prune(connection: AsyncConnection, desk: str, keep: timedelta) -> bool:
    """Forget what was said in cases that ended longer than *keep* ago; true when there may be more at once."""
    values = {"desk": desk, "keep": keep, "limit": SAID_AT_ONCE}
    due = (await connection.execute(DUE, values)).all()
    over = [row for row in due if row.is_over]
    if later := [row.message_id for row in due if not row.is_over]:
        await connection.execute(LATER, {"desk": desk, "ids": later, "keep": keep})
    if over:
        ended = sorted((row.ended_at, row.conversation_id) for row in over if row.ended_at is not None)
        ends = {conversation_id: ended_at for ended_at, conversation_id in ended}  # the newest of each
        await connection.execute(
            HEARD,
            {"desk": desk, "conversations": list(ends), "ends": list(ends.values()), "beyond": HEARD_BEYOND},
        )
        await connection.execute(FORGET, {"desk": desk, "ids": [row.message_id for row in over]})
    return len(due) == SAID_AT_ONCE
