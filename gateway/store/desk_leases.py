"""Who tells a desk and asks it what webhooks lost: one process at a time, by a lease whose token grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import asyncpg

REGISTER = "INSERT INTO desk_lease (desk) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"

# Whoever asks with the token of the last taking goes on with it. A process that died and came back by the same name
# does not know the token, so that what it left behind is not taken for its own.
HOLD = """
    UPDATE desk_lease l SET owner = $3, until = now() + $4,
        token = l.token + CASE WHEN l.token = u.known THEN 0 ELSE 1 END
    FROM (
        SELECT d.desk, q.known FROM unnest($1::text[], $2::bigint[]) AS q (desk, known)
        JOIN desk_lease d ON d.desk = q.desk
        WHERE d.until < now() OR d.owner = $3
        ORDER BY d.desk FOR UPDATE OF d SKIP LOCKED
    ) u
    WHERE l.desk = u.desk
    RETURNING l.desk, l.token
"""

RELEASE = """
    UPDATE desk_lease l SET until = '-infinity'
    FROM unnest($1::text[], $2::bigint[]) AS q (desk, token)
    WHERE l.desk = q.desk AND l.token = q.token
"""

RELEASE_NODE = """
    UPDATE desk_lease SET until = '-infinity' WHERE owner = (SELECT id FROM node WHERE name = $1)
"""

DUE_TO_RECONCILE = """
    SELECT desk FROM desk_lease WHERE desk = $1 AND token = $2 AND until > now() AND reconcile_at <= now()
"""

RECONCILE_LATER = "UPDATE desk_lease SET reconcile_at = now() + $3 WHERE desk = $1 AND token = $2"


async def register(connection: asyncpg.Connection, desks: Sequence[str]) -> None:
    """Make the rows that are held later."""
    await connection.execute(REGISTER, sorted(desks))


async def hold(
    connection: asyncpg.Connection, known: Mapping[str, int], *, node: int, lease_s: float
) -> dict[str, int]:
    """Take or keep desks, each with the token by which it was held before (0: it was not); the tokens of those held."""
    desks = sorted(known)
    rows = await connection.fetch(HOLD, desks, [known[d] for d in desks], node, timedelta(seconds=lease_s))
    return {row["desk"]: row["token"] for row in rows}


async def release(connection: asyncpg.Connection, tokens: Mapping[str, int]) -> None:
    """Another process may go on at once."""
    await connection.execute(RELEASE, list(tokens), list(tokens.values()))


async def release_node(connection: asyncpg.Connection, name: str) -> None:
    """Free what a process held that is known to be dead."""
    await connection.execute(RELEASE_NODE, name)


async def is_due_to_reconcile(connection: asyncpg.Connection, desk: str, token: int) -> bool:
    """Whether the desk is ours to ask, and it is time."""
    return await connection.fetchval(DUE_TO_RECONCILE, desk, token) is not None


async def reconcile_later(connection: asyncpg.Connection, desk: str, token: int, after_s: float) -> None:
    """The desk was asked (or could not be): ask it again then."""
    await connection.execute(RECONCILE_LATER, desk, token, timedelta(seconds=after_s))
