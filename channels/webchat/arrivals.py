"""What a visitor's client says when it comes: read with bounds, and believed no further than it goes."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import web

from channels.webchat.refusals import Refused
from gateway.core.zones import ZONE_HINT, zone_named

SUBPROTOCOL = "tertulia.v1."
MAX_BODY_BYTES = 16 * 1024
BODY_TIMEOUT_S = 10
MAX_PAGE_CHARS = 300

Short = Annotated[str, msgspec.Meta(max_length=2_000)]


class Claims(msgspec.Struct, frozen=True):
    """What an anonymous visitor wrote into the form: claimed, not proved."""

    name: Short = ""
    email: Short = ""
    phone: Short = ""


class SessionRequest(msgspec.Struct, frozen=True):
    """All of it may be absent: then it is a new visitor. ``referrer`` is taken and not kept."""

    token: str | None = None
    identity: str | None = None
    language: Short | None = None
    page: Short | None = None
    referrer: Short | None = None
    time_zone: Short | None = None
    profile: Claims | None = None


_decoder = msgspec.json.Decoder(SessionRequest)


async def read_request(request: web.Request) -> SessionRequest:
    """What is asked for. Raises ``Refused`` with 400 or 413."""
    body = await _read_body(request)
    try:
        return _decoder.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, "bad_request", f"the body is not what a session needs: {error}") from None


def offered_token(request: web.Request) -> str:
    """The token among the sub-protocols that a socket's opening offers."""
    for line in request.headers.getall("Sec-WebSocket-Protocol", []):
        for protocol in line.split(","):
            if protocol.strip().startswith(SUBPROTOCOL):
                return protocol.strip().removeprefix(SUBPROTOCOL)
    return ""


def page_of(asked: SessionRequest) -> str:
    """The page's address, when it is one of the web."""
    page = asked.page or ""
    return page[:MAX_PAGE_CHARS] if page.startswith(("https://", "http://")) and page.isprintable() else ""


def zone_of(asked: SessionRequest) -> dict[str, str]:
    """By which clock the visitor's browser goes, as a detail of theirs; empty for what is no zone."""
    zone = zone_named(asked.time_zone or "")
    return {} if zone is None else {ZONE_HINT: zone.key}


async def _read_body(request: web.Request) -> bytes:
    """The body of a small request, bounded in size and time."""
    too_large = Refused(413, "too_large", f"the body may have {MAX_BODY_BYTES} bytes")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
    except TimeoutError:
        raise Refused(400, "too_slow", f"the body did not come within {BODY_TIMEOUT_S} s") from None
    return bytes(body)
