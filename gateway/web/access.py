"""Who may see pages and metrics until sign-in comes: whoever holds the token that the first start made."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

import msgspec
from aiohttp import web


class AccessToken(msgspec.Struct, frozen=True):
    """The token, where it is kept, and whether this very start made it (then it is worth printing)."""

    value: str
    path: Path
    is_new: bool


def ensure_access_token(data_dir: Path) -> AccessToken:
    """The token of this data folder, readable by its owner only. Processes that start together agree on one."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "token"
    is_new = not path.exists() and _write_once(path, secrets.token_urlsafe(24))
    return AccessToken(path.read_text(encoding="ascii").strip(), path, is_new)


def _write_once(path: Path, value: str) -> bool:
    """Put *value* at *path* complete or not at all; ``False`` when somebody else was first."""
    draft = path.with_name(f".token-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(value + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def is_allowed(request: web.Request, token: str) -> bool:
    """Whether the request carries the token, as ``Authorization: Bearer`` or ``?token=``. In constant time."""
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    given = bearer.strip() if kind.lower() == "bearer" else request.query.get("token", "")
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())
