"""What happens at an address besides a customer's words: arrivals, watermarks, echoes, consent, control.

Each is applied in the transaction of receive, in its place among the messages, to a conversation whose row is locked.
An echo or a watermark that concerns a message of ours whose call has not returned yet is parked until it has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.events import EventKind
from gateway.core.handoff_reasons import Asked
from gateway.core.ids import AccountId, ConversationId, MessageId, derived_id, new_id
from gateway.core.inbound import AddressMoved, Arrived, ConsentChanged, ControlMoved, Echoed, Origin, SeenUpTo
from gateway.core.messages import STATUS_RANK, Author, Status, decode_parts, plain_text
from gateway.store import consent, elsewhere, ours
from gateway.store.aliases import NamesChanged
from gateway.store.changes import PARK, RANK
from gateway.store.delivering import TakenRef, settle_by_ref
from gateway.store.rows import Known, NewAddressEvent, NewNotice

LOCK = "SELECT id, names_version FROM conversation WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"

ARRIVE = """
    UPDATE conversation SET
        heard_at = greatest(heard_at, least($2, now())),
        window_until = greatest(window_until, $3),
        next_origin = CASE WHEN episode_id IS NULL THEN coalesce($4::jsonb, next_origin) ELSE next_origin END
    WHERE id = $1
    RETURNING episode_id
"""

SET_ORIGIN = "UPDATE episode SET origin = $2::jsonb WHERE id = $1 AND origin IS NULL"

MOST_SEEN = 1_000
"""A watermark looks at so many of the conversation's newest messages, whatever its length."""

SEE = f"""
    WITH seen AS (
        UPDATE message m SET status = $3
        FROM (
            SELECT l.conversation_id, l.position, l.id FROM message l
            WHERE l.conversation_id = $1 AND l.position >= $4 AND l.at <= $2 AND l.author <> '{Author.CUSTOMER}'
              AND l.status IN ('{Status.SENT}', '{Status.DELIVERED}')
              AND {RANK.format("l.status")} < {{rank}}
            ORDER BY l.position FOR UPDATE OF l
        ) u
        WHERE m.conversation_id = u.conversation_id AND m.position = u.position AND m.id = u.id
        RETURNING m.id, m.episode_id
    )
    SELECT id, episode_id FROM seen
"""

SEE_AS: dict[str, tuple[str, EventKind]] = {
    "delivered": (SEE.format(rank=STATUS_RANK[Status.DELIVERED]), EventKind.MESSAGE_DELIVERED),
    "read": (SEE.format(rank=STATUS_RANK[Status.READ]), EventKind.MESSAGE_READ),
}

NEWEST = "SELECT next_position FROM conversation WHERE id = $1"

SENDING = """
    SELECT m.parts FROM outbox o
    JOIN message m ON m.conversation_id = o.conversation_id AND m.position = o.position AND m.id = o.message_id
    WHERE o.conversation_id = $1 AND (o.is_sending OR o.ambiguities > 0)
"""

IS_SENDING = """
    SELECT EXISTS (
        SELECT 1 FROM outbox WHERE conversation_id = $1 AND (is_sending OR ambiguities > 0) AND created_at <= $2
    )
"""

KNOWS_REF = "SELECT EXISTS (SELECT 1 FROM provider_ref WHERE account_id = $1 AND provider_message_id = $2)"

POSITION_OF = "SELECT position FROM message WHERE conversation_id = $1 AND id = $2"

INSERT_EVENTS = """
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::uuid[], $5::uuid[], $6::uuid[])
"""

INSERT_NOTICES = """
    INSERT INTO account_notice (id, account_id, kind, subject, state, detail, is_bad, at)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[],
                         $8::timestamptz[])
"""

_WORD = re.compile(r"[^\W_]+")

_encoder = msgspec.json.Encoder()


async def lock(connection: asyncpg.Connection, people: Sequence[Known]) -> None:
    """Lock these conversations. Raises ``NamesChanged`` when one was erased or what we remember of it is old."""
    versions = {one.conversation_id: one.version for one in people}
    rows = await connection.fetch(LOCK, list(versions))
    if {row[0]: row[1] for row in rows} != versions:
        raise NamesChanged("what was remembered of a conversation is old")


async def apply(connection: asyncpg.Connection, item: NewAddressEvent, known: Known) -> bool:
    """Apply one act; true when there is something new to read in the conversation."""
    match item.event:
        case Arrived() as event:
            await _arrive(connection, item, event, known)
        case SeenUpTo() as event:
            if not await see(connection, item.account_id, event, known):
                await _park(connection, item.account_id, "", event)
        case Echoed() as event:
            done = await echo(connection, item.account_id, event, known)
            if done is None:
                await _park(connection, item.account_id, event.provider_message_id, event)
            return bool(done)
        case ControlMoved() as event:
            return await elsewhere.moved(
                connection,
                known.conversation_id,
                to_us=event.to == "us",
                at=event.at,
                name=event.name,
                reason=event.reason,
            )
        case ConsentChanged() as event:
            await consent.told(connection, known.conversation_id, event)
        case AddressMoved():
            pass  # its names were settled with everybody's
        case _ as never:
            assert_never(never)
    return False


