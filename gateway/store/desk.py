"""What agents see: the cases that wait, conversations with the reasons of the bot's turns, and marks of what changed.

Lists are read off partial indexes and conversations from their end, so that no statement here grows with history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId, MessageId
from gateway.core.messages import Parts, Unsupported, decode_parts
from gateway.core.turns import Resolution

UNANSWERED_WITHIN = 50
"""So many of the newest messages are looked through for those that nobody answered."""

NAMED_WITHIN = 500
"""So many people whose names begin as one types are looked at."""

LOOKED_BACK = 300
"""So many of the newest turns and messages are looked through for what led to a person."""

MARKED_MESSAGES = 30
"""Changes of status, edits and files that arrive are noticed in so many of the newest messages."""

_LAST = """
    LEFT JOIN LATERAL (
        SELECT m.author, m.parts, m.at FROM message m
        WHERE m.conversation_id = c.id AND m.position >= c.next_position - 20 AND m.status <> 'withdrawn'
          AND m.author <> 'system'
        ORDER BY m.position DESC LIMIT 1
    ) l ON true
"""

# Only what came after the last words of an agent, and after the case began, waits for one.
_UNANSWERED = f"""
    LEFT JOIN LATERAL (
        SELECT count(*) AS unanswered, min(m.at) AS since FROM message m
        WHERE m.conversation_id = c.id AND m.position >= c.next_position - {UNANSWERED_WITHIN}
          AND m.author = 'customer' AND m.deleted_at IS NULL AND m.at >= h.asked_at AND m.position > coalesce((
              SELECT max(a.position) FROM message a
              WHERE a.conversation_id = c.id AND a.position >= c.next_position - {UNANSWERED_WITHIN}
                AND a.author = 'agent'
          ), 0)
    ) u ON true
"""

_CASE = f"""
    SELECT h.id AS handoff_id, h.conversation_id, h.reason, h.detail, h.is_urgent, h.asked_at, h.accepted_at,
           h.ended_at, h.end_reason,
           h.agent AS last_agent, c.control, CASE WHEN c.handoff_id = h.id THEN c.agent ELSE '' END AS agent, c.epoch,
           c.language, c.next_position - 1 AS position, t.name AS contact_name, a.app, a.name AS account,
           l.author AS last_author, l.parts AS last_parts, l.at AS last_at,
           coalesce(u.unanswered, 0) AS unanswered, u.since AS unanswered_since
    FROM handoff h
    JOIN conversation c ON c.id = h.conversation_id
    JOIN contact t ON t.id = c.contact_id
    JOIN account a ON a.id = c.account_id
    {_LAST}
    {_UNANSWERED}
"""

OPEN_CASES = text(f"{_CASE} WHERE h.ended_at IS NULL ORDER BY h.asked_at, h.id LIMIT :limit")

CASES_OF = text(f"{_CASE} WHERE h.conversation_id = ANY(:ids) AND h.ended_at IS NULL")

CLOSED_CASES = text(f"{_CASE} WHERE h.ended_at IS NOT NULL ORDER BY h.ended_at DESC LIMIT :limit")

# Names are looked for in the youngest conversations, and by their beginning (an index's range) in all.
WITH_THE_BOT = text(f"""
    SELECT c.id AS conversation_id, c.epoch, c.language, c.next_position - 1 AS position, t.name AS contact_name, a.app,
           a.name AS account, l.author AS last_author, l.parts AS last_parts, l.at AS last_at
    FROM (
        (SELECT conversation_id, id FROM episode WHERE closed_at IS NULL ORDER BY id DESC LIMIT :within)
        UNION
        SELECT e.conversation_id, e.id FROM (
            SELECT id FROM contact
            WHERE :words <> '' AND name <> '' AND lower(name) ~>=~ lower(:words)
              AND lower(name) ~<~ (lower(:words) || chr(1114111))
            LIMIT :named
        ) n
        JOIN conversation o ON o.contact_id = n.id
        JOIN episode e ON e.id = o.episode_id AND e.closed_at IS NULL
    ) e
    JOIN conversation c ON c.id = e.conversation_id AND c.episode_id = e.id AND c.control = 'bot'
    JOIN contact t ON t.id = c.contact_id
    JOIN account a ON a.id = c.account_id
    {_LAST}
    WHERE :words = '' OR position(lower(:words) IN lower(t.name)) > 0
    ORDER BY l.at DESC NULLS LAST LIMIT :limit
