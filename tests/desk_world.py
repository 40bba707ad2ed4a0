"""A desk as a browser finds it, on a real database, and customers whose words are put there as receive would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import msgspec
from aiohttp import web

from channels.browser_files import BrowserFiles
from gateway.core.clock import SystemClock
from gateway.core.ids import ConversationId, HandoffId, new_id
from gateway.core.messages import Choice, Media, Option, Parts, Text, encode_parts
from gateway.core.news import News
from gateway.core.ports import AnnouncementPort
from gateway.core.turns import Candidate, Entity, Resolution
from gateway.router.agents import Agents
from gateway.router.wakes import Wakes
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.web.desk import DeskDoors, DeskParts, ReplyLine
from gateway.web.desk.surface import NoSurfaces, Surfaces
from gateway.web.server import UI

TOKEN = "the-token-of-the-desk-tests"


class Words:
    """An author who has words for who comes and who leaves."""

    def announcement(self, key: str, language: str, *, agent: str = "") -> Parts | None:
        return (Text(f"{key} {language} {agent}".strip()),)


class Case(msgspec.Struct, frozen=True):
    conversation: ConversationId
    handoff: HandoffId | None


class World:
    """Writes straight into the tables what the pipeline would have written."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._number = 0

    async def conversation(
        self,
        name: str = "Marta Ríos",
        *,
        reason: str | None = "asked",
        asked_ago_s: float = 60,
        language: str = "es",
        details: dict[str, object] | None = None,
        slots: dict[str, object] | None = None,
        app: str = "Web chat",
        agent: str = "",
    ) -> Case:
        """A customer, with a case when there is a *reason*, which *agent* has when one is named."""
        self._number += 1
        conversation, contact, address, episode, handoff = (new_id() for _ in range(5))
        account = await self.connection.fetchval(
            """INSERT INTO account (channel, endpoint, name, external, app) VALUES ('paper', 'main', $1, $1, $1)
               ON CONFLICT (channel, endpoint, name) DO UPDATE SET app = excluded.app RETURNING id""",
            app,
        )
        at = datetime.now(UTC) - timedelta(seconds=asked_ago_s)
        control = "bot" if reason is None else "agent" if agent else "queued"
        await self._insert(
            "contact", id=contact, name=name, language=language, details=msgspec.json.encode(details or {}).decode()
        )
        await self._insert("address", id=address, account_id=account, contact_id=contact, recipient=f"r{self._number}")
        await self._insert("episode", id=episode, conversation_id=conversation, opened_at=at)
        await self._insert(
            "conversation",
            id=conversation,
            account_id=account,
            address_id=address,
            contact_id=contact,
            control=control,
            handoff_id=None if reason is None else handoff,
            agent=agent,
            epoch=0 if reason is None else 1,
            episode_id=episode,
            language=language,
        )
        if reason is not None:
            accepted = {"agent": agent, "accepted_at": at} if agent else {}
            await self._insert(
                "handoff",
                id=handoff,
                conversation_id=conversation,
                desk="builtin",
                reason=reason,
                asked_at=at,
                **accepted,
            )
        if slots is not None:
            state = msgspec.json.encode({"v": 1, "bot": "b1", "slots": slots})
            await self._insert("dialogue_state", conversation_id=conversation, state=state, bot_version="b1")
        return Case(ConversationId(conversation), None if reason is None else HandoffId(handoff))

    async def says(self, case: Case, text: str | Parts, author: str = "customer", **facts: Any) -> int:
        """Words in a conversation; returns their position."""
        parts = (Text(text),) if isinstance(text, str) else text
        row = await self.connection.fetchrow(
            """UPDATE conversation SET next_position = next_position + 1, next_seq = next_seq + $2
               WHERE id = $1 RETURNING next_position - 1 AS position, next_seq - 1 AS seq, episode_id""",
            case.conversation,
            1 if author == "customer" else 0,
        )
        await self._insert(
            "message",
            conversation_id=case.conversation,
            position=row["position"],
            id=new_id(),
            seq=row["seq"] if author == "customer" else None,
            episode_id=row["episode_id"],
            author=author,
            status=facts.pop("status", "received" if author == "customer" else "sent"),
            parts=encode_parts(parts).decode(),
            **facts,
        )
        return int(row["position"])

    async def turn(self, case: Case, asked: str, *answers: str | Parts, resolution: Resolution) -> UUID:
        """The customer asks and the bot answers, for the reasons of *resolution*."""
        await self.says(case, asked)
        turn = new_id()
        seq = await self.connection.fetchval("SELECT next_seq - 1 FROM conversation WHERE id = $1", case.conversation)
        await self._insert(
            "turn",
            conversation_id=case.conversation,
            from_seq=seq,
            to_seq=seq,
            id=turn,
            epoch=0,
            bot_version="b1",
            outcome="answered",
            link=resolution.link,
            intent=resolution.intent,
            confidence=resolution.confidence,
            language=resolution.language,
            resolution=msgspec.json.encode(resolution).decode(),
            duration_us=12_300,
        )
        for answer in answers:
            await self.says(case, answer, "bot", turn_id=turn)
        return turn

    async def _insert(self, table: str, **values: object) -> None:
        names, marks = ", ".join(values), ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await self.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())


