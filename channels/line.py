"""A line to a provider: one session, bounded in time and size, that tells what surely did not happen from what may.

No error holds an address, a header or a body: tokens are part of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import aiohttp
import msgspec
from multidict import CIMultiDictProxy
from yarl import URL

from channels.fenced_body import FencedBody, was_withheld
from channels.public_hosts import PrivateHost, PublicOnly
from gateway.core.channel import RemoteFile
from gateway.core.deadlines import Deadlines
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry

KEEPALIVE_S = 20.0
"""Idle connections are closed by us before the provider does it in the middle of a call."""

ANSWER_LIMIT_BYTES = 4_000_000
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
    def is_ok(self) -> bool:
        return 200 <= self.status <= 299

    @property
    def retry_after_s(self) -> float | None:
        """How long the provider asks us to wait; ``None`` when it does not say, or says it as a date."""
        return seconds_of(self.headers.get("Retry-After", ""))


class Line:
    """Opened before use; opening or closing it twice is harmless. Follows no redirect and keeps no cookie.

    With *public_only*, for addresses that somebody else names, it raises ``GiveUp`` for hosts inside private networks.
    """

    def __init__(self, times: LineTimes, *, connections: int, public_only: PublicOnly | None = None) -> None:
        self._times = times
        self._connections = connections
        self._public_only = public_only
        self._deadlines = Deadlines()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session; no request is made."""
        if self._session is None:
            resolver = self._public_only.resolver() if self._public_only is not None else None
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, keepalive_timeout=KEEPALIVE_S, resolver=resolver
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._times.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # ------------------------------------------------------------ calls

    async def call(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: Body = None,
        *,
        is_upload: bool = False,
        limit_bytes: int = ANSWER_LIMIT_BYTES,
    ) -> LineAnswer:
        """One request. Raises ``Retry`` when it surely never left, ``Ambiguous`` when it may have been acted on."""
        self._require_public(url)
        within_s = self._times.connect_s + (self._times.upload_s if is_upload else self._times.read_s)
        data = FencedBody(body) if isinstance(body, bytes) and body else body
        try:
            with self._deadlines.within(within_s):
                async with self._opened().request(
                    method, url, data=data, headers=headers, allow_redirects=False
                ) as response:
                    return LineAnswer(response.status, response.headers, await _bounded(response, limit_bytes))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise _unconnected(error, f"no connection ({type(error).__name__})") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise Misconfigured("api_url", "is not an address that can be called") from None
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            if was_withheld(error):
                raise Retry("its lease ran out") from None
            raise Ambiguous(f"interrupted ({type(error).__name__})") from None

    async def ask(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body = None, *, is_upload: bool = False
    ) -> LineAnswer:
        """A request that may be made twice without harm: raises ``Retry`` for anything that went wrong on the way."""
        try:
            return await self.call(method, url, headers, body, is_upload=is_upload)
        except Ambiguous as error:
            raise Retry(error.detail) from None

    # ------------------------------------------------------------ files

    async def begin(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """The head of a file's answer, for :func:`file_in`; the caller closes it. Raises ``Retry`` or ``GiveUp``."""
        self._require_public(url)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._times.connect_s, sock_read=self._times.read_s)
        try:
            return await self._opened().get(url, headers=headers, allow_redirects=False, timeout=timeout)
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError):
            raise GiveUp("refused", "the file's address cannot be called") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unconnected(error, f"the file's server cannot be reached ({type(error).__name__})") from None

    async def download(self, url: URL, headers: Mapping[str, str], limit_bytes: int) -> AsyncGenerator[bytes, None]:
        """The chunks of a file. Raises ``Retry`` for what may be better later, ``GiveUp`` when it is gone or large."""
        response = await self.begin(url, headers)
        _require_file(response, limit_bytes)
        async with aclosing(_chunks(response, limit_bytes)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _require_public(self, url: URL) -> None:
        try:
            if self._public_only is not None:
                self._public_only.require(url)
        except PrivateHost as error:
            raise GiveUp("refused", str(error)) from None
        except ValueError:
            raise GiveUp("refused", "the address cannot be called") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the line is not open")
        return self._session


def seconds_of(header: str) -> float | None:
    """A ``Retry-After`` in seconds, if it is one."""
    return float(header) if header.isdecimal() and header.isascii() else None


def file_in(response: aiohttp.ClientResponse, limit_bytes: int) -> RemoteFile:
    """The file that an answer holds; its chunks close the answer. Raises as :meth:`Line.download`."""
    _require_file(response, limit_bytes)
    name = response.content_disposition.filename if response.content_disposition else None
    mime = response.content_type if "Content-Type" in response.headers else ""
    return RemoteFile(_chunks(response, limit_bytes), response.content_length or 0, mime, name or "")


def _unconnected(error: Exception, detail: str) -> GiveUp | Retry:
    """A name that leads into a private network will do so again; anything else may be better later."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, PrivateHost):
        return GiveUp("refused", str(error.os_error))
    return Retry(detail)


async def _bounded(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """All of an answer. Raises ``Ambiguous`` for one beyond any reason."""
    taken = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        taken += chunk
        if len(taken) > limit_bytes:
            raise Ambiguous(f"an answer of more than {limit_bytes} bytes")
    return bytes(taken)


async def _chunks(response: aiohttp.ClientResponse, limit_bytes: int) -> AsyncGenerator[bytes, None]:
    taken = 0
    try:
        async with response:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                taken += len(chunk)
                if taken > limit_bytes:
                    raise GiveUp("too_large", f"a file of more than {limit_bytes} bytes")
                yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Retry(f"the download broke off ({type(error).__name__})") from None


def _require_file(response: aiohttp.ClientResponse, limit_bytes: int) -> None:
    """Close an answer that holds no file that is wanted, and raise why."""
    problem = _problem(response, limit_bytes)
    if problem is not None:
        response.close()
        raise problem


def _problem(response: aiohttp.ClientResponse, limit_bytes: int) -> GiveUp | Retry | None:
    status = response.status
    if status == 200:
        is_large = (response.content_length or 0) > limit_bytes
        return GiveUp("too_large", f"a file of more than {limit_bytes} bytes") if is_large else None
    if status >= 500 or status == 429:
        wait_s = seconds_of(response.headers.get("Retry-After", ""))
        return Retry(f"the file's server answered {status}", after_s=wait_s)
    if status in {403, 404, 410}:
        return GiveUp("expired", "the file is gone", code=str(status))
    return GiveUp("refused", f"the file's server answered {status}", code=str(status))