""")

MARKS = text("""
    SELECT h.id AS handoff_id, h.conversation_id, c.epoch, c.next_position
    FROM handoff h JOIN conversation c ON c.id = h.conversation_id
    WHERE h.ended_at IS NULL ORDER BY h.asked_at, h.id LIMIT :limit
""")

WATCHED_MARKS = text(f"""
    SELECT c.id AS conversation_id, c.epoch, c.state_version, (
        SELECT concat(count(*), ' ', max(n.at)) FROM desk_note n WHERE n.conversation_id = c.id
    ) AS notes, (
        SELECT md5(string_agg(concat_ws('|', m.position, m.status, m.edited_at, m.deleted_at, m.parts), ','
                              ORDER BY m.position))
        FROM message m WHERE m.conversation_id = c.id AND m.position >= c.next_position - {MARKED_MESSAGES}
    ) AS content
    FROM conversation c WHERE c.id = ANY(:ids)
""")

HEAD = text("""
    SELECT c.id AS conversation_id, c.control, c.agent, c.epoch, c.handoff_id, c.language,
           c.next_position - 1 AS position, c.is_opted_out, c.account_id, a.app, a.name AS account,
           t.id AS contact_id, t.name AS contact_name, t.details, t.language AS contact_language,
           t.created_at AS known_since, d.evidence, d.username, d.recipient, e.opened_at, e.rating, s.state
    FROM conversation c
    JOIN contact t ON t.id = c.contact_id
    JOIN account a ON a.id = c.account_id
    JOIN address d ON d.id = c.address_id
    LEFT JOIN episode e ON e.id = c.episode_id
    LEFT JOIN dialogue_state s ON s.conversation_id = c.id
    WHERE c.id = :id
""")

HANDOFFS = text("""
    SELECT id AS handoff_id, reason, detail, asked_at, acknowledged_at, accepted_at, ended_at, end_reason, agent,
           intent, confidence, sentiment, is_urgent, slots, reopened_agent
    FROM handoff WHERE conversation_id = :id ORDER BY id DESC LIMIT :limit
""")

EPISODES = text("""
    SELECT opened_at, closed_at, outcome, rating FROM episode WHERE conversation_id = :id ORDER BY id DESC LIMIT :limit
""")

MESSAGES = text("""
    SELECT m.id AS message_id, m.position, m.seq, m.author, m.agent, m.status, m.parts, m.at, m.turn_id, m.edited_at,
           m.deleted_at, d.reason AS problem, m.losses, h.position IS NOT NULL AS is_held
    FROM message m LEFT JOIN held_message h ON h.conversation_id = m.conversation_id AND h.position = m.position
    LEFT JOIN dead_letter d ON d.message_id = m.id AND m.status = 'failed'
    WHERE m.conversation_id = :id AND m.position < :before
    ORDER BY m.position DESC LIMIT :limit
""")

# A turn begins at the newest entry that it may have read before its first message on this page was written.
TURNS = text("""
    SELECT id AS turn_id, at, outcome, link, intent, confidence, language, duration_us, bot_version, resolution
    FROM turn
    WHERE conversation_id = :id AND from_seq >= coalesce((
        SELECT max(t.from_seq) FROM turn t WHERE t.conversation_id = :id AND t.from_seq <= coalesce((
            SELECT m.seq FROM message m
            WHERE m.conversation_id = :id AND m.position < :first AND m.seq IS NOT NULL
            ORDER BY m.position DESC LIMIT 1
        ), 0)
    ), 0)
    ORDER BY from_seq LIMIT :limit
""")

# Newest first. What a bot that is silent reads beside a person are turns too: more than these nobody goes back.
LED_THERE = text("""
    SELECT from_seq, to_seq, outcome, link, intent, confidence, resolution FROM (
        SELECT from_seq, to_seq, at, outcome, link, intent, confidence, resolution FROM turn
        WHERE conversation_id = :id ORDER BY from_seq DESC LIMIT :within
    ) t WHERE at <= :until ORDER BY from_seq DESC LIMIT :limit
""")

WORDS = text("""
    SELECT m.seq, m.position, m.parts FROM message m JOIN conversation c ON c.id = m.conversation_id
    WHERE c.id = :id AND m.position >= c.next_position - :within AND m.author = 'customer'
      AND m.seq BETWEEN :first AND :last
    ORDER BY m.position
""")

KEYS = text("""
    SELECT message_id, key FROM agent_key WHERE handoff_id = ANY(:handoffs) AND message_id = ANY(:ids)
