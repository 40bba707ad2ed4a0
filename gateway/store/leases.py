"""Leases of a process that is known to be dead."""

from __future__ import annotations

import asyncpg

from gateway.store import desk_events, desk_leases, responding
from gateway.store.database import storage_errors


async def release_node(dsn: str, name: str) -> None:
    """Free all that the dead process *name* held, so that others go on at once. Raises ``Unavailable``."""
    with storage_errors():
        connection = await asyncpg.connect(dsn, timeout=5, command_timeout=10)
        try:
            async with connection.transaction():
                await responding.release_node(connection, name)
                await desk_leases.release_node(connection, name)
                await desk_events.release_node(connection, name)
        finally:
            await connection.close(timeout=5)
