"""Makes the personas under which agents speak, once each, and remembers them.

A persona is a name with a picture, and Meta knows it by an id of its own
(developers.facebook.com, *Personas*, of 2026-04-22: names of up to 50 characters, pictures of up to 8 MB that Meta
fetches and keeps under an address of its own). So the list that Meta gives can be searched by name only: what is
already remembered as another picture of that name is passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import cast

import msgspec
import structlog
from pydantic import SecretStr

from channels._meta.failures import GraphError, GraphRefused
from channels._meta.graph import GraphLine
from channels._meta.messaging.failures import named
from channels._meta.messaging.wire import MadePersona, decode_made_persona, decode_personas
from gateway.core.channel import Call, Kept
from gateway.core.clock import Clock
from gateway.core.errors import Retry, TertuliaError

log = structlog.get_logger(__name__)

PARAM = "persona"
"""Where ``render`` puts a :class:`Speaker` in ``Call.params``; it never leaves us."""

REMEMBERED = 1000
MOST_PICTURES = 8
"""Pictures remembered of one name; the oldest persona is deleted when there are more."""

MAKING_S = 5.0
REST_S = 60.0
"""How long an account goes without personas after one could not be had."""

PAGES = 10
PAGE = 100


class Speaker(msgspec.Struct, frozen=True):
    """As whom a call speaks. ``before`` is what stands before its words where there is no persona."""

    name: str
    picture_url: str
    before: str = ""


class _Pictures(msgspec.Struct):
    """What is kept of one name: the ids of its personas by a digest of the picture's address, newest last."""

    ids: dict[str, str] = {}


