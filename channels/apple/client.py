"""Talks to Apple's gateway for one MSP id: sends, puts files into Apple's store and takes them out, finds faults."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from secrets import token_bytes
from typing import TypeVar, cast
from uuid import uuid4

import msgspec
from yarl import URL

from channels.apple.ciphers import KEY_BYTES, KEY_PREFIX, cipher
from channels.apple.failures import A_FILE, A_MESSAGE, AN_ANSWER, named, named_of_store
from channels.apple.findings import address_finding, failure_finding, gateway_findings, secret_findings
from channels.apple.render import MESSAGE, PICTURE
from channels.apple.settings import AppleSettings, bare_business_id
from channels.apple.tokens import OwnToken
from channels.apple.transport import AppleLines
from channels.apple.wire import (
    ATTACHED,
    FileRef,
    decode_download_place,
    decode_ref,
    decode_upload_place,
    decode_uploaded,
)
from channels.line import LineAnswer
from gateway.core.channel import BlobReader, Call, Finding, RemoteFile, Sent, Upload
from gateway.core.clock import Clock
from gateway.core.errors import GiveUp, Misconfigured, Retry, TertuliaError

MAX_PICTURE_BYTES = 10_000_000
"""Largest picture of somebody's site that is attached."""

MAX_ANSWER_BYTES = 2_000_000
"""Largest interactive answer that is fetched: all of a form, and no picture."""

_Shape = TypeVar("_Shape")

_JSON = {"Content-Type": "application/json"}
_HEADER_VALUE = re.compile(r"[ -~]{1,4096}")
_encode = msgspec.json.Encoder().encode


