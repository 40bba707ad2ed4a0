"""One conversation as those see it who are connected to it here: links with their cursors, and what each was shown."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from channels.webchat import frames
from channels.webchat.speakers import control_text
from gateway.core.control import Control
from gateway.core.ids import AccountId, ConversationId
from gateway.core.messages import Author, Media, Status
from gateway.core.news import Passing
from gateway.store.lines import Line, Page

MAX_QUEUE = 256
"""Frames that may wait for one client; beyond it the client is cut off, and resumes when it reads again."""

MAX_OWN = 50
"""The visitor's own newest messages, whose being read is told."""


class Voice(msgspec.Struct, frozen=True):
    """How a site speaks: what the bot is called there, and where files are found."""

    bot_name: str
    link: Callable[[Media], str]


class Standpoint(msgspec.Struct, frozen=True):
    """The site that a room belongs to: where its events go."""

    channel: str
    endpoint: str
    account_id: AccountId


class Wire(Protocol):
    """The connection of one client."""

    async def send(self, frame: bytes, seq: int | None) -> None:
        """Write a frame; waits while the client's buffer is full. ``seq`` is a message's. Raises ``OSError``."""
        ...

    async def hang_up(self, code: int, reason: str) -> None:
        """End the connection; ``code`` as WebSockets have them."""
        ...