""")

SAID = text("""
    SELECT k.message_id FROM agent_key k WHERE k.handoff_id = :handoff_id AND k.key = :key
""")

STANDING = text("""
    SELECT h.conversation_id, h.ended_at IS NOT NULL AS is_over,
           CASE WHEN c.handoff_id = h.id THEN c.agent ELSE '' END AS agent
    FROM handoff h JOIN conversation c ON c.id = h.conversation_id WHERE h.id = :id
""")

HOLDER = text("SELECT control, agent, handoff_id FROM conversation WHERE id = :id")

MESSAGE_PARTS = text("""
    SELECT parts FROM message WHERE conversation_id = :id AND position = :position LIMIT 1
""")

_encoder = msgspec.json.Encoder()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A stay at the desk, as a list shows it. ``agent`` has it now, ``last_agent`` had it when it ended.

    ``unanswered``: words of the customer that no agent answered, ``unanswered_since`` the time of the first of them.
    """

    handoff_id: HandoffId
    conversation_id: ConversationId
    reason: str
    detail: str = ""
    is_urgent: bool = False
    asked_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    control: str
    agent: str
    last_agent: str
    epoch: int
    language: str
    position: int
    contact_name: str
    app: str
    account: str
    last_author: str
    last_parts: Parts
    last_at: datetime | None
    unanswered: int
    unanswered_since: datetime | None


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that the bot leads, as a list shows it."""

    conversation_id: ConversationId
    epoch: int
    language: str
    position: int
    contact_name: str
    app: str
    account: str
    last_author: str
    last_parts: Parts
    last_at: datetime | None


class CaseMark(msgspec.Struct, frozen=True):
    """Changes whenever something of a case changes that its line in the list shows."""

    handoff_id: HandoffId
    conversation_id: ConversationId
    epoch: int
    next_position: int


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """One handoff of a conversation: why a person was asked for, and what the bot knew then.

    ``reopened_agent`` had the case that the customer goes on with; empty: it is a new one.
    """

    handoff_id: HandoffId
    reason: str
    detail: str = ""
    intent: str = ""
    confidence: float = 0.0
    sentiment: str = ""
    is_urgent: bool = False
    slots: dict[str, Any] = {}
    reopened_agent: str = ""
    asked_at: datetime
    acknowledged_at: datetime | None
    accepted_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    agent: str


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One episode of a conversation."""

    opened_at: datetime
    closed_at: datetime | None
    outcome: str
    rating: int | None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its messages. ``state`` is what the dialogue keeps, empty when nothing."""

    conversation_id: ConversationId
    control: str
    agent: str
    epoch: int
    handoff_id: HandoffId | None
    language: str
    position: int
    is_opted_out: bool
    account_id: AccountId
    app: str
    account: str
    contact_id: ContactId
    contact_name: str
    contact_language: str
    details: dict[str, Any]
    known_since: datetime
    evidence: str
    username: str
    recipient: str
    opened_at: datetime | None
    rating: int | None
    state: bytes


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of the bot, with its reasons."""

    turn_id: UUID
    at: datetime
    outcome: str
    link: str
    intent: str
    confidence: float
    language: str
    duration_us: int
    bot_version: str
    resolution: Resolution | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """``key`` is what an agent's page called it when it was written, where that is still of use.

    ``losses``: what the customer's app could not show of it. ``is_held``: a template went instead, and it goes out when
    the customer writes again.
    """

    message_id: MessageId
    position: int
    author: str
    agent: str
    status: str
    parts: Parts
    at: datetime
    turn_id: UUID | None
    edited_at: datetime | None
    deleted_at: datetime | None
    problem: str
    key: str = ""
    losses: tuple[str, ...] = ()
    is_held: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One turn on the way to a person: what the customer said, and what the bot made of it.

    ``position`` is that of the words; 0, and no words, when they lie too far back.
    """

    position: int
    parts: Parts
    outcome: str
    link: str
    intent: str
    confidence: float
    resolution: Resolution | None


class Page(msgspec.Struct, frozen=True):
    """Messages in their order, with the turns that wrote them. ``is_first``: there is nothing older."""

    messages: tuple[Message, ...]
    turns: dict[UUID, Turn]
    is_first: bool


class Standing(msgspec.Struct, frozen=True):
    """How a case stands: with whom, if with anybody, and whether it is over."""

    conversation_id: ConversationId
    is_over: bool
    agent: str


class Holder(msgspec.Struct, frozen=True):
    """Who may speak in a conversation."""

    control: str
    agent: str
    handoff_id: HandoffId | None


async def open_cases(connection: AsyncConnection, *, limit: int) -> list[Case]:
    """Cases that are not over, the longest waiting first."""
    return [_case(row) for row in (await connection.execute(OPEN_CASES, {"limit": limit})).mappings()]


async def cases_of(connection: AsyncConnection, ids: Iterable[ConversationId]) -> list[Case]:
    """The cases of these conversations that are not over: at most one each."""
    return [_case(row) for row in (await connection.execute(CASES_OF, {"ids": list(ids)})).mappings()]


async def closed_cases(connection: AsyncConnection, *, limit: int) -> list[Case]:
    """Cases that ended, the latest first."""
    return [_case(row) for row in (await connection.execute(CLOSED_CASES, {"limit": limit})).mappings()]


async def with_the_bot(connection: AsyncConnection, *, words: str, limit: int, within: int) -> list[Live]:
    """Conversations that the bot leads now, the latest words first; of the *within* youngest open episodes.

    *words* must be part of the customer's name; empty takes all. Older ones are found by how the name begins.
    """
    values = {"words": words, "limit": limit, "within": within, "named": NAMED_WITHIN}
    return [_live(row) for row in (await connection.execute(WITH_THE_BOT, values)).mappings()]


async def marks(connection: AsyncConnection, *, limit: int) -> dict[HandoffId, CaseMark]:
    """A mark for each open case, for whoever compares."""
    rows = (await connection.execute(MARKS, {"limit": limit})).mappings()
    return {row["handoff_id"]: CaseMark(**row) for row in rows}


async def watched_marks(connection: AsyncConnection, ids: Iterable[ConversationId]) -> dict[ConversationId, str]:
    """A mark for each of these conversations, which changes with what their newest messages show."""
    rows = (await connection.execute(WATCHED_MARKS, {"ids": list(ids)})).all()
    return {row.conversation_id: f"{row.epoch}:{row.state_version}:{row.notes}:{row.content}" for row in rows}


async def head(connection: AsyncConnection, conversation_id: ConversationId) -> Head:
    """Raises ``LookupError`` when there is no such conversation."""
    row = (await connection.execute(HEAD, {"id": conversation_id})).mappings().one_or_none()
    if row is None:
        raise LookupError(f"no conversation {conversation_id}")
    return Head(**{**row, "details": _details(row["details"]), "state": bytes(row["state"] or b"")})


async def stays(connection: AsyncConnection, conversation_id: ConversationId, *, limit: int) -> list[Stay]:
    """The handoffs of a conversation, the latest first."""
    rows = (await connection.execute(HANDOFFS, {"id": conversation_id, "limit": limit})).mappings()
    return [Stay(**{**row, "slots": _details(row["slots"])}) for row in rows]


async def led_there(
    connection: AsyncConnection, conversation_id: ConversationId, until: datetime, *, limit: int
) -> list[Step]:
    """The last turns before a person was asked for, in their order."""
    values = {"id": conversation_id, "until": until, "within": LOOKED_BACK, "limit": limit}
    turns = list(reversed((await connection.execute(LED_THERE, values)).mappings().all()))
    if not turns:
        return []
    span = {"first": turns[0]["from_seq"], "last": turns[-1]["to_seq"], "within": LOOKED_BACK}
    words = (await connection.execute(WORDS, {"id": conversation_id, **span})).all()
    return [_step(turn, words) for turn in turns]


async def visits(connection: AsyncConnection, conversation_id: ConversationId, *, limit: int) -> list[Visit]:
    """The episodes of a conversation, the latest first."""
    rows = (await connection.execute(EPISODES, {"id": conversation_id, "limit": limit})).mappings()
    return [Visit(**row) for row in rows]


async def page(
    connection: AsyncConnection,
    conversation_id: ConversationId,
    *,
    before: int,
    limit: int,
    handoffs: Sequence[HandoffId],
) -> Page:
    """The *limit* messages before a position; keys are told of those that were written in one of *handoffs*."""
    values = {"id": conversation_id, "before": before, "limit": limit + 1}
    rows = (await connection.execute(MESSAGES, values)).mappings().all()
    kept = list(reversed(rows[:limit]))
    keys = await _keys(connection, handoffs, [row["message_id"] for row in kept if row["author"] == "agent"])
    wanted = {row["turn_id"] for row in kept if row["turn_id"] is not None}
    turns: dict[UUID, Turn] = {}
    if wanted:
        asked = {"id": conversation_id, "first": kept[0]["position"], "limit": 5 * limit}
        found = (await connection.execute(TURNS, asked)).mappings()
        turns = {row["turn_id"]: _turn(row) for row in found if row["turn_id"] in wanted}
    return Page(tuple(_message(row, keys) for row in kept), turns, len(rows) <= limit)


async def standing(connection: AsyncConnection, handoff_id: HandoffId) -> Standing:
    """Raises ``LookupError`` when there is no such handoff."""
    row = (await connection.execute(STANDING, {"id": handoff_id})).mappings().one_or_none()
    if row is None:
        raise LookupError(f"no handoff {handoff_id}")
    return Standing(**row)


async def holder(connection: AsyncConnection, conversation_id: ConversationId) -> Holder:
    """Raises ``LookupError`` when there is no such conversation."""
    row = (await connection.execute(HOLDER, {"id": conversation_id})).mappings().one_or_none()
    if row is None:
        raise LookupError(f"no conversation {conversation_id}")
    return Holder(**row)


async def said(connection: AsyncConnection, handoff_id: HandoffId, key: str) -> MessageId | None:
    """The message that an agent's page called *key*, when it was said."""
    found: MessageId | None = (
        await connection.execute(SAID, {"handoff_id": handoff_id, "key": key})
    ).scalar_one_or_none()
    return found


