"""What both forms of the demo stand on: a free port, the sandboxes in the providers' place, one worker that serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
from rich.console import Console

from channels.doors import Doors
from channels.sandboxes import Sandbox, Stage, open_sandbox
from config.settings import Settings, merge
from gateway.app.nodes import NodeMark, release_dead_nodes
from gateway.app.runtime import run_until_stopped
from gateway.app.supervisor import claim_port
from gateway.core.errors import Misconfigured
from gateway.core.news import News
from gateway.store.database import Database
from gateway.web.sandbox.showcase import Showcase

ENDPOINT = "demo"
HOST = "127.0.0.1"
PORTS_TRIED = 20


class Port(msgspec.Struct, frozen=True):
    """Where the demo listens; ``wished`` is what the settings say."""

    number: int
    wished: int

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.number}"


class Sitting(msgspec.Struct, frozen=True, kw_only=True):
    """One demo: what it runs on, who the customer is, and when it ends. ``language`` is one that we speak."""

    console: Console
    settings: Settings
    dsn: str
    node: str
    stop: asyncio.Event
    port: Port
    customer: str
    language: str


def free_port_near(settings: Settings) -> Port:
    """The port of the settings, else one of the next that is free. Raises ``Misconfigured`` when none of them is."""
    wished = settings.server.port
    last = min(65_535, wished + PORTS_TRIED) if wished else 0
    for number in range(wished, last + 1):
        server = settings.server.model_copy(update={"host": HOST, "port": number})
        try:
            return Port(claim_port(settings.model_copy(update={"server": server})), wished)
        except Misconfigured:
            continue
    raise Misconfigured("server.port", f"every port from {wished} to {last} is taken; choose another one")


@asynccontextmanager
async def sandboxes(channels: Sequence[str], port: Port, showcase: Showcase) -> AsyncIterator[Mapping[str, Sandbox]]:
    """The sandboxes of these channels, opened at once and closed in reverse. Raises what the first of them raised."""
    contexts = [open_sandbox(channel, _stage(channel, port, showcase)) for channel in channels]
    async with AsyncExitStack() as stack:
        opening = (stack.enter_async_context(context) for context in contexts)
        opened = await asyncio.gather(*opening, return_exceptions=True)
        yield dict(zip(channels, (_opened(one) for one in opened), strict=True))


def _opened(one: Sandbox | BaseException) -> Sandbox:
    if isinstance(one, BaseException):
        raise one
    return one


def _stage(channel: str, port: Port, showcase: Showcase) -> Stage:
    return Stage(
        webhook_url=f"{port.origin}/webhooks/{channel}/{ENDPOINT}",
        origin=port.origin,
        endpoint=ENDPOINT,
        bot_name=showcase.name,
        languages=showcase.languages,
        starters=showcase.starters,
        accent=showcase.site.colour,
    )


def with_sandboxes(settings: Settings, opened: Mapping[str, Sandbox], port: Port) -> Settings:
    """The operator's settings with the sandboxes as the only endpoints: the demo never talks to a real provider."""
    server = settings.server.model_copy(update={"host": HOST, "port": port.number, "public_url": port.origin})
    channels = {channel: {ENDPOINT: merge({}, sandbox.settings_values)} for channel, sandbox in opened.items()}
    return settings.model_copy(update={"server": server, "channels": channels})


async def serve_demo(
    sitting: Sitting,
    ready: Callable[[], None],
    doors_besides: Sequence[Callable[[Database, News], Doors]] = (),
) -> None:
    """One worker in this process until the sitting ends; what a killed demo held is given back first."""
    from gateway.app.wiring import run_worker
    from gateway.store.leases import release_node

    settings, dsn, node = sitting.settings, sitting.dsn, sitting.node
    run_dir = settings.data_dir / "run"
    await release_dead_nodes(run_dir, lambda dead: release_node(dsn, dead))
    mark = NodeMark.set(run_dir, node)

    async def serve() -> None:
        await run_worker(settings, node=node, dsn=dsn, stop=sitting.stop, ready=ready, doors_besides=doors_besides)

    if await run_until_stopped(serve, sitting.stop, settings.server.drain_s):
        mark.remove()
