"""What happens to a message after it was stored: receipts, edits, deletions, reactions. In any order.

What comes before its message is parked under the provider's message id, and applied when the message is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import msgspec

from gateway.core.events import EventKind
from gateway.core.ids import ConversationId, derived_id
from gateway.core.inbound import Deleted, Edited, Reacted, Receipt
from gateway.core.messages import STATUS_RANK, Status, encode_parts
from gateway.store import consent
from gateway.store.rows import Change, NewChange

RANK = "CASE {0} " + " ".join(f"WHEN '{status}' THEN {rank}" for status, rank in STATUS_RANK.items()) + " END"
"""SQL for the rank of a status; a status is only ever replaced by one of a higher rank."""

FIND_TARGETS = """
    SELECT q.n, r.conversation_id, r.position, r.message_id
    FROM unnest($1::int[], $2::text[], $3::int[]) AS q (account_id, provider_message_id, n)
    JOIN provider_ref r ON r.account_id = q.account_id AND r.provider_message_id = q.provider_message_id
"""

APPLY_RECEIPTS = f"""
    UPDATE message m SET status = x.status
    FROM (
        SELECT q.* FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[])
               AS q (conversation_id, position, id, status)
        JOIN message l ON l.conversation_id = q.conversation_id AND l.position = q.position AND l.id = q.id
        ORDER BY q.conversation_id, q.position FOR UPDATE OF l
    ) x
    WHERE m.conversation_id = x.conversation_id AND m.position = x.position AND m.id = x.id
      AND m.author <> 'customer' AND {RANK.format("x.status")} > {RANK.format("m.status")}
    RETURNING m.id
"""

APPLY_EDIT = """
    UPDATE message SET parts = $4::jsonb, edited_at = $5
    WHERE conversation_id = $1 AND position = $2 AND id = $3 AND deleted_at IS NULL
      AND coalesce(edited_at, '-infinity') <= $5
"""

APPLY_DELETION = """
    UPDATE message SET parts = '[]', deleted_at = $4
    WHERE conversation_id = $1 AND position = $2 AND id = $3 AND deleted_at IS NULL
"""

APPLY_REACTION = """
    UPDATE message SET reactions = jsonb_build_object('emojis', $4::text[], 'at', $5::timestamptz)
    WHERE conversation_id = $1 AND position = $2 AND id = $3
      AND coalesce((reactions ->> 'at')::timestamptz, '-infinity') <= $5
"""

INSERT_EVENT = """
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject, data)
    SELECT $1, $2, $3, $4, (SELECT episode_id FROM message WHERE conversation_id = $4 AND position = $6 AND id = $5),
           $5, $7::jsonb
"""

PARK = """
    INSERT INTO parked (account_id, provider_message_id, event)
    SELECT * FROM unnest($1::int[], $2::text[], $3::bytea[])
