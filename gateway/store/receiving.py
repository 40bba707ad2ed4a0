"""The statements of receive: one transaction for a batch of events, and the lease on what was written to.

Tables are touched in this order, rows in key order: seen, address_alias (contact, address, conversation), then
conversation, then provider_ref, event and message at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.control import Control
from gateway.core.errors import TertuliaError
from gateway.core.events import EventKind
from gateway.core.ids import ConversationId, derived_id, new_id
from gateway.core.inbound import ConsentChanged
from gateway.core.messages import Author, Status
from gateway.core.turns import CustomerSaid
from gateway.store import aliases, changes
from gateway.store.aliases import AliasCache
from gateway.store.rows import (
    Known,
    Lease,
    NewAddressEvent,
    NewChange,
    NewItem,
    NewMessage,
    NewQuarantine,
    Taken,
)

SEEN = """
    INSERT INTO seen (account_id, event_key) SELECT * FROM unnest($1::int[], $2::text[])
    ON CONFLICT DO NOTHING
    RETURNING account_id, event_key
"""

# A free lease is taken; one that cannot be served now is left expired, so that a sweep of any process finds it.
APPEND = """
    UPDATE conversation c SET
        next_seq = c.next_seq + u.n,
        next_position = c.next_position + u.n,
        episode_id = coalesce(c.episode_id, u.episode_id),
        heard_at = greatest(c.heard_at, least(u.heard_at, now())),
        window_until = greatest(c.window_until, u.window_until),
        lease_owner = CASE WHEN u.is_free AND $4 THEN $5 ELSE c.lease_owner END,
        lease_token = c.lease_token + CASE WHEN u.is_free AND $4 THEN 1 ELSE 0 END,
        lease_until = CASE WHEN u.is_free THEN CASE WHEN $4 THEN now() + $6 ELSE '-infinity' END
                           ELSE c.lease_until END
    FROM (
        SELECT x.id, x.n, x.episode_id, x.heard_at, x.window_until, l.episode_id AS old_episode_id,
               l.lease_until IS NULL OR l.lease_until < now() AS is_free
        FROM unnest($1::uuid[], $2::int[], $3::uuid[], $7::timestamptz[], $8::timestamptz[])
             AS x (id, n, episode_id, heard_at, window_until)
        JOIN conversation l ON l.id = x.id
        ORDER BY l.id
        FOR UPDATE OF l
    ) u
    WHERE c.id = u.id
    RETURNING c.id, c.next_seq, c.next_position, u.is_free AND $4 AS is_taken, c.lease_token, c.epoch, c.control,
              c.handoff_id, c.read_seq, c.read_position, c.turn_to_seq, c.episode_id, c.state_version, c.language,
              c.account_id, c.contact_id, u.old_episode_id IS NULL AS is_new_episode
"""

INSERT_EPISODES = "INSERT INTO episode (id, conversation_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])"

# One statement for three tables: none of them waits for a row that another transaction holds.
INSERT_MESSAGES = f"""
    WITH x AS (
        SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[],
                             $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::int[], $12::uuid[])
             AS x (conversation_id, position, id, seq, episode_id, parts, provider_at, provider_message_id, reply_to,
                   referral, account_id, event_id)
    ), refs AS (
        INSERT INTO provider_ref (account_id, provider_message_id, conversation_id, position, message_id)
        SELECT account_id, provider_message_id, conversation_id, position, id FROM x
        ON CONFLICT DO NOTHING
    ), events AS (
        INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject)
        SELECT event_id, '{EventKind.MESSAGE_RECEIVED}', account_id, conversation_id, episode_id, id FROM x
    )
    INSERT INTO message (conversation_id, position, id, seq, episode_id, author, status, parts, provider_at,
                         provider_message_id, reply_to, referral)
    SELECT conversation_id, position, id, seq, episode_id, '{Author.CUSTOMER}', '{Status.RECEIVED}', parts::jsonb,
           provider_at, provider_message_id, reply_to, referral
    FROM x
"""

INSERT_EVENTS = """
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::uuid[], $5::uuid[], $6::uuid[])
"""

INSERT_MEDIA_JOBS = """
    INSERT INTO media_job (message_id, part, conversation_id, position, account_id, provider_ref)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::bigint[], $5::int[], $6::text[])
"""

INSERT_QUARANTINE = """
    INSERT INTO quarantine (id, channel, endpoint, reason, path, raw)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