async def parts_at(connection: AsyncConnection, conversation_id: ConversationId, position: int) -> Parts:
    """The parts of one message. Raises ``LookupError`` when there is none."""
    values = {"id": conversation_id, "position": position}
    row = (await connection.execute(MESSAGE_PARTS, values)).one_or_none()
    if row is None:
        raise LookupError(f"no message {position} in {conversation_id}")
    return _parts(row.parts)


async def _keys(
    connection: AsyncConnection, handoffs: Sequence[HandoffId], ids: Sequence[MessageId]
) -> dict[MessageId, str]:
    if not handoffs or not ids:
        return {}
    rows = (await connection.execute(KEYS, {"handoffs": list(handoffs), "ids": list(ids)})).all()
    return {row.message_id: row.key for row in rows}


def _case(row: RowMapping) -> Case:
    return Case(**{**row, "last_author": row["last_author"] or "", "last_parts": _parts(row["last_parts"])})


def _live(row: RowMapping) -> Live:
    return Live(**{**row, "last_author": row["last_author"] or "", "last_parts": _parts(row["last_parts"])})


def _message(row: RowMapping, keys: dict[MessageId, str]) -> Message:
    facts = {name: value for name, value in row.items() if name != "seq"}
    parts = _parts(row["parts"])
    losses = tuple(msgspec.convert(_tree(row["losses"]), list[str])) if row["losses"] is not None else ()
    told = {"problem": row["problem"] or "", "key": keys.get(row["message_id"], ""), "losses": losses}
    return Message(**{**facts, "parts": parts, **told})


