"""What is learnt from what happened: texts to review, sums of each day, readings of drift.

A reader with a durable cursor over the events, below the oldest running transaction; nothing is added to what a
message costs. Texts arrive here redacted. The cursor moves in the transaction that writes what was read, so each
event counts once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.events import EventKind
from gateway.core.ids import ContactId, ConversationId, derived_id, lowest_id, new_id
from gateway.core.messages import Parts, decode_parts
from gateway.core.turns import Resolution
from gateway.store import consent
from gateway.store.trail import EVENTS_AFTER

Reason = Literal["unresolved", "unclear", "clarified", "agent"]
Decision = Literal["accepted", "out_of_scope", "dropped"]

MOST_BEFORE = 12
"""Messages before an agent's first answer that are looked at."""

FORGET_DECIDED = timedelta(days=730)

TAKE = "SELECT xid::text AS xid, id FROM learning_reader WHERE name = 'events' FOR UPDATE SKIP LOCKED"

MOVE = "UPDATE learning_reader SET xid = $1::text::xid8, id = $2 WHERE name = 'events'"

TAKE_LOOK = """
    UPDATE learning_reader SET due_at = now() + $1 WHERE name = 'events' AND due_at <= now() RETURNING true
"""

# The newest word on it counts, in any conversation of the person: who said no on one channel said no. A yes holds for
# what is said from then on.
_WORD = """
    LEFT JOIN LATERAL (
        SELECT s.is_opted_in, s.at FROM conversation o
        JOIN consent s ON s.conversation_id = o.id AND s.scope = 'learning'
        WHERE o.contact_id = c.contact_id ORDER BY s.at DESC, s.id DESC LIMIT 1
    ) w ON true
"""
_AGREED = "CASE WHEN w.is_opted_in AND w.at > {said_at} THEN NULL ELSE w.is_opted_in END AS agreed"

TURNS = f"""
    SELECT t.conversation_id, t.from_seq, t.to_seq, t.at, t.link, t.intent, t.language, t.resolution,
           n.name, d.username, c.is_opted_out, {_AGREED.format(said_at="t.at")},
           (SELECT p.from_seq FROM turn p WHERE p.conversation_id = t.conversation_id AND p.from_seq < t.from_seq
            ORDER BY p.from_seq DESC LIMIT 1) AS before_seq
    FROM turn t
    JOIN conversation c ON c.id = t.conversation_id
    JOIN contact n ON n.id = c.contact_id
    JOIN address d ON d.id = c.address_id
    {_WORD}
    WHERE t.conversation_id = ANY($1::uuid[]) AND t.id = ANY($2::uuid[])
    ORDER BY t.conversation_id, t.from_seq
"""

SAID = """
    SELECT q.conversation_id, q.from_seq, m.parts
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS q (conversation_id, from_seq, to_seq)
    JOIN message m ON m.conversation_id = q.conversation_id AND m.seq BETWEEN q.from_seq AND q.to_seq
    WHERE m.author = 'customer' AND m.id >= $4 AND m.deleted_at IS NULL
    ORDER BY q.conversation_id, q.from_seq, m.position
"""

# An agent's message, and what was said before it in the same case; the turn that read each of the customer's words.
ANSWERS = f"""
    SELECT m.conversation_id, m.position AS answered_at, x.position, x.author, x.parts, x.at, n.name, d.username,
           c.is_opted_out, {_AGREED.format(said_at="x.at")}, c.language, h.asked_at, t.from_seq, t.link, t.intent
    FROM message m
    JOIN conversation c ON c.id = m.conversation_id
    JOIN contact n ON n.id = c.contact_id
    JOIN address d ON d.id = c.address_id
    JOIN message x ON x.conversation_id = m.conversation_id AND x.position BETWEEN m.position - $3 AND m.position
    {_WORD}
    LEFT JOIN LATERAL (
        SELECT asked_at FROM handoff h WHERE h.conversation_id = m.conversation_id AND h.asked_at <= m.at
        ORDER BY h.asked_at DESC LIMIT 1
    ) h ON true
    LEFT JOIN LATERAL (
        SELECT from_seq, link, intent FROM turn t
        WHERE t.conversation_id = x.conversation_id AND t.from_seq <= x.seq AND t.to_seq >= x.seq
        ORDER BY t.from_seq DESC LIMIT 1
    ) t ON true
    WHERE m.conversation_id = ANY($1::uuid[]) AND m.id = ANY($2::uuid[]) AND m.author = 'agent'
      AND x.deleted_at IS NULL
    ORDER BY m.conversation_id, m.position, x.position DESC
"""

