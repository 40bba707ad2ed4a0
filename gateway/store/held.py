"""Messages that wait for the customer's next word: the window is closed, and a template went out in their place.

Who waits has no row in the outbox, so nothing waits behind it. Tables are touched in this order: conversation, outbox,
message, held_message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.events import EventKind
from gateway.core.ids import MessageId, derived_id
from gateway.core.messages import Author, Status
from gateway.store.rows import OutboxRow, Settled

STAND_IN = "outside_window"
"""Key of the message that stands in, as replies have keys."""

LOCK = "SELECT next_position, epoch, episode_id, account_id, heard_at FROM conversation WHERE id = $1 FOR UPDATE"

PUT_BACK = """
    UPDATE outbox SET is_sending = false, owner = NULL, due_at = now()
    WHERE conversation_id = $1 AND position = $2 AND claims = $3 AND is_sending
    RETURNING message_id
"""

TAKE_OUT = """
    DELETE FROM outbox WHERE conversation_id = $1 AND position = $2 AND claims = $3 AND is_sending
    RETURNING epoch, is_proactive, is_marketing, trace
"""

STANDS_IN = """
    SELECT stand_in_id FROM held_message WHERE conversation_id = $1 AND heard_at IS NOT DISTINCT FROM $2 LIMIT 1