def _turn(row: RowMapping) -> Turn:
    return Turn(**{**row, "resolution": _resolution(row["resolution"])})


def _step(turn: RowMapping, words: Sequence[Row[Any]]) -> Step:
    said = [row for row in words if turn["from_seq"] <= row.seq <= turn["to_seq"]]
    return Step(
        position=said[-1].position if said else 0,
        parts=tuple(part for row in said for part in _parts(row.parts)),
        outcome=turn["outcome"],
        link=turn["link"],
        intent=turn["intent"],
        confidence=turn["confidence"],
        resolution=_resolution(turn["resolution"]),
    )


def _resolution(value: object) -> Resolution | None:
    """What was stored, unless an older version wrote something that is not understood any more."""
    try:
        return msgspec.convert(_tree(value), Resolution) if value is not None else None
    except msgspec.ValidationError:
        return None


def _details(value: object) -> dict[str, Any]:
    tree = _tree(value)
    return tree if isinstance(tree, dict) else {}


def _parts(value: object) -> Parts:
    """What an older or newer version stored and this one does not know harms no list that it stands in."""
    if value is None:
        return ()
    try:
        return decode_parts(value if isinstance(value, str) else _encoder.encode(value))
    except msgspec.ValidationError:
        return (Unsupported("unknown"),)


def _tree(value: object) -> object:
    """SQLAlchemy's driver decodes jsonb where a plain connection does not."""
    return msgspec.json.decode(value) if isinstance(value, str) else value
