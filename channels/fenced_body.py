"""A request's body that is not written once the lease of what it says has run out."""

from __future__ import annotations

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload

from gateway.core.fence import is_still_ours


class LeaseGone(ConnectionAbortedError):
    """Nothing was written: another one may be saying it by now."""


class FencedBody(BytesPayload):
    """Asks right before its bytes go to the socket: head and body leave together, so nothing was written before.

    Refusing, it raises ``LeaseGone``, which the session wraps; :func:`was_withheld` tells it from a broken call.
    Files that are streamed are not fenced.
    """

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not is_still_ours():
            raise LeaseGone
        await super().write_with_length(writer, content_length)


def was_withheld(error: BaseException) -> bool:
    """Whether the call surely never left, because it was not ours any more."""
    return isinstance(error.__cause__, LeaseGone)
