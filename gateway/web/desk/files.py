"""Files that agents send: taken in streams, bounded, only of types that harm nobody, and named by a seal of ours.

What the customer's app cannot show of a file is said before it is sent.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import AsyncIterator

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from channels.filetypes import (
    HEAD_BYTES,
    UPLOAD_TYPES,
    clean_name,
    declared_type,
    is_what_it_says,
    with_extension,
)
from gateway.core.clock import Clock
from gateway.core.errors import GiveUp
from gateway.core.ids import ConversationId
from gateway.core.messages import Media, MediaKind
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.secrets import kept_secret
from gateway.web.desk.refusals import Refused

MAX_FILE_BYTES = 25_000_000
ENVELOPE_BYTES = 16 * 1024
CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 300
AT_ONCE = 64
KEPT_S = 7 * 24 * 3600
"""So long a file may wait in a draft."""

_BROKEN = (ValueError, AssertionError, RuntimeError, HttpProcessingError)
"""What reading a multipart body that somebody made up by hand can lead the library to."""


class Seal(msgspec.Struct, frozen=True, array_like=True):
    """A stored file, and for which conversation it was given."""

    conversation: str
    blob: str
    name: str
    mime: str
    kind: MediaKind
    size_bytes: int
    until_s: int


class Files:
    """The key is kept in the database: what one process took, every other one knows."""

    def __init__(self, blobs: Blobs, clock: Clock, database: Database) -> None:
        self._blobs = blobs
        self._clock = clock
        self._database = database
        self._key = b""
        self._under_way = 0

    async def take(self, request: web.Request) -> Media:
        """The file in the first part of a multipart body, stored. Raises ``Refused``."""
        if (request.content_length or 0) > MAX_FILE_BYTES + ENVELOPE_BYTES:
            raise _too_large()
        if self._under_way >= AT_ONCE:
            raise Refused(503, "overloaded", "too many files are being sent at this moment; try again")
        self._under_way += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._stored(await _file_part(request))
        except TimeoutError:
            raise Refused(400, "too_slow", f"the file did not come within {TIMEOUT_S} s") from None
        finally:
            self._under_way -= 1

    async def seal(self, conversation_id: ConversationId, media: Media) -> str:
        """The name by which the page sends the file in that conversation, and in no other."""
        until_s = int(self._clock.now().timestamp()) + KEPT_S
        facts = (media.blob, media.name, media.mime, media.kind, media.size_bytes, until_s)
        payload = msgspec.msgpack.encode(Seal(str(conversation_id), *facts))
        return f"{_to_text(payload)}.{_to_text(await self._mark(payload))}"

    async def find(self, conversation_id: ConversationId, sealed: str) -> Media:
        """The file of that name. Raises ``Refused`` for what was not sealed here, or for another conversation."""
        payload_text, _, mark_text = sealed.partition(".")
        payload, mark = _from_text(payload_text), _from_text(mark_text)
        if not hmac.compare_digest(mark, await self._mark(payload)):
            raise _unknown()
        found = msgspec.msgpack.decode(payload, type=Seal)
        if found.conversation != str(conversation_id) or found.until_s < self._clock.now().timestamp():
            raise _unknown()
        return Media(found.kind, blob=found.blob, name=found.name, mime=found.mime, size_bytes=found.size_bytes)

    async def _mark(self, payload: bytes) -> bytes:
        if not self._key:
            secret = await kept_secret(self._database, "desk files")
            self._key = hmac.digest(secret, b"desk files 1", "sha256")
        return hmac.digest(self._key, payload, "sha256")

    async def _stored(self, part: BodyPartReader) -> Media:
        name = clean_name(part.filename or "")
        mime = declared_type(part.headers.get("Content-Type", ""), name)
        known = UPLOAD_TYPES.get(mime)
        if known is None:
            raise Refused(415, "bad_type", "files of this type are not sent")
        head = await _read_head(part)
        if not head:
            raise Refused(400, "empty", "the file is empty")
        if not is_what_it_says(head, mime):
            raise Refused(415, "not_its_type", "the file is not what its name says")
        try:
            blob = await self._blobs.put(_all_of(head, part), max_bytes=MAX_FILE_BYTES)
        except GiveUp:
            raise _too_large() from None
        except _BROKEN:
            raise _broken() from None
        name = with_extension(name, known.extension, known.signs)
        return Media(known.kind, blob=blob.key, name=name, mime=mime, size_bytes=blob.size_bytes)


async def _file_part(request: web.Request) -> BodyPartReader:
    if not request.content_type.startswith("multipart/"):
        raise Refused(415, "not_multipart", "a file comes as multipart/form-data")
    try:
        part = await (await request.multipart()).next()
    except _BROKEN:
        raise _broken() from None
    if not isinstance(part, BodyPartReader) or part.filename is None:
        raise Refused(400, "no_file", "the first part of the body must be the file")
    return part


async def _read_head(part: BodyPartReader) -> bytes:
    head = bytearray()
    try:
        while len(head) < HEAD_BYTES and (chunk := await part.read_chunk(CHUNK_BYTES)):
            head += chunk
    except _BROKEN:
        raise _broken() from None
    return bytes(head)


async def _all_of(head: bytes, part: BodyPartReader) -> AsyncIterator[bytes]:
    yield head
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield chunk


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _from_text(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _unknown() from None


def _unknown() -> Refused:
    return Refused(409, "file_unknown", "that file is not here any more; add it again")


def _broken() -> Refused:
    return Refused(400, "bad_request", "the multipart body is broken")


def _too_large() -> Refused:
    return Refused(413, "too_large", f"a file may have {MAX_FILE_BYTES} bytes")
