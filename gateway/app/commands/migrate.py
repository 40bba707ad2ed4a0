"""``tertulia migrate``: the database's tables at this release."""

from __future__ import annotations

import asyncio
from pathlib import Path

from config.settings import Settings
from gateway.app.commands.terminal import complaints, out, print_json, settings_or_exit
from gateway.app.runtime import open_database


def run_migrate(config: Path | None, *, as_json: bool) -> None:
    settings = settings_or_exit(config)
    with complaints():
        revision = asyncio.run(_migrate(settings))
    if as_json:
        print_json({"revision": revision})
    else:
        out().print(f"[ok]✓[/] the database is at revision {revision}")


async def _migrate(settings: Settings) -> str:
    from gateway.store.database import storage_errors
    from gateway.store.migrate import migrate

    async with open_database(settings) as dsn:
        with storage_errors():
            return await migrate(dsn)
