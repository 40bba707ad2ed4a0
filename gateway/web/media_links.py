"""Expiring addresses from which a provider can fetch a file of ours: whoever has one may see it, nobody can make one.

``/media/{token}``: the token says which blob, as what, and until when, under a mark of our own. It is no secret what
it says (the hash of a content, a type, a name), so it is marked and not sealed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

import msgspec
from aiohttp import web

from channels.file_answers import answer_file
from gateway.core.clock import Clock
from gateway.core.messages import Media
from gateway.store.blobs import Blobs
from gateway.web.file_headers import TOLD_TYPES, headers_for

LASTS_S = 24 * 3600
"""Providers fetch within minutes; some fetch again when the customer opens the message."""

ROUND_S = 3600
"""Within it the address of a file stays the same, so that a provider may know it again."""

MAX_TOKEN_CHARS = 1_500
MARK_BYTES = 16


class _Claim(msgspec.Struct, frozen=True, array_like=True):
    until_s: int
    blob: str
    mime: str
    name: str


class MediaLinks:
    """*secret* is the installation's own, shared by its processes; *public_url* has no slash at its end."""

    def __init__(self, secret: bytes, public_url: str, blobs: Blobs, clock: Clock) -> None:
        self._key = hmac.digest(secret, b"media links 1", "sha256")
        self._public_url = public_url
        self._blobs = blobs
        self._clock = clock
        self._claims = msgspec.msgpack.Decoder(_Claim)

    def routes(self) -> Sequence[web.RouteDef]:
        return (web.get("/media/{token}", self.serve),)

    def link(self, part: Media) -> str:
        """Where the file is found for a day; the address is part of no log of ours."""
        until_s = (int(self._clock.now().timestamp()) // ROUND_S + 1) * ROUND_S + LASTS_S
        claim = msgspec.msgpack.encode(_Claim(until_s, part.blob, part.mime[:100], part.name[:120]))
        return f"{self._public_url}/media/{_text(self._mark(claim) + claim)}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The file behind a token; 404 for what was made up, changed, is too old, or is not kept any more."""
        claim = self._open(request.match_info["token"])
        if claim is None:
            raise web.HTTPNotFound
        media = Media("document", blob=claim.blob, mime=claim.mime, name=claim.name)
        try:
            return await answer_file(request, self._blobs, claim.blob, headers_for(media, TOLD_TYPES))
        except LookupError:
            raise web.HTTPNotFound from None

    def _open(self, token: str) -> _Claim | None:
        raw = _raw(token)
        if raw is None or not hmac.compare_digest(raw[:MARK_BYTES], self._mark(raw[MARK_BYTES:])):
            return None
        claim = self._claims.decode(raw[MARK_BYTES:])
        return claim if claim.until_s > self._clock.now().timestamp() else None

    def _mark(self, claim: bytes) -> bytes:
        return hmac.digest(self._key, claim, "sha256")[:MARK_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _raw(token: str) -> bytes | None:
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
