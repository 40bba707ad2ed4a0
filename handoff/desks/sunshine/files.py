"""Brings agents' files into our own store, from Zendesk's hosts only and into no private network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from channels.line import Line, LineTimes, file_in
from channels.public_hosts import PublicOnly
from channels.sunshine.transport import authorization
from gateway.core.errors import GiveUp, Misconfigured
from gateway.core.messages import Media
from gateway.store.blobs import Blobs
from handoff.desks.sunshine.settings import SunshineDeskSettings

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Files:
    """Opened before use."""

    def __init__(self, settings: SunshineDeskSettings, blobs: Blobs | None) -> None:
        self._settings = settings
        self._blobs = blobs
        self._api = URL(settings.line.base_url)
        times = LineTimes(settings.connect_timeout_s, settings.read_timeout_s, settings.upload_timeout_s)
        guard = PublicOnly.beside(self._api)
        self._line = Line(times, connections=settings.concurrency, public_only=guard)

    async def open(self) -> None:
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    async def fetch(self, media: Media) -> Media:
        """The file that an agent's message names, in our store. Raises ``Retry``, or ``GiveUp`` for good."""
        if self._blobs is None:
            raise Misconfigured("data_dir", "there is no store for files")
        if media.size_bytes > self._settings.max_download_bytes:
            raise GiveUp("too_large", "an agent's file is larger than max_download_bytes")
        blob = await self._blobs.put(self._download(media.provider_ref), max_bytes=self._settings.max_download_bytes)
        return msgspec.structs.replace(media, blob=blob.key, size_bytes=blob.size_bytes, provider_ref="", unique_ref="")

    async def _download(self, address: str) -> AsyncIterator[bytes]:
        response = await self._followed(_url(address))
        async for chunk in file_in(response, self._settings.max_download_bytes).chunks:
            yield chunk

    async def _followed(self, url: URL) -> aiohttp.ClientResponse:
        """The answer that holds the file; redirects lead to Zendesk's own hosts only, and the key to its API."""
        for _ in range(MAX_REDIRECTS + 1):
            self._require_theirs(url)
            response = await self._line.begin(url, self._proof(url))
            if response.status not in _REDIRECTS:
                return response
            response.close()
            url = url.join(_url(response.headers.get("Location", "")))
        raise GiveUp("refused", "the file's address leads in circles")

    def _require_theirs(self, url: URL) -> None:
        if url.origin() == self._api.origin():
            return
        host = (url.host or "").lower()
        is_theirs = any(host == name or host.endswith(f".{name}") for name in self._settings.media_hosts)
        if url.scheme != "https" or not is_theirs:
            raise GiveUp("refused", "the file lies on no server of Zendesk's (setting media_hosts)")

    def _proof(self, url: URL) -> Mapping[str, str]:
        is_api = url.origin() == self._api.origin()
        return {"Authorization": authorization(self._settings.line)} if is_api else {}


def _url(address: str) -> URL:
    """Raises ``GiveUp`` for what is no address of the web."""
    try:
        url = URL(address)
        is_web = urlsplit(address).scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        is_web = False
    if not is_web:
        raise GiveUp("refused", "the file's address cannot be called")
    return url
