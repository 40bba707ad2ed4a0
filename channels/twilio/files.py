"""Fetches what customers sent: with our login from Twilio's API only, and from nobody inside our own network.

Twilio answers with the address of a file server, which must not see the login and might be anywhere. A name is
resolved once, and the connection goes to the very address that was looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from channels.public_hosts import PrivateHost, PublicResolver, require_public
from channels.twilio.settings import TwilioSettings
from channels.twilio.transport import KEEPALIVE_S, retry_after_s
from gateway.core.channel import RemoteFile
from gateway.core.errors import GiveUp, Retry

MAX_HOPS = 3
_CHUNK_BYTES = 65_536
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Files:
    """Opens files. It does not own *api*, the session that is used for the API's own host."""

    def __init__(self, settings: TwilioSettings, api: aiohttp.ClientSession, login: dict[str, str]) -> None:
        api_url = urlsplit(settings.api_url)
        self._api_place = (api_url.scheme, api_url.netloc)
        self._is_local = _is_loopback(api_url.hostname or "")
        self._api = api
        self._login = login
        self._limit = settings.max_download_bytes
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
        )
        self._elsewhere = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=32,
                keepalive_timeout=KEEPALIVE_S,
                resolver=PublicResolver(allows_loopback=self._is_local),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._elsewhere.close()

    async def open(self, address: str) -> RemoteFile:
        """The file at *address*. Raises ``Retry`` or ``GiveUp``, and so may its chunks."""
        async with AsyncExitStack() as stack:
            response = await self._settled(stack, address)
            _require_ok(response)
            size = response.content_length or 0
            if size > self._limit:
                raise GiveUp("too_large", f"a file of {size} bytes")
            name = response.content_disposition.filename if response.content_disposition else None
            mime = response.content_type if "Content-Type" in response.headers else ""
            chunks = self._chunks(stack.pop_all(), response)
        return RemoteFile(chunks, size_bytes=size, mime=mime, name=name or "")

    async def _settled(self, stack: AsyncExitStack, address: str) -> aiohttp.ClientResponse:
        """The answer at the end of the redirects; only the first address may be the API's, and see the login."""
        for hop in range(MAX_HOPS + 1):
            response = await stack.enter_async_context(await self._get(address, may_login=not hop))
            if response.status not in _REDIRECTS:
                return response
            address = urljoin(address, response.headers.get("Location", ""))
        raise GiveUp("refused", "the file's address leads on and on")

    async def _get(self, address: str, *, may_login: bool) -> aiohttp.ClientResponse:
        try:
            session, headers = self._way_to(address, may_login=may_login)
            return await session.get(
                URL(address, encoded=True), headers=headers, allow_redirects=False, timeout=self._timeout
            )
        except (aiohttp.InvalidURL, ValueError):
            raise GiveUp("refused", "the file's address is none") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if _is_private(error):
                raise GiveUp("refused", "the file's address leads into a private network") from None
            raise Retry(f"the file cannot be fetched ({type(error).__name__})") from None

    def _way_to(self, address: str, *, may_login: bool) -> tuple[aiohttp.ClientSession, dict[str, str]]:
        """The session and the headers for an address."""
        parts = urlsplit(address)
        if may_login and (parts.scheme, parts.netloc) == self._api_place:
            return self._api, self._login
        is_safe = parts.scheme == "https" or (self._is_local and parts.scheme == "http")
        if not is_safe or not parts.hostname:
            raise GiveUp("refused", "the file's address is not https")
        try:
            require_public(URL(address, encoded=True), allows_loopback=self._is_local)
        except PrivateHost as error:
            raise GiveUp("refused", str(error)) from None
        return self._elsewhere, {}

    async def _chunks(self, stack: AsyncExitStack, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        taken = 0
        try:
            async with stack:
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    taken += len(chunk)
                    if taken > self._limit:
                        raise GiveUp("too_large", f"a file of more than {self._limit} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retry(f"the download broke off ({type(error).__name__})") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(error: BaseException) -> bool:
    """Whether the resolver refused, however deep the session wrapped it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, PrivateHost) or isinstance(getattr(found, "os_error", None), PrivateHost):
            return True
        found = found.__cause__
    return False


def _require_ok(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status >= 500 or status == 429:
        raise Retry(f"the file server answered {status}", after_s=retry_after_s(response))
    if status in {403, 404, 410}:
        raise GiveUp("expired", "the file is gone", code=str(status))
    raise GiveUp("refused", f"the file server answered {status}", code=str(status))
