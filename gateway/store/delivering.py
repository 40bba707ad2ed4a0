"""The statements of deliver: taking what is due, and writing down how it went.

A row is sent by the process that marked it as being sent, under a lease that is its due time; ``claims`` counts
the takings, and every outcome is conditional on it. Only the oldest row of a conversation may be taken.
Tables are touched in this order: outbox, message, provider_ref, dead_letter, event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import asyncpg
import msgspec

from gateway.core.events import EventKind
from gateway.core.ids import AccountId, ConversationId, MessageId, derived_id
from gateway.core.messages import Status, decode_parts
from gateway.core.ports import Persona
from gateway.store import consent, held
from gateway.store.changes import RANK
from gateway.store.rows import OutboxRow, Outcome, Settled

TAKE = """
    UPDATE outbox o SET is_sending = true, owner = $1, claims = o.claims + 1, due_at = now() + $2,
                        ambiguities = o.ambiguities + o.is_sending::int
    FROM ({heads}) u
    JOIN message m ON m.conversation_id = u.conversation_id AND m.position = u.position AND m.id = u.message_id
    JOIN conversation c ON c.id = u.conversation_id
    JOIN address d ON d.id = c.address_id
    WHERE o.conversation_id = u.conversation_id AND o.position = u.position
    RETURNING o.conversation_id, o.position, o.message_id, o.account_id, d.recipient, o.author, o.epoch,
              c.epoch AS current_epoch, c.is_opted_out, o.claims, o.failures, o.ambiguities,
              extract(epoch FROM now() - o.created_at)::float AS age_s, o.calls_done, m.parts, m.agent, o.trace, m.at,
              m.reply_to, c.language, d.traits, c.heard_at, c.window_until, o.is_proactive, o.is_marketing,
              o.is_fallback, c.is_marketing_out, c.is_opted_in, c.is_marketing_in,
              coalesce(c.unreachable_at > coalesce(c.heard_at, '-infinity'), false) AS is_unreachable, o.taken_refs,
              o.persona
"""

IS_HEAD = """
    NOT EXISTS (SELECT 1 FROM outbox e WHERE e.conversation_id = x.conversation_id AND e.position < x.position)
"""

TAKE_DUE = TAKE.format(
    heads=f"""
        SELECT x.conversation_id, x.position, x.message_id FROM outbox x
        WHERE x.account_id = $3 AND x.is_proactive = $4 AND x.due_at <= now() AND {IS_HEAD}
        ORDER BY x.due_at LIMIT $5 FOR UPDATE OF x SKIP LOCKED
    """
)

TAKE_THESE = TAKE.format(
    heads=f"""
        SELECT x.conversation_id, x.position, x.message_id
        FROM unnest($3::uuid[], $4::bigint[]) AS q (conversation_id, position)
        JOIN outbox x ON x.conversation_id = q.conversation_id AND x.position = q.position
        WHERE NOT x.is_sending AND x.due_at <= now() AND {IS_HEAD}
        ORDER BY x.conversation_id FOR UPDATE OF x SKIP LOCKED
    """
)

FINISH = """
    DELETE FROM outbox o
    USING (
        SELECT q.* FROM unnest($1::uuid[], $2::bigint[], $3::int[]) AS q (conversation_id, position, claims)
        JOIN outbox l ON l.conversation_id = q.conversation_id AND l.position = q.position AND l.claims = q.claims
        WHERE l.is_sending
        ORDER BY q.conversation_id, q.position FOR UPDATE OF l
    ) u
    WHERE o.conversation_id = u.conversation_id AND o.position = u.position
    RETURNING o.message_id, (
        SELECT n.position FROM outbox n WHERE n.conversation_id = o.conversation_id AND n.position > o.position
        ORDER BY n.position LIMIT 1
    )
"""

PUT_BACK = """
    UPDATE outbox o SET is_sending = u.keeps, owner = CASE WHEN u.keeps THEN o.owner END,
        due_at = now() + CASE WHEN NOT u.keeps AND u.ambiguities > 0 AND o.taken_refs <> '{}' THEN interval '0'
                              ELSE u.after END,
        calls_done = u.calls_done, failures = u.failures, ambiguities = u.ambiguities,
        taken_refs = CASE WHEN u.calls_done > o.calls_done THEN '{}' ELSE o.taken_refs END
    FROM (
        SELECT q.* FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::interval[], $5::int[], $6::int[], $7::int[],
                               $8::bool[])
             AS q (conversation_id, position, claims, after, calls_done, failures, ambiguities, keeps)
        JOIN outbox l ON l.conversation_id = q.conversation_id AND l.position = q.position AND l.claims = q.claims
        WHERE l.is_sending
        ORDER BY q.conversation_id, q.position FOR UPDATE OF l
    ) u
    WHERE o.conversation_id = u.conversation_id AND o.position = u.position
    RETURNING o.message_id
