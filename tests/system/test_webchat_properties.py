"""However messages, decisions, lost news, comings and goings fall together, each screen shows every line once."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.webchat.hub import Hub
from channels.webchat.room import Link, Room, Standpoint, Voice
from gateway.core.clock import SystemClock
from gateway.core.ids import AccountId, ConversationId, new_id
from gateway.core.news import News
from gateway.store.database import Database

pytestmark = pytest.mark.system

SITE = Standpoint("webchat", "site", AccountId(1))
VOICE = Voice("Lumi", lambda media: media.blob)

MOVES = st.lists(
    st.sampled_from(["write", "answer", "decide", "withdraw", "join", "leave", "news", "news", "poll"]),
    min_size=4,
    max_size=30,
)


class Screen:
    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.empty: list[int] = []

    async def send(self, frame: bytes, seq: int | None) -> None:
        shown = json.loads(frame)
        if shown["type"] == "message":
            assert shown["seq"] == seq
            self.seqs.append(shown["seq"])
            if not shown["parts"]:
                self.empty.append(shown["seq"])

    async def hang_up(self, code: int, reason: str) -> None:
        raise AssertionError(f"cut off: {code} {reason}")


class Receipts:
    """Receive, as far as receipts go."""

    async def accept(self, channel: str, endpoint: str, parsed: object) -> None: ...


class World:
    """One conversation, and a hub that hears of it only when told."""

    def __init__(self, sql: asyncpg.Connection, hub: Hub, news: News, conversation: ConversationId) -> None:
        self.sql = sql
        self.hub = hub
        self.news = news
        self.conversation = conversation
        self.address = f"v_{conversation.hex}/0"
        self.statuses: list[str] = []
        self.screens: list[tuple[int, Screen]] = []
        self.present: list[tuple[Room, Link]] = []

    async def begin(self) -> None:
        address, contact = uuid.uuid4(), uuid.uuid4()
        await self.sql.execute(
            "INSERT INTO conversation (id, account_id, address_id, contact_id) VALUES ($1, 1, $2, $3)",
            self.conversation,
            address,
            contact,
        )
        await self.sql.execute(
            "INSERT INTO address (id, account_id, contact_id, recipient) VALUES ($1, 1, $2, $3)",
            address,
            contact,
            self.address,
        )
        await self.sql.execute(
            "INSERT INTO address_alias VALUES (1, 'visitor', $1, $2, $3)", self.address, address, self.conversation
        )

    async def append(self, author: str, status: str) -> None:
        self.statuses.append(status)
        async with self.sql.transaction():
            await self.sql.execute(
                "INSERT INTO message (conversation_id, position, id, author, status, parts, provider_message_id)"
                """ VALUES ($1, $2, $3, $4, $5, '[{"type":"text","text":"x"}]', $6)""",
                self.conversation,
                len(self.statuses),
                new_id(),
                author,
                status,
                f"ref-{uuid.uuid4()}",
            )
            await self.sql.execute(
                "UPDATE conversation SET next_position = $2 WHERE id = $1", self.conversation, len(self.statuses) + 1
            )

    async def decide(self, status: str) -> None:
        """The oldest one on its way is settled, as the outbox does it."""
        if "queued" in self.statuses:
            number = self.statuses.index("queued")
            self.statuses[number] = status
            await self.sql.execute(
                "UPDATE message SET status = $3 WHERE conversation_id = $1 AND position = $2",
                self.conversation,
                number + 1,
                status,
            )

    async def join(self, after: int) -> None:
        screen = Screen()
        link = Link(screen, after, "es")
        self.screens.append((after, screen))
        self.present.append((await self.hub.join(SITE, self.address, link, VOICE), link))

    def leave(self) -> None:
        if self.present:
            self.hub.leave(*self.present.pop(0))

    async def move(self, name: str, choose: st.DataObject) -> None:
        match name:
            case "write":
                await self.append("customer", "received")
            case "answer":
                await self.append("bot", "queued")
            case "decide":
                await self.decide("sent")
            case "withdraw":
                await self.decide("withdrawn")
            case "join":
                await self.join(choose.draw(st.integers(0, len(self.statuses))))
            case "leave":
                self.leave()
            case "news":
                self.news.changed([self.conversation])
            case _:
                await self.hub._look(list(self.hub._rooms.values()))

    async def rest(self) -> None:
        """Until the hub has nothing to do."""
        while any(room.is_reading for room, _ in self.present) or any(
            link._writer is not None for _, link in self.present
        ):
            await asyncio.sleep(0)


async def play(dsn: str, moves: list[str], choose: st.DataObject) -> None:
    database, news = Database(dsn), News()
    sql = await asyncpg.connect(dsn)
    hub = Hub(database, Receipts(), news, SystemClock(), poll_s=3600)
    await hub.open()
    world = World(sql, hub, news, ConversationId(new_id()))
    try:
        await world.begin()
        await world.join(0)
        for name in moves:
            await world.move(name, choose)
            if choose.draw(st.booleans()):
                await world.rest()
        while "queued" in world.statuses:
            await world.decide("sent")
        await world.join(0)
        await hub._look(list(hub._rooms.values()))
        await world.rest()
        total = len(world.statuses)
        gone = len(world.screens) - len(world.present)
        for number, (after, screen) in enumerate(world.screens):
            end = after + len(screen.seqs) if number < gone else total
            assert screen.seqs == list(range(after + 1, end + 1))
            assert screen.empty == [seq for seq in screen.seqs if world.statuses[seq - 1] == "withdrawn"]
    finally:
        await hub.close()
        await database.close()
        await sql.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, choose=st.data())
def test_every_screen_shows_every_line_once_and_in_order(dsn: str, moves: list[str], choose: st.DataObject) -> None:
    asyncio.run(play(dsn, moves, choose))
