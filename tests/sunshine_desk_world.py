"""The desk for Zendesk messaging on a real database, against the stand-in for Sunshine, with the pump and the inbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from desk_side import Side
from desk_world import Case, Words, World, world_of

from channels.sandbox_kit import ProviderServer
from config.settings import ServerSettings
from gateway.core.clock import SystemClock
from gateway.core.desks import DeskParts
from gateway.core.ids import HandoffId, new_id
from gateway.core.messages import Parts, decode_parts, plain_text
from gateway.core.metrics import Metrics
from gateway.core.news import News, Passing
from gateway.router.agents import Agents
from gateway.router.wakes import Wakes
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from gateway.web.desk_webhooks import DeskWebhookDoor
from handoff.desks.sunshine import desk
from handoff.desks.sunshine.messaging import SunshineDesk
from handoff.desks.sunshine.sandbox import SunshineDeskSandbox

NAME = "sunshine.main"
SERVER = ServerSettings(
    host="127.0.0.1", port=0, public_url="", max_body_bytes=1_000_000, read_timeout_s=5, backlog=10, keepalive_s=5,
    drain_s=1, ping_timeout_s=5, reuse_port=False, proxies=0,
)  # fmt: skip


class SunshineSide(Side):
    """One process with this desk; ``passed`` is what it let pass (typing)."""

    def __init__(self, dsn: str, values: dict[str, object], blobs: Blobs, *, node: int) -> None:
        self.own = Database(dsn)
        news = News()
        self.passed: list[Passing] = []
        news.listen(lambda _: None, self.passed.append)
        kind = desk()
        parts = DeskParts(
            name=NAME,
            settings=kind.read_settings(values),
            database=self.own,
            read_blob=blobs.read,
            agents=Agents(self.own, Wakes(), news, NAME, Words()),
            clock=SystemClock(),
            metrics=Metrics(),
            public_url="https://bot.example",
            kept=KeptValues(self.own, f"desks.{NAME}"),
            blobs=blobs,
        )
        self.desk = kind.open(parts)
        assert isinstance(self.desk, SunshineDesk)
        super().__init__(dsn, {NAME: self.desk}, node)
        self.pump._settings = msgspec.structs.replace(self.pump._settings, transcript_messages=200, call_timeout_s=30)

    async def close(self) -> None:
        await super().close()
        await self.desk.close()
        await self.own.close()

    async def looks(self) -> int:
        """Ask Zendesk what webhooks lost, at once; answers how much that was."""
        async with self.own.begin() as connection:
            await connection.exec_driver_sql("UPDATE sunshine_stay SET look_at = now()")
        found = await self.desk.reconcile()
        await self.inbox.accept(NAME, found)
        return len(found)


class SunshineWorld:
    """Customers on one side, agents at Zendesk on the other, and us between them."""

    def __init__(self, world: World, sandbox: SunshineDeskSandbox, dsn: str, blobs: Blobs) -> None:
        self.world = world
        self.sandbox = sandbox
        self.blobs = blobs
        self._dsn = dsn
        self.side: SunshineSide
        self.sides: list[SunshineSide] = []
        self.more: dict[str, object] = {}

    async def begin(self, node: int = 1) -> SunshineSide:
        """Another process, which holds the desk if nobody does."""
        values = {"unclear_wait_s": 0, "rates": {"per_s": 0}, **self.sandbox.settings_values, **self.more}
        side = SunshineSide(self._dsn, values, self.blobs, node=node)
        await side.desk.start()
        await side.holding.step()
        self.sides.append(side)
        return side

    async def restart(self) -> None:
        """The process dies, wherever it is, and another takes its place."""
        dead, self.side = self.side, await self.begin(len(self.sides) + 1)
        for running in dead.pump._running.values():
            for task in running.values():
                task.cancel()
        await dead.close()
        self.sides.remove(dead)
        await self.side.holding.step()

    async def take(self, request: web.Request) -> web.StreamResponse:
        side = self.side
        door = DeskWebhookDoor(side.desk, SERVER, side.inbox, side.metrics)
        return await door.handle(request)

    # ------------------------------------------------------------ customers

    async def asks(self, *said: str, **facts: Any) -> Case:
        """A customer who said so, and waits for somebody at this desk."""
        case = await self.world.conversation(**facts)
        await self.world.connection.execute("UPDATE handoff SET desk = $2 WHERE id = $1", case.handoff, NAME)
        for words in said:
            await self.world.says(case, words)
        return case

    async def says(self, case: Case, words: str | Parts, **facts: Any) -> int:
        """The customer says more, of which the desk has to hear."""
        position = await self.world.says(case, words, **facts)
        await self.world.connection.execute("UPDATE handoff SET due_at = now() WHERE id = $1", case.handoff)
        return position

    async def got(self, case: Case) -> list[tuple[str, str]]:
        """What agents said to the customer: by whom, and the words."""
        rows = await self.world.connection.fetch(
            "SELECT agent, parts FROM message WHERE conversation_id = $1 AND author = 'agent' ORDER BY position",
            case.conversation,
        )
        return [(row["agent"], plain_text(decode_parts(row["parts"]))) for row in rows]

    async def got_parts(self, case: Case) -> list[Parts]:
        """The same as parts."""
        rows = await self.world.connection.fetch(
            "SELECT parts FROM message WHERE conversation_id = $1 AND author = 'agent' ORDER BY position",
            case.conversation,
        )
        return [decode_parts(row["parts"]) for row in rows]

    async def file(self, content: bytes) -> str:
        """The key of a file in our store."""

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return (await self.blobs.put(chunks(), max_bytes=10_000_000)).key

    async def ends(self, case: Case, reason: str = "released") -> None:
        """The handoff ends on our side."""
        assert case.handoff is not None
        assert await self.side.agents.give_back(case.handoff, reason)

    async def asks_again(self, case: Case) -> Case:
        """The same customer wants a person again."""
        handoff = new_id()
        await self.world.connection.execute(
            "INSERT INTO handoff (id, conversation_id, desk, reason) VALUES ($1, $2, $3, 'asked')",
            handoff,
            case.conversation,
            NAME,
        )
        await self.world.connection.execute(
            "UPDATE conversation SET control = 'queued', handoff_id = $2, agent = '', epoch = epoch + 1 WHERE id = $1",
            case.conversation,
            handoff,
        )
        return Case(case.conversation, HandoffId(handoff))

    async def ended_as(self, case: Case) -> str:
        return await self.world.connection.fetchval("SELECT end_reason FROM handoff WHERE id = $1", case.handoff)

    def active(self, talk_id: str) -> str:
        """The name of whoever has control at Zendesk."""
        world = self.sandbox.world
        seat = world.seats.get(world.talk(talk_id).active)
        return seat.name if seat is not None else ""

    async def control(self, case: Case) -> tuple[str, str]:
        row = await self.world.connection.fetchrow(
            "SELECT control, agent FROM conversation WHERE id = $1", case.conversation
        )
        return row["control"], row["agent"]

    # ------------------------------------------------------------ both

    async def told(self, within_s: float = 40.0) -> None:
        """Step the pump until the desk has heard of everything."""
        async with asyncio.timeout(within_s):
            while await self.world.connection.fetchval(
                "SELECT count(*) FROM handoff WHERE desk = $1 AND due_at < 'infinity' AND NOT told_end", NAME
            ):
                await self.side.pump.step()
                await asyncio.sleep(0.01)

    async def heard(self, within_s: float = 40.0) -> None:
        """Wait for the webhooks, and step the inbox until all that they brought is applied."""
        await self.sandbox.settled()
        async with asyncio.timeout(within_s):
            while await self.world.connection.fetchval(
                "SELECT count(*) FROM desk_event WHERE applied_at IS NULL AND gave_up_at IS NULL"
            ):
                await self.side.inbox.step()
                await asyncio.sleep(0.01)

    async def handed(self, *said: str, **facts: Any) -> tuple[Case, str]:
        """A customer whose conversation agents have; and the conversation's id at Zendesk."""
        case = await self.asks(*(said or ("I need a person",)), **facts)
        await self.told()
        await self.heard()
        return case, await self.talk_of(case)

    async def talk_of(self, case: Case) -> str:
        return await self.world.connection.fetchval(
            "SELECT talk_id FROM sunshine_stay WHERE conversation_id = $1", case.conversation
        )

    async def comes_true(self, claim: Callable[[], Any], within_s: float = 40.0) -> None:
        async with asyncio.timeout(within_s):
            while not claim():
                await self.side.pump.step()
                await self.side.inbox.step()
                await asyncio.sleep(0.01)


@asynccontextmanager
async def sunshine_world(dsn: str, folder: Path, **more: Any) -> AsyncIterator[SunshineWorld]:
    """*more*: settings of the desk, and ``sandbox`` for those of the stand-in."""
    of_sandbox = more.pop("sandbox", {})
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(world_of(dsn))
        held: list[SunshineWorld] = []

        async def take(request: web.Request) -> web.StreamResponse:
            return await held[0].take(request)

        server = await stack.enter_async_context(ProviderServer([web.post("/hook", take)]))
        sandbox = SunshineDeskSandbox(f"{server.url}/hook", **{"time_scale": 0.0005, **of_sandbox})
        await stack.enter_async_context(sandbox)
        found = SunshineWorld(world, sandbox, dsn, Blobs((folder / "blobs").as_uri()))
        found.more = more
        held.append(found)
        found.side = await found.begin()
        try:
            yield found
        finally:
            for side in found.sides:
                await side.close()
