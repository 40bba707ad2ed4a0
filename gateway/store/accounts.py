"""Accounts and nodes: the small numbers that stand for configured names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from gateway.core.channel import AccountSpec
from gateway.core.ids import AccountId
from gateway.store.database import Database
from gateway.store.rows import Account

UPSERT_ACCOUNT = text("""
    INSERT INTO account (channel, endpoint, name, external, app)
    VALUES (:channel, :endpoint, :name, :external, :app)
    ON CONFLICT (channel, endpoint, name) DO UPDATE SET external = excluded.external, app = excluded.app
    RETURNING id
""")

FIND_ACCOUNTS = text("""
    SELECT id, channel, endpoint, name, external, app FROM account
    WHERE channel = :channel AND endpoint = :endpoint ORDER BY id
""")

INSERT_LEASE = text("INSERT INTO delivery_lease (account_id) VALUES (:id) ON CONFLICT DO NOTHING")

UPSERT_NODE = text("""
    INSERT INTO node (name) VALUES (:name)
    ON CONFLICT (name) DO UPDATE SET started_at = now(), seen_at = now()
    RETURNING id
""")


async def register_accounts(
    database: Database, channel: str, endpoint: str, specs: Sequence[AccountSpec]
) -> list[Account]:
    """Number the accounts of one endpoint; an account keeps its number for ever."""
    accounts = []
    async with database.begin() as connection:
        for spec in specs:
            values = {
                "channel": channel,
                "endpoint": endpoint,
                "name": spec.name,
                "external": spec.external,
                "app": spec.app,
            }
            number = (await connection.execute(UPSERT_ACCOUNT, values)).scalar_one()
            await connection.execute(INSERT_LEASE, {"id": number})
            accounts.append(Account(AccountId(number), channel, endpoint, spec.name, spec.external, spec.app))
    return accounts


async def find_accounts(database: Database, channel: str, endpoint: str) -> list[Account]:
    """The accounts of an endpoint that ever started, whether or not they are configured still."""
    async with database.begin() as connection:
        rows = await connection.execute(FIND_ACCOUNTS, {"channel": channel, "endpoint": endpoint})
        return [Account(*row) for row in rows]


async def register_node(database: Database, name: str) -> int:
    """Number this process. Two processes must not use one name at a time."""
    async with database.begin() as connection:
        return int((await connection.execute(UPSERT_NODE, {"name": name})).scalar_one())
