"""Secrets that the product makes for itself and that all its processes share: made once, kept in the database."""

from __future__ import annotations

import secrets

from sqlalchemy import text

from gateway.store.database import Database

MAKE = text("INSERT INTO kept_secret (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")
READ = text("SELECT value FROM kept_secret WHERE name = :name")


async def kept_secret(database: Database, name: str) -> bytes:
    """The 32 random bytes of that name, the same for every process and after every restart."""
    async with database.begin() as connection:
        await connection.execute(MAKE, {"name": name, "value": secrets.token_bytes(32)})
        value: bytes = (await connection.execute(READ, {"name": name})).scalar_one()
    return bytes(value)
