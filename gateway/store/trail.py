"""What happened to each message, step by step and just now: for the panel that shows the pipeline at work.

A reader with a cursor over the events, and the ends of the conversations that they speak of. Nothing here costs
more as history grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.ids import ConversationId, MessageId, TurnId
from gateway.core.messages import Parts, decode_parts
from gateway.core.turns import Resolution

# A transaction with a lower number may still be running: its events would be skipped by whoever read past it.
EVENTS_AFTER = """
    SELECT xid::text AS transaction, id, kind, at, conversation_id, subject
    FROM event
    WHERE (xid, id) > ($1::text::xid8, $2::uuid) AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, id LIMIT $3
"""

NEWEST_EVENTS = """
    SELECT * FROM (
        SELECT xid::text AS transaction, xid, id, kind, at, conversation_id, subject
        FROM event
        WHERE xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY xid DESC, id DESC LIMIT $1
    ) x ORDER BY xid, id
"""

CONVERSATIONS = """
    SELECT c.id, c.control, c.agent, a.app, t.name
    FROM unnest($1::uuid[]) AS q (id)
    JOIN conversation c ON c.id = q.id
    JOIN account a ON a.id = c.account_id
    JOIN contact t ON t.id = c.contact_id
"""

MESSAGES = """
    SELECT m.conversation_id, m.id, m.seq, m.author, m.status, m.parts, m.at, m.turn_id, m.agent, m.reply_key,
           o.claims, o.failures, coalesce(d.reason, '') AS reason, coalesce(d.detail, '') AS detail,
           coalesce(d.failures, 0) AS dead_failures, m.losses
    FROM unnest($1::uuid[]) AS q (id)
    JOIN conversation c ON c.id = q.id
    JOIN message m ON m.conversation_id = c.id AND m.position >= c.next_position - $2
    LEFT JOIN outbox o ON o.conversation_id = m.conversation_id AND o.position = m.position
    LEFT JOIN dead_letter d ON d.message_id = m.id
    ORDER BY m.conversation_id, m.position
"""

TURNS = """
    SELECT t.conversation_id, t.id, t.from_seq, t.to_seq, t.at, t.epoch, t.bot_version, t.outcome, t.link, t.intent,
           t.confidence, t.language, t.resolution, t.duration_us, coalesce(e.kind, '') AS entry_kind
    FROM unnest($1::uuid[]) AS q (id)
    JOIN conversation c ON c.id = q.id
    JOIN turn t ON t.conversation_id = c.id AND t.from_seq >= c.next_seq - $2
    LEFT JOIN entry e ON e.conversation_id = t.conversation_id AND e.seq = t.from_seq
    ORDER BY t.conversation_id, t.from_seq
"""

_resolutions = msgspec.json.Decoder(Resolution)
_losses = msgspec.json.Decoder(tuple[str, ...])

_NO_ID = UUID(int=0)


class TrailCursor(msgspec.Struct, frozen=True):
    """The last event that was read."""

    xid: str = "0"
    id: UUID = _NO_ID


class TrailEvent(msgspec.Struct, frozen=True):
    """That something happened to ``subject``, and when its transaction began."""

    cursor: TrailCursor
    kind: str
    at: datetime
    conversation_id: ConversationId | None
    subject: UUID


class TrailMessage(msgspec.Struct, frozen=True):
    """``claims`` counts the tries of one that still waits to be sent, ``failures`` those that failed.

    ``losses``: what the customer's app could not show of it.
    """

    id: MessageId
    seq: int | None
    author: str
    status: str
    parts: Parts
    at: datetime
    turn_id: TurnId | None
    agent: str
    reply_key: str
    claims: int
    failures: int
    reason: str
    detail: str
    losses: tuple[str, ...] = ()


class TrailTurn(msgspec.Struct, frozen=True):
    """``entry_kind`` says what the turn began with when that was no message of the customer."""

    id: TurnId
    from_seq: int
    to_seq: int
    at: datetime
    epoch: int
    bot_version: str
    outcome: str
    link: str
    intent: str
    confidence: float
    language: str
    resolution: Resolution | None
    duration_us: int
    entry_kind: str


class TrailEnd(msgspec.Struct, frozen=True):
    """The end of one conversation: its newest messages and turns, oldest first."""

    conversation_id: ConversationId
    app: str
    contact_name: str
    control: str
    agent: str
    messages: tuple[TrailMessage, ...]
    turns: tuple[TrailTurn, ...]


async def read_events(connection: asyncpg.Connection, after: TrailCursor, *, limit: int) -> list[TrailEvent]:
    """The next events in the order in which they count."""
    return [_event(row) for row in await connection.fetch(EVENTS_AFTER, after.xid, after.id, limit)]


async def read_newest_events(connection: asyncpg.Connection, *, limit: int) -> list[TrailEvent]:
    """The last events, oldest first: where a reader begins that does not care for all that was."""
    return [_event(row) for row in await connection.fetch(NEWEST_EVENTS, limit)]


async def read_ends(
    connection: asyncpg.Connection, conversation_ids: Sequence[ConversationId], *, length: int
) -> list[TrailEnd]:
    """The end of each conversation, at most *length* messages and as many entries' turns; gone ones are left out."""
    heads = await connection.fetch(CONVERSATIONS, conversation_ids)
    messages: dict[UUID, list[TrailMessage]] = {}
    for row in await connection.fetch(MESSAGES, conversation_ids, length):
        messages.setdefault(row["conversation_id"], []).append(_message(row))
    turns: dict[UUID, list[TrailTurn]] = {}
    for row in await connection.fetch(TURNS, conversation_ids, length):
        turns.setdefault(row["conversation_id"], []).append(_turn(row))
    return [
        TrailEnd(
            row["id"],
            row["app"],
            row["name"],
            row["control"],
            row["agent"],
            tuple(messages.get(row["id"], ())),
            tuple(turns.get(row["id"], ())),
        )
        for row in heads
    ]


def _event(row: asyncpg.Record) -> TrailEvent:
    cursor = TrailCursor(row["transaction"], row["id"])
    return TrailEvent(cursor, row["kind"], row["at"], row["conversation_id"], row["subject"])


def _message(row: asyncpg.Record) -> TrailMessage:
    return TrailMessage(
        id=row["id"],
        seq=row["seq"],
        author=row["author"],
        status=row["status"],
        parts=decode_parts(row["parts"]),
        at=row["at"],
        turn_id=row["turn_id"],
        agent=row["agent"],
        reply_key=row["reply_key"],
        claims=row["claims"] or 0,
        failures=row["dead_failures"] or row["failures"] or 0,
        reason=row["reason"],
        detail=row["detail"],
        losses=() if row["losses"] is None else _losses.decode(row["losses"]),
    )


def _turn(row: asyncpg.Record) -> TrailTurn:
    stored = row["resolution"]
    facts = {key: row[key] for key in TrailTurn.__struct_fields__ if key != "resolution"}
    return TrailTurn(**facts, resolution=None if stored is None else _resolutions.decode(stored))
