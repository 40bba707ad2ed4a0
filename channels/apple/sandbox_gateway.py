"""Apple's gateway in the sandbox: tells who calls, refuses what its rules refuse, and hands on what it took.

Who calls is judged by PyJWT, and what a message holds by ``sandbox_rules``: neither is part of what makes our calls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import jwt
from aiohttp import web
from jwt.types import Options

from channels.apple.sandbox_rules import MAX_FILE_BYTES, Taken, Unreadable, faults, read
from channels.apple.sandbox_store import FileStore, unpacked
from channels.apple.wire import EXTENSION
from channels.sandbox_kit import Refused
from channels.specimen import ProviderAnswer

TOKEN_AGE_S = 3600

_CLAIMS: Options = {"require": ["iss", "iat"]}

Deliver = Callable[[Taken], int]
"""Shows a message to its customer; the answer is the HTTP status: 200, 404 nobody there, 410 closed, 400 refused."""


class Gateway:
    """The gateway's operations as routes. *origin* is asked for our own address, which is known once a port is."""

    def __init__(
        self,
        *,
        msp_id: str,
        key: bytes,
        businesses: Sequence[str],
        store: FileStore,
        deliver: Deliver,
        origin: Callable[[], str],
    ) -> None:
        self._msp_id = msp_id
        self._key = key
        self._businesses = frozenset(businesses)
        self._store = store
        self._deliver = deliver
        self._origin = origin

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post("/v1/message", self._message),
            web.get("/v1/preUpload", self._pre_upload),
            web.post("/store/up/{token}", self._upload),
            web.get("/v1/preDownload", self._pre_download),
            web.get("/store/down/{ticket}", self._download),
            web.post("/v1/decodePayload", self._decode_payload),
        ]

    # ------------------------------------------------------------ messages

    async def _message(self, request: web.Request) -> web.Response:
        business = self._caller(request)
        if request.content_type != "application/json":
            raise refused(400, "Content-Type is not application/json")
        try:
            message = read(await request.read())
        except Unreadable as error:
            raise refused(400, str(error)) from None
        wrong = [*_header_faults(request, message, business), *faults(message)]
        if wrong:
            raise refused(400, "; ".join(wrong))
        status = self._deliver(message)
        if status != 200:
            raise refused(status, "the customer cannot be reached so")
        return web.Response()

    # ------------------------------------------------------------ files

    async def _pre_upload(self, request: web.Request) -> web.Response:
        self._caller(request)
        size = request.headers.get("size", "")
        if not size.isdecimal() or int(size) == 0:
            raise refused(400, "size is missing")
        if int(size) > MAX_FILE_BYTES:
            raise refused(413, "too large")
        token, url, owner = self._store.place(int(size))
        place = {"upload-url": f"{self._origin()}/store/up/{token}", "mmcs-url": url, "mmcs-owner": owner}
        return web.json_response(place)

    async def _upload(self, request: web.Request) -> web.Response:
        stored = self._store.put(request.match_info["token"], await request.read())
        if stored is None:
            raise refused(400, "no such place, or another size")
        return web.json_response({"singleFile": {"fileChecksum": stored.signature, "receipt": "sandbox"}})

    async def _pre_download(self, request: web.Request) -> web.Response:
        self._caller(request)
        wanted = [request.headers.get(name, "") for name in ("url", "owner", "signature")]
        ticket = self._store.ticket(*wanted)
        if not ticket:
            raise refused(404, "no such file")
        return web.json_response({"download-url": f"{self._origin()}/store/down/{ticket}"})

    async def _download(self, request: web.Request) -> web.Response:
        sealed = self._store.take(request.match_info["ticket"])
        if sealed is None:
            raise refused(404, "gone")
        return web.Response(body=sealed, content_type="application/octet-stream")

    async def _decode_payload(self, request: web.Request) -> web.Response:
        self._caller(request)
        if request.headers.get("bid") != EXTENSION:
            raise refused(400, "bid is missing")
        answer = unpacked(await request.read())
        if answer is None:
            raise refused(400, "nothing that can be decoded")
        return web.json_response(answer)

    # ------------------------------------------------------------ who calls

    def _caller(self, request: web.Request) -> str:
        """The business that the caller speaks for."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], issuer=self._msp_id, options=_CLAIMS)
        except jwt.InvalidTokenError as error:
            raise refused(401, str(error)) from None
        if scheme != "Bearer" or abs(time.time() - float(claims["iat"])) > TOKEN_AGE_S:
            raise refused(401, "the token is too old")
        business = request.headers.get("Source-Id", "")
        if business not in self._businesses:
            raise refused(403, "this MSP does not speak for that business")
        return business


def refused(status: int, why: str) -> Refused:
    """The gateway says no. Its real words are not published."""
    return Refused(ProviderAnswer(status, json.dumps({"error": why}).encode()))


def _header_faults(request: web.Request, message: Taken, business: str) -> list[str]:
    pairs = (
        ("id", request.headers.get("id", ""), message.id),
        ("Source-Id", business, message.source_id),
        ("Destination-Id", request.headers.get("Destination-Id", ""), message.destination_id),
    )
    wrong = [f"the header {name} is not what the body says" for name, header, said in pairs if header != said]
    if request.headers.get("auto-reply", "true") != "true":
        wrong.append("auto-reply is neither true nor missing")
    return wrong