"""

# The next message of a conversation gets in line behind all that are due by now.
LINE_UP = """
    UPDATE outbox o SET due_at = now()
    FROM unnest($1::uuid[], $2::bigint[]) AS q (conversation_id, position)
    WHERE o.conversation_id = q.conversation_id AND o.position = q.position AND NOT o.is_sending AND o.due_at < now()
"""

SET_LOSSES = """
    UPDATE message m SET losses = to_jsonb(x.losses)
    FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::jsonb[]) AS x (conversation_id, position, id, losses)
    WHERE m.conversation_id = x.conversation_id AND m.position = x.position AND m.id = x.id
"""

HELD_BY = "SELECT conversation_id, position, claims FROM outbox WHERE is_sending AND owner = $1"

FREE = """
    UPDATE outbox o SET is_sending = false, owner = NULL, due_at = now()
    FROM (
        SELECT l.conversation_id, l.position
        FROM unnest($2::uuid[], $3::bigint[], $4::int[]) AS q (conversation_id, position, claims)
        JOIN outbox l ON l.conversation_id = q.conversation_id AND l.position = q.position AND l.claims = q.claims
        WHERE l.is_sending AND l.owner = $1
        ORDER BY l.conversation_id, l.position FOR UPDATE OF l
    ) u
    WHERE o.conversation_id = u.conversation_id AND o.position = u.position
"""

SET_STATUSES = f"""
    WITH changed AS (
        UPDATE message m SET status = x.status,
            provider_message_id = CASE WHEN x.provider_message_id = '' THEN m.provider_message_id
                                       ELSE x.provider_message_id END
        FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::int[],
                    $9::text[])
             AS x (conversation_id, position, id, status, provider_message_id, event_id, kind, account_id, data)
        WHERE m.conversation_id = x.conversation_id AND m.position = x.position AND m.id = x.id
          AND {RANK.format("x.status")} > {RANK.format("m.status")}
        RETURNING x.event_id, x.kind, x.account_id, x.conversation_id, m.episode_id, x.id, x.data
    )
    INSERT INTO event (id, kind, account_id, conversation_id, episode_id, subject, data)
    SELECT event_id, kind, account_id, conversation_id, episode_id, id, data::jsonb FROM changed
"""

INSERT_REFS = """
    INSERT INTO provider_ref (account_id, provider_message_id, conversation_id, position, message_id)
    SELECT * FROM unnest($1::int[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[])
    ON CONFLICT DO NOTHING
"""

INSERT_DEAD_LETTERS = """
    INSERT INTO dead_letter (message_id, conversation_id, position, account_id, reason, detail, code, failures,
                             calls_done, author)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[],
                         $8::int[], $9::int[], $10::text[])
    ON CONFLICT (message_id) DO NOTHING
"""

LOCK_BY_MESSAGE = """
    SELECT o.message_id, o.account_id, o.conversation_id, o.position FROM outbox o WHERE o.message_id = ANY($1::uuid[])
    ORDER BY o.conversation_id, o.position FOR UPDATE OF o
"""

DEAD_BY_MESSAGE = """
    SELECT message_id, account_id, conversation_id, position FROM dead_letter WHERE message_id = ANY($1::uuid[])
"""

CLAIM_REFS = """
    INSERT INTO provider_ref (account_id, provider_message_id, conversation_id, position, message_id)
    SELECT * FROM unnest($1::int[], $2::text[], $3::uuid[], $4::bigint[], $5::uuid[])
    ON CONFLICT DO NOTHING
    RETURNING message_id, provider_message_id
"""

# What waits because nobody knew goes on at once.
NOTE_TAKEN = """
    UPDATE outbox o SET taken_refs = o.taken_refs || u.refs,
        due_at = CASE WHEN NOT o.is_sending AND o.ambiguities > 0 THEN now() ELSE o.due_at END
    FROM (
        SELECT q.message_id, array_agg(q.ref) AS refs
        FROM unnest($1::uuid[], $2::text[]) AS q (message_id, ref) GROUP BY q.message_id
    ) u
    WHERE o.message_id = u.message_id
