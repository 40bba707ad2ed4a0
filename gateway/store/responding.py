"""The statements of respond: taking conversations that nobody holds, reading entries, committing turns.

Every commit is conditional on the lease's token and the epoch; a loser is left out by itself. Tables are touched
in this order: conversation, message, outbox, turn, dialogue_state, timer, handoff, event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.control import AskForPerson, Control, ControlState, transition
from gateway.core.events import EventKind
from gateway.core.handoff_reasons import CASE_ENDS
from gateway.core.ids import ConversationId, HandoffId, derived_id
from gateway.core.messages import Status, decode_parts
from gateway.core.turns import ActionDone, CustomerSaid, DeskSaid, Entry, HandOff, SolvedCase, TimerFired
from gateway.store import held
from gateway.store.contacts import TIME_ZONE
from gateway.store.receiving import INSERT_EVENTS, lease_from
from gateway.store.rows import Committed, Known, Lease, TurnCommit

LEASE_COLUMNS = """
    c.id, c.lease_token, c.epoch, c.control, c.handoff_id, c.read_seq, c.read_position, c.turn_to_seq, c.episode_id,
    c.state_version, c.language, c.account_id, c.contact_id, c.solved_at
"""

CLAIM = f"""
    UPDATE conversation c SET lease_owner = $2, lease_token = c.lease_token + 1, lease_until = now() + $3
    FROM (
        SELECT id FROM conversation WHERE lease_until < now()
        ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
    ) u, address d, contact t
    WHERE c.id = u.id AND d.id = c.address_id AND t.id = c.contact_id
    RETURNING {LEASE_COLUMNS}, c.address_id, d.recipient, d.traits, t.name, {TIME_ZONE} AS time_zone,
              (now() < c.lease_until) AS is_ours
"""

HELD_BY = "SELECT id, lease_token FROM conversation WHERE lease_until >= now() AND lease_owner = $1"

RELOAD = f"""
    SELECT {LEASE_COLUMNS}, c.address_id, d.recipient, d.traits, t.name, {TIME_ZONE} AS time_zone
    FROM unnest($1::uuid[], $2::bigint[]) AS q (id, token)
    JOIN conversation c ON c.id = q.id AND c.lease_token = q.token
    JOIN address d ON d.id = c.address_id
    JOIN contact t ON t.id = c.contact_id
"""

UNREAD_MESSAGES = """
    SELECT m.conversation_id, m.seq, coalesce(m.provider_at, m.at) AS at, m.id, m.parts, m.provider_message_id,
           m.referral, m.position, m.consent
    FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS q (id, read_position, read_seq)
    JOIN message m ON m.conversation_id = q.id AND m.position >= q.read_position AND m.seq > q.read_seq
    ORDER BY m.conversation_id, m.seq
"""

UNREAD_ENTRIES = """
    SELECT e.conversation_id, e.data
    FROM unnest($1::uuid[], $2::bigint[]) AS q (id, read_seq)
    JOIN entry e ON e.conversation_id = q.id AND e.seq > q.read_seq
    ORDER BY e.conversation_id, e.seq
"""

READ_STATES = "SELECT conversation_id, state FROM dialogue_state WHERE conversation_id = ANY($1::uuid[])"

RENEW = """
    UPDATE conversation c SET lease_until = now() + $3
    FROM (
        SELECT q.id FROM unnest($1::uuid[], $2::bigint[]) AS q (id, token)
        JOIN conversation l ON l.id = q.id AND l.lease_token = q.token
        ORDER BY q.id FOR UPDATE OF l
    ) u
    WHERE c.id = u.id
    RETURNING c.id
"""

PLAN_TURNS = """
    UPDATE conversation c SET turn_to_seq = u.to_seq
    FROM (
        SELECT q.id, q.to_seq FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS q (id, token, to_seq)
        JOIN conversation l ON l.id = q.id AND l.lease_token = q.token AND l.turn_to_seq IS NULL
        ORDER BY q.id FOR UPDATE OF l
    ) u
    WHERE c.id = u.id
    RETURNING c.id
