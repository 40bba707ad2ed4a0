"""What the pages of the demo send: read within bounds, and refused in words when it cannot be used."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from gateway.web.answers import refusal

MAX_BODY_BYTES = 64_000

T = TypeVar("T")


class Refused(Exception):
    """A request that is answered with a refusal from deeper down."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def read_content(request: web.Request, limit: int) -> bytes:
    """The request's bytes. Raises ``Refused`` when there are more than *limit*."""
    content = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        content += chunk
        if len(content) > limit:
            raise Refused(refusal(413, "too_large", f"at most {limit} bytes"))
    return bytes(content)


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The request's JSON as *kind*. Raises ``Refused`` when it is not."""
    try:
        return msgspec.json.decode(await read_content(request, MAX_BODY_BYTES), type=kind)
    except msgspec.DecodeError as error:
        raise Refused(refusal(400, "bad_request", str(error))) from error