"""

EXPIRE_PARKED = "DELETE FROM parked WHERE at < now() - $1::interval"

_encoder = msgspec.json.Encoder()

EVENT_OF_RECEIPT = {
    "sent": EventKind.MESSAGE_SENT,
    "delivered": EventKind.MESSAGE_DELIVERED,
    "read": EventKind.MESSAGE_READ,
    "failed": EventKind.MESSAGE_FAILED,
}


async def apply_or_park(connection: asyncpg.Connection, items: Sequence[NewChange]) -> set[ConversationId]:
    """Apply each change whose message is known; park the others. Returns the conversations of the known ones."""
    if not items:
        return set()
    unmatched, touched = await apply(connection, items)
    if unmatched:
        rows = [
            (item.account_id, item.event.provider_message_id, _encoder.encode(item.event))
            for number, item in enumerate(items)
            if number in unmatched
        ]
        await connection.execute(PARK, *map(list, zip(*rows, strict=True)))
    return touched


async def expire_parked(connection: asyncpg.Connection, age: timedelta) -> None:
    """Drop what waited longer than any provider redelivers."""
    await connection.execute(EXPIRE_PARKED, age)


async def apply(connection: asyncpg.Connection, items: Sequence[NewChange]) -> tuple[set[int], set[ConversationId]]:
    """Apply what can be applied; returns the numbers of items whose message is not known, and the conversations."""
    found = await connection.fetch(
        FIND_TARGETS,
        [item.account_id for item in items],
        [item.event.provider_message_id for item in items],
        list(range(len(items))),
    )
    target = {row["n"]: row for row in found}
    receipts = []
    for number, row in target.items():
        item = items[number]
        if isinstance(item.event, Receipt):
            receipts.append((row, item.account_id, item.event))
    if receipts:
        await _apply_receipts(connection, receipts)
        await _note_meanings(connection, receipts)
    for number in sorted(target, key=lambda n: (target[n]["conversation_id"], target[n]["position"], n)):
        event = items[number].event
        if not isinstance(event, Receipt):
            await _apply_one(connection, target[number], items[number], event)
    unmatched = {number for number in range(len(items)) if number not in target}
    return unmatched, {row["conversation_id"] for row in target.values()}


async def _apply_receipts(
    connection: asyncpg.Connection, receipts: Sequence[tuple[asyncpg.Record, int, Receipt]]
) -> None:
    best: dict[tuple[object, int, object], tuple[Receipt, int]] = {}
    for row, account_id, receipt in receipts:
        key = (row["conversation_id"], row["position"], row["message_id"])
        if key not in best or STATUS_RANK[Status(receipt.status)] > STATUS_RANK[Status(best[key][0].status)]:
            best[key] = (receipt, account_id)
    keys = sorted(best, key=str)
    statuses = [best[key][0].status for key in keys]
    changed = await connection.fetch(
        APPLY_RECEIPTS, [k[0] for k in keys], [k[1] for k in keys], [k[2] for k in keys], statuses
    )
    moved = {row["id"] for row in changed}
    for key in keys:
        if key[2] in moved:
            receipt, account_id = best[key]
            await _tell(connection, EVENT_OF_RECEIPT[receipt.status], account_id, key, _reason(receipt))


async def _note_meanings(
    connection: asyncpg.Connection, receipts: Sequence[tuple[asyncpg.Record, int, Receipt]]
) -> None:
    """What a failure says about the person binds what we send next."""
    for row, _, receipt in sorted(receipts, key=lambda found: str(found[0]["conversation_id"])):
        if receipt.status == "failed" and receipt.meaning:
            await consent.note_refusal(connection, row["conversation_id"], receipt.meaning, receipt.at, receipt.code)


async def _apply_one(connection: asyncpg.Connection, row: asyncpg.Record, item: NewChange, event: Change) -> None:
    key = (row["conversation_id"], row["position"], row["message_id"])
    match event:
        case Edited():
            done = await connection.execute(APPLY_EDIT, *key, encode_parts(event.parts).decode(), event.at)
            kind = EventKind.MESSAGE_EDITED
        case Deleted():
            done = await connection.execute(APPLY_DELETION, *key, event.at)
            kind = EventKind.MESSAGE_DELETED
        case Reacted():
            done = await connection.execute(APPLY_REACTION, *key, list(event.emojis), event.at)
            kind = EventKind.MESSAGE_REACTED
        case Receipt():
            return
    if done != "UPDATE 0":
        await _tell(connection, kind, item.account_id, key, None, discriminator=event.event_key)


async def _tell(
    connection: asyncpg.Connection,
    kind: EventKind,
    account_id: int,
    key: tuple[object, int, object],
    data: str | None,
    *,
    discriminator: str = "",
) -> None:
    conversation_id, position, message_id = key
    event_id = derived_id(message_id, f"{kind}{discriminator}")  # type: ignore[arg-type]
    await connection.execute(
        INSERT_EVENT, event_id, kind.value, account_id, conversation_id, message_id, position, data
    )


def _reason(event: Receipt) -> str | None:
    if event.reason:
        return _encoder.encode({"reason": event.reason, "code": event.code}).decode()
    return None
