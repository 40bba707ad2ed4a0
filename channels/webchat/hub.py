"""Everybody who is connected to this process, and what they have still to be shown.

One way leads to every screen: news say that a conversation changed, its lines are read after the last one that the
screen has, and go out in order. So a reload, a reconnection, another tab, another process and a lost piece of news are
all the same case. What is read is read for many at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice

import structlog

from channels.webchat import frames
from channels.webchat.parse import Handed, Reached, as_event
from channels.webchat.room import Link, Room, Standpoint, Voice
from channels.webchat.visitors import ADDRESS_KIND
from gateway.core.batcher import Batcher
from gateway.core.clock import Clock
from gateway.core.errors import Overloaded, TertuliaError, Unavailable
from gateway.core.ids import AccountId, ConversationId
from gateway.core.news import News, Passing
from gateway.core.ports import ReceivePort
from gateway.store import lines
from gateway.store.database import Database, is_away
from gateway.store.lines import Found, Page, Placed, Standing

log = structlog.get_logger(__name__)

PAGE_LINES = 100
BATCH = 256

ACTIVE_S = 60.0
"""For so long after something happened in a room it is looked after at every poll; later rarely."""

IDLE_POLL_S = 5.0
TOLD_POLL_S = 15.0
"""How often a quiet room is looked after, without and with Redis to tell of it."""

UNSAID_S = 0.25
"""How long after a turn its words have usually been sent."""

MAX_RECEIPTS = 10_000


class Hub:
    """The rooms of one process. ``open`` before the first link, ``close`` after the last."""

    def __init__(self, database: Database, receive: ReceivePort, news: News, clock: Clock, *, poll_s: float) -> None:
        self._receive = receive
        self._news = news
        self._clock = clock
        self._poll_s = poll_s
        self._lane = database.lane()
        self._rooms: dict[tuple[AccountId, str], Room] = {}
        self._by_conversation: dict[ConversationId, Room] = {}
        self._active: OrderedDict[Room, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._receipts: list[tuple[Standpoint, Reached]] = []
        self._has_receipts = asyncio.Event()
        self._is_closing = False
        self._stop_listening: Callable[[], None] | None = None
        self._pages: Batcher[tuple[ConversationId, int], Page | None] = Batcher(
            self._read_pages, limit=BATCH, is_systemic=is_away
        )
        self._places: Batcher[tuple[AccountId, str], Placed | None] = Batcher(
            self._read_places, limit=BATCH, is_systemic=is_away
        )
        self._unread: Batcher[tuple[ConversationId, int], tuple[str, ...]] = Batcher(
            self._read_unread, limit=BATCH, is_systemic=is_away
        )
        self._finds: Batcher[tuple[AccountId, str, str], Found | None] = Batcher(
            self._read_finds, limit=BATCH, is_systemic=is_away
        )

    async def open(self) -> None:
        self._stop_listening = self._news.listen(
            self._said, self._passed, decided=self._decided, marked=lambda _conversation_id: None
        )
        for work in (self._poll(), self._tell_receipts()):
            self._start(work)

    async def close(self) -> None:
        self._is_closing = True
        if self._stop_listening is not None:
            self._stop_listening()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for batcher in (self._pages, self._places, self._unread, self._finds):
            await batcher.close()

    @property
    def links(self) -> list[Link]:
        """Everybody who is connected."""
        return [link for room in self._rooms.values() for link in room.links]

    async def join(self, standpoint: Standpoint, address: str, link: Link, voice: Voice) -> Room:
        """Connect *link* to the conversation at *address*; what it has missed comes first, then what happens."""
        key = (standpoint.account_id, address)
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = Room(standpoint, address, voice)
        room.links.add(link)
        self._touch(room)
        if room.conversation_id is None:
            found = await self._finds((standpoint.account_id, ADDRESS_KIND, address))
            if found is not None:
                self._settle_in(room, found.conversation_id)
        self._refresh(room)
        return room

    async def has_moved(self, standpoint: Standpoint, address: str) -> bool:
        """Whether the conversation that began at *address* belongs to another one now: its visitor signed in."""
        found = await self._finds((standpoint.account_id, ADDRESS_KIND, address))
        return found is not None and found.recipient != address

    def leave(self, room: Room, link: Link) -> None:
        """A link is gone; a room without links is forgotten."""
        room.links.discard(link)
        if room.links:
            return
        self._active.pop(room, None)
        self._rooms.pop((room.standpoint.account_id, room.address), None)
        if room.conversation_id is not None and self._by_conversation.get(room.conversation_id) is room:
            del self._by_conversation[room.conversation_id]

    async def say(self, standpoint: Standpoint, handed: Handed, address: str, client_id: str) -> int:
        """Store a visitor's message; returns its place. Raises ``Unavailable`` or ``Overloaded``: then it is not.

        The same ``client_id`` again is harmless, and answers with the same place.
        """
        await self._receive.accept(standpoint.channel, standpoint.endpoint, [as_event(handed)])
        placed = await self._places((standpoint.account_id, frames.provider_id(address, client_id)))
        if placed is None:
            raise Unavailable("the message is not stored yet")
        room = self._rooms.get((standpoint.account_id, address))
        if room is not None:
            if room.conversation_id is None:
                self._settle_in(room, placed.conversation_id)
            self._touch(room)
            self._refresh(room)
        return placed.position

    async def has_read(self, standpoint: Standpoint, address: str, seq: int, by: Link | None = None) -> None:
        """The visitor saw everything up to *seq*: receipts for us, and a hint for their other tabs."""
        room = self._rooms.get((standpoint.account_id, address))
        if room is not None and seq <= room.seen_to:
            return
        conversation_id = room.conversation_id if room else None
        if conversation_id is None:
            found = await self._finds((standpoint.account_id, ADDRESS_KIND, address))
            conversation_id = None if found is None else found.conversation_id
        if conversation_id is None:
            return
        if room is not None:
            room.seen_to = max(room.seen_to, min(seq, room.head))
            room.tell_seen(seq, besides=by)
        refs = await self._unread((conversation_id, seq))
        self._reach(standpoint, refs, "read")

    def is_typing(self, room: Room, *, is_on: bool) -> None:
        """The visitor writes; shown at the desk."""
        if room.conversation_id is not None:
            self._news.passing(Passing(room.conversation_id, "typing", author="customer", is_on=is_on))

    def _settle_in(self, room: Room, conversation_id: ConversationId) -> None:
        room.conversation_id = conversation_id
        self._by_conversation[conversation_id] = room

    def _said(self, conversation_id: ConversationId) -> None:
        room = self._by_conversation.get(conversation_id)
        if room is not None:
            self._touch(room)
            self._refresh(room)

    def _decided(self, conversation_id: ConversationId) -> None:
        """A turn's words are news when they are sent; only what a turn without words changed must be looked for."""
        room = self._by_conversation.get(conversation_id)
        if room is not None:
            asyncio.get_running_loop().call_later(UNSAID_S, self._refresh_unless_read, room, room.reads)

    def _refresh_unless_read(self, room: Room, reads: int) -> None:
        if room.reads == reads and room.links:
            self._refresh(room)

    def _passed(self, passing: Passing) -> None:
        room = self._by_conversation.get(passing.conversation_id)
        if room is not None:
            room.pass_on(passing)

    def _touch(self, room: Room) -> None:
        if room.links:
            self._active[room] = self._clock.monotonic()
            self._active.move_to_end(room)

    def _refresh(self, room: Room) -> None:
        room.is_stale = True
        if not room.is_reading and room.conversation_id is not None and not self._is_closing:
            room.is_reading = True
            self._start(self._bring_up(room))

    async def _bring_up(self, room: Room) -> None:
        """Read for every cursor of the room until nothing is new. One at a time for a room."""
        try:
            while room.is_stale and room.links and room.conversation_id is not None:
                room.is_stale = False
                room.reads += 1
                for cursor in {link.cursor for link in room.links}:
                    page = await self._pages((room.conversation_id, cursor))
                    if page is not None:
                        delivered = room.show(page, cursor)
                        self._reach(room.standpoint, delivered, "delivered")
        except (Unavailable, Overloaded):
            room.is_stale = True  # the next poll tries again
        except Exception:
            log.exception("room_not_refreshed", conversation_id=str(room.conversation_id))
        finally:
            room.is_reading = False

    def _reach(self, standpoint: Standpoint, refs: Sequence[str], reached: str) -> None:
        if not refs or len(self._receipts) >= MAX_RECEIPTS:
            return
        now = self._clock.now()
        self._receipts.extend((standpoint, Reached(ref=ref, at=now, status=reached)) for ref in refs)
        self._has_receipts.set()

    async def _tell_receipts(self) -> None:
        """Hand receipts on, those that gather meanwhile together; one that is lost is made good by the next read."""
        while True:
            await self._has_receipts.wait()
            self._has_receipts.clear()
            waiting, self._receipts = self._receipts, []
            by_standpoint: dict[Standpoint, list[Reached]] = {}
            for standpoint, reached in waiting:
                by_standpoint.setdefault(standpoint, []).append(reached)
            for standpoint, group in by_standpoint.items():
                try:
                    events = [as_event(reached) for reached in group]
                    await self._receive.accept(standpoint.channel, standpoint.endpoint, events)
                except TertuliaError as error:
                    log.debug("receipts_postponed", count=len(group), reason=str(error))
                    self._receipts.extend((standpoint, reached) for reached in group)
                    await self._clock.sleep(0.5)
                    self._has_receipts.set()

    async def _poll(self) -> None:
        """Look after the rooms without being told: at once where something just happened, else rarely."""
        beat = 0
        while True:
            await self._clock.sleep(self._poll_s)
            beat += 1
            try:
                for rooms in _chunks(self._due(beat), BATCH):
                    await self._look(rooms)
            except (Unavailable, Overloaded):
                continue
            except Exception:
                log.exception("rooms_not_polled")

    def _due(self, beat: int) -> list[Room]:
        """Active rooms, and a share of the quiet ones, so that each has its turn."""
        now = self._clock.monotonic()
        while self._active:
            room, since = next(iter(self._active.items()))
            if now - since < ACTIVE_S:
                break
            if room.is_with_people:  # an answer may come at any moment, and from any process
                self._touch(room)
            else:
                del self._active[room]
        shares = max(1, round((TOLD_POLL_S if self._news.reaches_others else IDLE_POLL_S) / self._poll_s))
        quiet = [room for room in islice(self._rooms.values(), beat % shares, None, shares) if room not in self._active]
        return [*self._active, *quiet]

    async def _look(self, rooms: Sequence[Room]) -> None:
        await self._settle_strangers([room for room in rooms if room.conversation_id is None])
        known = {room.conversation_id: room for room in rooms if room.conversation_id is not None}
        if not known:
            return
        async with self._lane.transaction() as connection:
            standings = await lines.look(connection, list(known))
        for conversation_id, room in known.items():
            standing = standings.get(conversation_id)
            if standing is not None and _has_news(room, standing):
                self._refresh(room)

    async def _settle_strangers(self, rooms: Sequence[Room]) -> None:
        """Rooms in which nothing was said yet: perhaps it was, at another process."""
        if not rooms:
            return
        async with self._lane.transaction() as connection:
            found = await lines.find(
                connection, [(room.standpoint.account_id, ADDRESS_KIND, room.address) for room in rooms]
            )
        for room, place in zip(rooms, found, strict=True):
            if place is not None and room.links:
                self._settle_in(room, place.conversation_id)
                self._refresh(room)

    def _start(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read_pages(self, wanted: Sequence[tuple[ConversationId, int]]) -> list[Page | None]:
        async with self._lane.transaction() as connection:
            return await lines.read(connection, wanted, limit=PAGE_LINES)

    async def _read_places(self, wanted: Sequence[tuple[AccountId, str]]) -> list[Placed | None]:
        async with self._lane.transaction() as connection:
            return await lines.place(connection, wanted)

    async def _read_unread(self, wanted: Sequence[tuple[ConversationId, int]]) -> list[tuple[str, ...]]:
        async with self._lane.transaction() as connection:
            return await lines.unread(connection, wanted)

    async def _read_finds(self, wanted: Sequence[tuple[AccountId, str, str]]) -> list[Found | None]:
        async with self._lane.transaction() as connection:
            return await lines.find(connection, wanted)


def _has_news(room: Room, standing: Standing) -> bool:
    """Whether there are lines behind the last one shown, or somebody else has the conversation."""
    behind = any(link.cursor < standing.next_position - 1 for link in room.links)
    return behind or room.is_stale or standing.epoch != room.epoch


def _chunks(rooms: Sequence[Room], size: int) -> list[Sequence[Room]]:
    return [rooms[start : start + size] for start in range(0, len(rooms), size)]
