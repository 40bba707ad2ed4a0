"""Small texts that a channel's client wants to find again after a restart, in any process."""

from __future__ import annotations

from sqlalchemy import text

from gateway.store.database import Database

GET = text("SELECT value FROM kept_value WHERE endpoint = :endpoint AND name = :name")

PUT = text("""
    INSERT INTO kept_value (endpoint, name, value) VALUES (:endpoint, :name, :value)
    ON CONFLICT (endpoint, name) DO UPDATE SET value = excluded.value, at = now()
""")


class KeptValues:
    """Those of one endpoint (``twilio.main``); fits ``gateway.core.channel.Kept``."""

    def __init__(self, database: Database, endpoint: str) -> None:
        self._database = database
        self._endpoint = endpoint

    async def get(self, name: str) -> str:
        """What was put under *name* last, or the empty text. Raises ``Unavailable``."""
        async with self._database.begin() as connection:
            found = await connection.execute(GET, {"endpoint": self._endpoint, "name": name})
            return found.scalar_one_or_none() or ""

    async def put(self, name: str, value: str) -> None:
        """Keep *value*; the last one counts. Raises ``Unavailable``."""
        async with self._database.begin() as connection:
            await connection.execute(PUT, {"endpoint": self._endpoint, "name": name, "value": value})
