"""Keys of companies' systems: shown once, kept as a hash, with scopes and accounts, and revocable."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, bindparam, text

from gateway.core.company import KeyHolder
from gateway.core.ids import new_id
from gateway.store.database import Database

PREFIX = "tk"

INSERT = text("""
    INSERT INTO api_key (id, name, digest, scopes, accounts) VALUES (:id, :name, :digest, :scopes, :accounts)
""").bindparams(bindparam("scopes", type_=ARRAY(Text)), bindparam("accounts", type_=ARRAY(Text)))

FIND = text("SELECT id, name, digest, scopes, accounts FROM api_key WHERE id = :id AND revoked_at IS NULL")

USED = text("""
    UPDATE api_key SET used_at = now()
    WHERE id = :id AND coalesce(used_at, '-infinity') < now() - interval '1 minute'
""")

LIST = text("""
    SELECT id, name, scopes, accounts, created_at, used_at, revoked_at FROM api_key
    ORDER BY created_at DESC LIMIT :limit
""")

REVOKE = text("UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE id = :id RETURNING id")

_NOBODY = hashlib.sha256(b"nobody").digest()


class NewKey(msgspec.Struct, frozen=True):
    """A key as it is shown, once."""

    id: UUID
    name: str
    token: str
    scopes: list[str]
    accounts: list[str]


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is listed."""

    id: UUID
    name: str
    scopes: list[str]
    accounts: list[str]
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


async def create(database: Database, name: str, scopes: Sequence[str], accounts: Sequence[str]) -> NewKey:
    """Make a key. Its token is 256 bits of chance, so a plain hash is enough to keep."""
    key_id, secret = new_id(), secrets.token_urlsafe(32)
    values = {
        "id": key_id,
        "name": name,
        "digest": _digest(secret),
        "scopes": list(scopes),
        "accounts": list(accounts),
    }
    async with database.begin() as connection:
        await connection.execute(INSERT, values)
    return NewKey(key_id, name, f"{PREFIX}_{key_id.hex}_{secret}", list(scopes), list(accounts))


async def holder(database: Database, token: str) -> KeyHolder | None:
    """Whose key it is; ``None`` for one that was never made, is garbled or revoked. Compares in constant time."""
    prefix, _, rest = token.partition("_")
    name, _, secret = rest.partition("_")
    try:
        key_id = UUID(hex=name)
    except ValueError:
        return None
    async with database.begin() as connection:
        row = (await connection.execute(FIND, {"id": key_id})).one_or_none()
        expected = _NOBODY if row is None else bytes(row.digest)
        is_theirs = hmac.compare_digest(_digest(secret), expected)
        if row is None or not is_theirs or prefix != PREFIX:
            return None
        await connection.execute(USED, {"id": key_id})
    return KeyHolder(row.id, row.name, frozenset(row.scopes), frozenset(row.accounts))


async def list_keys(database: Database, *, limit: int = 1000) -> list[ApiKey]:
    """All keys, revoked ones too, the newest first."""
    async with database.begin() as connection:
        rows = (await connection.execute(LIST, {"limit": limit})).all()
    return [ApiKey(**row._mapping) for row in rows]  # noqa: SLF001  public in SQLAlchemy despite its name


async def revoke(database: Database, key_id: UUID) -> None:
    """The key opens nothing any more, at once. Raises ``LookupError`` when there is none."""
    async with database.begin() as connection:
        if (await connection.execute(REVOKE, {"id": key_id})).one_or_none() is None:
            raise LookupError(f"there is no key {key_id}")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