"""

GIVE_UP_LEASES = """
    UPDATE conversation c SET lease_until = CASE WHEN c.next_seq > c.read_seq + 1 THEN '-infinity'::timestamptz END
    FROM unnest($1::uuid[], $2::bigint[]) AS q (id, token)
    WHERE c.id = q.id AND c.lease_token = q.token
"""

RELEASE_NODE = """
    UPDATE conversation SET lease_until = '-infinity'
    WHERE lease_until IS NOT NULL AND lease_owner = (SELECT id FROM node WHERE name = $1)
"""

COMMIT = """
    UPDATE conversation c SET
        read_seq = u.to_seq,
        read_position = u.read_position,
        turn_to_seq = NULL,
        next_position = c.next_position + u.n,
        lease_until = CASE WHEN c.next_seq > u.to_seq + 1 THEN now() + $13 END,
        language = u.language,
        state_version = c.state_version + u.state_step,
        control = u.control,
        epoch = u.new_epoch,
        handoff_id = u.handoff_id,
        agent = CASE WHEN u.control = 'agent' THEN c.agent ELSE '' END,
        episode_id = CASE WHEN u.ends_episode AND c.next_seq = u.to_seq + 1 THEN NULL ELSE c.episode_id END
    FROM (
        SELECT x.*
        FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::bigint[], $5::bigint[], $6::int[], $7::text[],
                    $8::int[], $9::text[], $10::int[], $11::uuid[], $12::bool[])
             AS x (id, token, epoch, to_seq, read_position, n, language, state_step, control, new_epoch, handoff_id,
                   ends_episode)
        JOIN conversation l ON l.id = x.id AND l.lease_token = x.token AND l.epoch = x.epoch
        ORDER BY l.id
        FOR UPDATE OF l
    ) u
    WHERE c.id = u.id AND c.lease_token = u.token AND c.epoch = u.epoch
    RETURNING c.id, c.next_seq, c.next_position, c.episode_id, c.state_version, c.heard_at, c.window_until, c.has_held,
              c.is_opted_out OR coalesce(c.unreachable_at > coalesce(c.heard_at, '-infinity'), false) AS is_silenced,
              u.ends_episode AND c.episode_id IS NULL AS has_ended
"""

# The first reply may be stored as being sent already: it is when nothing older of its conversation is on its way.
INSERT_REPLIES = f"""
    WITH x AS (
        SELECT *, reserve AND NOT EXISTS (
            SELECT 1 FROM outbox o WHERE o.conversation_id = x.conversation_id AND o.position < x.position
        ) AS can
        FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], $8::text[],
                    $9::int[], $10::int[], $11::bool[], $12::text[])
             AS x (conversation_id, position, id, episode_id, author, parts, turn_id, reply_key, account_id, epoch,
                   reserve, trace)
    ), messages AS (
        INSERT INTO message (conversation_id, position, id, episode_id, author, status, parts, turn_id, reply_key)
        SELECT conversation_id, position, id, episode_id, author, '{Status.QUEUED}', parts::jsonb, turn_id, reply_key
        FROM x
    )
    INSERT INTO outbox (conversation_id, position, message_id, account_id, author, epoch, is_sending, owner, claims,
                        due_at, trace)
    SELECT conversation_id, position, id, account_id, author, epoch, can, CASE WHEN can THEN $13::int END, can::int,
           CASE WHEN can THEN now() + $14 ELSE now() END, trace
    FROM x
    RETURNING conversation_id, is_sending
"""

INSERT_TURNS = f"""
    WITH x AS (
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[], $6::int[], $7::text[],
                             $8::text[], $9::text[], $10::text[], $11::real[], $12::text[], $13::text[], $14::int[],
                             $15::int[], $16::uuid[], $17::text[])
             AS x (conversation_id, from_seq, to_seq, id, episode_id, epoch, bot_version, outcome, link, intent,
                   confidence, language, resolution, duration_us, account_id, event_id, model_version)
    ), events AS (
        INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject)
        SELECT event_id, '{EventKind.TURN_DECIDED}', account_id, conversation_id, episode_id, id FROM x
    )
    INSERT INTO turn (conversation_id, from_seq, to_seq, id, episode_id, epoch, bot_version, outcome, link, intent,
                      confidence, language, resolution, duration_us, model_version)
    SELECT conversation_id, from_seq, to_seq, id, episode_id, epoch, bot_version, outcome, link, intent, confidence,
           language, resolution::jsonb, duration_us, model_version
    FROM x
