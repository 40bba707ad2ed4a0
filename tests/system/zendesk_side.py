"""A process with the Zendesk desk, its webhooks and a stand-in for Zendesk behind it; a test steps what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from desk_side import Side, at_desk
from desk_world import Case, Words, World

from config.settings import ServerSettings
from gateway.core.clock import SystemClock
from gateway.core.desks import DeskParts
from gateway.core.ids import HandoffId
from gateway.core.messages import plain_text
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from gateway.web.desk_webhooks import DeskWebhookDoor
from handoff.desks.zendesk.sandbox import Pace, ZendeskSandbox
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.ticketing import ZendeskDesk

NAME = "zendesk.main"


class ZendeskSide(Side):
    """SPINE of one process around a real Zendesk desk."""

    desk: ZendeskDesk


@asynccontextmanager
async def zendesk_of(**options: Any) -> AsyncIterator[ZendeskSandbox]:
    """A Zendesk account whose webhook is made by :func:`listening`."""
    options.setdefault("pace", Pace(minute_s=2.0))
    async with ZendeskSandbox(**options) as zendesk:
        yield zendesk


@asynccontextmanager
async def process_of(
    dsn: str,
    zendesk: ZendeskSandbox,
    folder: Path,
    *,
    node: int = 1,
    lease_s: float = 30.0,
    connects: bool = True,
    **settings: object,
) -> AsyncIterator[ZendeskSide]:
    """A process that tells and hears Zendesk; with *connects* it sets the webhook up as `desk connect` does."""
    values: dict[str, object] = {"unclear_wait_s": 0.2, "broken_wait_s": 0.1, **zendesk.settings_values, **settings}
    read = ZendeskSettings.model_validate(values)
    side = object.__new__(ZendeskSide)
    desks: dict[str, Any] = {}
    database = Database(dsn)
    blobs = Blobs(str(folder))
    agents = _Later()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        desk = _desk(read, database, blobs, agents)
        desks[NAME] = desk
        Side.__init__(side, dsn, desks, node, Words(), lease_s)
        agents.real = side.agents
        side.desk = desk
        await desk.start()
        stack.push_async_callback(desk.close)
        stack.push_async_callback(side.close)
        await side.holding.step()
        url = await _serve(side, stack)
        if connects:
            await desk.connect(f"{url}/webhooks/desks/zendesk/main")
        yield side


class _Later:
    """The port that the desk acts through, which is made after it."""

    real: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def _desk(settings: ZendeskSettings, database: Database, blobs: Blobs, agents: Any) -> ZendeskDesk:
    from gateway.core.metrics import Metrics

    parts = DeskParts(
        name=NAME,
        settings=settings,
        database=database,
        read_blob=blobs.read,
        agents=agents,
        clock=SystemClock(),
        metrics=Metrics(),
        public_url="https://bot.example",
        kept=KeptValues(database, f"desks.{NAME}"),
        blobs=blobs,
    )
    return ZendeskDesk(parts)


async def _serve(side: ZendeskSide, stack: AsyncExitStack) -> str:
    door = DeskWebhookDoor(side.desk, ServerSettings.model_validate(SERVER), side.inbox, side.metrics)
    application = web.Application()
    application.add_routes(door.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


SERVER: Mapping[str, object] = {
    "host": "127.0.0.1",
    "port": 0,
    "public_url": "",
    "max_body_bytes": 1_000_000,
    "read_timeout_s": 5,
    "backlog": 100,
    "keepalive_s": 5,
    "drain_s": 1,
    "ping_timeout_s": 1,
    "reuse_port": False,
    "proxies": 0,
}


async def waiting(world: World, **facts: object) -> Case:
    """A customer who waits for somebody at Zendesk."""
    return await at_desk(world, NAME, **facts)


async def due(world: World) -> None:
    """The pump may look at every case now."""
    await world.connection.execute("UPDATE handoff SET due_at = now() WHERE NOT told_end")


async def run(side: ZendeskSide, until: Callable[[], object], within_s: float = 10.0) -> None:
    """Step all of a process until a claim holds."""
    async with asyncio.timeout(within_s):
        while not until():
            await side.pump.step()
            await side.inbox.step()
            await asyncio.sleep(0.01)


async def said_to_customer(world: World, case: Case) -> list[tuple[str, str]]:
    """What went to the customer from people: the agent's name and the words, in order; files by their names."""
    rows = await world.connection.fetch(
        "SELECT agent, parts FROM message WHERE conversation_id = $1 AND author = 'agent' ORDER BY position",
        case.conversation,
    )
    from gateway.core.messages import Media, decode_parts

    found = []
    for row in rows:
        parts = decode_parts(row["parts"])
        files = [part.name for part in parts if isinstance(part, Media)]
        found.append((row["agent"], plain_text(parts) or ", ".join(files)))
    return found


async def control_of(world: World, case: Case) -> tuple[str, str]:
    row = await world.connection.fetchrow("SELECT control, agent FROM conversation WHERE id = $1", case.conversation)
    return row["control"], row["agent"]


async def handoff_of(world: World, case: Case) -> HandoffId | None:
    found: HandoffId | None = await world.connection.fetchval(
        "SELECT handoff_id FROM conversation WHERE id = $1", case.conversation
    )
    return found