ADD_TEXTS = """
    INSERT INTO learning_text (key, text, language, answer, first_at)
    SELECT DISTINCT ON (key) key, text, language, answer, at
    FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
         AS x (key, text, language, answer, at)
    ORDER BY key, answer DESC
    ON CONFLICT (key) DO UPDATE SET answer = excluded.answer
    WHERE learning_text.decision = '' AND excluded.answer <> '' AND learning_text.answer = ''
"""

# A text that was decided on is not kept again; a source that is known learns what became of it.
ADD_SOURCES = """
    INSERT INTO learning_source (conversation_id, seq, key, reason, chosen, at)
    SELECT DISTINCT ON (x.conversation_id, x.seq) x.conversation_id, x.seq, x.key, x.reason, '', x.at
    FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::text[], $5::timestamptz[])
         AS x (conversation_id, seq, key, reason, at)
    JOIN learning_text t ON t.key = x.key AND t.decision = ''
    ORDER BY x.conversation_id, x.seq, x.reason = 'agent' DESC
    ON CONFLICT (conversation_id, seq) DO UPDATE SET reason = excluded.reason
    WHERE learning_source.reason <> 'clarified' AND excluded.reason = 'agent'
"""

CHOSE = """
    UPDATE learning_source s SET reason = 'clarified', chosen = q.chosen
    FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS q (conversation_id, seq, chosen)
    WHERE s.conversation_id = q.conversation_id AND s.seq = q.seq
"""

FORGET = """
    WITH gone AS (
        DELETE FROM learning_source WHERE conversation_id = ANY($1::uuid[]) RETURNING key
    ), shared AS (
        SELECT key FROM gone
        INTERSECT
        SELECT s.key FROM learning_source s JOIN gone USING (key) WHERE s.conversation_id <> ALL($1::uuid[])
    ), unanswered AS (
        UPDATE learning_text t SET answer = '' FROM shared WHERE t.key = shared.key AND t.answer <> ''
    )
    DELETE FROM learning_text t USING gone
    WHERE t.key = gone.key AND t.decision = '' AND t.key NOT IN (SELECT key FROM shared)
"""

CONVERSATIONS_OF = """
    SELECT o.id FROM conversation c JOIN conversation o ON o.contact_id = c.contact_id WHERE c.id = ANY($1::uuid[])
"""

CONVERSATIONS_OF_CONTACT = "SELECT id FROM conversation WHERE contact_id = $1 ORDER BY id"

SAID_NO = """
    SELECT NOT s.is_opted_in FROM conversation c
    JOIN consent s ON s.conversation_id = c.id AND s.scope = 'learning'
    WHERE c.contact_id = $1 ORDER BY s.at DESC, s.id DESC LIMIT 1
"""

WITHDRAWN = """
    SELECT conversation_id FROM event
    WHERE id = ANY($1::uuid[]) AND coalesce(data ->> 'scope', 'all') IN ('all', 'learning')
      AND conversation_id IS NOT NULL
"""

DROP_WITHOUT_SOURCE = """
    DELETE FROM learning_text t
    WHERE t.decision = '' AND NOT EXISTS (SELECT 1 FROM learning_source s WHERE s.key = t.key)
"""

EXPIRE_SOURCES = "DELETE FROM learning_source WHERE at < $1"