"""

UPSERT_STATES = """
    INSERT INTO dialogue_state (conversation_id, state, bot_version)
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[])
    ON CONFLICT (conversation_id) DO UPDATE
    SET state = excluded.state, bot_version = excluded.bot_version, updated_at = now()
"""

SET_TIMERS = """
    INSERT INTO timer (conversation_id, kind, due_at, payload)
    SELECT q.id, q.kind, now() + q.after, q.payload
    FROM unnest($1::uuid[], $2::text[], $3::interval[], $4::text[]) AS q (id, kind, after, payload)
    ON CONFLICT (conversation_id, kind) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload
"""

DROP_TIMERS = """
    DELETE FROM timer t USING unnest($1::uuid[], $2::text[]) AS q (id, kind)
    WHERE t.conversation_id = q.id AND t.kind = q.kind
"""

# Only the same desk can go on with a case of its own.
INSERT_HANDOFFS = """
    INSERT INTO handoff (id, conversation_id, desk, reason, intent, confidence, sentiment, detail, slots, is_urgent,
                         reopens, reopened_agent)
    SELECT x.id, x.conversation_id, x.desk, x.reason, x.intent, x.confidence, x.sentiment, x.detail, x.slots::jsonb,
           x.is_urgent, coalesce(r.reference, ''), coalesce(r.agent, '')
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::real[], $7::text[], $8::text[],
                $9::text[], $10::bool[], $11::uuid[])
         AS x (id, conversation_id, desk, reason, intent, confidence, sentiment, detail, slots, is_urgent, reopens)
    LEFT JOIN handoff r ON r.id = x.reopens AND r.conversation_id = x.conversation_id AND r.desk = x.desk
"""

SOLVED = """
    SELECT id, ended_at, end_reason, desk, reference, agent FROM handoff
    WHERE conversation_id = $1 ORDER BY asked_at DESC LIMIT 1
"""

# A case whose time is set already (a desk that is tried later) is told of this too when it comes.
NUDGE_HANDOFFS = """
    UPDATE handoff SET due_at = now() WHERE id = ANY($1::uuid[]) AND NOT told_end AND due_at = 'infinity'
"""

CLOSE_EPISODES = """
    UPDATE episode e SET closed_at = now(), outcome = q.outcome
    FROM unnest($1::uuid[], $2::text[]) AS q (id, outcome)
    WHERE e.id = q.id AND e.closed_at IS NULL
"""

# What a person did is rated: the episode of that handoff, or of none where it is not there any more; without a
# mark the one in which a person was asked for last, else the one that runs.
RATE_EPISODES = """
    UPDATE episode e SET rating = u.score
    FROM (
        SELECT q.score, CASE WHEN q.handoff <> '' THEN (
            SELECT x.id FROM episode x
            WHERE x.conversation_id = q.conversation_id AND x.opened_at <= (
                SELECT max(h.asked_at) FROM handoff h
                WHERE h.conversation_id = q.conversation_id AND right(h.id::text, 8) = q.handoff
            )
            ORDER BY x.opened_at DESC LIMIT 1
        ) ELSE coalesce(
            (
                SELECT x.id FROM episode x
                WHERE x.conversation_id = q.conversation_id AND x.opened_at <= (
                    SELECT max(h.asked_at) FROM handoff h
                    WHERE h.conversation_id = q.conversation_id AND h.ended_at > now() - interval '1 day'
                )
                ORDER BY x.opened_at DESC LIMIT 1
            ),
            q.episode_id
        ) END AS id
        FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[]) AS q (conversation_id, episode_id, score, handoff)
    ) u
    WHERE e.id = u.id
    RETURNING e.conversation_id, e.id
"""

INSERT_RATINGS = f"""
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject, data)
    SELECT id, '{EventKind.CONVERSATION_RATED}', account_id, conversation_id, episode_id, subject,
           jsonb_build_object('score', score)
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::uuid[], $6::int[])
         AS x (id, account_id, conversation_id, episode_id, subject, score)
