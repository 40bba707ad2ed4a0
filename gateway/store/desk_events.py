"""What desks say: durable before it is acknowledged, applied in order for each of their cases, never lost silently."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from gateway.core.desks import DeskEvent
from gateway.core.ids import new_id

STORE = """
    INSERT INTO desk_event (desk, key, kind, reference, at, data)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bytea[])
    ON CONFLICT DO NOTHING
    RETURNING key
"""

# The oldest of each reference, and only when nothing older of it is still to be applied and nothing newer is in hand:
# what comes late waits for what overtook it. Who takes one has it until due_at, unless they renew; should the process
# die, somebody else takes it then.
TAKE = """
    UPDATE desk_event e SET due_at = now() + $3, claim = e.claim + 1, owner = $4
    FROM (
        SELECT desk, key FROM desk_event d
        WHERE d.desk = $1 AND d.applied_at IS NULL AND d.gave_up_at IS NULL AND d.due_at <= now()
          AND (d.reference = '' OR NOT EXISTS (
              SELECT 1 FROM desk_event o
              WHERE o.desk = d.desk AND o.reference = d.reference AND o.applied_at IS NULL AND o.gave_up_at IS NULL
                AND ((o.at, o.number) < (d.at, d.number) OR o.owner IS NOT NULL AND o.due_at > now())
          ))
        ORDER BY d.due_at, d.number LIMIT $2 FOR UPDATE OF d SKIP LOCKED
    ) u
    WHERE e.desk = u.desk AND e.key = u.key
    RETURNING e.desk, e.key, e.kind, e.at, e.reference, e.data, e.received_at, e.tries, e.claim,
              extract(epoch FROM now() - e.received_at)::float AS age_s
"""

RENEW = """
    UPDATE desk_event e SET due_at = now() + $4
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS q (desk, key, claim)
    WHERE e.desk = q.desk AND e.key = q.key AND e.claim = q.claim AND e.owner IS NOT NULL
      AND e.applied_at IS NULL AND e.gave_up_at IS NULL
    RETURNING e.desk, e.key, e.claim
"""

APPLIED = """
    UPDATE desk_event SET applied_at = now(), problem = '', owner = NULL
    WHERE desk = $1 AND key = $2 AND claim = $3 AND owner IS NOT NULL
"""

PUT_OFF = """
    UPDATE desk_event SET due_at = now() + $4, tries = tries + $5, problem = $6, owner = NULL
    WHERE desk = $1 AND key = $2 AND claim = $3 AND owner IS NOT NULL
"""

GIVE_UP = """
    UPDATE desk_event SET gave_up_at = now(), tries = tries + 1, problem = $4, owner = NULL
    WHERE desk = $1 AND key = $2 AND claim = $3 AND owner IS NOT NULL
"""

FREE = """
    UPDATE desk_event SET due_at = now(), owner = NULL
    WHERE desk = $1 AND key = $2 AND claim = $3 AND owner IS NOT NULL AND applied_at IS NULL
"""

# Whoever it was may live after all: with a claim of before, it changes nothing any more.
RELEASE_NODE = """
    UPDATE desk_event SET due_at = now(), claim = claim + 1, owner = NULL
    WHERE applied_at IS NULL AND gave_up_at IS NULL AND owner = (SELECT id FROM node WHERE name = $1)
"""

QUARANTINE = """
    INSERT INTO quarantine (id, channel, endpoint, reason, path, raw) VALUES ($1, $2, $3, $4, $5, $6)
"""

DEAD = """
    SELECT desk, key, kind, reference, at, received_at, gave_up_at, tries, problem FROM desk_event
    WHERE gave_up_at IS NOT NULL AND applied_at IS NULL ORDER BY gave_up_at LIMIT $1
"""

REPLAY = """
    UPDATE desk_event SET gave_up_at = NULL, due_at = now(), tries = 0, received_at = now()
    WHERE desk = $1 AND key = $2 AND gave_up_at IS NOT NULL AND applied_at IS NULL
    RETURNING key
"""

PRUNE = """
    DELETE FROM desk_event WHERE (desk, key) IN (
        SELECT desk, key FROM desk_event WHERE applied_at < now() - $1::interval LIMIT $2
    )
"""

PRUNE_BATCH = 5_000

LONGEST_PROBLEM = 300


class TakenEvent(msgspec.Struct, frozen=True):
    """An event in this process' hands. ``tries`` failed before; ``age_s`` is since it was stored."""

    desk: str
    event: DeskEvent
    tries: int
    claim: int
    age_s: float


