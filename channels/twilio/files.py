"""Fetches what customers sent: with our login from Twilio's API only, and from nobody inside our own network.

Twilio answers with the address of a file server, which must not see the login and might be anywhere. A name is
resolved once, and the connection goes to the very address that was looked at.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from channels.line import Line, file_in
from channels.public_hosts import PublicOnly
from channels.twilio.settings import TwilioSettings
from gateway.core.channel import RemoteFile
from gateway.core.errors import GiveUp

MAX_HOPS = 3
CONNECTIONS = 32
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Files:
    """Fetches files. It does not own *api*, the line that is used for the API's own host."""

    def __init__(self, settings: TwilioSettings, api: Line, login: dict[str, str]) -> None:
        api_url = urlsplit(settings.api_url)
        public_only = PublicOnly.beside(URL(settings.api_url))
        self._api_place = (api_url.scheme, api_url.netloc)
        self._is_local = public_only.allows_loopback
        self._api = api
        self._login = login
        self._limit = settings.max_download_bytes
        self._elsewhere = Line(settings.times, connections=CONNECTIONS, public_only=public_only)

    async def open(self) -> None:
        await self._elsewhere.open()

    async def close(self) -> None:
        await self._elsewhere.close()

    async def fetch(self, address: str) -> RemoteFile:
        """The file at *address*. Raises ``Retry`` or ``GiveUp``, and so may its chunks."""
        return file_in(await self._settled(address), self._limit)

    async def _settled(self, address: str) -> aiohttp.ClientResponse:
        """The answer at the end of the redirects; only the first address may be the API's, and see the login."""
        for hop in range(MAX_HOPS + 1):
            response = await self._begun(address, may_login=not hop)
            if response.status not in _REDIRECTS:
                return response
            response.release()
            address = urljoin(address, response.headers.get("Location", ""))
        raise GiveUp("refused", "the file's address leads on and on")

    async def _begun(self, address: str, *, may_login: bool) -> aiohttp.ClientResponse:
        try:
            parts, url = urlsplit(address), URL(address, encoded=True)
        except ValueError:
            raise GiveUp("refused", "the file's address is none") from None
        if may_login and (parts.scheme, parts.netloc) == self._api_place:
            return await self._api.begin(url, self._login)
        is_safe = parts.scheme == "https" or (self._is_local and parts.scheme == "http")
        if not is_safe or not parts.hostname:
            raise GiveUp("refused", "the file's address is not https")
        return await self._elsewhere.begin(url, {})
