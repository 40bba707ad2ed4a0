"""Brings a database to the schema of this release, and makes partitions ahead of need."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.core.ids import lowest_id

MIGRATION_LOCK = 7_366_581_001
"""Advisory lock: replicas that start together migrate one after the other."""

PARTITIONED = ("message", "event")


async def migrate(dsn: str, *, now: datetime | None = None) -> str:
    """Run what is missing and return the revision. Safe to call from several processes at once."""
    config = _config()
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn))
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            await connection.commit()
            await connection.run_sync(_upgrade, config)
            await connection.commit()
            await connection.execute(text(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})"))
            await connection.commit()
    finally:
        await engine.dispose()
    plain = await asyncpg.connect(dsn)
    try:
        async with plain.transaction():
            await ensure_partitions(plain, now or datetime.now(UTC))
    finally:
        await plain.close()
    return head_revision()


def head_revision() -> str:
    """The revision that this release's code expects."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    return head or ""


async def current_revision(connection: asyncpg.Connection) -> str:
    """The revision of a database; empty when it was never migrated."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return ""
    return str(await connection.fetchval("SELECT version_num FROM alembic_version") or "")


async def ensure_partitions(connection: asyncpg.Connection, now: datetime, *, months_ahead: int = 2) -> list[str]:
    """Make the monthly partitions from this month to *months_ahead* later; returns the names of new ones.

    Call it inside a transaction. A month whose rows already fell into the default partition stays there: that costs
    speed, never a message.
    """
    made = []
    await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
    for table in PARTITIONED:
        for step in range(months_ahead + 1):
            start, end = _month(now, step), _month(now, step + 1)
            name = f"{table}_{start:%Y%m}"
            if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
                continue
            low, high = lowest_id(start), lowest_id(end)
            if await connection.fetchval(
                f"SELECT EXISTS (SELECT 1 FROM {table}_default WHERE id >= $1 AND id < $2)",
                low,
                high,
            ):
                continue
            fill = "WITH (fillfactor = 85)" if table == "message" else ""
            await connection.execute(
                f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{low}') TO ('{high}') {fill}"
            )
            made.append(name)
    return made


def _month(now: datetime, step: int) -> datetime:
    months = now.year * 12 + now.month - 1 + step
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
