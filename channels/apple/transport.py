"""One session to Apple's gateway and file store: bounded in time and size, and telling what may have taken effect.

No message of an error holds an address or a header: those of files are as good as keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import aiohttp
import msgspec
from yarl import URL

from channels.apple.settings import AppleSettings
from gateway.core.errors import Ambiguous, GiveUp, Retry

ANSWER_LIMIT_BYTES = 4_000_000
KEEPALIVE_S = 20.0
"""Idle connections are closed by us before Apple does it in the middle of a call."""

_CHUNK_BYTES = 65_536


class Answer(msgspec.Struct, frozen=True):
    """What came back. ``date`` is the server's clock as it wrote it."""

    status: int
    body: bytes
    date: str = ""
    retry_after_s: float | None = None


class Line:
    """What lives from a client's opening to its closing."""

    def __init__(self, settings: AppleSettings) -> None:
        self._settings = settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.rates.concurrency, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None = None,
        *,
        is_upload: bool = False,
    ) -> Answer:
        """One request, no redirect followed. Raises ``Retry`` when it surely never left, else ``Ambiguous``."""
        timeout = self._timeout(self._settings.upload_timeout_s if is_upload else self._settings.read_timeout_s)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False, timeout=timeout
            ) as response:
                return Answer(
                    response.status,
                    await _bounded(response),
                    response.headers.get("Date", ""),
                    _retry_after_s(response),
                )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Retry(f"no connection ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Ambiguous(f"interrupted ({type(error).__name__})") from error

    async def harmless(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | AsyncIterator[bytes] | None = None
    ) -> Answer:
        """The same for a request that may be made twice: nothing about it is ambiguous."""
        try:
            return await self.exchange(method, url, headers, body, is_upload=body is not None)
        except Ambiguous as error:
            raise Retry(error.detail) from error

    async def download(self, url: URL, limit_bytes: int) -> AsyncGenerator[bytes, None]:
        """The chunks of a file. Raises ``Retry`` for what may be better later, ``GiveUp`` when it is gone or large."""
        taken = 0
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout_s, sock_read=self._settings.read_timeout_s
        )
        try:
            async with self._session.get(url, allow_redirects=False, timeout=timeout) as response:
                _require_ok(response)
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    taken += len(chunk)
                    if taken > limit_bytes:
                        raise GiveUp("too_large", f"a file of more than {limit_bytes} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the download broke off ({type(error).__name__})") from error

    def _timeout(self, total_s: float) -> aiohttp.ClientTimeout:
        connect_s = self._settings.connect_timeout_s
        return aiohttp.ClientTimeout(total=connect_s + total_s, sock_connect=connect_s)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """All of a short answer. Raises ``aiohttp.ClientPayloadError`` for one beyond any reason."""
    taken = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        taken += chunk
        if len(taken) > ANSWER_LIMIT_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(taken)


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """The header's seconds; ``None`` when there is none, or it is a date."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() and value.isascii() else None


def _require_ok(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status >= 500 or status == 429:
        raise Retry(f"the file store answered {status}", after_s=_retry_after_s(response))
    if status in {403, 404, 410}:
        raise GiveUp("expired", "the file is gone: its address lives for minutes", code=str(status))
    raise GiveUp("refused", f"the file store answered {status}", code=str(status))
