"""The statements of receive: one transaction for a batch of events, and the lease on what was written to.

Tables are touched in this order, rows in key order: seen; address, address_alias, contact (and the conversations of
strangers and of names that pass over); conversation; then provider_ref, event and message at once. Only a batch with
acts (echoes, changes of control) comes back to conversations, which it has locked all before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from gateway.core.control import Control
from gateway.core.events import EventKind
from gateway.core.ids import ConversationId, MessageId, derived_id, new_id
from gateway.core.inbound import Receipt
from gateway.core.messages import Author, Parts, Status
from gateway.core.turns import CustomerSaid
from gateway.store import acts, aliases, changes, consent, delivering, ours
from gateway.store.aliases import AliasCache
from gateway.store.naming import AliasKey
from gateway.store.rows import (
    Known,
    Lease,
    NewAddressEvent,
    NewChange,
    NewItem,
    NewMessage,
    NewNotice,
    NewQuarantine,
    Taken,
)

CONFIRMATIONS: dict[str, str] = {"out": "utter_opted_out", "in": "utter_opted_in"}
"""The author's replies that confirm what a customer wants."""

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
        next_origin = NULL,
        heard_at = greatest(c.heard_at, least(u.heard_at, now())),
        window_until = greatest(c.window_until, u.window_until),
        lease_owner = CASE WHEN u.is_free AND $4 THEN $5 ELSE c.lease_owner END,
        lease_token = c.lease_token + CASE WHEN u.is_free AND $4 THEN 1 ELSE 0 END,
        lease_until = CASE WHEN u.is_free THEN CASE WHEN $4 THEN now() + $6 ELSE '-infinity' END
                           ELSE c.lease_until END
    FROM (
        SELECT x.id, x.n, x.episode_id, x.heard_at, x.window_until, l.episode_id AS old_episode_id, l.next_origin,
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
              c.account_id, c.contact_id, c.solved_at, u.old_episode_id IS NULL AS is_new_episode,
              u.next_origin, c.names_version, c.is_opted_out
"""

INSERT_EPISODES = """
    INSERT INTO episode (id, conversation_id, origin)
    SELECT id, conversation_id, origin::jsonb FROM unnest($1::uuid[], $2::uuid[], $3::text[])
         AS x (id, conversation_id, origin)
"""

READ_STATE = "SELECT state FROM dialogue_state WHERE conversation_id = $1"

SET_CONSENT = """
    UPDATE message SET consent = $4 WHERE conversation_id = $1 AND position = $2 AND id = $3
"""

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


class ReceiveLimits(msgspec.Struct, frozen=True):
    """``take`` false leaves the conversations to a sweep: this process has its hands full.

    ``confirm`` has the words for a customer who asked for silence (``out``) or took that back (``in``), by language.
    ``is_answer``: what looks like a word for silence answers the open question of the dialogue's state.
    """

    node: int
    take: bool
    lease_s: float
    abandon_after_s: float
    confirm: Callable[[Literal["out", "in"], str], Parts]
    is_answer: Callable[[Parts, bytes], bool] = lambda _parts, _state: False


class Received(msgspec.Struct):
    """What a batch came to: conversations to work on, those with new words or marks, how many events were new.

    ``confirmed``: something of ours was put into the outbox.
    """

    taken: list[Taken] = []
    written_to: set[ConversationId] = set()
    marked: set[ConversationId] = set()
    new_messages: int = 0
    duplicates: int = 0
    quarantined: int = 0
    to_remember: dict[AliasKey, Known] = {}
    confirmed: bool = False
    has_new_control: bool = False
    notices: list[NewNotice] = []


Fresh = NewMessage | NewChange | NewAddressEvent | NewNotice
Named = NewMessage | NewAddressEvent


async def store_batch(
    connection: asyncpg.Connection, items: Sequence[NewItem], cache: AliasCache, limits: ReceiveLimits
) -> Received:
    """Write a batch inside the caller's transaction. Nothing of it counts before the commit.

    Raises ``NamesChanged`` when what was remembered or looked up is old: forget it, and write the batch again.
    """
    fresh = await _not_seen(connection, [item for item in items if not isinstance(item, NewQuarantine)])
    quarantined = [item for item in items if isinstance(item, NewQuarantine)]
    result = Received(duplicates=len(items) - len(quarantined) - len(fresh), quarantined=len(quarantined))
    named = [item for item in fresh if isinstance(item, NewMessage | NewAddressEvent)]
    if named:
        resolved = await aliases.resolve(connection, named, cache)
        result.to_remember = resolved.found
        await begin_conversations(connection, resolved)
        await _apply_named(connection, named, resolved, limits, result)
    if len(named) < len(fresh):
        await _apply_changes(connection, [item for item in fresh if isinstance(item, NewChange)], result)
        result.notices = [item for item in fresh if isinstance(item, NewNotice)]
        if result.notices:
            await acts.notice(connection, result.notices)
    if quarantined:
        await _quarantine(connection, quarantined)
    return result


async def _apply_named(
    connection: asyncpg.Connection,
    named: Sequence[Named],
    resolved: aliases.Resolved,
    limits: ReceiveLimits,
    result: Received,
) -> None:
    """Messages and acts, each person's in their order; messages of all that need not wait go together."""
    placed = [(item, known) for item, known in zip(named, resolved.known, strict=True) if known is not None]
    people = [known for item, known in placed if isinstance(item, NewAddressEvent)]
    if people:
        await acts.lock(connection, people)
    for wave in _waves(placed) if people else [placed]:
        messages = [(item, known) for item, known in wave if isinstance(item, NewMessage)]
        if messages:
            result.new_messages += len(messages)
            result.written_to.update(known.conversation_id for _, known in messages)
            await _append(connection, messages, limits, result)
        for item, known in wave:
            if isinstance(item, NewAddressEvent):
                is_written_to = await acts.apply(connection, item, known)
                (result.written_to if is_written_to else result.marked).add(known.conversation_id)
                result.has_new_control |= is_written_to


def _waves(placed: Sequence[tuple[Named, Known]]) -> list[list[tuple[Named, Known]]]:
    """Split so that within a wave no message stands behind an act of the same conversation."""
    waves: list[list[tuple[Named, Known]]] = [[]]
    last: dict[ConversationId, tuple[int, bool]] = {}
    for item, known in placed:
        is_act = isinstance(item, NewAddressEvent)
        number, was_act = last.get(known.conversation_id, (0, False))
        number += was_act and not is_act
        last[known.conversation_id] = (number, is_act)
        if number == len(waves):
            waves.append([])
        waves[number].append((item, known))
    return waves


async def _apply_changes(connection: asyncpg.Connection, items: Sequence[NewChange], result: Received) -> None:
    refs = [ref for item in items if (ref := _taken_ref(item)) is not None]
    if refs:
        await delivering.settle_by_ref(connection, refs)
    result.marked |= await changes.apply_or_park(connection, items)


def _taken_ref(item: NewChange) -> delivering.TakenRef | None:
    """A receipt that brings our own reference tells also that the provider has the message."""
    if not isinstance(item.event, Receipt) or not item.event.our_ref:
        return None
    try:
        message_id = MessageId(UUID(item.event.our_ref))
    except ValueError:
        return None
    return delivering.TakenRef(item.account_id, message_id, item.event.provider_message_id)


async def _not_seen(connection: asyncpg.Connection, items: Sequence[Fresh]) -> list[Fresh]:
    """The items whose event key was never stored before, first occurrence only, in order."""
    first: dict[tuple[int, str], Fresh] = {}
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


async def _append(
    connection: asyncpg.Connection,
    messages: Sequence[tuple[NewMessage, Known]],
    limits: ReceiveLimits,
    result: Received,
) -> None:
    people = {known.conversation_id: known for _, known in messages}
    groups: dict[ConversationId, list[NewMessage]] = {}
    for message, known in messages:
        groups.setdefault(known.conversation_id, []).append(message)
    order = sorted(groups)
    rows = await connection.fetch(
        APPEND,
        order,
        [len(groups[place]) for place in order],
        [derived_id(groups[place][0].entry.message_id, "episode") for place in order],
        limits.take,
        limits.node,
        timedelta(seconds=limits.lease_s),
        [max(message.entry.at for message in groups[place]) for place in order],
        [max((m.window_until for m in groups[place] if m.window_until), default=None) for place in order],
    )
    row_of = {row["id"]: row for row in rows}
    if any(place not in row_of or row_of[place]["names_version"] != people[place].version for place in order):
        raise aliases.NamesChanged("what was remembered of a conversation is old")
    placed: list[Placed] = []
    for place in order:
        row, group = row_of[place], await _without_answers(connection, row_of[place], groups[place], limits)
        mine = _placed(row, group)
        placed.extend(mine)
        if row["is_taken"]:
            first_seq = row["next_seq"] - len(group)
            lease = lease_from(row, people[place])
            is_whole = row["read_seq"] == first_seq - 1
            entries = tuple(one.entry for one in mine)
            result.taken.append(Taken(lease, entries, row["next_position"], is_whole, group[0].trace))
    await _insert_messages(connection, placed)
    await _open_episodes(connection, placed, limits)
    for one in placed:
        if one.entry.consent or one.message.is_opt_in:
            result.confirmed |= await _change_consent(connection, one, limits)


async def _without_answers(
    connection: asyncpg.Connection, row: asyncpg.Record, group: Sequence[NewMessage], limits: ReceiveLimits
) -> Sequence[NewMessage]:
    """Take the meaning from words for silence that answer what the bot has asked; its state is read only for them."""
    if row["control"] != Control.BOT or not row["state_version"] or all(message.word != "out" for message in group):
        return group
    state = await connection.fetchval(READ_STATE, row["id"])
    return [
        msgspec.structs.replace(message, word="")
        if state and message.word == "out" and limits.is_answer(message.entry.parts, state)
        else message
        for message in group
    ]


class Placed(msgspec.Struct, frozen=True):
    """A message with its place in the conversation's row. ``is_change``: its word changes what the customer wants."""

    row: asyncpg.Record
    entry: CustomerSaid
    position: int
    message: NewMessage
    is_change: bool


def _placed(row: asyncpg.Record, group: Sequence[NewMessage]) -> list[Placed]:
    first_seq, first_position = row["next_seq"] - len(group), row["next_position"] - len(group)
    is_out = row["is_opted_out"]
    placed = []
    for number, message in enumerate(group):
        # Only who asked for silence before can take it back: else the word is one like any other.
        word = message.word if message.word == "out" or is_out else ""
        is_change = (word == "out" and not is_out) or word == "in"
        is_out = is_out if not word else word == "out"
        entry = msgspec.structs.replace(message.entry, seq=first_seq + number, consent=word)
        placed.append(Placed(row, entry, first_position + number, message, is_change))
    return placed


async def _change_consent(connection: asyncpg.Connection, one: Placed, limits: ReceiveLimits) -> bool:
    """A message that shows whether the person wants to hear from us; true when they were told that it is so now."""
    conversation_id, word = one.row["id"], one.entry.consent
    if word:
        await connection.execute(SET_CONSENT, conversation_id, one.position, one.entry.message_id, word)
    await consent.change(
        connection,
        conversation_id,
        is_opted_in=word != "out",
        scope="all",
        source="keyword" if word else "provider",
        evidence=f"message {one.entry.message_id}" if word else f"started {one.message.event_key}",
        at=one.entry.at,
    )
    if not word or not one.is_change or one.message.is_answered:
        return False
    message_id = MessageId(derived_id(one.entry.message_id, f"consent:{word}"))
    words = limits.confirm(word, one.row["language"])
    await ours.append_queued(connection, conversation_id, message_id, words, CONFIRMATIONS[word])
    return True


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
        traits=known.traits,
        time_zone=known.time_zone,
        solved_at=row["solved_at"],
    )