BALANCE = Resolution(
    link="intents",
    intent="balance",
    confidence=0.93,
    candidates=(Candidate("balance", 0.93), Candidate("bill", 0.04)),
    entities=(Entity(kind="phone", value="3001234567", text="300 123 4567", start=8, end=20),),
    language="es",
    steps=("commands: no command", "intents: balance 0.93"),
)

QUESTION: Parts = (
    Choice("¿Algo más?", (Option("Mi factura", "/intent:bill"), Option("Hablar con una persona", "/handoff"))),
)


def picture(blob: str, mime: str = "image/png", name: str = "señal.png") -> Parts:
    """A picture that is in the blob store."""
    return (Media(kind="image", blob=blob, mime=mime, name=name, size_bytes=68),)


class Desk:
    """One process that serves the desk, and a browser's way to it."""

    def __init__(self, port: int, doors: DeskDoors, agents: Agents, news: News, session: aiohttp.ClientSession) -> None:
        self.doors = doors
        self.port = port
        self.agents = agents
        self.news = news
        self.session = session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        async with self.session.get(self.url + path, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def post(self, path: str, body: object, status: int = 200) -> Any:
        async with self.session.post(self.url + path, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    @asynccontextmanager
    async def page(self, watch: ConversationId | None = None) -> AsyncIterator[PageEnd]:
        """The end of the socket that a page holds."""
        async with self.session.ws_connect(self.url + "/desk/socket") as socket:
            end = PageEnd(socket)
            if watch is not None:
                await end.watch(watch)
            yield end


class PageEnd:
    """What a page knows by its socket, put together as the page does it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self.cases: dict[str, dict[str, Any]] = {}
        self.messages: dict[int, dict[str, Any]] = {}

    async def watch(self, conversation: ConversationId | None) -> None:
        await self.socket.send_json({"type": "watch", "conversation": conversation and str(conversation)})

    async def until(self, claim: Callable[[PageEnd], object], patience_s: float = 8.0) -> dict[str, Any]:
        """Read frames until the claim holds; the last frame."""
        frame: dict[str, Any] = self.frames[-1] if self.frames else {}
        async with asyncio.timeout(patience_s):
            while not claim(self):
                frame = self._take(await self.socket.receive_json())
        return frame

    async def silence(self, for_s: float) -> None:
        """Nothing comes for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                frame = await self.socket.receive_json()
                raise AssertionError(f"nothing was expected, and this came: {frame}")

    def _take(self, frame: dict[str, Any]) -> dict[str, Any]:
        self.frames.append(frame)
        if frame["type"] == "cases":
            if frame.get("begins"):
                self.cases.clear()
            for gone in frame["gone"]:
                self.cases.pop(gone, None)
            self.cases.update({case["id"]: case for case in frame["cases"]})
        if frame["type"] == "conversation":
            self.messages.update({message["seq"]: message for message in frame["messages"]})
        return frame


@asynccontextmanager
async def serving(
    dsn: str,
    folder: Path,
    *,
    news: News | None = None,
    words: AnnouncementPort | None = None,
    surfaces: Surfaces | None = None,
    ready: Sequence[ReplyLine] = (),
) -> AsyncIterator[Desk]:
    """A process of its own as far as the desk can tell: nothing is shared but the database and what *news* reaches."""
    news = news or News()
    database = Database(dsn)
    agents = Agents(database, Wakes(), news, "builtin", words)
    parts = DeskParts(
        database, Blobs(str(folder)), agents, news, SystemClock(), TOKEN, surfaces or NoSurfaces(), tuple(ready)
    )
    doors = DeskDoors(parts)
    application = web.Application()
    application.add_routes([*doors.routes(), BrowserFiles(UI).route("/ui/")])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await doors.open()
    session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})
    try:
        yield Desk(int(runner.addresses[0][1]), doors, agents, news, session)
    finally:
        await session.close()
        await doors.hang_up()
        await runner.cleanup()
        await doors.close()
        await database.close()


@asynccontextmanager
async def world_of(dsn: str) -> AsyncIterator[World]:
    connection = await asyncpg.connect(dsn)
    try:
        yield World(connection)
    finally:
        await connection.close()


async def at_once(*calls: Awaitable[Any]) -> Sequence[Any]:
    return await asyncio.gather(*calls)
