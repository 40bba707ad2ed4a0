"""What the pump reads and writes: cases of which a desk has still to hear, with all that it should know of them.

Nothing is written when a case is taken: who holds the desk's lease is alone with it, and remembers what it is at. What
was told is written under the lease's token, after the desk has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from gateway.core.desks import CaseAddress, CaseContact, DeskMessage
from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId, MessageId
from gateway.core.messages import Author, decode_parts
from gateway.store.contacts import TIME_ZONE
from gateway.store.handoffs import spellings

ADDRESSES = 10
"""So many addresses of a contact are told at most."""

COUNTED = 10_000
"""A backlog is counted up to here."""

_OURS = "EXISTS (SELECT 1 FROM desk_lease l WHERE l.desk = $1 AND l.token = $2 AND l.until > now())"

PENDING = f"""
    SELECT h.id, h.conversation_id, h.desk, h.reason, h.detail, h.asked_at, h.acknowledged_at, h.reference, h.ended_at,
           h.end_reason, h.end_position, h.told_position, h.tries, h.intent, h.confidence, h.slots, h.sentiment,
           h.is_urgent, h.reopens, h.reopened_agent, c.account_id, c.contact_id, c.language, a.app,
           a.channel || '.' || a.endpoint || '.' || a.name AS account, t.name, t.language AS contact_language,
           {TIME_ZONE} AS time_zone, coalesce(t.details ->> 'email', '') AS email,
           coalesce(t.details ->> 'phone', p.value, '') AS phone, d.addresses
    FROM (
        SELECT * FROM handoff
        WHERE desk = ANY($3::text[]) AND NOT told_end AND due_at <= now() AND id <> ALL($4::uuid[]) AND {_OURS}
        ORDER BY due_at LIMIT $5
    ) h
    JOIN conversation c ON c.id = h.conversation_id
    JOIN contact t ON t.id = c.contact_id
    JOIN account a ON a.id = c.account_id
    LEFT JOIN LATERAL (
        SELECT value FROM address_alias WHERE address_id = c.address_id AND kind = 'phone' LIMIT 1
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('app', x.app, 'account', x.account, 'recipient', x.recipient,
                                            'evidence', x.evidence)) AS addresses
        FROM (
            SELECT b.app, b.channel || '.' || b.endpoint || '.' || b.name AS account, o.recipient, o.evidence
            FROM address o JOIN account b ON b.id = o.account_id
            WHERE o.contact_id = c.contact_id
            ORDER BY o.id = c.address_id DESC, o.created_at DESC LIMIT {ADDRESSES}
        ) x
    ) d ON true
    ORDER BY h.due_at
"""

MESSAGE = """
    SELECT m.id, m.position, m.at, m.author, m.parts, m.status, m.agent,
           coalesce((SELECT k.key FROM agent_key k WHERE k.message_id = m.id LIMIT 1), '') AS key,
           m.author = 'customer' AND m.at > now() - $5::interval AND EXISTS (
               SELECT 1 FROM media_job j WHERE j.message_id = m.id AND j.failed_reason = ''
           ) AS is_fetching
"""

NEXT = f"""
    {MESSAGE}
    FROM message m
    WHERE m.conversation_id = $1 AND m.position > $2 AND m.position <= coalesce($3, 9223372036854775807)
    ORDER BY m.position LIMIT $4
"""

NEWEST = f"""
    SELECT * FROM (
        {MESSAGE}
        FROM message m
        WHERE m.conversation_id = $1 AND m.position > $2 AND m.position <= coalesce($3, 9223372036854775807)
        ORDER BY m.position DESC LIMIT $4
    ) x ORDER BY position
"""

TOLD = f"""
    UPDATE handoff h SET acknowledged_at = coalesce(acknowledged_at, now()), reference = $5,
        told_position = greatest(told_position, $6), told_end = $7, tries = 0, problem = '',
        watch_at = CASE WHEN acknowledged_at IS NULL THEN now() ELSE watch_at END,
        due_at = CASE WHEN $7 THEN 'infinity' WHEN h.ended_at IS NOT NULL OR EXISTS (
                          SELECT 1 FROM message m WHERE m.conversation_id = h.conversation_id AND m.position > $6
                      ) THEN now() ELSE 'infinity' END
    WHERE id = $4 AND desk = ANY($3::text[]) AND {_OURS}
    RETURNING due_at < 'infinity' AS has_more
"""

PUT_OFF = f"""
    UPDATE handoff h SET due_at = now() + $5, tries = tries + $6, problem = $7
    WHERE id = $4 AND desk = ANY($3::text[]) AND {_OURS}