"""

HOLD_ACCOUNTS = """
    UPDATE delivery_lease l SET owner = $2, until = now() + $3, pace = NULL
    FROM (
        SELECT account_id, owner IS NULL AS is_first, pace FROM delivery_lease
        WHERE account_id = ANY($1::int[]) AND (until < now() OR owner = $2)
        ORDER BY account_id FOR UPDATE SKIP LOCKED
    ) u
    WHERE l.account_id = u.account_id
    RETURNING l.account_id, greatest(0, extract(epoch FROM l.paused_until - now()))::float AS paused_s, u.is_first,
              u.pace
"""

LET_ACCOUNTS_GO = """
    UPDATE delivery_lease l SET until = '-infinity', pace = x.pace
    FROM unnest($1::int[], $3::jsonb[]) AS x (account_id, pace)
    WHERE l.account_id = x.account_id AND l.owner = $2
"""

PAUSE_ACCOUNT = """
    UPDATE delivery_lease SET paused_until = greatest(paused_until, now() + $2),
        unhealthy_since = CASE WHEN $3 = '' THEN unhealthy_since ELSE coalesce(unhealthy_since, now()) END,
        unhealthy_reason = CASE WHEN $3 = '' THEN unhealthy_reason ELSE $3 END
    WHERE account_id = $1
"""

ACCOUNT_IS_WELL = """
    UPDATE delivery_lease SET unhealthy_since = NULL, unhealthy_reason = ''
    WHERE account_id = $1 AND unhealthy_since IS NOT NULL
"""

CONTACT_NAME = "SELECT t.name FROM conversation c JOIN contact t ON t.id = c.contact_id WHERE c.id = $1"

MOVE_RECIPIENT = """
    WITH c AS (
        UPDATE conversation SET names_version = names_version + 1 WHERE id = $1 RETURNING account_id, address_id, id
    ), named AS (
        INSERT INTO address_alias (account_id, kind, value, address_id, conversation_id)
        SELECT account_id, $2, $3, address_id, id FROM c
        ON CONFLICT DO NOTHING
    )
    UPDATE address d SET recipient = $3 FROM c WHERE d.id = c.address_id
"""


class TakenRef(msgspec.Struct, frozen=True):
    """What a provider gives back of a message of ours: its own id of it, and the reference that we sent along."""

    account_id: AccountId
    message_id: MessageId
    provider_message_id: str


class PacePast(msgspec.Struct, frozen=True):
    """What one keeper of an account's rates tells the next: what each person may still get (under a hash of the name).

    ``at`` is Unix time; who is not named may get all that the rates allow.
    """

    at: float
    levels: dict[str, float]


class HeldAccount(msgspec.Struct, frozen=True):
    """An account that this process delivers. ``is_first``: nobody did before; no ``past``: nothing is known of it."""

    paused_s: float
    is_first: bool
    past: PacePast | None


class HeldRow(msgspec.Struct, frozen=True):
    """A message as one taking of it left it."""

    conversation_id: ConversationId
    position: int
    claims: int


class Target(msgspec.Struct, frozen=True):
    """Where a message is."""

    conversation_id: ConversationId
    position: int


NEW_STATUS = {"sent": Status.SENT, "failed": Status.FAILED, "withdrawn": Status.WITHDRAWN}
EVENT_OF = {
    "sent": EventKind.MESSAGE_SENT,
    "failed": EventKind.MESSAGE_FAILED,
    "withdrawn": EventKind.MESSAGE_WITHDRAWN,
}

_encoder = msgspec.json.Encoder()
_pasts = msgspec.json.Decoder(PacePast)
_personas = msgspec.json.Decoder(Persona)


async def take_due(
    connection: asyncpg.Connection, account_id: AccountId, *, is_proactive: bool, limit: int, node: int, lease_s: float
) -> list[OutboxRow]:
    """Take what is due on one account, the longest waiting first, at most one message of a conversation."""
    lease = timedelta(seconds=lease_s)
    return [_row(r) for r in await connection.fetch(TAKE_DUE, node, lease, account_id, is_proactive, limit)]


async def take_these(
    connection: asyncpg.Connection, keys: Sequence[tuple[ConversationId, int]], *, node: int, lease_s: float
) -> list[OutboxRow | None]:
    """Take these rows; ``None`` for one that is not the oldest of its conversation, not due, or somebody else's."""
    rows = await connection.fetch(
        TAKE_THESE, node, timedelta(seconds=lease_s), [k[0] for k in keys], [k[1] for k in keys]
    )
    taken = {(row["conversation_id"], row["position"]): _row(row) for row in rows}
    return [taken.get((conversation_id, position)) for conversation_id, position in keys]