async def _insert_messages(connection: asyncpg.Connection, placed: Sequence[Placed]) -> None:
    await connection.execute(
        INSERT_MESSAGES,
        [one.row["id"] for one in placed],
        [one.position for one in placed],
        [one.entry.message_id for one in placed],
        [one.entry.seq for one in placed],
        [one.row["episode_id"] for one in placed],
        [one.message.parts for one in placed],
        [one.entry.at for one in placed],
        [one.entry.provider_message_id for one in placed],
        [one.message.reply_to for one in placed],
        [one.entry.referral for one in placed],
        [one.message.account_id for one in placed],
        [derived_id(one.entry.message_id, EventKind.MESSAGE_RECEIVED) for one in placed],
    )
    jobs = [
        (one.entry.message_id, part, one.row["id"], one.position, one.message.account_id, ref)
        for one in placed
        for part, ref in one.message.media
    ]
    if jobs:
        await connection.execute(INSERT_MEDIA_JOBS, *map(list, zip(*jobs, strict=True)))


async def begin_conversations(connection: asyncpg.Connection, resolved: aliases.Resolved) -> None:
    """Tell of the conversations that were made just now."""
    kind = EventKind.CONVERSATION_STARTED
    events = [
        (derived_id(known.conversation_id, kind), kind.value, stranger.item.account_id, known.conversation_id, None)
        for known, stranger in resolved.born
    ]
    if events:
        columns = list(map(list, zip(*events, strict=True)))
        await connection.execute(INSERT_EVENTS, *columns, columns[3])


