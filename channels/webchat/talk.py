"""What a visitor's client may say, whichever way it comes: over a socket, or by single requests."""

from __future__ import annotations

import math

import msgspec

from channels.webchat import frames
from channels.webchat.frames import BadFrame, MessageIn, PingIn, ReadIn, TypingIn
from channels.webchat.hub import Hub
from channels.webchat.parse import Said
from channels.webchat.rates import Buckets
from channels.webchat.room import Link, Room, Standpoint
from channels.webchat.uploads import Uploads
from channels.webchat.visitors import Visitor
from gateway.core.clock import Clock
from gateway.core.errors import Overloaded, Unavailable
from gateway.core.inbound import Profile


class Place(msgspec.Struct, frozen=True):
    """Who speaks, from which network address, and in which of their conversations."""

    visitor: Visitor
    number: int
    source: str = ""

    @property
    def address(self) -> str:
        return self.visitor.address(self.number).value


class Answer(msgspec.Struct, frozen=True):
    """The frame to answer with; ``refused`` is the reason when it is a refusal. ``seq`` 0: nothing was stored."""

    frame: bytes
    refused: str = ""
    message: str = ""
    retry_after_s: float = 0.0


class Talk:
    """Takes the frames of one site."""

    def __init__(
        self,
        standpoint: Standpoint,
        hub: Hub,
        uploads: Uploads,
        *,
        by_visitor: Buckets,
        by_source: Buckets,
        clock: Clock,
    ) -> None:
        self._standpoint = standpoint
        self._hub = hub
        self._uploads = uploads
        self._by_visitor = by_visitor
        self._by_source = by_source
        self._clock = clock

    async def hear(
        self, place: Place, data: str | bytes, room: Room | None = None, by: Link | None = None
    ) -> Answer | None:
        """Deal with one frame; ``None``: there is nothing to say to it. Raises ``NotJson``."""
        try:
            frame = frames.read_frame(data)
        except BadFrame as error:
            return _refusal(error.client_id, error.reason, error.message)
        match frame:
            case MessageIn():
                return await self._message(place, frame)
            case TypingIn():
                if room is not None:
                    self._hub.is_typing(room, is_on=frame.on)
            case ReadIn():
                await self._read(place, frame.seq, by)
            case PingIn():
                return Answer(frames.pong())
            case None:
                pass
        return None

    async def _message(self, place: Place, frame: MessageIn) -> Answer:
        wait_s = self._by_visitor.wait_s(place.visitor.id) or self._by_source.wait_s(place.source)
        if wait_s > 0:
            return _refusal(frame.id, "too_many", "these are many messages at once; wait a moment", wait_s)
        try:
            parts = frames.parts_of(frame, lambda upload: self._uploads.redeem(place.visitor, upload))
        except BadFrame as error:
            return _refusal(frame.id, error.reason, error.message)
        visitor = place.visitor
        said = Said(
            address=place.address,
            client_id=frame.id,
            at=self._clock.now(),
            parts=parts,
            person=visitor.id,
            profile=Profile(name=visitor.name, language=visitor.language, details=visitor.details),
            page=visitor.page,
        )
        try:
            seq = await self._hub.say(self._standpoint, said, place.address, frame.id)
        except (Unavailable, Overloaded) as error:
            return _refusal(frame.id, "unavailable", "the message could not be stored; send it again", error.after_s)
        return Answer(frames.accepted(frame.id, seq))

    async def _read(self, place: Place, seq: int, by: Link | None) -> None:
        try:
            await self._hub.has_read(self._standpoint, place.address, seq, by)
        except (Unavailable, Overloaded):
            return  # the next one says it as well


def _refusal(client_id: str, reason: str, message: str, retry_after_s: float | None = None) -> Answer:
    wait_s = None if retry_after_s is None else math.ceil(retry_after_s * 10) / 10
    frame = frames.refused(client_id, reason, message, retry_after_s=wait_s)
    return Answer(frame, reason, message, wait_s or 0.0)
