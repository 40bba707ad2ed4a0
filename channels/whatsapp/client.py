"""Talks to the Cloud API for the numbers of one endpoint."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import msgspec
from pydantic import SecretStr

from channels._meta.failures import GraphRefused
from channels._meta.graph import FormFile, GraphLine
from channels.whatsapp.approved import approved
from channels.whatsapp.failures import named
from channels.whatsapp.findings import connected, examined
from channels.whatsapp.render import SIZE_LIMITS
from channels.whatsapp.settings import WhatsAppAccount, WhatsAppSettings
from channels.whatsapp.wire import MediaAnswer, decode_media_answer, decode_send_answer, decode_upload_answer
from gateway.core.channel import ApprovedTemplate, BlobReader, Call, Finding, Kept, RemoteFile, Sent, Upload
from gateway.core.clock import Clock
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError

UPLOADS_AT_ONCE = 3
"""A file is held in memory while it is uploaded."""

UPLOAD_KEPT_S = 25 * 86_400
"""Meta keeps an uploaded file for 30 days."""

_STALE_UPLOAD_CODES = frozenset({100, 131009, 131052, 131053})
_MEDIA_ID = re.compile(r"[0-9]{1,40}")

_MIMES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg",
    "sticker": "image/webp",
    "document": "application/octet-stream",
}


class WhatsAppClient:
    """One app's line to Meta. Opened before use; a call on a closed one is an error of the program."""

    def __init__(self, settings: WhatsAppSettings, read_blob: BlobReader, kept: Kept | None, clock: Clock) -> None:
        self._settings = settings
        self._read_blob = read_blob
        self._kept = kept
        self._clock = clock
        self._line = GraphLine(settings)
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def open(self) -> None:
        """Open the session; no request is made."""
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    # ------------------------------------------------------------ sending

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call and return the message's id (``wamid.…``), after uploading the file that goes along.

        Raises ``Retry`` (surely not sent), ``Ambiguous`` (perhaps sent), ``GiveUp``, ``Misconfigured``.
        """
        number = self._number(account)
        params = dict(call.params)
        reused: list[str] = []
        for upload in call.uploads:
            field = cast("Mapping[str, object]", params.get(upload.field, {}))
            params[upload.field] = {**field, "id": await self._uploaded(number, upload, reused)}
        try:
            answer = await self._line.post(f"{number.phone_number_id}/{call.method}", params, self._token(number))
        except GraphRefused as refused:
            if reused and refused.error.code in _STALE_UPLOAD_CODES:
                await self._forget(reused)
                raise Retry("Meta has not kept the file; it will be uploaded again") from None
            raise self._named(refused, number) from None
        try:
            return Sent(tuple(message.id for message in decode_send_answer(answer.body).messages))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from error

    async def _uploaded(self, number: WhatsAppAccount, upload: Upload, reused: list[str]) -> str:
        """The id under which Meta has the file: of an earlier upload where there was one."""
        name = f"media:{number.phone_number_id}:{upload.field}:{upload.blob}"
        now_s = self._clock.now().timestamp()
        known = await self._kept.get(name) if self._kept is not None else ""
        media_id, _, uploaded_s = known.partition(" ")
        if media_id and uploaded_s.isdecimal() and now_s - int(uploaded_s) < UPLOAD_KEPT_S:
            reused.append(name)
            return media_id
        async with self._uploads:
            media_id = await self._upload(number, upload)
        if self._kept is not None:
            await self._kept.put(name, f"{media_id} {int(now_s)}")
        return media_id

    async def _forget(self, names: Sequence[str]) -> None:
        if self._kept is not None:
            for name in names:
                await self._kept.put(name, "")

    async def _upload(self, number: WhatsAppAccount, upload: Upload) -> str:
        """Uploading twice harms nobody, so a broken connection is no more than ``Retry``."""
        mime = upload.mime or mimetypes.guess_type(upload.name)[0] or _MIMES.get(upload.field, "")
        file = FormFile("file", upload.name, mime, await self._content(upload))
        fields = {"messaging_product": "whatsapp", "type": mime}
        try:
            answer = await self._line.post_form(f"{number.phone_number_id}/media", fields, [file], self._token(number))
            return decode_upload_answer(answer.body).id
        except GraphRefused as refused:
            raise self._named(refused, number) from None
        except Ambiguous as error:
            raise Retry(error.detail) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Retry(f"the answer to an upload cannot be read ({type(error).__name__})") from error

    async def _content(self, upload: Upload) -> bytes:
        limit = min(self._settings.max_upload_bytes, SIZE_LIMITS.get(upload.field, SIZE_LIMITS["document"]))
        content = bytearray()
        async for chunk in self._read_blob(upload.blob):
            content += chunk
            if len(content) > limit:
                raise GiveUp("too_large", f"a file of more than {limit} bytes")
        return bytes(content)

    # ------------------------------------------------------------ small courtesies

    async def acknowledge(self, account: str, token: str) -> None:
        """Show the customer that their message (and all before it) was read. Failures are raised as by send."""
        await self._tell(account, {"status": "read", "message_id": token})

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show "typing" for up to 25 seconds, or until a message arrives; only in answer to one that was *heard*."""
        del recipient
        if heard:
            await self._tell(account, {"status": "read", "message_id": heard, "typing_indicator": {"type": "text"}})

    async def _tell(self, account: str, body: Mapping[str, object]) -> None:
        number = self._number(account)
        said = {"messaging_product": "whatsapp", **body}
        try:
            await self._line.post(f"{number.phone_number_id}/messages", said, self._token(number))
        except GraphRefused as refused:
            raise self._named(refused, number) from None

    # ------------------------------------------------------------ files

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that somebody sent. Its chunks may raise ``Retry`` or ``GiveUp`` too; no redirect is followed.

        What Meta said of its size and its hash is checked once all of it is there.
        """
        number = self._number(account)
        if provider_ref.startswith("https://"):
            return await self._line.download(provider_ref, self._token(number))
        if not _MEDIA_ID.fullmatch(provider_ref):
            raise GiveUp("refused", "not the id of a file at Meta")
        described = await self._described(number, provider_ref)
        size = int(described.file_size) if str(described.file_size).isdecimal() else 0
        if size > self._settings.max_download_bytes:
            raise GiveUp("too_large", f"a file of {size} bytes")
        file = await self._line.download(described.url, self._token(number))
        chunks = _checked(file.chunks, size, described.sha256)
        return RemoteFile(chunks, size or file.size_bytes, described.mime_type or file.mime, file.name)

    async def _described(self, number: WhatsAppAccount, media_id: str) -> MediaAnswer:
        try:
            params = {"phone_number_id": number.phone_number_id}
            answer = await self._line.get(media_id, params, self._token(number))
            return decode_media_answer(answer.body)
        except GraphRefused as refused:
            if refused.error.code == 100 or refused.error.http_status == 404:
                raise GiveUp("expired", "Meta has not kept the file", code=refused.error.label) from None
            raise self._named(refused, number) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Retry(f"the answer about a file cannot be read ({type(error).__name__})") from error

    # ------------------------------------------------------------ templates

    async def templates(self, account: str) -> Sequence[ApprovedTemplate]:
        """Approved texts of which a message can fill all blanks. Raises ``Retry``, ``GiveUp`` or ``Misconfigured``."""
        number = self._number(account)
        return await approved(self._line, number, self._token(number))

    # ------------------------------------------------------------ connecting

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Tell Meta where the app's webhooks go, and subscribe the app to each business account."""
        return await connected(self._line, self._settings, public_url)

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Tokens, numbers, subscriptions and templates, as Meta sees them. Raises nothing but bugs."""
        return await examined(self._line, self._settings, public_url, self._clock.now())

    # ------------------------------------------------------------ accounts

    def _number(self, account: str) -> WhatsAppAccount:
        number = self._settings.account(account)
        if number is None:
            raise Misconfigured("accounts", f"none has the phone_number_id {account}")
        return number

    def _token(self, number: WhatsAppAccount) -> SecretStr:
        return self._settings.token_of(number)

    def _named(self, refused: GraphRefused, number: WhatsAppAccount) -> TertuliaError:
        name = next(name for name, account in self._settings.accounts.items() if account is number)
        return named(refused.error, name, has_own_token=bool(number.access_token.get_secret_value()))


async def _checked(chunks: AsyncIterator[bytes], size: int, sha256: str) -> AsyncIterator[bytes]:
    """The same chunks; after the last, ``Retry`` unless together they are what was announced."""
    digest = hashlib.sha256()
    taken = 0
    async for chunk in chunks:
        digest.update(chunk)
        taken += len(chunk)
        yield chunk
    if size and taken != size:
        raise Retry(f"the file has {taken} bytes and not {size}")
    announced = announced_digest(sha256)
    if announced and announced != digest.digest():
        raise Retry("the file is not the one that was announced")


def announced_digest(sha256: str) -> bytes:
    """A SHA-256 as bytes, from the hexadecimal or the base64 form; empty when it is neither."""
    try:
        raw = bytes.fromhex(sha256) if len(sha256) == 64 else base64.b64decode(sha256, validate=True)
    except (ValueError, binascii.Error):
        return b""
    return raw if len(raw) == 32 else b""
