"""Makes the templates of our layouts once, and remembers them."""

from __future__ import annotations

import asyncio

from channels.twilio.contents import Layout
from channels.twilio.replies import Made, read
from channels.twilio.settings import TwilioSettings, is_content_sid
from channels.twilio.transport import Transport
from gateway.core.channel import Kept
from gateway.core.errors import Ambiguous, Retry


class Shelf:
    """The sids of layouts: in memory, else kept from an earlier run or another process, else made now.

    Of those who want the same layout at the same time one makes it. Two processes may make it twice, which costs
    nothing but a line in Twilio's console.
    """

    def __init__(self, settings: TwilioSettings, kept: Kept | None) -> None:
        self._url = f"{settings.content_base}/v1/Content"
        self._kept = kept
        self._known: dict[Layout, str] = {}
        self._making: dict[Layout, asyncio.Lock] = {}

    async def sid_of(self, layout: Layout, transport: Transport) -> str:
        """The template's sid. Raises as a send does, but never ``Ambiguous``: nothing was sent."""
        if sid := self._known.get(layout):
            return sid
        async with self._making.setdefault(layout, asyncio.Lock()):
            if sid := self._known.get(layout):
                return sid
            sid = await self._recalled(layout) or await self._made(layout, transport)
            self._known[layout] = sid
            return sid

    async def forget(self, layout: Layout) -> None:
        """Twilio does not know the template any more: the next one who wants it makes it anew."""
        self._known.pop(layout, None)
        if self._kept is not None:
            await self._kept.put(layout.key, "")

    async def _recalled(self, layout: Layout) -> str:
        sid = "" if self._kept is None else await self._kept.get(layout.key)
        return sid if is_content_sid(sid) else ""

    async def _made(self, layout: Layout, transport: Transport) -> str:
        try:
            answer = await transport.post_json(self._url, layout.definition())
            sid = read(answer, Made).sid
        except Ambiguous as error:  # at worst there are two of them
            raise Retry(error.detail) from error
        if self._kept is not None:
            await self._kept.put(layout.key, sid)
        return sid