"""

DETAIL_CHARS = 300
SLOTS = 40
SLOT_NAME_CHARS = 80
SLOT_CHARS = 500

_entries = msgspec.json.Decoder(TimerFired | DeskSaid | ActionDone)


class Unread(msgspec.Struct, frozen=True):
    """What a conversation has to react to, oldest first, and the position after the last message read."""

    entries: tuple[Entry, ...]
    read_position: int


async def claim(connection: asyncpg.Connection, *, limit: int, node: int, lease_s: float) -> list[Lease]:
    """Take conversations whose lease ran out, the longest waiting first."""
    rows = await connection.fetch(CLAIM, limit, node, timedelta(seconds=lease_s))
    return [_lease(row) for row in rows]


async def held_by(connection: asyncpg.Connection, node: int) -> dict[ConversationId, int]:
    """The token of each conversation that a process holds."""
    return {ConversationId(row[0]): row[1] for row in await connection.fetch(HELD_BY, node)}


async def reload(connection: asyncpg.Connection, leases: Sequence[Lease]) -> list[Lease | None]:
    """The same leases as they stand now (control may have changed); ``None`` for those that are lost."""
    rows = await connection.fetch(RELOAD, [x.conversation_id for x in leases], [x.token for x in leases])
    current = {row["id"]: _lease(row) for row in rows}
    return [current.get(lease.conversation_id) for lease in leases]


async def read_unread(connection: asyncpg.Connection, leases: Sequence[Lease]) -> list[Unread]:
    """The unread entries of each conversation, or those of the turn that was begun and not finished."""
    ids = [lease.conversation_id for lease in leases]
    read_seqs = [lease.read_seq for lease in leases]
    messages = await connection.fetch(UNREAD_MESSAGES, ids, [x.read_position for x in leases], read_seqs)
    others = await connection.fetch(UNREAD_ENTRIES, ids, read_seqs)
    found: dict[UUID, list[Entry]] = {}
    position_of: dict[UUID, dict[int, int]] = {}
    for row in messages:
        said = CustomerSaid(
            seq=row["seq"],
            at=row["at"],
            message_id=row["id"],
            parts=decode_parts(row["parts"]),
            provider_message_id=row["provider_message_id"],
            referral=row["referral"],
            consent=row["consent"],
        )
        found.setdefault(row["conversation_id"], []).append(said)
        position_of.setdefault(row["conversation_id"], {})[said.seq] = row["position"]
    for row in others:
        found.setdefault(row["conversation_id"], []).append(_entries.decode(row["data"]))
    return [_unread(lease, found.get(lease.conversation_id, []), position_of) for lease in leases]


def _unread(lease: Lease, entries: list[Entry], position_of: dict[UUID, dict[int, int]]) -> Unread:
    last = lease.turn_to_seq
    chosen = sorted((e for e in entries if last is None or e.seq <= last), key=lambda e: e.seq)
    positions = position_of.get(lease.conversation_id, {})
    read = [positions[e.seq] + 1 for e in chosen if e.seq in positions]
    return Unread(tuple(chosen), max(read, default=lease.read_position))


async def read_states(connection: asyncpg.Connection, ids: Sequence[ConversationId]) -> list[bytes]:
    """The dialogue's state of each conversation, empty where there is none."""
    rows = await connection.fetch(READ_STATES, ids)
    states = {row[0]: row[1] for row in rows}
    return [states.get(conversation_id, b"") for conversation_id in ids]


async def read_window(
    connection: asyncpg.Connection, conversation_id: ConversationId
) -> tuple[datetime | None, datetime | None]:
    """When the customer was last heard, and until when an advertisement keeps the window open."""
    row = await connection.fetchrow("SELECT heard_at, window_until FROM conversation WHERE id = $1", conversation_id)
    return (None, None) if row is None else (row["heard_at"], row["window_until"])


