"""Talks to Sunshine for one app: sends, shows that it reads and types, fetches files, looks up what was sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import quote

import msgspec

from channels.sunshine.failures import Refused, named
from channels.sunshine.registration import Registration
from channels.sunshine.render import METHOD
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.transport import AppLine, as_error
from channels.sunshine.wire import (
    ListedMessage,
    decode_attached,
    decode_listed_messages,
    decode_posted,
    decode_reference,
)
from gateway.core.channel import BlobReader, Call, Finding, RemoteFile, Sent, Upload
from gateway.core.errors import Ambiguous, GiveUp, Retry

SEARCHED_PAGES = 5
"""How many pages of a hundred messages are read, newest first, to find one of ours."""

CLOCK_SLACK = timedelta(minutes=5)
"""By how much Zendesk's clock and ours may differ."""


class SunshineClient:
    """One app's line to Sunshine. Opened before use; a call on a closed one is an error of the program."""

    def __init__(self, settings: SunshineSettings, read_blob: BlobReader) -> None:
        self._settings = settings
        self._read_blob = read_blob
        self._line = AppLine(settings)

    async def open(self) -> None:
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    # ------------------------------------------------------------ sending

    async def send(self, account: str, call: Call) -> Sent:
        """Post one message, with its file first. Raises ``Retry``, ``Ambiguous``, ``GiveUp`` or ``Misconfigured``."""
        del account  # an app is one account
        if call.method != METHOD:
            raise GiveUp("not_supported", f"no call named {call.method}")
        message = cast("dict[str, object]", call.params["message"])
        path = _path(str(call.params["conversation"]))
        for upload in call.uploads:
            address = await self._upload(str(call.params["conversation"]), upload)
            content = cast("Mapping[str, object]", message["content"])
            message = {**message, "content": {**content, "mediaUrl": address}}
        try:
            answer = await self._line.post(f"{path}/messages", message)
        except Refused as refused:
            raise named(refused) from None
        try:
            return Sent(tuple(posted.id for posted in decode_posted(answer).messages))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from None

    async def _upload(self, conversation: str, upload: Upload) -> str:
        """Copy a file of ours to Zendesk; it goes when the conversation goes. Returns its address there."""
        content = bytearray()
        async for chunk in self._read_blob(upload.blob):
            content += chunk
            if len(content) > self._settings.max_upload_bytes:
                raise GiveUp("too_large", f"a file of more than {self._settings.max_upload_bytes} bytes")
        query = {"access": "public", "for": "message", "conversationId": conversation}
        try:
            answer = await self._line.post_file(
                "/attachments", query, field="source", name=upload.name, mime=upload.mime, content=bytes(content)
            )
            return decode_attached(answer).attachment.media_url
        except Refused as refused:
            raise as_error(refused) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Retry(f"the answer to an upload cannot be read ({type(error).__name__})") from None

    async def find_sent(self, account: str, call: Call, since: datetime) -> Sent | None:
        """The message that carries this call's reference, among those since then. Raises ``Retry``.

        ``None`` also where the conversation is gone, or so much was said since that it is not found.
        """
        del account
        message = cast("Mapping[str, object]", call.params["message"])
        wanted = msgspec.json.encode(message.get("metadata"))
        reference = decode_reference(wanted)
        query: dict[str, str] = {}
        for _ in range(SEARCHED_PAGES):
            listed = await self._listed(str(call.params["conversation"]), query)
            for one in listed:
                if _reference(one) == reference:
                    return Sent((one.id,))
            oldest = min((_received(one) for one in listed), default=since)
            if not listed or oldest < since - CLOCK_SLACK:
                return None
            query = {"page[before]": min(listed, key=_received).id}
        return None

    async def _listed(self, conversation: str, query: Mapping[str, str]) -> Sequence[ListedMessage]:
        try:
            answer = await self._line.get(f"{_path(conversation)}/messages", query)
            return decode_listed_messages(answer).messages
        except Refused as refused:
            if refused.status == 404:
                return ()
            error = as_error(refused)
            raise error if isinstance(error, Retry) else Retry(refused.detail) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Retry(f"the list of messages cannot be read ({type(error).__name__})") from None

    # ------------------------------------------------------------ small courtesies

    async def acknowledge(self, account: str, token: str) -> None:
        """Mark the conversation *token* as read."""
        del account
        await self._act(token, "conversation:read")

    async def typing(self, account: str, recipient: str, heard: str = "") -> None:
        """Show that somebody writes, until a message comes or the widget has waited long enough."""
        del account, heard
        await self._act(recipient, "typing:start")

    async def _act(self, conversation: str, kind: str) -> None:
        author: dict[str, object] = {"type": "business"}
        if self._settings.display_name:
            author["displayName"] = self._settings.display_name
        try:
            await self._line.post(f"{_path(conversation)}/activity", {"author": author, "type": kind})
        except Refused as refused:
            raise as_error(refused) from None
        except Ambiguous as error:  # done twice it looks the same
            raise Retry(error.detail) from None

    # ------------------------------------------------------------ files

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        """Open a file that somebody sent; its address is its reference. Raises ``Retry`` or ``GiveUp``."""
        del account
        return await self._line.download(provider_ref)

    # ------------------------------------------------------------ connecting

    async def connect(self, public_url: str) -> Sequence[Finding]:
        """Register the webhook and our place on the switchboard, where they are not as they should be."""
        return await Registration(self._line, self._settings, public_url).establish()

    async def doctor(self, public_url: str) -> Sequence[Finding]:
        """Look at the key, the webhook and the switchboard. Raises nothing but bugs."""
        return await Registration(self._line, self._settings, public_url).examine()


def _path(conversation: str) -> str:
    return f"/conversations/{quote(conversation, safe='')}"


def _reference(listed: ListedMessage) -> object:
    try:
        return decode_reference(listed.metadata)
    except msgspec.ValidationError:
        return None


def _received(listed: ListedMessage) -> datetime:
    found = listed.received
    if found is None:
        return datetime.max.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