"""

SET_ABANDONMENT = """
    INSERT INTO timer (conversation_id, kind, due_at)
    SELECT q.id, 'abandon', now() + $2 FROM unnest($1::uuid[]) AS q (id)
    ON CONFLICT (conversation_id, kind) DO UPDATE SET due_at = excluded.due_at
"""


class ConversationGone(TertuliaError):
    """An alias that was remembered leads nowhere: the contact was erased meanwhile. Forget it and try again."""


class ReceiveLimits(msgspec.Struct, frozen=True):
    """``take`` false leaves the conversations to a sweep: this process has its hands full."""

    node: int
    take: bool
    lease_s: float
    abandon_after_s: float


class Received(msgspec.Struct, frozen=True):
    """What a batch came to: conversations to work on, those with new words or marks, how many events were new."""

    taken: list[Taken]
    written_to: set[ConversationId]
    marked: set[ConversationId]
    new_messages: int
    duplicates: int
    quarantined: int
    to_remember: dict[aliases.AliasKey, Known]


async def store_batch(
    connection: asyncpg.Connection, items: Sequence[NewItem], cache: AliasCache, limits: ReceiveLimits
) -> Received:
    """Write a batch inside the caller's transaction. Nothing of it counts before the commit."""
    fresh = await _not_seen(connection, [item for item in items if not isinstance(item, NewQuarantine)])
    messages = [item for item in fresh if isinstance(item, NewMessage)]
    quarantined = [item for item in items if isinstance(item, NewQuarantine)]
    taken: list[Taken] = []
    written_to: set[ConversationId] = set()
    marked: set[ConversationId] = set()
    to_remember: dict[aliases.AliasKey, Known] = {}
    if messages:
        resolved = await aliases.resolve(connection, messages, cache)
        to_remember = resolved.found
        taken = await _append(connection, messages, resolved, limits)
        written_to = {known.conversation_id for known in resolved.known}
        await changes.apply_to_addresses(connection, [_opt_in(m) for m in messages if m.is_opt_in])
    if len(messages) < len(fresh):
        marked = await changes.apply_or_park(connection, [item for item in fresh if isinstance(item, NewChange)])
        await changes.apply_to_addresses(connection, [item for item in fresh if isinstance(item, NewAddressEvent)])
    if quarantined:
        await _quarantine(connection, quarantined)
    known_items = len(items) - len(quarantined)
    return Received(taken, written_to, marked, len(messages), known_items - len(fresh), len(quarantined), to_remember)


async def _not_seen(
    connection: asyncpg.Connection, items: Sequence[NewMessage | NewChange | NewAddressEvent]
) -> list[NewMessage | NewChange | NewAddressEvent]:
    """The items whose event key was never stored before, first occurrence only, in order."""
    first: dict[tuple[int, str], NewMessage | NewChange | NewAddressEvent] = {}
    for item in items:
        key = item.event_key if isinstance(item, NewMessage) else item.event.event_key
        first.setdefault((item.account_id, key), item)
    if not first:
        return []
    keys = sorted(first)
    rows = await connection.fetch(SEEN, [key[0] for key in keys], [key[1] for key in keys])
    if len(rows) == len(first):
        return list(first.values())
    new = {(row[0], row[1]) for row in rows}
    return [item for key, item in first.items() if key in new]


def _opt_in(message: NewMessage) -> NewAddressEvent:
    """A message that itself shows that the person wants to hear from us, as the change of consent that it is."""
    event = ConsentChanged(
        event_key=message.event_key,
        at=message.entry.at,
        address=message.address,
        is_opted_in=True,
        reason="started",
    )
    return NewAddressEvent(message.account_id, event)