async def read_solved(connection: asyncpg.Connection, conversation_id: ConversationId) -> SolvedCase | None:
    """The conversation's last case, if a person solved it or the customer fell silent in it; else ``None``."""
    row = await connection.fetchrow(SOLVED, conversation_id)
    if row is None or row["ended_at"] is None or row["end_reason"] not in CASE_ENDS:
        return None
    return SolvedCase(
        handoff_id=HandoffId(row["id"]),
        solved_at=row["ended_at"],
        desk=row["desk"],
        reference=row["reference"],
        agent=row["agent"],
    )


async def renew(connection: asyncpg.Connection, leases: Sequence[Lease], lease_s: float) -> list[bool]:
    """Hold on to leases for longer; false for those that are lost."""
    rows = await connection.fetch(
        RENEW, [x.conversation_id for x in leases], [x.token for x in leases], timedelta(seconds=lease_s)
    )
    kept = {row[0] for row in rows}
    return [lease.conversation_id in kept for lease in leases]


async def plan_turns(connection: asyncpg.Connection, plans: Sequence[tuple[Lease, int]]) -> list[bool]:
    """Fix up to which seq each turn reads, before anything outside is called; false where the lease is lost."""
    rows = await connection.fetch(
        PLAN_TURNS,
        [lease.conversation_id for lease, _ in plans],
        [lease.token for lease, _ in plans],
        [to_seq for _, to_seq in plans],
    )
    planned = {row[0] for row in rows}
    return [lease.conversation_id in planned for lease, _ in plans]


async def give_back(connection: asyncpg.Connection, tokens: Mapping[ConversationId, int]) -> None:
    """Let go of leases at once, so that another process goes on without waiting; under another token they stay."""
    await connection.execute(GIVE_UP_LEASES, list(tokens), list(tokens.values()))


async def release_node(connection: asyncpg.Connection, name: str) -> None:
    """Free what a process held that is known to be dead."""
    await connection.execute(RELEASE_NODE, name)
    await connection.execute(
        "UPDATE outbox SET due_at = now() WHERE is_sending AND owner = (SELECT id FROM node WHERE name = $1)", name
    )
    await connection.execute(
        "UPDATE delivery_lease SET until = '-infinity' WHERE owner = (SELECT id FROM node WHERE name = $1)", name
    )


class CommitLimits(msgspec.Struct, frozen=True):
    node: int
    lease_s: float
    send_lease_s: float


async def commit_turns(
    connection: asyncpg.Connection, turns: Sequence[TurnCommit], limits: CommitLimits
) -> list[Committed | None]:
    """Write a batch of turns inside the caller's transaction; ``None`` for those whose token or epoch has passed."""
    winners = await _commit_conversations(connection, turns, limits)
    won = [turn for turn in turns if turn.lease.conversation_id in winners]
    if not won:
        return [None] * len(turns)
    waiting = [conversation_id for conversation_id, row in winners.items() if row["has_held"]]
    if waiting:
        await held.release(connection, waiting)
    reserved = await _insert_replies(connection, won, winners, limits)
    await _insert_turns(connection, won)
    await _insert_consequences(connection, won, winners)
    return [_committed(turn, winners.get(turn.lease.conversation_id), reserved) for turn in turns]


def new_control(turn: TurnCommit) -> ControlState:
    """The control after a turn: changed only when the turn asks for a person."""
    lease = turn.lease
    before = ControlState(lease.control, lease.epoch, lease.handoff_id, "?" if lease.control is Control.AGENT else "")
    if not turn.hand_off:
        return before
    handoff_id = HandoffId(derived_id(turn.turn_id, "handoff"))
    change = transition(before, AskForPerson(handoff_id, turn.hand_off))
    return change.state if change else before


def spoken_under(turn: TurnCommit) -> int:
    """The epoch in which the replies were decided: deliver withdraws those of one that has passed."""
    epoch = new_control(turn).epoch
    return epoch - 1 if turn.is_withdrawn else epoch