EXPIRE_DECIDED = "DELETE FROM learning_text WHERE decision <> '' AND decided_at < $1"

# The rarest and oldest go first.
KEEP_WITHIN = """
    DELETE FROM learning_text WHERE key IN (
        SELECT t.key FROM learning_text t JOIN learning_source s ON s.key = t.key
        WHERE t.decision = '' GROUP BY t.key
        ORDER BY count(*) DESC, max(s.at) DESC, t.key OFFSET $1
    )
"""

OPEN = """
    SELECT encode(t.key, 'hex') AS key, t.text, t.language, t.answer, count(*)::int AS times,
           array_agg(DISTINCT s.reason ORDER BY s.reason) AS reasons,
           coalesce(mode() WITHIN GROUP (ORDER BY s.chosen) FILTER (WHERE s.chosen <> ''), '') AS chosen,
           max(s.at) AS last_at
    FROM learning_text t JOIN learning_source s ON s.key = t.key
    WHERE t.decision = ''
    GROUP BY t.key
    ORDER BY count(*) DESC, t.text LIMIT $1
"""

DECIDE = """
    UPDATE learning_text SET decision = $2, label = $3, by = $4, decided_at = now(), text = '', answer = ''
    WHERE key = ANY($1::bytea[]) AND decision = ''
"""

FORGET_KEYS = "DELETE FROM learning_source WHERE key = ANY($1::bytea[])"

COUNT = """
    INSERT INTO understanding_day (day, intent, turns, confidence, words, unseen)
    SELECT * FROM unnest($1::date[], $2::text[], $3::int[], $4::float8[], $5::bigint[], $6::bigint[])
        AS x (day, intent, turns, confidence, words, unseen)
    ORDER BY 1, 2
    ON CONFLICT (day, intent) DO UPDATE SET
        turns = understanding_day.turns + excluded.turns,
        confidence = understanding_day.confidence + excluded.confidence,
        words = understanding_day.words + excluded.words,
        unseen = understanding_day.unseen + excluded.unseen
"""

DAYS = (
    "SELECT day, intent, turns, confidence, words, unseen FROM understanding_day WHERE day >= $1 ORDER BY day, intent"
)

LATELY_DRIFTED = "SELECT DISTINCT unnest(drifted) FROM drift_reading WHERE at > now() - $1::interval ORDER BY 1"

PUT_READING = "INSERT INTO drift_reading (id, drifted, reading) VALUES ($1, $2::text[], $3::jsonb)"

FORGET_READINGS = "DELETE FROM drift_reading WHERE at < now() - interval '365 days'"

TELL = "INSERT INTO event (id, kind, subject, data) VALUES ($1, $2, $3, $4::jsonb) ON CONFLICT DO NOTHING"

_resolutions = msgspec.json.Decoder(Resolution)
_encoder = msgspec.json.Encoder()


class LearningCursor(msgspec.Struct, frozen=True):
    """The last event that was read."""

    xid: str
    id: UUID


class LearningEvents(msgspec.Struct, frozen=True):
    """What the next events speak of; ``read`` counts them. ``cursor`` is the last of them."""

    cursor: LearningCursor
    read: int
    turns: tuple[tuple[ConversationId, UUID], ...]
    sent: tuple[tuple[ConversationId, UUID], ...]
    withdrawn: tuple[UUID, ...]


class HeardTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn with what was said. ``agreed``: what the person said of learning, ``None`` when they never did.

    ``before_seq`` names the turn before it. ``texts`` are those of the customer's messages, in order.
    """

    conversation_id: ConversationId
    from_seq: int
    at: datetime
    link: str
    intent: str
    language: str
    resolution: Resolution | None
    names: tuple[str, ...]
    is_opted_out: bool
    agreed: bool | None
    before_seq: int | None
    texts: tuple[str, ...]


class AgentAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer said (in the turn that begins with ``seq``) and no link resolved, and an agent's first answer."""

    conversation_id: ConversationId
    seq: int
    at: datetime
    language: str
    names: tuple[str, ...]
    is_opted_out: bool
    agreed: bool | None
    text: str
    answer: str


