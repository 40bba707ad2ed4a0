"""A line to a provider: one session, bounded in time and size, that tells what surely did not happen from what may.

No error holds an address, a header or a body: tokens are part of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from gateway.core.deadlines import Deadlines
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry

KEEPALIVE_S = 20.0
"""Idle connections are closed by us before the provider does it in the middle of a call."""

ANSWER_LIMIT_BYTES = 5_000_000
CHUNK_BYTES = 65_536

Body = bytes | aiohttp.FormData | AsyncIterator[bytes] | None


class LineTimes(msgspec.Struct, frozen=True):
    """Seconds for making a connection, for an answer, and for sending a file."""

    connect_s: float
    read_s: float
    upload_s: float


class LineAnswer(msgspec.Struct, frozen=True):
    """What came back, whatever its status."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """How long the provider asks us to wait; ``None`` when it does not say, or says it as a date."""
        return seconds_of(self.headers.get("Retry-After", ""))


class Line:
    """Opened before use; opening or closing it twice is harmless. Follows no redirect and keeps no cookie."""

    def __init__(self, times: LineTimes, *, connections: int) -> None:
        self._times = times
        self._connections = connections
        self._deadlines = Deadlines()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session; no request is made."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEPALIVE_S),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._times.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body = None, *, is_upload: bool = False
    ) -> LineAnswer:
        """One request. Raises ``Retry`` when it surely never left, ``Ambiguous`` when it may have been acted on."""
        within_s = self._times.connect_s + (self._times.upload_s if is_upload else self._times.read_s)
        try:
            with self._deadlines.within(within_s):
                async with self._opened().request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as response:
                    return LineAnswer(response.status, response.headers, await _bounded(response))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Retry(f"no connection ({type(error).__name__})") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Misconfigured("api_url", "is not an address that can be called") from None
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Ambiguous(f"interrupted ({type(error).__name__})") from None

    async def ask(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body = None, *, is_upload: bool = False
    ) -> LineAnswer:
        """A request that may be made twice without harm: raises ``Retry`` for anything that went wrong on the way."""
        try:
            return await self.call(method, url, headers, body, is_upload=is_upload)
        except Ambiguous as error:
            raise Retry(error.detail) from None

    async def download(self, url: URL, headers: Mapping[str, str], limit_bytes: int) -> AsyncIterator[bytes]:
        """The chunks of a file. Raises ``Retry`` for what may be better later, ``GiveUp`` when it is gone or large."""
        taken = 0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._times.connect_s, sock_read=self._times.read_s)
        try:
            async with self._opened().get(url, headers=headers, allow_redirects=False, timeout=timeout) as response:
                _require_file(response, limit_bytes)
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    taken += len(chunk)
                    if taken > limit_bytes:
                        raise GiveUp("too_large", f"a file of more than {limit_bytes} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the download broke off ({type(error).__name__})") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the line is not open")
        return self._session


def seconds_of(header: str) -> float | None:
    """A ``Retry-After`` in seconds, if it is one."""
    return float(header) if header.isdecimal() and header.isascii() else None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """All of an answer. Raises ``aiohttp.ClientPayloadError`` for one beyond any reason."""
    taken = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        taken += chunk
        if len(taken) > ANSWER_LIMIT_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return bytes(taken)


def _require_file(response: aiohttp.ClientResponse, limit_bytes: int) -> None:
    status = response.status
    if status in {200, 206}:
        if (response.content_length or 0) > limit_bytes:
            raise GiveUp("too_large", f"a file of more than {limit_bytes} bytes")
        return
    if status >= 500 or status == 429:
        raise Retry(f"the file's server answered {status}", after_s=seconds_of(response.headers.get("Retry-After", "")))
    if status in {403, 404, 410}:
        raise GiveUp("expired", "the file is gone", code=str(status))
    raise GiveUp("refused", f"the file's server answered {status}", code=str(status))