async def contact_name(connection: asyncpg.Connection, conversation_id: ConversationId) -> str:
    """What the person is called; empty when nobody knows."""
    name: str | None = await connection.fetchval(CONTACT_NAME, conversation_id)
    return name or ""


async def held_by(connection: asyncpg.Connection, node: int) -> list[HeldRow]:
    """All that is marked as being sent by a process. Costs a look at the whole outbox, so it is for after an outage."""
    return [HeldRow(*row) for row in await connection.fetch(HELD_BY, node)]


async def free(connection: asyncpg.Connection, node: int, rows: Sequence[HeldRow]) -> None:
    """What a process took and never began to send is due again, and not ambiguous; what was taken since stays."""
    keys = ([x.conversation_id for x in rows], [x.position for x in rows], [x.claims for x in rows])
    await connection.execute(FREE, node, *keys)


async def settle(
    connection: asyncpg.Connection, outcomes: Sequence[Outcome], *, send_lease_s: float
) -> list[Settled | None]:
    """Write a batch of outcomes inside the caller's transaction; ``None`` for rows that are not ours any more."""
    finished = [o for o in outcomes if o.kind in NEW_STATUS]
    kept = [o for o in outcomes if o.kind not in NEW_STATUS]
    done: dict[MessageId, Settled] = {}
    if finished:
        done.update(await _finish(connection, finished))
    if kept:
        done.update(await _put_back(connection, kept, send_lease_s))
    await _insert_refs(connection, [o for o in outcomes if o.message_id in done and o.provider_message_ids])
    return [done.get(outcome.message_id) for outcome in outcomes]


async def settle_by_ref(connection: asyncpg.Connection, refs: Sequence[TakenRef]) -> dict[MessageId, Target]:
    """The provider gave back our own references: it has these messages, whatever became of the calls.

    A message that is being sent, or waits to be sent again because nobody knew, is not sent a second time: deliver
    finds what is noted here and goes on behind it. From now on the provider's ids lead to our messages. Returns where
    the messages are that were still on their way or given up; what was settled before is missing. Repeating is
    harmless.
    """
    wanted = sorted({ref.message_id for ref in refs})
    rows = [*await connection.fetch(LOCK_BY_MESSAGE, wanted), *await connection.fetch(DEAD_BY_MESSAGE, wanted)]
    found = {(row["account_id"], row["message_id"]): row for row in rows}
    known = sorted(
        {
            (ref.account_id, ref.provider_message_id, row["conversation_id"], row["position"], ref.message_id)
            for ref in refs
            if (row := found.get((ref.account_id, ref.message_id))) is not None
        }
    )
    if not known:
        return {}
    new = await connection.fetch(CLAIM_REFS, *map(list, zip(*known, strict=True)))
    await connection.execute(NOTE_TAKEN, [row[0] for row in new], [row[1] for row in new])
    return {MessageId(key[4]): Target(ConversationId(key[2]), key[3]) for key in known}


