"""``tertulia keys``: what a company's own systems show to write to its customers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from config.settings import Settings
from gateway.app.commands.session import uuid_or_exit, with_database
from gateway.app.commands.terminal import complain, out, print_json, print_rows
from gateway.core.company import SCOPES
from gateway.store import api_keys
from gateway.store.api_keys import ApiKey, NewKey
from gateway.store.database import Database
from gateway.store.scheduled import account_id

COLUMNS = ("id", "name", "scopes", "accounts", "created_at", "used_at", "revoked_at")


def create_key(
    config: Path | None, name: str, scopes: Sequence[str], accounts: Sequence[str], *, as_json: bool
) -> None:
    """The token is shown once: what is kept of it cannot be turned back."""
    for scope in scopes:
        if scope not in SCOPES:
            complain(f"there is no scope {scope}; known: {', '.join(SCOPES)}")

    async def work(_settings: Settings, database: Database) -> NewKey:
        async with database.begin() as connection:
            for account in accounts:
                if await account_id(connection, account) is None:
                    raise LookupError(f"no account {account} has ever been served; `channels list` shows them")
        return await api_keys.create(database, name, scopes, accounts)

    key = with_database(config, work)
    if as_json:
        print_json(key)
        return
    out().print(f"[ok]✓[/] key {key.id} for {name}; it is not shown again:")
    print(key.token)  # noqa: T201  one line to copy, whatever the terminal's width


def list_keys(config: Path | None, *, as_json: bool) -> None:
    async def work(_settings: Settings, database: Database) -> list[ApiKey]:
        return await api_keys.list_keys(database)

    print_rows(with_database(config, work), COLUMNS, empty="no keys", as_json=as_json)


def revoke_key(config: Path | None, key: str) -> None:
    key_id = uuid_or_exit(key)

    async def work(_settings: Settings, database: Database) -> None:
        await api_keys.revoke(database, key_id)

    with_database(config, work)
    out().print(f"[ok]✓[/] key {key} opens nothing any more")