async def _append(
    connection: asyncpg.Connection, messages: Sequence[NewMessage], resolved: aliases.Resolved, limits: ReceiveLimits
) -> list[Taken]:
    by_conversation: dict[Known, list[NewMessage]] = {}
    for known, message in zip(resolved.known, messages, strict=True):
        by_conversation.setdefault(known, []).append(message)
    order = sorted(by_conversation, key=lambda known: known.conversation_id)
    rows = await connection.fetch(
        APPEND,
        [known.conversation_id for known in order],
        [len(by_conversation[known]) for known in order],
        [derived_id(by_conversation[known][0].entry.message_id, "episode") for known in order],
        limits.take,
        limits.node,
        timedelta(seconds=limits.lease_s),
        [max(message.entry.at for message in by_conversation[known]) for known in order],
        [max((m.window_until for m in by_conversation[known] if m.window_until), default=None) for known in order],
    )
    if len(rows) != len(order):
        raise ConversationGone
    row_of = {row["id"]: row for row in rows}
    placed: list[tuple[asyncpg.Record, CustomerSaid, int, NewMessage]] = []
    taken: list[Taken] = []
    for known in order:
        row, group = row_of[known.conversation_id], by_conversation[known]
        first_seq, first_position = row["next_seq"] - len(group), row["next_position"] - len(group)
        entries = [
            msgspec.structs.replace(message.entry, seq=first_seq + number) for number, message in enumerate(group)
        ]
        placed.extend(
            (row, entry, first_position + number, message)
            for number, (entry, message) in enumerate(zip(entries, group, strict=True))
        )
        if row["is_taken"]:
            is_whole = row["read_seq"] == first_seq - 1
            lease = lease_from(row, known)
            taken.append(Taken(lease, tuple(entries), row["next_position"], is_whole, group[0].trace))
    await _insert_messages(connection, placed)
    await _insert_beginnings(connection, resolved.born, [row for row in rows if row["is_new_episode"]], limits)
    return taken


def lease_from(row: asyncpg.Record, known: Known) -> Lease:
    """A lease out of a row that carries the conversation's columns."""
    return Lease(
        conversation_id=row["id"],
        account_id=row["account_id"],
        contact_id=row["contact_id"],
        recipient=known.recipient,
        name=known.name,
        token=row["lease_token"],
        epoch=row["epoch"],
        control=Control(row["control"]),
        handoff_id=row["handoff_id"],
        read_seq=row["read_seq"],
        read_position=row["read_position"],
        turn_to_seq=row["turn_to_seq"],
        episode_id=row["episode_id"],
        state_version=row["state_version"],
        language=row["language"],
    )


async def _insert_messages(
    connection: asyncpg.Connection, placed: Sequence[tuple[asyncpg.Record, CustomerSaid, int, NewMessage]]
) -> None:
    await connection.execute(
        INSERT_MESSAGES,
        [row["id"] for row, _, _, _ in placed],
        [position for _, _, position, _ in placed],
        [entry.message_id for _, entry, _, _ in placed],
        [entry.seq for _, entry, _, _ in placed],
        [row["episode_id"] for row, _, _, _ in placed],
        [message.parts for _, _, _, message in placed],
        [entry.at for _, entry, _, _ in placed],
        [entry.provider_message_id for _, entry, _, _ in placed],
        [message.reply_to for _, _, _, message in placed],
        [entry.referral for _, entry, _, _ in placed],
        [message.account_id for _, _, _, message in placed],
        [derived_id(entry.message_id, EventKind.MESSAGE_RECEIVED) for _, entry, _, _ in placed],
    )
    jobs = [
        (entry.message_id, part, row["id"], position, message.account_id, ref)
        for row, entry, position, message in placed
        for part, ref in message.media
    ]
    if jobs:
        await connection.execute(INSERT_MEDIA_JOBS, *map(list, zip(*jobs, strict=True)))


async def _insert_beginnings(
    connection: asyncpg.Connection,
    born: Sequence[tuple[Known, NewMessage]],
    new_episodes: Sequence[asyncpg.Record],
    limits: ReceiveLimits,
) -> None:
    """What only a first message brings: the conversation's and the episode's beginning, and its timer."""
    events: list[tuple[UUID, str, int, UUID, UUID | None, UUID]] = []
    kind = EventKind.CONVERSATION_STARTED
    for known, message in born:
        subject = known.conversation_id
        events.append((derived_id(subject, kind), kind.value, message.account_id, subject, None, subject))
    kind = EventKind.EPISODE_OPENED
    for row in new_episodes:
        subject = row["episode_id"]
        events.append((derived_id(subject, kind), kind.value, row["account_id"], row["id"], subject, subject))
    if events:
        await connection.execute(INSERT_EVENTS, *map(list, zip(*events, strict=True)))
    if new_episodes:
        conversations = [row["id"] for row in new_episodes]
        await connection.execute(INSERT_EPISODES, [row["episode_id"] for row in new_episodes], conversations)
        if limits.abandon_after_s > 0:
            await connection.execute(SET_ABANDONMENT, conversations, timedelta(seconds=limits.abandon_after_s))


async def _quarantine(connection: asyncpg.Connection, items: Sequence[NewQuarantine]) -> None:
    rows = [(new_id(), item.channel, item.endpoint, item.reason, item.path, item.raw) for item in items]
    await connection.execute(INSERT_QUARANTINE, *map(list, zip(*rows, strict=True)))
