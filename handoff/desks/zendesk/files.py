"""Files both ways: ours to Zendesk, bounded and streamed; agents' from there, never from inside a private network."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta

import aiohttp
import msgspec
import structlog
from yarl import URL

from channels.line import Line, LineTimes, file_in
from channels.public_hosts import PublicOnly
from gateway.core.channel import BlobReader
from gateway.core.clock import Clock
from gateway.core.errors import GiveUp, Misconfigured
from gateway.core.ids import HandoffId
from gateway.core.messages import Media, MediaKind
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.zendesk import ZendeskTables
from handoff.desks.zendesk.client import ZendeskClient
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.ticket import file_name
from handoff.desks.zendesk.verify import moment
from handoff.desks.zendesk.wire import Attached, Uploaded, number

log = structlog.get_logger(__name__)

TOKEN_LIFE = timedelta(hours=20)
"""Much less than Zendesk's three days, for those answers that do not say."""

MAX_REDIRECTS = 3


class Uploads(msgspec.Struct, frozen=True):
    """Tokens of files that Zendesk has, and the names of those that could not be brought there."""

    tokens: tuple[str, ...]
    failed: tuple[str, ...]


class Files:
    """Opened before use."""

    def __init__(
        self,
        settings: ZendeskSettings,
        client: ZendeskClient,
        database: Database,
        tables: ZendeskTables,
        read_blob: BlobReader,
        blobs: Blobs | None,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._client = client
        self._database = database
        self._tables = tables
        self._read_blob = read_blob
        self._blobs = blobs
        self._clock = clock
        times = LineTimes(settings.connect_timeout_s, settings.read_timeout_s, settings.upload_timeout_s)
        guard = PublicOnly.beside(URL(settings.base_url))
        self._line = Line(times, connections=settings.concurrency, public_only=guard)

    async def open(self) -> None:
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    # ------------------------------------------------------------ to Zendesk

    async def bring(self, handoff_id: HandoffId, piece: str, files: Sequence[Media]) -> Uploads:
        """Upload what is not there yet, for one *piece* of a case: a token serves a single comment.

        One file's fault harms no other; raises ``Retry`` or ``NotYet`` for later.
        """
        if not self._settings.attaches_files:
            return Uploads((), ())
        async with self._database.begin() as connection:
            known = await self._tables.uploads(connection, handoff_id)
        tokens: list[str] = []
        failed: list[str] = []
        for file in files:
            if not file.blob:
                continue
            key = f"{piece}:{file.blob}"
            token = known.get(key) or await self._brought(handoff_id, key, file)
            if token:
                tokens.append(token)
            else:
                failed.append(file_name(file))
        return Uploads(tuple(dict.fromkeys(tokens)), tuple(failed))

    async def forget(self, handoff_id: HandoffId) -> None:
        """Zendesk does not know a case's tokens any more: its files are brought again."""
        async with self._database.begin() as connection:
            await self._tables.forget_uploads(connection, handoff_id)

    async def _brought(self, handoff_id: HandoffId, key: str, file: Media) -> str:
        try:
            uploaded = await self._upload(file)
        except (GiveUp, LookupError) as error:
            log.warning("desk_file_refused", handoff_id=str(handoff_id), reason=getattr(error, "reason", "missing"))
            return ""
        ends_at = moment(uploaded.expires_at or "") or self._clock.now() + TOKEN_LIFE
        async with self._database.begin() as connection:
            await self._tables.know_upload(connection, handoff_id, key, uploaded.token, ends_at)
        return uploaded.token

    async def _upload(self, file: Media) -> Uploaded:
        with tempfile.SpooledTemporaryFile(max_size=1_000_000) as spool:
            size = 0
            async for chunk in self._read_blob(file.blob):
                size += len(chunk)
                if size > self._settings.max_upload_bytes:
                    raise GiveUp("too_large", "the file is larger than Zendesk takes")
                await asyncio.to_thread(spool.write, chunk)
            spool.seek(0)
            if not size:
                raise GiveUp("refused", "the file is empty")
            return await self._client.upload(spool, file_name(file), file.mime)

    # ------------------------------------------------------------ from Zendesk

    async def fetch(self, attached: Attached) -> Media:
        """An agent's file, in our own store. Raises ``Retry``, or ``GiveUp`` when it can never be had."""
        if self._blobs is None:
            raise Misconfigured("data_dir", "there is no store for files")
        size = number(attached.size)
        if size > self._settings.max_download_bytes:
            raise GiveUp("too_large", "an agent's file is larger than max_download_bytes")
        chunks = self._download(attached.content_url or "")
        blob = await self._blobs.put(chunks, max_bytes=self._settings.max_download_bytes)
        mime = (attached.content_type or "application/octet-stream").partition(";")[0].strip().lower()
        name = attached.file_name or attached.filename or ""
        return Media(kind_of(mime), blob=blob.key, name=name[:200], mime=mime, size_bytes=blob.size_bytes)

    async def _download(self, address: str) -> AsyncIterator[bytes]:
        response = await self._followed(_url(address))
        async for chunk in file_in(response, self._settings.max_download_bytes).chunks:
            yield chunk

    async def _followed(self, url: URL) -> aiohttp.ClientResponse:
        """The answer that holds the file: redirects are followed to Zendesk's own hosts, our token goes to its API."""
        for _ in range(MAX_REDIRECTS + 1):
            self._require_theirs(url)
            response = await self._line.begin(url, self._signed(url))
            if response.status not in {301, 302, 303, 307, 308}:
                return response
            response.close()
            url = url.join(_url(response.headers.get("Location", "")))
        raise GiveUp("refused", "the file's address leads in circles")

    def _require_theirs(self, url: URL) -> None:
        host, own = url.host or "", URL(self._settings.base_url)
        if url.origin() == own.origin():
            return
        is_theirs = any(host == name or host.endswith(f".{name}") for name in self._settings.attachment_hosts)
        if not is_theirs or url.scheme != "https":
            raise GiveUp("refused", "the file lies on a foreign host")

    def _signed(self, url: URL) -> Mapping[str, str]:
        if url.origin() != URL(self._settings.base_url).origin():
            return {}
        settings = self._settings
        if settings.has_oauth:
            return {"Authorization": f"Bearer {settings.oauth_token.get_secret_value().strip()}"}
        login = aiohttp.BasicAuth(f"{settings.email.strip()}/token", settings.api_token.get_secret_value().strip())
        return {"Authorization": login.encode()}


def _url(address: str) -> URL:
    try:
        return URL(address)
    except ValueError:
        raise GiveUp("refused", "the file's address cannot be called") from None


def kind_of(mime: str) -> MediaKind:
    """What a file is shown as."""
    match mime.partition("/")[0]:
        case "image" if mime in {"image/jpeg", "image/png", "image/webp", "image/gif"}:
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "document"