async def _commit_conversations(
    connection: asyncpg.Connection, turns: Sequence[TurnCommit], limits: CommitLimits
) -> dict[UUID, asyncpg.Record]:
    states = [new_control(turn) for turn in turns]
    rows = await connection.fetch(
        COMMIT,
        [t.lease.conversation_id for t in turns],
        [t.lease.token for t in turns],
        [t.lease.epoch for t in turns],
        [t.to_seq for t in turns],
        [t.read_position for t in turns],
        [len(t.replies) for t in turns],
        [t.language for t in turns],
        [0 if t.state is None else 1 for t in turns],
        [s.control.value for s in states],
        [s.epoch for s in states],
        [s.handoff_id for s in states],
        [bool(t.ends_episode) for t in turns],
        timedelta(seconds=limits.lease_s),
    )
    return {row["id"]: row for row in rows}


async def _insert_replies(
    connection: asyncpg.Connection,
    turns: Sequence[TurnCommit],
    winners: dict[UUID, asyncpg.Record],
    limits: CommitLimits,
) -> set[UUID]:
    rows = [
        (turn, winners[turn.lease.conversation_id]["next_position"] - len(turn.replies) + number, number, reply)
        for turn in turns
        for number, reply in enumerate(turn.replies)
    ]
    if not rows:
        return set()
    stored = await connection.fetch(
        INSERT_REPLIES,
        [turn.lease.conversation_id for turn, _, _, _ in rows],
        [position for _, position, _, _ in rows],
        [reply.message_id for _, _, _, reply in rows],
        [turn.lease.episode_id for turn, _, _, _ in rows],
        [reply.author for _, _, _, reply in rows],
        [reply.encoded for _, _, _, reply in rows],
        [turn.turn_id for turn, _, _, _ in rows],
        [reply.key for _, _, _, reply in rows],
        [turn.lease.account_id for turn, _, _, _ in rows],
        [spoken_under(turn) for turn, _, _, _ in rows],
        [
            turn.reserve and number == 0 and not winners[turn.lease.conversation_id]["is_silenced"]
            for turn, _, number, _ in rows
        ],
        [turn.trace for turn, _, _, _ in rows],
        limits.node,
        timedelta(seconds=limits.send_lease_s),
    )
    return {row[0] for row in stored if row[1]}


async def _insert_turns(connection: asyncpg.Connection, turns: Sequence[TurnCommit]) -> None:
    await connection.execute(
        INSERT_TURNS,
        [t.lease.conversation_id for t in turns],
        [t.from_seq for t in turns],
        [t.to_seq for t in turns],
        [t.turn_id for t in turns],
        [t.lease.episode_id for t in turns],
        [t.lease.epoch for t in turns],
        [t.bot_version for t in turns],
        [t.outcome for t in turns],
        [t.link for t in turns],
        [t.intent for t in turns],
        [t.confidence for t in turns],
        [t.language for t in turns],
        [t.resolution for t in turns],
        [t.duration_us for t in turns],
        [t.lease.account_id for t in turns],
        [derived_id(t.turn_id, EventKind.TURN_DECIDED) for t in turns],
        [t.model_version for t in turns],
    )
    states = [(t.lease.conversation_id, t.state, t.bot_version) for t in turns if t.state is not None]
    if states:
        await connection.execute(UPSERT_STATES, *map(list, zip(*states, strict=True)))


async def _insert_consequences(
    connection: asyncpg.Connection, turns: Sequence[TurnCommit], winners: dict[UUID, asyncpg.Record]
) -> None:
    """What only some turns have: timers, handoffs, ended episodes."""
    timers = [(t.lease.conversation_id, timer) for t in turns for timer in t.timers]
    dropped = [(c, timer.kind) for c, timer in timers if timer.after_s is None]
    if dropped:
        await connection.execute(DROP_TIMERS, *map(list, zip(*dropped, strict=True)))
    started = [
        (c, timer.kind, timedelta(seconds=timer.after_s), timer.payload)
        for c, timer in timers
        if timer.after_s is not None
    ]
    if started:
        await connection.execute(SET_TIMERS, *map(list, zip(*started, strict=True)))
    events: list[tuple[UUID, str, int, UUID, UUID | None, UUID]] = []
    handoffs = [t for t in turns if t.hand_off and t.lease.control is Control.BOT]
    if handoffs:
        rows = [_handoff(t) for t in handoffs]
        await connection.execute(INSERT_HANDOFFS, *map(list, zip(*rows, strict=True)))
        events += [_event(EventKind.HANDOFF_REQUESTED, derived_id(t.turn_id, "handoff"), t.lease) for t in handoffs]
    waiting = sorted({t.lease.handoff_id for t in turns if t.lease.handoff_id is not None})
    if waiting:
        await connection.execute(NUDGE_HANDOFFS, waiting)
    ended = [(t, t.lease.episode_id) for t in turns if winners[t.lease.conversation_id]["has_ended"]]
    closed = [(episode_id, t.ends_episode, t.lease) for t, episode_id in ended if episode_id is not None]
    if closed:
        await connection.execute(CLOSE_EPISODES, [row[0] for row in closed], [row[1] for row in closed])
        events += [_event(EventKind.EPISODE_CLOSED, episode_id, lease) for episode_id, _, lease in closed]
    await _insert_ratings(connection, turns)
    if events:
        await connection.execute(INSERT_EVENTS, *map(list, zip(*events, strict=True)))


