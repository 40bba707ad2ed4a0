"""The lines to Apple's gateway and to wherever it or an author's words lead.

No message of an error holds an address or a header: those of files are as good as keys.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import msgspec
from yarl import URL

from channels.apple.settings import AppleSettings
from channels.line import Line, LineAnswer
from channels.public_hosts import PublicOnly
from gateway.core.errors import GiveUp, Misconfigured, Retry


class Picture(msgspec.Struct, frozen=True):
    content: bytes
    mime: str


class AppleLines:
    """One line for the gateway, and one for everybody else. Opened before use.

    Where the gateway or an author's words lead to is public, unless the gateway itself is a stand-in on this machine.
    """

    def __init__(self, settings: AppleSettings) -> None:
        connections = settings.rates.concurrency
        self.gateway = Line(settings.times, connections=connections)
        self._elsewhere = Line(
            settings.times, connections=connections, public_only=PublicOnly.beside(URL(settings.api_url))
        )

    async def open(self) -> None:
        """Open the sessions; no request is made."""
        await self.gateway.open()
        await self._elsewhere.open()

    async def close(self) -> None:
        await self.gateway.close()
        await self._elsewhere.close()

    async def upload(self, url: URL, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> LineAnswer:
        """Put a file where the gateway said. It may be put there twice, so nothing about it is ambiguous."""
        try:
            return await self._elsewhere.ask("POST", url, headers, chunks, is_upload=True)
        except Misconfigured:
            raise Retry("Apple names an address of a file that cannot be called") from None

    def download(self, url: URL, limit_bytes: int) -> AsyncGenerator[bytes, None]:
        """The chunks of a file. Raises ``Retry`` for what may be better later, ``GiveUp`` when it is gone or large."""
        return self._elsewhere.download(url, {}, limit_bytes)

    async def picture(self, url: URL, limit_bytes: int) -> Picture:
        """A picture of somebody's site. Raises ``GiveUp`` for whatever goes wrong: a reply waits for no picture."""
        try:
            answer = await self._elsewhere.call("GET", url, {}, limit_bytes=limit_bytes)
        except (Retry, Misconfigured) as error:
            raise GiveUp("refused", f"the picture cannot be fetched: {error}") from None
        mime = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or not mime.startswith("image/"):
            raise GiveUp("refused", f"the address leads to no picture (HTTP {answer.status})")
        return Picture(answer.body, mime)