async def _finish(connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> dict[MessageId, Settled]:
    rows = await connection.fetch(
        FINISH,
        [o.conversation_id for o in outcomes],
        [o.position for o in outcomes],
        [o.claims for o in outcomes],
    )
    done = {row[0]: Settled(row[1]) for row in rows}
    ours = [o for o in outcomes if o.message_id in done]
    if not ours:
        return done
    await connection.execute(
        SET_STATUSES,
        [o.conversation_id for o in ours],
        [o.position for o in ours],
        [o.message_id for o in ours],
        [NEW_STATUS[o.kind].value for o in ours],
        [o.provider_message_ids[0] if o.provider_message_ids else "" for o in ours],
        [derived_id(o.message_id, EVENT_OF[o.kind]) for o in ours],
        [EVENT_OF[o.kind].value for o in ours],
        [o.account_id for o in ours],
        [_told(o) for o in ours],
    )
    await _note_losses(connection, [o for o in ours if o.losses])
    await _bury(connection, [o for o in ours if o.kind == "failed"])
    behind = [
        (o.conversation_id, position) for o in ours if o.lines_up and (position := done[o.message_id].next_position)
    ]
    if behind:
        await connection.execute(LINE_UP, *map(list, zip(*behind, strict=True)))
    return done


async def _note_losses(connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> None:
    if outcomes:
        await connection.execute(
            SET_LOSSES,
            [o.conversation_id for o in outcomes],
            [o.position for o in outcomes],
            [o.message_id for o in outcomes],
            [_encoder.encode(o.losses).decode() for o in outcomes],
        )


async def _bury(connection: asyncpg.Connection, dead: Sequence[Outcome]) -> None:
    """Dead letters, and what they say about the people whom they did not reach."""
    if not dead:
        return
    await connection.execute(
        INSERT_DEAD_LETTERS,
        [o.message_id for o in dead],
        [o.conversation_id for o in dead],
        [o.position for o in dead],
        [o.account_id for o in dead],
        [o.reason for o in dead],
        [o.detail for o in dead],
        [o.code for o in dead],
        [o.failures for o in dead],
        [o.calls_done for o in dead],
        [o.author for o in dead],
    )
    at = await connection.fetchval("SELECT now()")
    for outcome in dead:
        if outcome.reason in ("opted_out", "unreachable") and not outcome.is_by_policy:
            await consent.note_refusal(connection, outcome.conversation_id, outcome.reason, at, outcome.code)
        if outcome.is_fallback:
            await held.fail_behind(connection, [outcome.message_id], outcome.reason, outcome.detail)


def _told(outcome: Outcome) -> str | None:
    """What the event says besides its kind: why it failed, or that it may have been sent twice."""
    if outcome.reason:
        return _encoder.encode({"reason": outcome.reason, "code": outcome.code}).decode()
    return '{"repeated": true}' if outcome.kind == "sent" and outcome.ambiguities else None


async def _put_back(
    connection: asyncpg.Connection, outcomes: Sequence[Outcome], send_lease_s: float
) -> dict[MessageId, Settled]:
    rows = await connection.fetch(
        PUT_BACK,
        [o.conversation_id for o in outcomes],
        [o.position for o in outcomes],
        [o.claims for o in outcomes],
        [timedelta(seconds=send_lease_s if o.kind == "progress" else o.after_s) for o in outcomes],
        [o.calls_done for o in outcomes],
        [o.failures for o in outcomes],
        [o.ambiguities for o in outcomes],
        [o.kind == "progress" for o in outcomes],
    )
    return {row[0]: Settled(None) for row in rows}


async def _insert_refs(connection: asyncpg.Connection, outcomes: Sequence[Outcome]) -> None:
    refs = sorted(
        (o.account_id, ref, o.conversation_id, o.position, o.message_id)
        for o in outcomes
        for ref in o.provider_message_ids
    )
    if refs:
        await connection.execute(INSERT_REFS, *map(list, zip(*refs, strict=True)))


async def hold_accounts(
    connection: asyncpg.Connection, account_ids: Sequence[AccountId], *, node: int, lease_s: float
) -> dict[AccountId, HeldAccount]:
    """Take or keep the delivery of rate-limited accounts; answers those that are held."""
    rows = await connection.fetch(HOLD_ACCOUNTS, list(account_ids), node, timedelta(seconds=lease_s))
    return {
        AccountId(row["account_id"]): HeldAccount(
            paused_s=row["paused_s"],
            is_first=row["is_first"],
            past=None if row["pace"] is None else _pasts.decode(row["pace"]),
        )
        for row in rows
    }


async def let_accounts_go(connection: asyncpg.Connection, pasts: Mapping[AccountId, PacePast], node: int) -> None:
    """Another process may deliver these at once, and knows what it must of what was sent just now."""
    encoded = [_encoder.encode(past).decode() for past in pasts.values()]
    await connection.execute(LET_ACCOUNTS_GO, list(pasts), node, encoded)


async def pause_account(connection: asyncpg.Connection, account_id: AccountId, after_s: float, reason: str) -> None:
    """Nobody sends on this account for a while; a reason marks it unhealthy."""
    await connection.execute(PAUSE_ACCOUNT, account_id, timedelta(seconds=after_s), reason)


async def account_is_well(connection: asyncpg.Connection, account_id: AccountId) -> None:
    await connection.execute(ACCOUNT_IS_WELL, account_id)


async def move_recipient(
    connection: asyncpg.Connection, conversation_id: ConversationId, kind: str, value: str
) -> None:
    """The conversation's person is written to at another address of the same account from now on."""
    await connection.execute(MOVE_RECIPIENT, conversation_id, kind, value)


def _row(row: asyncpg.Record) -> OutboxRow:
    persona = None if row["persona"] is None else _personas.decode(row["persona"])
    values = {**row, "parts": decode_parts(row["parts"]), "taken_refs": tuple(row["taken_refs"]), "persona": persona}
    return OutboxRow(**values)
