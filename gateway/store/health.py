"""How accounts are doing: when they last heard of a customer, how busy they usually are, what went wrong last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from gateway.core.channel import Finding
from gateway.core.ids import AccountId

COUNT = """
    INSERT INTO account_hour (account_id, hour, received)
    SELECT account_id, date_trunc('hour', at, 'UTC'), received
    FROM unnest($1::int[], $2::timestamptz[], $3::int[]) AS x (account_id, at, received)
    ORDER BY account_id
    ON CONFLICT (account_id, hour) DO UPDATE SET received = account_hour.received + excluded.received
"""

BEAT = """
    INSERT INTO account_pulse (account_id, heard_at)
    SELECT * FROM unnest($1::int[], $2::timestamptz[]) AS x (account_id, heard_at) ORDER BY account_id
    ON CONFLICT (account_id) DO UPDATE SET heard_at = greatest(account_pulse.heard_at, excluded.heard_at)
"""

STATES = """
    SELECT a.id, p.heard_at, l.unhealthy_since, coalesce(l.unhealthy_reason, '') AS unhealthy_reason,
           d.at AS failed_at, coalesce(d.reason || ': ' || d.detail, '') AS failure
    FROM unnest($1::int[]) AS a (id)
    LEFT JOIN account_pulse p ON p.account_id = a.id
    LEFT JOIN delivery_lease l ON l.account_id = a.id
    LEFT JOIN LATERAL (
        SELECT at, reason, detail FROM dead_letter WHERE account_id = a.id ORDER BY at DESC LIMIT 1
    ) d ON true
    ORDER BY a.id
"""

HOURS = """
    SELECT account_id, hour FROM account_hour
    WHERE account_id = ANY($1::int[]) AND hour >= $2 AND received > 0
"""

FIRST_HOURS = "SELECT account_id, min(hour) FROM account_hour WHERE account_id = ANY($1::int[]) GROUP BY account_id"

FORGET_HOURS = "DELETE FROM account_hour WHERE hour < $1"

TAKE_CHECKUP = """
    INSERT INTO checkup AS c (endpoint, due_at) VALUES ($1, now() + least($2, interval '1 min'))
    ON CONFLICT (endpoint) DO UPDATE SET due_at = now() + $2 WHERE c.due_at <= now()
    RETURNING xmax <> 0 AS was_there
"""

PUT_CHECKUP = "UPDATE checkup SET at = now(), findings = $2 WHERE endpoint = $1"

CHECKUPS = "SELECT endpoint, at, findings FROM checkup WHERE endpoint = ANY($1::text[]) AND at IS NOT NULL"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(tuple[Finding, ...])


class AccountState(msgspec.Struct, frozen=True):
    """``heard_at`` is when a customer last wrote; ``failure`` what the last message that was given up met."""

    account_id: AccountId
    heard_at: datetime | None
    unhealthy_since: datetime | None
    unhealthy_reason: str
    failed_at: datetime | None
    failure: str


class Checkup(msgspec.Struct, frozen=True):
    """What the provider said of an endpoint, and when."""

    endpoint: str
    at: datetime
    findings: tuple[Finding, ...]


async def count(connection: asyncpg.Connection, heard: Mapping[AccountId, int], at: datetime) -> None:
    """Add messages received until *at* to their hour."""
    accounts = sorted(heard)
    times = [at] * len(accounts)
    await connection.execute(COUNT, accounts, times, [heard[account] for account in accounts])
    await connection.execute(BEAT, accounts, times)


async def states(connection: asyncpg.Connection, accounts: Sequence[AccountId]) -> list[AccountState]:
    """How each account stands, in the order of their numbers."""
    return [AccountState(*row) for row in await connection.fetch(STATES, list(accounts))]


async def busy_hours(
    connection: asyncpg.Connection, accounts: Sequence[AccountId], since: datetime
) -> dict[AccountId, tuple[datetime, set[datetime]]]:
    """For each account that ever heard anything: its first hour that is known, and the hours with a message."""
    first = {AccountId(row[0]): row[1] for row in await connection.fetch(FIRST_HOURS, list(accounts))}
    found: dict[AccountId, tuple[datetime, set[datetime]]] = {a: (max(h, since), set()) for a, h in first.items()}
    for row in await connection.fetch(HOURS, list(accounts), since):
        found[AccountId(row[0])][1].add(row[1])
    return found


async def forget_hours(connection: asyncpg.Connection, before: datetime) -> None:
    """Habits change: what is older teaches nothing."""
    await connection.execute(FORGET_HOURS, before)


async def take_checkup(connection: asyncpg.Connection, endpoint: str, every_s: float) -> bool:
    """Whether this process is the one to examine *endpoint* now; nobody else does for *every_s*.

    One that was never seen is examined a minute later, when everything has started.
    """
    return bool(await connection.fetchval(TAKE_CHECKUP, endpoint, timedelta(seconds=every_s)))


async def put_checkup(connection: asyncpg.Connection, endpoint: str, findings: Sequence[Finding]) -> None:
    await connection.execute(PUT_CHECKUP, endpoint, _encoder.encode(list(findings)))


async def checkups(connection: asyncpg.Connection, endpoints: Sequence[str]) -> list[Checkup]:
    """The last examination of each endpoint that had one."""
    rows = await connection.fetch(CHECKUPS, list(endpoints))
    return [Checkup(row["endpoint"], row["at"], _decoder.decode(row["findings"])) for row in rows]