class NewText(msgspec.Struct, frozen=True, kw_only=True):
    """A redacted text to keep. ``normal``: texts with the same one are one."""

    conversation_id: ConversationId
    seq: int
    normal: str
    text: str
    language: str
    reason: Reason
    at: datetime
    answer: str = ""

    @property
    def key(self) -> bytes:
        return hashlib.sha256(self.normal.encode("utf-8", "surrogatepass")).digest()


class Chosen(msgspec.Struct, frozen=True):
    """What the text of a turn meant, by the customer's own choice."""

    conversation_id: ConversationId
    seq: int
    intent: str


class OpenText(msgspec.Struct, frozen=True, kw_only=True):
    """A text that waits for review, the number of times that it was said, and why it is here."""

    key: str
    text: str
    language: str
    answer: str
    times: int
    reasons: tuple[Reason, ...]
    chosen: str
    last_at: datetime


class DayCount(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over turns of one day and one intent (empty: out of scope)."""

    day: date
    intent: str
    turns: int
    confidence: float
    words: int
    unseen: int


async def take(connection: asyncpg.Connection) -> LearningCursor | None:
    """How far was read; ``None`` while another process reads. Held to the end of the transaction."""
    row = await connection.fetchrow(TAKE)
    return None if row is None else LearningCursor(row["xid"], row["id"])


async def move(connection: asyncpg.Connection, cursor: LearningCursor) -> None:
    """So far was read now."""
    await connection.execute(MOVE, cursor.xid, cursor.id)


async def events_after(connection: asyncpg.Connection, cursor: LearningCursor, *, limit: int) -> LearningEvents:
    """The next events, sorted by what they can teach."""
    rows = await connection.fetch(EVENTS_AFTER, cursor.xid, cursor.id, limit)
    if rows:
        cursor = LearningCursor(rows[-1]["transaction"], rows[-1]["id"])

    def told(kind: EventKind) -> tuple[tuple[ConversationId, UUID], ...]:
        return tuple((ConversationId(r["conversation_id"]), r["subject"]) for r in rows if r["kind"] == kind)

    return LearningEvents(
        cursor,
        len(rows),
        told(EventKind.TURN_DECIDED),
        told(EventKind.MESSAGE_SENT),
        tuple(row["id"] for row in rows if row["kind"] == EventKind.CONSENT_WITHDRAWN),
    )


async def heard(connection: asyncpg.Connection, turns: Sequence[tuple[ConversationId, UUID]]) -> list[HeardTurn]:
    """The turns with what was said in them, in the order of their conversations."""
    if not turns:
        return []
    rows = await connection.fetch(TURNS, sorted({c for c, _ in turns}), [turn for _, turn in turns])
    said = await _said(connection, rows)
    return [
        HeardTurn(
            conversation_id=row["conversation_id"],
            from_seq=row["from_seq"],
            at=row["at"],
            link=row["link"],
            intent=row["intent"],
            language=row["language"],
            resolution=_resolution(row["resolution"]),
            names=(row["name"], row["username"]),
            is_opted_out=row["is_opted_out"],
            agreed=row["agreed"],
            before_seq=row["before_seq"],
            texts=tuple(said.get((row["conversation_id"], row["from_seq"]), ())),
        )
        for row in rows
    ]


async def _said(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> dict[tuple[UUID, int], list[str]]:
    if not rows:
        return {}
    oldest = lowest_id(min(row["at"] for row in rows) - timedelta(days=2))
    columns = ([row[name] for row in rows] for name in ("conversation_id", "from_seq", "to_seq"))
    found: dict[tuple[UUID, int], list[str]] = {}
    for row in await connection.fetch(SAID, *columns, oldest):
        found.setdefault((row["conversation_id"], row["from_seq"]), []).extend(_words(row["parts"]))
    return found


async def answered_by_agents(
    connection: asyncpg.Connection, sent: Sequence[tuple[ConversationId, UUID]]
) -> list[AgentAnswered]:
    """What customers said before an agent's first answer in a case, where no link of the bot resolved it."""
    if not sent:
        return []
    rows = await connection.fetch(ANSWERS, sorted({c for c, _ in sent}), [m for _, m in sent], MOST_BEFORE)
    cases: dict[tuple[UUID, int], list[asyncpg.Record]] = {}
    for row in rows:
        cases.setdefault((row["conversation_id"], row["answered_at"]), []).append(row)
    return [answered for case in cases.values() for answered in _answered(case)]


def _answered(case: Sequence[asyncpg.Record]) -> Iterable[AgentAnswered]:
    """*case*: the agent's message first, then what came before it, the newest first."""
    answer, *before = case
    if answer["asked_at"] is None or any(r["author"] == "agent" and r["at"] >= answer["asked_at"] for r in before):
        return
    turns: dict[int, list[asyncpg.Record]] = {}
    for row in before:
        if row["author"] == "agent":
            break
        if row["author"] == "customer" and row["from_seq"] is not None and is_unresolved(row["link"], row["intent"]):
            turns.setdefault(row["from_seq"], []).insert(0, row)
    for seq, rows in turns.items():
        yield AgentAnswered(
            conversation_id=answer["conversation_id"],
            seq=seq,
            at=rows[0]["at"],
            language=answer["language"],
            names=(answer["name"], answer["username"]),
            is_opted_out=answer["is_opted_out"],
            agreed=answer["agreed"],
            text=" ".join(word for row in rows for word in _words(row["parts"])),
            answer=" ".join(_words(answer["parts"])),
        )


def is_unresolved(link: str, intent: str) -> bool:
    """Whether a turn came to no answer: what flows take (a name, a number) is an answer, and nobody else's business."""
    return not intent and link in {"none", "clarify", "handoff"}


async def withdrawn(connection: asyncpg.Connection, events: Sequence[UUID]) -> list[ConversationId]:
    """The conversations whose person no longer agrees that their words are kept (not: to advertising)."""
    if not events:
        return []
    return [ConversationId(row[0]) for row in await connection.fetch(WITHDRAWN, list(events))]


async def add(connection: asyncpg.Connection, texts: Sequence[NewText]) -> None:
    """Keep these texts; of a turn that is known already, an agent's answer is learnt. What was decided stays so."""
    if not texts:
        return
    texts = sorted(texts, key=lambda each: (each.key, each.conversation_id, each.seq))
    keys, times = [each.key for each in texts], [each.at for each in texts]
    said, languages = [each.text for each in texts], [each.language for each in texts]
    await connection.execute(ADD_TEXTS, keys, said, languages, [each.answer for each in texts], times)
    ids, seqs = [each.conversation_id for each in texts], [each.seq for each in texts]
    await connection.execute(ADD_SOURCES, ids, seqs, keys, [each.reason for each in texts], times)


async def chose(connection: asyncpg.Connection, choices: Sequence[Chosen]) -> None:
    """Customers said what they had meant."""
    if choices:
        ids, seqs = [each.conversation_id for each in choices], [each.seq for each in choices]
        await connection.execute(CHOSE, ids, seqs, [each.intent for each in choices])


async def forget_people(connection: asyncpg.Connection, conversations: Sequence[ConversationId]) -> None:
    """Forget what the people of these conversations said, in all of theirs; texts that others said too stay."""
    if conversations:
        rows = await connection.fetch(CONVERSATIONS_OF, list(conversations))
        await connection.execute(FORGET, sorted({*conversations, *(row[0] for row in rows)}))


async def note_word(
    connection: asyncpg.Connection,
    contact_id: ContactId,
    *,
    is_given: bool,
    source: str,
    evidence: str,
    at: datetime,
) -> int:
    """Write down, in each conversation of a person, whether their texts may teach the bot. Returns how many those are.

    A no takes what was kept of them away in the same transaction, unless a yes is newer.
    """
    ids = [ConversationId(row[0]) for row in await connection.fetch(CONVERSATIONS_OF_CONTACT, contact_id)]
    for conversation_id in ids:
        await consent.change(
            connection,
            conversation_id,
            is_opted_in=is_given,
            scope="learning",
            source=source,
            evidence=evidence,
            at=at,
        )
    if await connection.fetchval(SAID_NO, contact_id):
        await forget_people(connection, ids)
    return len(ids)


async def expire(connection: asyncpg.Connection, now: datetime, *, keep: timedelta, most: int) -> None:
    """Forget texts that nobody said for so long, and the rarest beyond so many."""
    await connection.execute(EXPIRE_SOURCES, now - keep)
    await connection.execute(KEEP_WITHIN, most)
    await connection.execute(DROP_WITHOUT_SOURCE)
    await connection.execute(EXPIRE_DECIDED, now - FORGET_DECIDED)
    await connection.execute(FORGET_READINGS)


async def open_texts(connection: asyncpg.Connection, *, limit: int) -> list[OpenText]:
    """What waits for review, the most frequent first."""
    return [OpenText(**{**row, "reasons": tuple(row["reasons"])}) for row in await connection.fetch(OPEN, limit)]


async def decide(connection: asyncpg.Connection, keys: Sequence[str], decision: Decision, label: str, by: str) -> None:
    """Put down what was decided on these texts, and forget the texts: what was accepted is in the bot's folder."""
    raw = [bytes.fromhex(key) for key in keys]
    await connection.execute(DECIDE, raw, decision, label, by)
    await connection.execute(FORGET_KEYS, raw)


async def count(connection: asyncpg.Connection, counts: Sequence[DayCount]) -> None:
    """Add to the days' sums; at most one count of each day and intent."""
    if counts:
        columns = (
            [getattr(each, name) for each in counts]
            for name in ("day", "intent", "turns", "confidence", "words", "unseen")
        )
        await connection.execute(COUNT, *columns)


async def days(connection: asyncpg.Connection, since: date) -> list[DayCount]:
    """The sums of each day and intent from *since* on."""
    return [DayCount(**row) for row in await connection.fetch(DAYS, since)]


async def take_look(connection: asyncpg.Connection, every_s: float) -> bool:
    """Whether this process is the one to look at drift now; nobody else does for *every_s*."""
    return bool(await connection.fetchval(TAKE_LOOK, timedelta(seconds=every_s)))


async def lately_drifted(connection: asyncpg.Connection, within: timedelta) -> tuple[str, ...]:
    """What was over its limit at any reading *within* the time until now."""
    return tuple(row[0] for row in await connection.fetch(LATELY_DRIFTED, within))


async def put_reading(connection: asyncpg.Connection, drifted: Sequence[str], reading: bytes, *, tells: bool) -> UUID:
    """Keep a reading (JSON); with *tells* the event of it is raised."""
    reading_id = new_id()
    await connection.execute(PUT_READING, reading_id, list(drifted), reading.decode())
    if tells:
        kind = EventKind.UNDERSTANDING_DRIFTED
        data = _encoder.encode({"drifted": list(drifted)}).decode()
        await connection.execute(TELL, derived_id(reading_id, kind), kind.value, reading_id, data)
    return reading_id


def _words(parts: str) -> list[str]:
    """The texts of a message's parts, without blanks around; nothing of what cannot be read any more."""
    try:
        decoded: Parts = decode_parts(parts)
    except msgspec.MsgspecError:
        return []
    texts = (getattr(part, "text", "") or getattr(part, "caption", "") for part in decoded)
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def _resolution(stored: str | None) -> Resolution | None:
    try:
        return _resolutions.decode(stored) if stored else None
    except msgspec.MsgspecError:
        return None
