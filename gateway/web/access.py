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


COOKIE = "tertulia_access"

COOKIE_S = 30 * 24 * 3600


def is_allowed(request: web.Request, token: str) -> bool:
    """Whether the request carries the token: ``Authorization: Bearer``, ``?token=``, or a page's cookie.

    In constant time. A cookie counts only for requests that our own pages make: a browser says where one comes from.
    """
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    given = bearer.strip() if kind.lower() == "bearer" else request.query.get("token", "")
    if not given and _is_from_our_pages(request):
        given = request.cookies.get(COOKIE, "")
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())


def _is_from_our_pages(request: web.Request) -> bool:
    """Somebody else's page may link to ours (a plain GET), and may do nothing more in its visitor's name."""
    site = request.headers.get("Sec-Fetch-Site", "")
    if site in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin", "")
    if origin:
        return origin.partition("://")[2] == request.host
    is_link = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return request.method == "GET" and is_link


def admit(request: web.Request, token: str) -> web.Response | None:
    """For a page: ``None`` when the browser may see it; else the answer to give instead.

    An address with ``?token=`` (as it is printed at the start) is answered with the cookie and the address without it.
    """
    if not is_allowed(request, token):
        return web.Response(
            status=401, text=REFUSED_PAGE, content_type="text/html", headers={"Cache-Control": "no-store"}
        )
    if "token" not in request.query:
        return None
    query = request.rel_url.update_query({}).without_query_params("token")
    answer = web.Response(status=303, headers={"Location": str(query), "Cache-Control": "no-store"})
    answer.set_cookie(
        COOKIE, token, max_age=COOKIE_S, httponly=True, samesite="Lax", path="/", secure=request.scheme == "https"
    )
    return answer


REFUSED_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tertulia</title>
<link rel="stylesheet" href="/ui/notice.css">
<main class="notice">
<h1>This page needs the access token</h1>
<p>Open it once with the address that was printed when the server started, which ends in
<code>?token=…</code>. The token is also in the file <code>token</code> of the server's data folder.</p>
</main></html>
"""