class Link:
    """One client's connection and how far it is. Frames wait in a queue; a task writes only while there are some."""

    __slots__ = ("_is_cut", "_queue", "_writer", "cursor", "has_begun", "language", "wire")

    def __init__(self, wire: Wire, cursor: int, language: str) -> None:
        self.wire = wire
        self.cursor = cursor
        self.language = language
        self.has_begun = False
        self._queue: deque[tuple[bytes, int | None]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._is_cut = False

    def put(self, frame: bytes, seq: int | None = None) -> None:
        """Send when the client can take it. Too many waiting: the connection is ended."""
        if self._is_cut:
            return
        if len(self._queue) >= MAX_QUEUE:
            self.cut(1013, "reads too slowly; resume with after")
            return
        self._queue.append((frame, seq))
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    def cut(self, code: int, reason: str) -> None:
        """End the connection from our side, once; nothing more is sent."""
        if self._is_cut:
            return
        self._is_cut = True
        self._queue.clear()
        if self._writer is not None:
            self._writer.cancel()
        self._writer = asyncio.get_running_loop().create_task(self._hang_up(code, reason))

    async def wait_cut(self) -> None:
        """Return when a connection that was cut is ended."""
        if self._is_cut and self._writer is not None:
            await asyncio.wait([self._writer])

    async def _hang_up(self, code: int, reason: str) -> None:
        await self.wire.hang_up(code, reason)

    async def _write(self) -> None:
        try:
            while self._queue:
                frame, seq = self._queue.popleft()
                await self.wire.send(frame, seq)
        except OSError:
            self._queue.clear()  # the reading side notices by itself
        finally:
            if not self._is_cut:
                self._writer = None


class Room:
    """A conversation with its links.

    ``head`` is the highest place shown to anybody here, ``epoch`` that of the control last told, ``seen_to`` how far
    the visitor has read, ``read_to`` how far we have read them.
    """

    __slots__ = (
        "__weakref__",
        "_agent",
        "_control",
        "_delivered_to",
        "_own",
        "_read_to",
        "address",
        "conversation_id",
        "epoch",
        "head",
        "is_reading",
        "is_stale",
        "links",
        "reads",
        "seen_to",
        "standpoint",
        "voice",
    )

    def __init__(self, standpoint: Standpoint, address: str, voice: Voice) -> None:
        self.standpoint = standpoint
        self.address = address
        self.voice = voice
        self.links: set[Link] = set()
        self.conversation_id: ConversationId | None = None
        self.is_stale = False
        self.is_reading = False
        self.head = 0
        self.seen_to = 0
        self.epoch = -1
        self._control = Control.BOT
        self._agent = ""
        self._read_to = 0
        self._delivered_to = 0
        self.reads = 0
        self._own: deque[int] = deque(maxlen=MAX_OWN)

    @property
    def is_with_people(self) -> bool:
        """Whether somebody waits for a person here, or has one."""
        return self._control is not Control.BOT

    def show(self, page: Page, cursor: int) -> list[str]:
        """Show the lines of *page* to the links at *cursor*; returns what reached a screen for the first time.

        Lines go out as far as it is decided whether they are seen. What is left is read again when it is.
        """
        decided = _decided(page.lines)
        self._note_read(page, decided)
        links = [link for link in self.links if link.cursor == cursor]
        shown = [
            (line, frames.message(line, self._name(line), self._status(line), self.voice.link)) for line in decided
        ]
        for link in links:
            for line, frame in shown:
                link.cursor = line.position
                link.put(frame, line.position)
        if decided and links:
            self.head = max(self.head, decided[-1].position)
        if page.is_full and len(decided) == len(page.lines):
            self.is_stale = True
        self._tell_control(page, links)
        return self._newly_delivered(decided) if links else []

    def pass_on(self, passing: Passing) -> None:
        """Show something passing. What the visitor does themselves is not told to them."""
        match passing.kind:
            case "typing" if passing.author != Author.CUSTOMER:
                name = passing.name or (self.voice.bot_name if passing.author == Author.BOT else "")
                self._put_all(frames.typing(passing.author, name, is_on=passing.is_on))
            case "delta":
                self._put_all(frames.delta(passing.subject, passing.text))
            case "seen":
                self._tell_read(self.head)
            case _:
                pass

    def tell_seen(self, seq: int, *, besides: Link | None) -> None:
        """Another tab of the visitor has shown everything up to *seq*."""
        frame = frames.status(seq, "read")
        for link in self.links:
            if link is not besides:
                link.put(frame)

    def _put_all(self, frame: bytes) -> None:
        for link in self.links:
            link.put(frame)

    def _name(self, line: Line) -> str:
        match line.author:
            case Author.BOT:
                return self.voice.bot_name
            case Author.AGENT:
                return line.speaker
            case _:
                return ""

    def _status(self, line: Line) -> str:
        if line.author is Author.CUSTOMER:
            return "read" if line.position <= self._read_to else "delivered"
        return "sent" if line.status is Status.QUEUED else line.status.value

    def _note_read(self, page: Page, decided: tuple[Line, ...]) -> None:
        """Who answers has read; and the bot has, when it took the message into a turn."""
        answered = [line.position - 1 for line in decided if line.author in (Author.BOT, Author.AGENT)]
        reached = max(answered, default=0)
        if page.control is Control.BOT:
            reached = max(reached, page.read_position - 1)
        self._tell_read(reached)
        own = (line.position for line in decided if line.author is Author.CUSTOMER)
        self._own.extend(position for position in own if position > self._read_to and position not in self._own)

    def _tell_read(self, reached: int) -> None:
        if reached <= self._read_to:
            return
        self._read_to = reached
        while self._own and self._own[0] <= reached:
            frame = frames.status(self._own.popleft(), "read")
            self._put_all(frame)

    def _tell_control(self, page: Page, brought_up: list[Link]) -> None:
        """Everybody hears of a change; who comes new hears of it after what was missed, if it is not the bot."""
        has_changed = (page.control, page.agent) != (self._control, self._agent)
        self.epoch, self._control, self._agent = page.epoch, page.control, page.agent
        begins = [] if page.is_full else [link for link in brought_up if not link.has_begun]
        hears = [link for link in self.links if link.has_begun] if has_changed else []
        if page.control is not Control.BOT:
            hears += begins
        for link in hears:
            link.put(frames.control(page.control, page.agent, control_text(page.control, page.agent, link.language)))
        for link in begins:
            link.has_begun = True

    def _newly_delivered(self, decided: tuple[Line, ...]) -> list[str]:
        fresh = [line for line in decided if line.position > self._delivered_to and line.status is Status.SENT]
        if decided:
            self._delivered_to = max(self._delivered_to, decided[-1].position)
        return [line.provider_message_id for line in fresh if line.provider_message_id]


def _decided(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    for number, line in enumerate(lines):
        if not frames.is_decided(line):
            return lines[:number]
    return lines