class AppleClient:
    """The line of one endpoint. Opened before use; a call on a closed one is an error of the program."""

    def __init__(self, settings: AppleSettings, read_blob: BlobReader, clock: Clock) -> None:
        self._settings = settings
        self._read_blob = read_blob
        self._clock = clock
        self._token = OwnToken(settings.msp_id, settings.secret, clock)
        self._lines = AppleLines(settings)

    async def open(self) -> None:
        """Open the sessions; no request is made."""
        await self._lines.open()

    async def close(self) -> None:
        await self._lines.close()

    # ------------------------------------------------------------ sending

    async def send(self, account: str, call: Call) -> Sent:
        """Make one call under the id that it carries, which is the same at every try.

        Raises ``Retry`` (surely not sent), ``Ambiguous`` (perhaps sent), ``GiveUp`` or ``Misconfigured``.
        """
        if call.method != MESSAGE:
            raise GiveUp("not_supported", f"no call named {call.method}")
        body = dict(cast("Mapping[str, object]", call.params["message"]))
        if call.uploads:
            body["attachments"] = [await self._attached(account, upload) for upload in call.uploads]
        if PICTURE in call.params:
            await self._illustrate(account, body, str(call.params[PICTURE]))
        await self._say(account, body, cast("Mapping[str, str]", call.params["headers"]))
        return Sent((str(body["id"]),))

    async def _say(self, account: str, body: Mapping[str, object], headers: Mapping[str, str]) -> None:
        business = self._business(account)
        addressed = {
            "id": str(body["id"]),
            "Source-Id": business,
            "Destination-Id": str(body["destinationId"]),
            **headers,
            **_JSON,
        }
        if _HEADER_VALUE.fullmatch(addressed["Destination-Id"]) is None:
            raise GiveUp("unreachable", "no address of Apple's has such characters")
        answer = await self._lines.gateway.call(
            "POST", self._url("message"), self._headers(addressed), _encode({**body, "sourceId": business})
        )
        _require_ok(answer, A_MESSAGE)

    async def acknowledge(self, account: str, token: str) -> None:
        """Apple has no word for it: nothing spins, and nobody is told that a message was read."""
        del account, token

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show that an answer is on its way; it ends with the next message."""
        del heard
        start = {"v": 1, "id": str(uuid4()), "type": "typing_start", "destinationId": recipient}
        await self._say(account, start, {"auto-reply": "true"})

    # ------------------------------------------------------------ files out

    async def _attached(self, account: str, upload: Upload) -> dict[str, str]:
        """Put a file of ours into Apple's store; the answer names it in a message.

        The blob is read twice, because Apple wants the size first and memory is not for files.
        """
        size = await self._size(upload)
        mime = upload.mime or mimetypes.guess_type(upload.name)[0] or "application/octet-stream"
        ending = "" if "." in upload.name else mimetypes.guess_extension(mime) or ""
        return await self._stored(account, upload.name + ending, mime, size, self._read_blob(upload.blob))

    async def _illustrate(self, account: str, body: dict[str, object], url: str) -> None:
        """Attach a picture that lies on somebody's site. One that cannot be had is told by its address instead."""
        try:
            picture = await self._lines.picture(URL(url), MAX_PICTURE_BYTES)
        except (GiveUp, ValueError):
            words = str(body["body"]).replace(ATTACHED, "").strip()
            body["body"] = f"{words}\n{url}" if words else url
            return
        name = URL(url).name or "picture"
        chunks = _once(picture.content)
        body["attachments"] = [await self._stored(account, name, picture.mime, len(picture.content), chunks)]

    async def _stored(
        self, account: str, name: str, mime: str, size: int, chunks: AsyncIterator[bytes]
    ) -> dict[str, str]:
        """Seal *chunks* with a key of their own and put them away. Whatever fails here, no message was sent yet."""
        business = {"source-id": self._business(account)}
        answer = await self._harmless("GET", "preUpload", {**business, "size": str(size)}, A_FILE)
        place = _decoded(decode_upload_place, answer)
        key = token_bytes(KEY_BYTES)
        described = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        url = self._foreign(place.upload_url)
        stored = await self._lines.upload(url, described, _sealed(chunks, key))
        if not stored.is_ok:
            raise named_of_store(stored.status, stored.retry_after_s)
        return {
            "name": name,
            "mimeType": mime,
            "size": str(size),
            "url": place.url,
            "owner": place.owner,
            "key": KEY_PREFIX + key.hex(),
            "signature-base64": _decoded(decode_uploaded, stored).single_file.file_checksum,
        }

    async def _size(self, upload: Upload) -> int:
        size = 0
        async for chunk in self._read_blob(upload.blob):
            size += len(chunk)
            if size > self._settings.max_upload_bytes:
                raise GiveUp("too_large", f"a file of more than {self._settings.max_upload_bytes} bytes")
        return size

    # ------------------------------------------------------------ files in

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that a customer sent, or an answer that was too large to come along.

        Its address lives for minutes: after that it is given up as expired. Its chunks may raise ``Retry`` or
        ``GiveUp`` too; no redirect is followed.
        """
        ref = _ref(provider_ref)
        if ref.bid:
            return await self._fetch_answer(account, ref)
        url = await self._download_url(account, ref)
        return RemoteFile(self._open_file(ref, url, self._settings.max_download_bytes))

    async def _download_url(self, account: str, ref: FileRef) -> URL:
        wanted = {"source-id": self._business(account), "url": ref.url, "owner": ref.owner, "signature": ref.signature}
        try:
            answer = await self._harmless("GET", "preDownload", wanted, A_FILE)
        except GiveUp as error:
            reason = "expired" if error.code in {"404", "410"} else error.reason
            raise GiveUp(reason, "Apple does not hand out the file any more", code=error.code) from error
        return self._foreign(_decoded(decode_download_place, answer).url)

    async def _open_file(self, ref: FileRef, url: URL, limit_bytes: int) -> AsyncIterator[bytes]:
        turning = cipher(bytes.fromhex(ref.key))
        async with aclosing(self._lines.download(url, limit_bytes)) as chunks:
            async for chunk in chunks:
                yield turning.update(chunk)

    async def _fetch_answer(self, account: str, ref: FileRef) -> RemoteFile:
        url = await self._download_url(account, ref)
        packed = b"".join([chunk async for chunk in self._open_file(ref, url, MAX_ANSWER_BYTES)])
        wanted = {"source-id": self._business(account), "bid": ref.bid, "Content-Type": "application/octet-stream"}
        answer = await self._harmless("POST", "decodePayload", wanted, AN_ANSWER, packed)
        return RemoteFile(_once(answer.body), len(answer.body), "application/json", "answer.json")

    # ------------------------------------------------------------ connecting

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Nothing can be registered by a call: say what to enter at Apple, and look whether the credentials work."""
        advice = f"enter {public_url} at Apple (register.apple.com) for the MSP id; Apple appends /message to it"
        entered = Finding("ok", "Apple takes the webhook's address on its own pages only", advice, about="webhook")
        return [entered, *await self.doctor(public_url)]

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Ask for a place for one byte, which changes nothing, as each business. Raises nothing but bugs."""
        findings = [*secret_findings(self._settings), address_finding(public_url)]
        for name, account in self._settings.accounts.items():
            wanted = self._headers({"source-id": account.business_id, "size": "1"})
            try:
                answer = await self._lines.gateway.ask("GET", self._url("preUpload"), wanted)
                _require_ok(answer, A_FILE)
            except TertuliaError as error:
                findings.append(failure_finding(error, name))
            else:
                findings += gateway_findings(answer, name, self._clock.now())
        return findings

    # ------------------------------------------------------------ the gateway

    async def _harmless(
        self, method: str, operation: str, headers: Mapping[str, str], doing: str, body: bytes | None = None
    ) -> LineAnswer:
        answer = await self._lines.gateway.ask(
            method, self._url(operation), self._headers(headers), body, is_upload=body is not None
        )
        _require_ok(answer, doing)
        return answer

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {"Authorization": self._token.header()}
        if self._settings.msp_agent:
            own["msp-agent"] = self._settings.msp_agent
        return {**own, **more}

    def _url(self, operation: str) -> URL:
        return URL(f"{self._settings.api_url}/{operation}", encoded=True)

    def _foreign(self, address: str) -> URL:
        """An address that the gateway named. It must be as safe as the gateway's own."""
        if not address.startswith("https://") and self._settings.api_url.startswith("https://"):
            raise GiveUp("refused", "Apple names an address of a file that is not https")
        try:
            return URL(address, encoded=True)
        except ValueError:
            raise Retry("Apple names an address of a file that is none") from None

    def _business(self, account: str) -> str:
        """The business that speaks; an endpoint with a single one need not be told which."""
        known = [each.business_id for each in self._settings.accounts.values()]
        if not account and len(known) == 1:
            return known[0]
        if bare_business_id(account) not in known:
            raise Misconfigured("accounts", "no account has that business id any more")
        return bare_business_id(account)


def _require_ok(answer: LineAnswer, doing: str) -> None:
    if not answer.is_ok:
        raise named(answer.status, answer.retry_after_s, doing=doing)


def _decoded(decode: Callable[[bytes], _Shape], answer: LineAnswer) -> _Shape:
    try:
        return decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Retry(f"Apple's answer cannot be read ({type(error).__name__})") from error


def _ref(provider_ref: str) -> FileRef:
    """Raises ``GiveUp`` for a handle that is none of ours; its values go into headers, so they are looked at."""
    try:
        ref = decode_ref(provider_ref.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise GiveUp("refused", "the handle of the file cannot be read") from None
    values = (ref.url, ref.owner, ref.signature, *([ref.bid] if ref.bid else []))
    if not all(_HEADER_VALUE.fullmatch(value) for value in values):
        raise GiveUp("refused", "the handle of the file has characters that no header takes")
    return ref


async def _sealed(chunks: AsyncIterator[bytes], key: bytes) -> AsyncIterator[bytes]:
    turning = cipher(key)
    async for chunk in chunks:
        yield turning.update(chunk)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