"""

KEEP = """
    INSERT INTO held_message (conversation_id, position, message_id, account_id, author, epoch, is_proactive,
                              is_marketing, trace, stand_in_id, heard_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

MARK = "UPDATE conversation SET has_held = true, next_position = next_position + $2 WHERE id = $1"

INSERT_MESSAGE = f"""
    INSERT INTO message (conversation_id, position, id, episode_id, author, status, parts, reply_key)
    VALUES ($1, $2, $3, $4, '{Author.SYSTEM}', '{Status.QUEUED}', $5::jsonb, '{STAND_IN}')
"""

INSERT_OUTBOX = f"""
    INSERT INTO outbox (conversation_id, position, message_id, account_id, author, epoch, is_proactive, is_marketing,
                        is_fallback, trace)
    VALUES ($1, $2, $3, $4, '{Author.SYSTEM}', $5, $6, $7, true, $8)
"""

NEXT = """
    SELECT position FROM outbox WHERE conversation_id = $1 AND position > $2 ORDER BY position LIMIT 1
"""

RELEASE = """
    WITH back AS (
        DELETE FROM held_message h USING conversation c
        WHERE c.id = ANY($1::uuid[]) AND h.conversation_id = c.id AND h.heard_at IS DISTINCT FROM c.heard_at
        RETURNING h.*
    )
    INSERT INTO outbox (conversation_id, position, message_id, account_id, author, epoch, is_proactive, is_marketing,
                        trace)
    SELECT conversation_id, position, message_id, account_id, author, epoch, false, is_marketing, trace FROM back
    RETURNING conversation_id
"""

UNMARK = """
    UPDATE conversation c SET has_held = false
    WHERE c.id = ANY($1::uuid[]) AND NOT EXISTS (SELECT 1 FROM held_message h WHERE h.conversation_id = c.id)
"""

# The heads of what waits: conversations whose person acted meanwhile without a turn of the bot (came by a link).
HEARD = """
    SELECT DISTINCT h.conversation_id FROM held_message h JOIN conversation c ON c.id = h.conversation_id
    WHERE h.heard_at IS DISTINCT FROM c.heard_at LIMIT $1
"""

LOCK_HEARD = "SELECT id FROM conversation WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED"

TAKE_DEAD = "DELETE FROM held_message WHERE {0} RETURNING conversation_id, position, message_id, account_id, author"

FAIL = f"""
    WITH x AS (
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::int[], $5::text[], $6::uuid[])
               AS x (conversation_id, position, id, account_id, author, event_id)
    ), failed AS (
        UPDATE message m SET status = '{Status.FAILED}' FROM x
        WHERE m.conversation_id = x.conversation_id AND m.position = x.position AND m.id = x.id
          AND m.status = '{Status.QUEUED}'
    ), letters AS (
        INSERT INTO dead_letter (message_id, conversation_id, position, account_id, reason, detail, code, failures,
                                 author)
        SELECT id, conversation_id, position, account_id, $7, $8, '', 0, author FROM x
        ON CONFLICT (message_id) DO NOTHING
    )
    INSERT INTO event (id, kind, account_id, conversation_id, subject, data)
    SELECT event_id, '{EventKind.MESSAGE_FAILED}', account_id, conversation_id, id, jsonb_build_object('reason', $7)
    FROM x ON CONFLICT DO NOTHING
"""


class StandIn(msgspec.Struct, frozen=True):
    """The template that goes instead; ``encoded`` is its parts as they are stored."""

    message_id: MessageId
    encoded: str


async def hold(connection: asyncpg.Connection, row: OutboxRow, stand_in: StandIn) -> Settled | None:
    """Let a message that this process took wait, and queue what stands in for it, once for all that wait.

    ``None``: the row is not ours any more. When the customer wrote meanwhile, it is due again instead.
    """
    now = await connection.fetchrow(LOCK, row.conversation_id)
    key = (row.conversation_id, row.position, row.claims)
    if now is None:
        return None
    if now["heard_at"] != row.heard_at:
        back = await connection.fetchval(PUT_BACK, *key)
        return None if back is None else Settled(None)
    taken = await connection.fetchrow(TAKE_OUT, *key)
    if taken is None:
        return None
    known = await connection.fetchval(STANDS_IN, row.conversation_id, row.heard_at)
    stand_in_id, place = known or stand_in.message_id, now["next_position"]
    await connection.execute(MARK, row.conversation_id, 0 if known else 1)
    if known is None:
        await connection.execute(
            INSERT_MESSAGE, row.conversation_id, place, stand_in_id, now["episode_id"], stand_in.encoded
        )
        facts = (now["account_id"], now["epoch"], taken["is_proactive"], taken["is_marketing"], taken["trace"])
        await connection.execute(INSERT_OUTBOX, row.conversation_id, place, stand_in_id, *facts)
    await connection.execute(
        KEEP,
        row.conversation_id,
        row.position,
        row.message_id,
        row.account_id,
        row.author,
        taken["epoch"],
        taken["is_proactive"],
        taken["is_marketing"],
        taken["trace"],
        stand_in_id,
        row.heard_at,
    )
    return Settled(await connection.fetchval(NEXT, row.conversation_id, row.position))


async def release(connection: asyncpg.Connection, conversation_ids: Sequence[UUID]) -> int:
    """What waits in these conversations is due, where the customer was heard since; the caller has locked them."""
    back = await connection.fetch(RELEASE, conversation_ids)
    if back:
        await connection.execute(UNMARK, conversation_ids)
    return len(back)


async def release_heard(connection: asyncpg.Connection, *, limit: int) -> int:
    """The same for customers who acted without a word that the bot reads; returns how many messages are due."""
    ids = [row[0] for row in await connection.fetch(HEARD, limit)]
    locked = [row[0] for row in await connection.fetch(LOCK_HEARD, ids)] if ids else []
    return await release(connection, locked) if locked else 0


async def fail_behind(connection: asyncpg.Connection, stand_ins: Sequence[MessageId], reason: str, detail: str) -> None:
    """The templates could not be sent: what waited behind them fails with the same reason."""
    await _fail(connection, "stand_in_id = ANY($1::uuid[])", list(stand_ins), reason, detail)


async def expire(connection: asyncpg.Connection, age: timedelta) -> None:
    """Nobody answered for so long: what waited is given up."""
    await _fail(connection, "at < now() - $1::interval", age, "window_closed", "the customer did not answer in time")


async def _fail(connection: asyncpg.Connection, which: str, value: object, reason: str, detail: str) -> None:
    rows = await connection.fetch(TAKE_DEAD.format(which), value)
    if not rows:
        return
    columns = [
        [row[name] for row in rows] for name in ("conversation_id", "position", "message_id", "account_id", "author")
    ]
    events = [derived_id(row["message_id"], EventKind.MESSAGE_FAILED) for row in rows]
    await connection.execute(FAIL, *columns, events, reason, detail)
