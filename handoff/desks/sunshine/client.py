"""Calls Sunshine for the desk: people, conversations, messages, files, who has control. The only module that talks.

Every call waits for its turn and may raise ``NotYet`` without being made. Otherwise it raises ``Missing``, ``Locked``,
``Retry`` (``Ambiguous`` when it may have been acted on), ``GiveUp`` or ``Misconfigured``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NoReturn, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from channels.sunshine.failures import Refused
from channels.sunshine.registration import Registration
from channels.sunshine.transport import AppLine
from channels.sunshine.wire import Message, decode_attached
from gateway.core.clock import Clock
from gateway.core.errors import Ambiguous, Misconfigured, Retry
from handoff.desks.sunshine.failures import Missing, Taken, error_of
from handoff.desks.sunshine.pace import Pace
from handoff.desks.sunshine.parse import TRIGGERS
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.wire import (
    Talk,
    TalkReference,
    decode_messages,
    decode_talk,
    decode_talks,
    decode_user,
    talk_reference,
)

log = structlog.get_logger(__name__)

TALK_PAGES = 10
"""So many pages of somebody's conversations are read to find one of ours."""

Json = Mapping[str, object]

_decode_message = msgspec.json.Decoder(Message).decode
_Read = TypeVar("_Read")


class Listed(msgspec.Struct, frozen=True):
    """A message of a list, and the bytes that tell of it."""

    message: Message
    raw: bytes

    @property
    def at(self) -> datetime | None:
        return self.message.received


class SunshineCalls:
    """One app. Opened before use; opening or closing twice is harmless."""

    def __init__(self, settings: SunshineDeskSettings, clock: Clock) -> None:
        self._settings = settings
        self._line = AppLine(settings.line)
        self.pace = Pace(settings.rates.per_s, settings.rates.longest_wait_s, clock)

    async def open(self) -> None:
        await self._line.open()

    async def close(self) -> None:
        await self._line.close()

    def registration(self, webhook_url: str) -> Registration:
        """What is registered for the webhook at that address."""
        return Registration(
            self._line, self._settings.line, webhook_url, triggers=TRIGGERS, command="tertulia desk connect"
        )

    # ------------------------------------------------------------ people and conversations

    async def mirror(self, external_id: str, name: str, language: str) -> str:
        """The id of the person of that external id, made if there is none. Nobody is found by anything else."""
        profile = {key: value for key, value in (("givenName", name), ("locale", language)) if value}
        try:
            answer = await self._write("/users", {"externalId": external_id, "profile": profile})
        except Taken:
            answer = await self._read(f"/users/{quote(external_id, safe='')}")
        return _decoded(answer, decode_user).user.id

    async def make_talk(self, user_id: str, metadata: Json) -> str:
        """A new conversation of one person; returns its id."""
        participants = [{"userId": user_id, "subscribeSDKClient": False}]
        body = {"type": "personal", "participants": participants, "metadata": metadata}
        answer = await self._write("/conversations", body)
        try:
            return decode_talk(answer).conversation.id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Ambiguous(f"the answer cannot be read ({type(error).__name__})") from None

    async def find_talk(self, user_id: str, wanted: TalkReference) -> str:
        """The conversation of a person that carries *wanted*; empty when there is none."""
        query = {"filter[userId]": user_id, "page[size]": "100"}
        for _ in range(TALK_PAGES):
            page = _decoded(await self._read("/conversations", query), decode_talks)
            for talk in page.conversations:
                if talk_reference(talk) == wanted:
                    return talk.id
            after = page.meta.after_cursor if page.meta is not None and page.meta.has_more else None
            if not after:
                break
            query = {**query, "page[after]": after}
        return ""

    async def talk(self, talk_id: str) -> Talk:
        return _decoded(await self._read(_path(talk_id)), decode_talk).conversation

    # ------------------------------------------------------------ messages

    async def post(self, talk_id: str, message: Json) -> None:
        """Raises ``Ambiguous``: look before it is repeated."""
        await self._write(f"{_path(talk_id)}/messages", message)

    async def page(self, talk_id: str, before: str = "") -> list[Listed]:
        """A hundred messages at most, the newest, or those before the message *before*; in no order to rely on."""
        query = {"page[before]": before} if before else {}
        page = _decoded(await self._read(f"{_path(talk_id)}/messages", query), decode_messages)
        return [listed for raw in page.messages if (listed := _listed(bytes(raw))) is not None]

    async def upload(self, talk_id: str, name: str, mime: str, content: bytes) -> str:
        """Bring a file to a conversation; returns its address there."""
        await self.pace.turn()
        query = {"access": "public", "for": "message", "conversationId": talk_id}
        try:
            answer = await self._line.post_file(
                "/attachments", query, field="source", name=name, mime=mime, content=content
            )
        except Refused as refused:
            self._raise(refused, is_read=True)
        self.pace.worked()
        return _decoded(answer, decode_attached).attachment.media_url

    async def act(self, talk_id: str, kind: str, user_id: str) -> None:
        """Show that the customer reads or writes."""
        await self._write(f"{_path(talk_id)}/activity", {"author": {"type": "user", "userId": user_id}, "type": kind})

    # ------------------------------------------------------------ control

    async def pass_control(self, talk_id: str, target: str, metadata: Json) -> None:
        """Make *target* active; harmless when it is."""
        await self._move(talk_id, "passControl", target, metadata)

    async def offer_control(self, talk_id: str, target: str, metadata: Json) -> None:
        """Make *target* pending."""
        await self._move(talk_id, "offerControl", target, metadata)

    async def _move(self, talk_id: str, action: str, target: str, metadata: Json) -> None:
        body = {"switchboardIntegration": target, "metadata": metadata}
        try:
            await self._write(f"{_path(talk_id)}/{action}", body)
        except Missing:
            await self.talk(talk_id)
            detail = f"nobody on the switchboard is called {target!r}; run: tertulia desk connect"
            raise Misconfigured("target", detail) from None

    # ------------------------------------------------------------ how it is called

    async def _write(self, path: str, body: Json) -> bytes:
        await self.pace.turn()
        try:
            answer = await self._line.post(path, body)
        except Refused as refused:
            self._raise(refused, is_read=False)
        self.pace.worked()
        return answer

    async def _read(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        await self.pace.turn()
        try:
            answer = await self._line.get(path, query)
        except Refused as refused:
            self._raise(refused, is_read=True)
        self.pace.worked()
        return answer

    def _raise(self, refused: Refused, *, is_read: bool) -> NoReturn:
        if refused.status == 429:
            raise self.pace.refused(refused.retry_after_s) from None
        raise error_of(refused, is_read=is_read) from None


def _path(talk_id: str) -> str:
    return f"/conversations/{quote(talk_id, safe='')}"


def _listed(raw: bytes) -> Listed | None:
    try:
        return Listed(_decode_message(raw), raw)
    except msgspec.ValidationError:
        log.warning("sunshine_message_not_readable")
        return None


def _decoded(answer: bytes, decode: Callable[[bytes], _Read]) -> _Read:
    try:
        return decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Retry(f"Zendesk's answer cannot be read ({type(error).__name__})") from None