class Personas:
    """The ids of an app's personas: in memory, else kept from an earlier run or another process, else found, else made.

    Of those who want a persona of one account at a time one makes it. A process that dies before it has written an id
    down leaves a persona that the next one finds by its name.
    """

    def __init__(self, line: GraphLine, kept: Kept | None, clock: Clock) -> None:
        self._line = line
        self._kept = kept
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, str], str] = OrderedDict()
        self._making: dict[str, asyncio.Lock] = {}
        self._rests_until: dict[str, float] = {}

    def known(self, account: str, name: str) -> str:
        """The persona under which that name spoke last in this process, or the empty text. Asks nobody."""
        keys = (key for key in reversed(self._known) if key[:2] == (account, name))
        return next((self._known[key] for key in keys), "")

    async def id_of(self, account: str, token: SecretStr, speaker: Speaker, *, may_ask: bool = True) -> str:
        """The persona's id, or the empty text where none can be had now. Raises nothing.

        Without *may_ask* Meta is not asked: its allowance is needed for messages.
        """
        key = (account, speaker.name, _digest(speaker.picture_url))
        if known := self._known.get(key):
            return known
        if not may_ask or self._clock.monotonic() < self._rests_until.get(account, 0.0):
            return ""
        try:
            async with asyncio.timeout(MAKING_S), self._making.setdefault(account, asyncio.Lock()):
                if known := self._known.get(key):
                    return known
                made = await self._recalled_or_made(key, token, speaker)
        except (TertuliaError, TimeoutError) as error:
            self._rests_until[account] = self._clock.monotonic() + REST_S
            log.warning("persona_not_made", account=account, reason=str(error)[:200] or type(error).__name__)
            return ""
        self._remember(key, made)
        return made

    async def forget(self, account: str, speaker: Speaker) -> None:
        """Meta does not know the persona any more: the next who wants it looks for it, or makes it anew."""
        key = (account, speaker.name, _digest(speaker.picture_url))
        self._known.pop(key, None)
        try:
            pictures = await self._read(key)
            if pictures.ids.pop(key[2], None) is not None:
                await self._write(key, pictures)
        except TertuliaError as error:
            log.warning("persona_not_forgotten", account=account, reason=type(error).__name__)

    async def _recalled_or_made(self, key: tuple[str, str, str], token: SecretStr, speaker: Speaker) -> str:
        pictures = await self._read(key)
        if known := pictures.ids.get(key[2]):
            return known
        try:
            found = await self._found(token, speaker.name, set(pictures.ids.values()))
            made = found or await self._made(token, speaker)
            pictures.ids[key[2]] = made
            await self._write(key, pictures)
            await self._drop_oldest(key, token, pictures)
        except GraphRefused as refused:
            raise named(refused.error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Retry(f"the answer cannot be read ({type(error).__name__})") from None
        return made

    async def _found(self, token: SecretStr, name: str, others: set[str]) -> str:
        """A persona of that name which nobody remembers: left by a process that died."""
        after = ""
        for _ in range(PAGES):
            params = {"fields": "id,name", "limit": str(PAGE)} | ({"after": after} if after else {})
            page = decode_personas((await self._line.get("me/personas", params, token)).body)
            for persona in page.data:
                if persona.name == name and persona.id and persona.id not in others:
                    return persona.id
            after = page.paging.cursors.after if page.paging is not None and len(page.data) == PAGE else ""
            if not after:
                break
        return ""

    async def _made(self, token: SecretStr, speaker: Speaker) -> str:
        body = {"name": speaker.name, "profile_picture_url": speaker.picture_url}
        made: MadePersona = decode_made_persona((await self._line.post("me/personas", body, token)).body)
        return made.id

    async def _drop_oldest(self, key: tuple[str, str, str], token: SecretStr, pictures: _Pictures) -> None:
        if len(pictures.ids) <= MOST_PICTURES:
            return
        oldest = next(iter(pictures.ids))
        gone = pictures.ids.pop(oldest)
        self._known.pop((key[0], key[1], oldest), None)
        await self._write(key, pictures)
        await self._line.delete(gone, {}, token)

    def _remember(self, key: tuple[str, str, str], persona_id: str) -> None:
        self._known[key] = persona_id
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _read(self, key: tuple[str, str, str]) -> _Pictures:
        text = await self._kept.get(_name_of(key)) if self._kept is not None else ""
        try:
            return msgspec.json.decode(text, type=_Pictures) if text else _Pictures()
        except msgspec.DecodeError:
            return _Pictures()

    async def _write(self, key: tuple[str, str, str], pictures: _Pictures) -> None:
        if self._kept is not None:
            await self._kept.put(_name_of(key), msgspec.json.encode(pictures).decode())


def spoken(call: Call, persona_id: str) -> Call:
    """The call as it leaves us: under a persona, or with the name before its words where there is none. Pure."""
    speaker = call.params.get(PARAM)
    if not isinstance(speaker, Speaker):
        return call
    params = {name: value for name, value in call.params.items() if name != PARAM}
    if persona_id:
        return msgspec.structs.replace(call, params={**params, "persona_id": persona_id})
    if speaker.before:
        params["message"] = with_words_before(cast("dict[str, object]", params["message"]), speaker.before)
    return msgspec.structs.replace(call, params=params)


def with_words_before(message: dict[str, object], words: str) -> dict[str, object]:
    """The message with *words* before its own, where it has any. Pure."""
    if isinstance(message.get("text"), str):
        return {**message, "text": f"{words}{message['text']}"}
    match message.get("attachment"):
        case {"type": "template", "payload": {"text": str(text), **payload}}:
            return {**message, "attachment": {"type": "template", "payload": {**payload, "text": f"{words}{text}"}}}
    return message


def speaker_of(call: Call) -> Speaker | None:
    """As whom a rendered call wants to speak."""
    speaker = call.params.get(PARAM)
    return speaker if isinstance(speaker, Speaker) else None


def may_be_the_persona(error: GraphError) -> bool:
    """Whether a refusal may mean that Meta does not know the persona (any more): it has no subcode of its own."""
    return error.code == 100 and (not error.subcode or "persona" in error.message.lower())


def _digest(picture_url: str) -> str:
    return hashlib.blake2b(picture_url.encode(), digest_size=8).hexdigest()


def _name_of(key: tuple[str, str, str]) -> str:
    """Names of people are kept nowhere but in what they said: a digest stands in."""
    return f"persona/{key[0]}/{hashlib.blake2b(key[1].encode(), digest_size=16).hexdigest()}"