async def notice(connection: asyncpg.Connection, items: Sequence[NewNotice]) -> None:
    """Put down what providers say of accounts."""
    rows = [
        (
            new_id(),
            i.account_id,
            i.event.kind,
            i.event.subject,
            i.event.state,
            i.event.detail,
            i.event.is_bad,
            i.event.at,
        )
        for i in items
    ]
    await connection.execute(INSERT_NOTICES, *map(list, zip(*rows, strict=True)))


async def see(connection: asyncpg.Connection, account_id: AccountId, event: SeenUpTo, known: Known) -> bool:
    """Move what was sent until then forward; false while some of it is still being sent."""
    conversation_id = known.conversation_id
    is_complete = not await connection.fetchval(IS_SENDING, conversation_id, event.up_to)
    newest = await connection.fetchval(NEWEST, conversation_id)
    statement, kind = SEE_AS[event.status]
    rows = await connection.fetch(statement, conversation_id, event.up_to, event.status, newest - MOST_SEEN)
    if rows:
        events = [
            (derived_id(row["id"], kind), kind.value, account_id, conversation_id, row["episode_id"], row["id"])
            for row in rows
        ]
        await connection.execute(INSERT_EVENTS, *map(list, zip(*events, strict=True)))
    return is_complete


async def echo(connection: asyncpg.Connection, account_id: AccountId, event: Echoed, known: Known) -> bool | None:
    """What was said in our name. True: somebody else's words were put down, false: they were ours, known already.

    ``None``: they may be those of a message whose call has not returned, so nobody can say yet.
    """
    conversation_id, ref = known.conversation_id, _message_id(event.our_ref)
    if ref is not None and await _settle(connection, account_id, event, conversation_id, ref):
        return False
    if await connection.fetchval(KNOWS_REF, account_id, event.provider_message_id):
        return False
    sending = [plain_text(decode_parts(row[0])) for row in await connection.fetch(SENDING, conversation_id)]
    if (event.by == "us" and sending) or _is_among(plain_text(event.parts), sending):
        return None
    is_agent = event.by == "agent"
    if is_agent:
        await elsewhere.taken(connection, conversation_id, name=event.name, reason=Asked.PROVIDER_INBOX)
    await ours.append_said(
        connection,
        conversation_id,
        MessageId(new_id()),
        author=Author.AGENT if is_agent else Author.SYSTEM,
        name=event.name or (elsewhere.NAMELESS if is_agent else ""),
        parts=event.parts,
        at=event.at,
        provider_message_id=event.provider_message_id,
    )
    return True


async def _settle(
    connection: asyncpg.Connection,
    account_id: AccountId,
    event: Echoed,
    conversation_id: ConversationId,
    message_id: MessageId,
) -> bool:
    """Whether the message is ours; from now on the provider's id leads to it."""
    ref = TakenRef(account_id, message_id, event.provider_message_id)
    if message_id in await settle_by_ref(connection, [ref]):
        return True
    position = await connection.fetchval(POSITION_OF, conversation_id, message_id)
    if position is None:
        return False
    place = (account_id, event.provider_message_id, conversation_id, position, message_id)
    await connection.execute(ours.INSERT_REF, *place)
    return True


async def _arrive(connection: asyncpg.Connection, item: NewAddressEvent, event: Arrived, known: Known) -> None:
    origin = event.origin or (Origin(kind="link", id=event.referral) if event.referral else None)
    encoded = None if origin is None else _encoder.encode(origin).decode()
    episode_id = await connection.fetchval(ARRIVE, known.conversation_id, event.at, item.window_until, encoded)
    if episode_id is not None and encoded is not None:
        await connection.execute(SET_ORIGIN, episode_id, encoded)


async def _park(connection: asyncpg.Connection, account_id: AccountId, ref: str, event: Echoed | SeenUpTo) -> None:
    await connection.execute(PARK, [account_id], [ref], [_encoder.encode(event)])


def _message_id(our_ref: str) -> MessageId | None:
    try:
        return MessageId(UUID(our_ref))
    except ValueError:
        return None


def _is_among(said: str, sending: Sequence[str]) -> bool:
    """Whether these words are, or are part of, what is being sent (a long message goes out in several)."""
    words = _bare(said)
    return bool(words) and any(words in _bare(text) for text in sending)


def _bare(text: str) -> str:
    """Words without the marks that an app's formatting adds or takes away."""
    return " ".join(_WORD.findall(text))