class DeadEvent(msgspec.Struct, frozen=True):
    """What a desk said and could never be applied."""

    desk: str
    key: str
    kind: str
    reference: str
    at: datetime
    received_at: datetime
    gave_up_at: datetime
    tries: int
    problem: str


async def store(connection: asyncpg.Connection, desk: str, events: Sequence[DeskEvent]) -> int:
    """Keep what is new of *events*; answers how many that are. Of two with one key the first counts."""
    by_key = {event.key: event for event in reversed(events)}
    rows = [by_key[key] for key in sorted(by_key, key=lambda key: (by_key[key].at, key))]
    stored = await connection.fetch(
        STORE,
        desk,
        [event.key for event in rows],
        [event.kind for event in rows],
        [event.reference for event in rows],
        [event.at for event in rows],
        [event.data for event in rows],
    )
    return len(stored)


async def quarantine(connection: asyncpg.Connection, desk: str, *, reason: str, path: str, raw: bytes) -> None:
    """Keep an authentic webhook that was not understood."""
    kind, _, name = desk.partition(".")
    await connection.execute(QUARANTINE, new_id(), f"desks.{kind}", name, reason, path, raw)


async def take(connection: asyncpg.Connection, desk: str, *, limit: int, node: int, claim_s: float) -> list[TakenEvent]:
    """Take what can be applied now: at most one event of a case; nobody else has it for *claim_s*, see ``renew``."""
    rows = await connection.fetch(TAKE, desk, limit, timedelta(seconds=claim_s), node)
    return [_taken(row) for row in sorted(rows, key=lambda row: (row["at"], row["key"]))]


async def renew(connection: asyncpg.Connection, taken: Sequence[TakenEvent], claim_s: float) -> list[bool]:
    """Hold on to events for *claim_s* from now; false for what is not ours any more."""
    rows = await connection.fetch(
        RENEW,
        [one.desk for one in taken],
        [one.event.key for one in taken],
        [one.claim for one in taken],
        timedelta(seconds=claim_s),
    )
    kept = {tuple(row) for row in rows}
    return [(one.desk, one.event.key, one.claim) in kept for one in taken]


async def release_node(connection: asyncpg.Connection, name: str) -> None:
    """Free what a process had in hand that is known to be dead."""
    await connection.execute(RELEASE_NODE, name)


async def applied(connection: asyncpg.Connection, taken: TakenEvent) -> None:
    """It took effect, and counts as known from now on."""
    await connection.execute(APPLIED, taken.desk, taken.event.key, taken.claim)


async def put_off(
    connection: asyncpg.Connection, taken: TakenEvent, after_s: float, *, problem: str, is_failure: bool
) -> None:
    """It could not be applied now; what follows it in its case waits with it."""
    values = (taken.desk, taken.event.key, taken.claim, timedelta(seconds=after_s), int(is_failure))
    await connection.execute(PUT_OFF, *values, problem[:LONGEST_PROBLEM])


async def give_up(connection: asyncpg.Connection, taken: TakenEvent, *, problem: str) -> None:
    """It can never be applied: kept for an operator to see, and out of the others' way."""
    await connection.execute(GIVE_UP, taken.desk, taken.event.key, taken.claim, problem[:LONGEST_PROBLEM])


async def free(connection: asyncpg.Connection, taken: TakenEvent) -> None:
    """Nobody works on it any more: it is due at once."""
    await connection.execute(FREE, taken.desk, taken.event.key, taken.claim)


async def dead(connection: asyncpg.Connection, *, limit: int) -> list[DeadEvent]:
    """What was given up, the oldest first."""
    return [DeadEvent(**dict(row)) for row in await connection.fetch(DEAD, limit)]


async def replay(connection: asyncpg.Connection, desk: str, key: str) -> bool:
    """Try a dead event again, from now on; false when there is none of that name."""
    return await connection.fetchval(REPLAY, desk, key) is not None


async def prune(connection: asyncpg.Connection, keep: timedelta) -> bool:
    """Forget events that were applied so long ago that no desk repeats them; true when there may be more."""
    done: str = await connection.execute(PRUNE, keep, PRUNE_BATCH)
    return done == f"DELETE {PRUNE_BATCH}"


def _taken(row: asyncpg.Record) -> TakenEvent:
    event = DeskEvent(row["key"], row["kind"], row["at"], row["reference"], row["data"])
    return TakenEvent(row["desk"], event, row["tries"], row["claim"], row["age_s"])
