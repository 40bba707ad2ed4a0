"""One session to Apple's gateway and file store: bounded in time and size, and telling what may have taken effect.

No message of an error holds an address or a header: those of files are as good as keys.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

import aiohttp
import msgspec
from yarl import URL

from channels.apple.settings import AppleSettings
from channels.public_hosts import PrivateHost, PublicResolver, require_public
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


class Picture(msgspec.Struct, frozen=True):
    content: bytes
    mime: str


class _TooLong(aiohttp.ClientPayloadError):
    """More than we want to hold."""


class Line:
    """What lives from a client's opening to its closing: a session for the gateway, and one for everybody else.

    Where the gateway or an author's words lead to is public, unless the gateway itself is a stand-in on this machine.
    """

    def __init__(self, settings: AppleSettings) -> None:
        self._settings = settings
        self._is_local = _is_loopback(URL(settings.api_url).host or "")
        self._gateway = _session(aiohttp.TCPConnector(limit=settings.rates.concurrency, keepalive_timeout=KEEPALIVE_S))
        self._elsewhere = _session(
            aiohttp.TCPConnector(
                limit=settings.rates.concurrency,
                keepalive_timeout=KEEPALIVE_S,
                resolver=PublicResolver(allows_loopback=self._is_local),
            )
        )

    async def close(self) -> None:
        await self._gateway.close()
        await self._elsewhere.close()

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
        return await self._made(self._gateway, method, url, headers, body, is_upload=is_upload)

    async def _made(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        *,
        is_upload: bool,
    ) -> Answer:
        timeout = self._timeout(self._settings.upload_timeout_s if is_upload else self._settings.read_timeout_s)
        try:
            async with session.request(
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

    async def harmless(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The same for a request that may be made twice: nothing about it is ambiguous."""
        try:
            return await self.exchange(method, url, headers, body, is_upload=body is not None)
        except Ambiguous as error:
            raise Retry(error.detail) from error

    async def upload(self, url: URL, headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> Answer:
        """Put a file where the gateway said. It may be put there twice, so nothing about it is ambiguous."""
        self._require_public(url)
        try:
            return await self._made(self._elsewhere, "POST", url, headers, chunks, is_upload=True)
        except Ambiguous as error:
            raise Retry(error.detail) from error

    async def download(self, url: URL, limit_bytes: int) -> AsyncGenerator[bytes, None]:
        """The chunks of a file. Raises ``Retry`` for what may be better later, ``GiveUp`` when it is gone or large."""
        self._require_public(url)
        taken = 0
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._settings.connect_timeout_s, sock_read=self._settings.read_timeout_s
        )
        try:
            async with self._elsewhere.get(url, allow_redirects=False, timeout=timeout) as response:
                _require_ok(response)
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    taken += len(chunk)
                    if taken > limit_bytes:
                        raise GiveUp("too_large", f"a file of more than {limit_bytes} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _broken(error) from error

    async def picture(self, url: URL, limit_bytes: int) -> Picture:
        """A picture of somebody's site. Raises ``GiveUp`` for whatever goes wrong: a reply waits for no picture."""
        self._require_public(url)
        try:
            async with self._elsewhere.get(
                url, allow_redirects=False, timeout=self._timeout(self._settings.read_timeout_s)
            ) as response:
                if response.status != 200 or not response.content_type.startswith("image/"):
                    raise GiveUp("refused", f"the address leads to no picture (HTTP {response.status})")
                return Picture(await _bounded(response, limit_bytes), response.content_type)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GiveUp("refused", f"the picture cannot be fetched ({type(error).__name__})") from error

    def _require_public(self, url: URL) -> None:
        try:
            require_public(url, allows_loopback=self._is_local)
        except PrivateHost as error:
            raise GiveUp("refused", str(error)) from None

    def _timeout(self, total_s: float) -> aiohttp.ClientTimeout:
        connect_s = self._settings.connect_timeout_s
        return aiohttp.ClientTimeout(total=connect_s + total_s, sock_connect=connect_s)


def _broken(error: Exception) -> GiveUp | Retry:
    """A download that leads into a private network will do so again; anything else may be better later."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PrivateHost):
        return GiveUp("refused", "the address of the file leads into a private network")
    return Retry(f"the download broke off ({type(error).__name__})")


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _bounded(response: aiohttp.ClientResponse, limit_bytes: int = ANSWER_LIMIT_BYTES) -> bytes:
    """All of an answer. Raises ``_TooLong`` for one beyond *limit_bytes*."""
    taken = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        taken += chunk
        if len(taken) > limit_bytes:
            raise _TooLong("the answer is too long")
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