def _handoff(turn: TurnCommit) -> tuple[object, ...]:
    """The values of a new handoff; what the dialogue tells is cut to what a desk can show."""
    told = turn.handing or HandOff()
    slots = {name[:SLOT_NAME_CHARS]: value[:SLOT_CHARS] for name, value in islice(told.slots.items(), SLOTS)}
    place = (derived_id(turn.turn_id, "handoff"), turn.lease.conversation_id, turn.desk, turn.hand_off)
    understood = (turn.intent, turn.confidence, turn.sentiment)
    details = (told.detail[:DETAIL_CHARS], msgspec.json.encode(slots).decode(), told.is_urgent, told.reopens)
    return (*place, *understood, *details)


async def _insert_ratings(connection: asyncpg.Connection, turns: Sequence[TurnCommit]) -> None:
    """A rating belongs to the episode in which a person helped; each turn that rates is an event of its own."""
    rated = [(t, t.rating) for t in turns if t.rating is not None]
    if not rated:
        return
    rows = await connection.fetch(
        RATE_EPISODES,
        [t.lease.conversation_id for t, _ in rated],
        [t.lease.episode_id for t, _ in rated],
        [score for _, score in rated],
        [t.rating_of for t, _ in rated],
    )
    episodes: dict[UUID, UUID] = dict(rows)
    events = [
        (
            derived_id(t.turn_id, EventKind.CONVERSATION_RATED),
            int(t.lease.account_id),
            t.lease.conversation_id,
            episodes.get(t.lease.conversation_id, t.lease.episode_id),
            t.turn_id,
            score,
        )
        for t, score in rated
        if not t.rating_of or t.lease.conversation_id in episodes
    ]
    await connection.execute(INSERT_RATINGS, *map(list, zip(*events, strict=True)))


def _event(kind: EventKind, subject: UUID, lease: Lease) -> tuple[UUID, str, int, UUID, UUID | None, UUID]:
    place = (int(lease.account_id), lease.conversation_id, lease.episode_id)
    return (derived_id(subject, kind), kind.value, *place, subject)


def _committed(turn: TurnCommit, row: asyncpg.Record | None, reserved: set[UUID]) -> Committed | None:
    if row is None:
        return None
    lease, state = turn.lease, new_control(turn)
    following = None
    if row["next_seq"] > turn.to_seq + 1:
        following = msgspec.structs.replace(
            lease,
            epoch=state.epoch,
            control=state.control,
            handoff_id=state.handoff_id,
            read_seq=turn.to_seq,
            read_position=turn.read_position,
            turn_to_seq=None,
            episode_id=row["episode_id"],
            state_version=row["state_version"],
            language=turn.language,
        )
    first_position = row["next_position"] - len(turn.replies)
    is_reserved = lease.conversation_id in reserved
    return Committed(following, first_position, is_reserved, state.epoch, row["heard_at"], row["window_until"])


def _lease(row: asyncpg.Record) -> Lease:
    who = (row["id"], row["address_id"], row["contact_id"], row["recipient"], row["name"])
    known = Known(*who, traits=row["traits"], time_zone=row["time_zone"])
    return lease_from(row, known)