"""

BACKLOG = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM handoff
        WHERE desk = ANY($1::text[]) AND NOT told_end AND due_at < 'infinity' LIMIT {COUNTED}
    ) x
"""

_addresses = msgspec.json.Decoder(tuple[CaseAddress, ...])
_slots = msgspec.json.Decoder(dict[str, str])


class Held(msgspec.Struct, frozen=True):
    """A desk that this process holds, by the token of its lease."""

    desk: str
    token: int


class PendingCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case of which its desk has still to be told something, with all that a new one comes with."""

    id: HandoffId
    conversation_id: ConversationId
    account_id: AccountId
    contact: CaseContact
    app: str
    account: str
    reason: str
    detail: str
    asked_at: datetime
    language: str
    is_urgent: bool
    intent: str
    confidence: float
    slots: dict[str, str]
    sentiment: str
    reopens: str
    reopened_agent: str
    reference: str
    acknowledged_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    end_position: int | None
    told_position: int
    tries: int


class Lines(msgspec.Struct, frozen=True):
    """Messages in their order. ``waits``: more follow, whose files are still being fetched."""

    messages: tuple[DeskMessage, ...]
    waits: bool


async def pending(
    connection: asyncpg.Connection, held: Held, *, besides: Sequence[HandoffId], limit: int
) -> list[PendingCase]:
    """Cases to be told of, the longest due first, other than *besides*; none when the lease has passed on."""
    rows = await connection.fetch(PENDING, held.desk, held.token, spellings(held.desk), list(besides), limit)
    return [_pending(row) for row in rows]


async def newest(connection: asyncpg.Connection, case: PendingCase, *, limit: int, media_wait_s: float) -> Lines:
    """The newest *limit* messages of the conversation until the case's end, oldest first."""
    wait = timedelta(seconds=media_wait_s)
    values = (case.conversation_id, case.told_position, case.end_position, limit, wait)
    return _lines(await connection.fetch(NEWEST, *values))


async def following(connection: asyncpg.Connection, case: PendingCase, *, limit: int, media_wait_s: float) -> Lines:
    """The first *limit* messages that the desk does not have, until the case's end."""
    wait = timedelta(seconds=media_wait_s)
    values = (case.conversation_id, case.told_position, case.end_position, limit, wait)
    return _lines(await connection.fetch(NEXT, *values))


async def told(
    connection: asyncpg.Connection, held: Held, case: PendingCase, *, reference: str, position: int, told_end: bool
) -> bool | None:
    """The desk has everything up to *position*, and knows the end when *told_end*. Answers whether there is more.

    ``None``: the lease has passed on, or the case went to another desk; nothing was written.
    """
    values = (held.desk, held.token, spellings(held.desk), case.id, reference, position, told_end)
    has_more: bool | None = await connection.fetchval(TOLD, *values)
    return has_more


async def put_off(
    connection: asyncpg.Connection, held: Held, case: PendingCase, after_s: float, *, problem: str, is_failure: bool
) -> None:
    """The desk could not be told now; *problem* is in one word, without anything of the customer's."""
    after = timedelta(seconds=after_s)
    values = (held.desk, held.token, spellings(held.desk), case.id, after, int(is_failure), problem)
    await connection.execute(PUT_OFF, *values)


async def backlog(connection: asyncpg.Connection, desk: str) -> int:
    """Cases of which the desk has still to hear something, up to ``COUNTED``."""
    return int(await connection.fetchval(BACKLOG, spellings(desk)))


def _pending(row: asyncpg.Record) -> PendingCase:
    contact = CaseContact(
        contact_id=ContactId(row["contact_id"]),
        name=row["name"],
        language=row["contact_language"] or row["language"],
        time_zone=row["time_zone"],
        phone=row["phone"],
        email=row["email"],
        addresses=_addresses.decode(row["addresses"]) if row["addresses"] else (),
    )
    same = {name: row[name] for name in PendingCase.__struct_fields__ if name not in ("contact", "slots")}
    return PendingCase(contact=contact, slots=_slots.decode(row["slots"]), **same)


def _lines(rows: Sequence[asyncpg.Record]) -> Lines:
    """Up to the first message whose files are being fetched: what follows it follows it at the desk too."""
    ready: list[DeskMessage] = []
    for row in rows:
        if row["is_fetching"]:
            return Lines(tuple(ready), waits=True)
        ready.append(_message(row))
    return Lines(tuple(ready), waits=False)


def _message(row: asyncpg.Record) -> DeskMessage:
    return DeskMessage(
        MessageId(row["id"]),
        row["position"],
        row["at"],
        Author(row["author"]),
        decode_parts(row["parts"]),
        row["status"],
        row["agent"],
        row["key"],
    )
