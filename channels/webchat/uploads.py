"""Files from visitors, and files to them: taken in streams, bounded, and only of types that harm nobody."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from channels.doors import DoorEndpoint, DoorParts
from channels.file_answers import answer_file
from channels.filetypes import (
    HEAD_BYTES,
    UPLOAD_TYPES,
    clean_name,
    declared_type,
    is_what_it_says,
    with_extension,
)
from channels.webchat.rates import Buckets
from channels.webchat.refusals import Refused, as_json, guarded
from channels.webchat.sessions import Sessions
from channels.webchat.settings import WebchatSettings
from channels.webchat.tokens import Seals
from channels.webchat.visitors import Visitor
from gateway.core.errors import GiveUp
from gateway.core.messages import Media, MediaKind

UPLOAD_S = 24 * 3600
LINK_S = 24 * 3600
HOUR_S = 3600

ENVELOPE_BYTES = 16 * 1024
"""What a multipart body may have beside the file itself."""

CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 300
UPLOADS_AT_ONCE = 64
UPLOADS_BURST = 5

_BROKEN = (ValueError, AssertionError, RuntimeError, HttpProcessingError)
"""What reading a multipart body that somebody made up by hand can lead the library to."""


class UploadSeal(msgspec.Struct, frozen=True, array_like=True):
    visitor: str
    blob: str
    name: str
    mime: str
    kind: MediaKind
    size_bytes: int


class MediaSeal(msgspec.Struct, frozen=True, array_like=True):
    blob: str
    name: str
    mime: str


class Uploads:
    """The files of one site."""

    def __init__(self, endpoint: DoorEndpoint, parts: DoorParts, seals: Seals, sessions: Sessions) -> None:
        if not isinstance(endpoint.settings, WebchatSettings):
            raise TypeError(f"{endpoint.name} has the settings of another channel")
        self._settings = endpoint.settings
        self._path = f"/chat/{endpoint.name}"
        self._public_url = parts.public_url
        self._blobs = parts.blobs
        self._seals = seals
        self._sessions = sessions
        self._rate = Buckets(self._settings.uploads_per_visitor_min / 60, UPLOADS_BURST, parts.clock)
        self._under_way = 0

    def routes(self) -> Sequence[web.RouteDef]:
        headers = self._sessions.cors_headers
        return (
            web.post(f"{self._path}/uploads", guarded(self.upload, headers)),
            web.get(self._path + "/media/{sealed}", guarded(self.media, headers), allow_head=False),
        )

    # ---------------------------------------------------------------- for the frames

    def redeem(self, visitor: Visitor, upload_id: str) -> Media | None:
        """What the visitor uploaded under this id; ``None`` when it was somebody else, or too long ago."""
        if not upload_id.startswith("u_"):
            return None
        found = self._seals.open("upload", UploadSeal, upload_id.removeprefix("u_"))
        if found is None or found.visitor != visitor.id:
            return None
        return Media(found.kind, blob=found.blob, name=found.name, mime=found.mime, size_bytes=found.size_bytes)

    def link(self, part: Media) -> str:
        """Where a browser finds the file for the next day. Within an hour it is the same address, which can be kept."""
        if not part.blob:
            return part.url
        until_s = (self._seals.now_s() // HOUR_S + 1) * HOUR_S + LINK_S
        sealed = self._seals.seal("media", MediaSeal(part.blob, clean_name(part.name), part.mime), until_s)
        return f"{self._public_url}{self._path}/media/{sealed}"

    # ---------------------------------------------------------------- handlers

    async def upload(self, request: web.Request) -> web.Response:
        """``POST uploads``: one file, the first part of a multipart body."""
        self._sessions.check_origin(request)
        visitor = await self._sessions.authenticate(request)
        wait_s = self._rate.wait_s(visitor.id)
        if wait_s > 0:
            raise Refused(429, "too_many_uploads", "too many files; try again later", wait_s)
        if (request.content_length or 0) > self._settings.max_upload_bytes + ENVELOPE_BYTES:
            raise self._too_large()
        if self._under_way >= UPLOADS_AT_ONCE:
            raise Refused(503, "busy", "too many uploads at this moment; try again", 2)
        self._under_way += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                media = await self._take(request)
        except TimeoutError:
            raise Refused(400, "too_slow", f"the file did not come within {TIMEOUT_S} s") from None
        finally:
            self._under_way -= 1
        seal = UploadSeal(visitor.id, media.blob, media.name, media.mime, media.kind, media.size_bytes)
        until_s = self._seals.now_s() + UPLOAD_S
        shown = {"name": media.name, "mime": media.mime, "kind": media.kind, "size_bytes": media.size_bytes}
        return as_json({"upload": "u_" + self._seals.seal("upload", seal, until_s), **shown, "url": self.link(media)})

    async def media(self, request: web.Request) -> web.StreamResponse:
        """``GET media/<sealed>``: the file. Whoever was given the address may see it; nobody can make one up."""
        found = self._seals.open("media", MediaSeal, request.match_info["sealed"])
        if found is None:
            raise Refused(404, "unknown_file", "there is no such file, or its address is too old")
        headers = {**_file_headers(found), **self._sessions.cors_headers(request)}
        try:
            return await answer_file(request, self._blobs, found.blob, headers)
        except LookupError:
            raise Refused(404, "unknown_file", "the file is not kept any more") from None

    # ---------------------------------------------------------------- steps

    async def _take(self, request: web.Request) -> Media:
        part = await self._file_part(request)
        name = clean_name(part.filename or "")
        mime = declared_type(part.headers.get("Content-Type", ""), name)
        known = UPLOAD_TYPES.get(mime)
        if known is None or mime not in self._settings.upload_types:
            raise Refused(415, "bad_type", "files of this type are not taken")
        head = await _read_head(part)
        if not head:
            raise Refused(400, "empty", "the file is empty")
        if not is_what_it_says(head, mime):
            raise Refused(415, "not_its_type", "the file is not what its type says")
        try:
            blob = await self._blobs.put(_all_of(head, part), max_bytes=self._settings.max_upload_bytes)
        except GiveUp:
            raise self._too_large() from None
        except _BROKEN:
            raise Refused(400, "bad_request", "the multipart body is broken") from None
        return Media(
            known.kind,
            blob=blob.key,
            name=with_extension(name, known.extension, known.signs),
            mime=mime,
            size_bytes=blob.size_bytes,
        )

    async def _file_part(self, request: web.Request) -> BodyPartReader:
        if not request.content_type.startswith("multipart/"):
            raise Refused(400, "bad_request", "a file comes as multipart/form-data")
        try:
            part = await (await request.multipart()).next()
        except _BROKEN:
            raise Refused(400, "bad_request", "the multipart body is broken") from None
        if not isinstance(part, BodyPartReader) or part.filename is None:
            raise Refused(400, "no_file", "the first part of the body must be the file")
        return part

    def _too_large(self) -> Refused:
        return Refused(413, "too_large", f"a file may have {self._settings.max_upload_bytes} bytes")


async def _read_head(part: BodyPartReader) -> bytes:
    head = bytearray()
    try:
        while len(head) < HEAD_BYTES and (chunk := await part.read_chunk(CHUNK_BYTES)):
            head += chunk
    except _BROKEN:
        raise Refused(400, "bad_request", "the multipart body is broken") from None
    return bytes(head)


async def _all_of(head: bytes, part: BodyPartReader) -> AsyncIterator[bytes]:
    yield head
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield chunk


def _file_headers(found: MediaSeal) -> dict[str, str]:
    known = UPLOAD_TYPES.get(found.mime)
    is_shown = known is not None and known.is_shown
    content_type = found.mime if known is not None else "application/octet-stream"
    name = found.name or "file"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return {
        "Content-Type": content_type,
        "Content-Disposition": (
            f"{'inline' if is_shown else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
        ),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cache-Control": f"private, max-age={HOUR_S}, immutable",
        "Referrer-Policy": "no-referrer",
    }