async def _open_episodes(connection: asyncpg.Connection, placed: Sequence[Placed], limits: ReceiveLimits) -> None:
    """What only a first message of a case brings: the episode's beginning, its timer, and what led here."""
    origins: dict[UUID, str] = {}
    for one in placed:
        if one.message.origin:
            origins.setdefault(one.row["id"], one.message.origin)
    new = {one.row["id"]: one.row for one in placed if one.row["is_new_episode"]}
    for conversation_id, origin in origins.items():
        if conversation_id not in new:
            row = next(one.row for one in placed if one.row["id"] == conversation_id)
            await connection.execute(acts.SET_ORIGIN, row["episode_id"], origin)
    if not new:
        return
    kind = EventKind.EPISODE_OPENED
    conversations, episodes = list(new), [row["episode_id"] for row in new.values()]
    await connection.execute(
        INSERT_EVENTS,
        [derived_id(episode_id, kind) for episode_id in episodes],
        [kind.value] * len(new),
        [row["account_id"] for row in new.values()],
        conversations,
        episodes,
        episodes,
    )
    led = [origins.get(place, row["next_origin"]) for place, row in new.items()]
    await connection.execute(INSERT_EPISODES, episodes, conversations, led)
    if limits.abandon_after_s > 0:
        await connection.execute(SET_ABANDONMENT, conversations, timedelta(seconds=limits.abandon_after_s))


async def _quarantine(connection: asyncpg.Connection, items: Sequence[NewQuarantine]) -> None:
    rows = [(new_id(), item.channel, item.endpoint, item.reason, item.path, item.raw) for item in items]
    await connection.execute(INSERT_QUARANTINE, *map(list, zip(*rows, strict=True)))
