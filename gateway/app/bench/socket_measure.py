"""``tertulia bench sockets``: thousands of open web chats on one process, some of which talk.

The visitors are a process of their own, PostgreSQL another; the gateway is ``tertulia run`` with one worker and the
sample bot, as an operator starts it.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import msgspec

from gateway.app.bench.audit import settled
from gateway.app.bench.databases import Server, database, database_server
from gateway.app.bench.models import train_models
from gateway.app.bench.processes import Child, ChildFailed, Cost, PipedChild, cost_of, python
from gateway.app.bench.socket_load import SOURCES, Leave, Open, Opened, Order, Talk, Talked
from gateway.app.bench.subjects import Gateway

SITE = "site"
ORIGIN = "http://127.0.0.1:1"
"""Where the visitors' page would be. Nothing listens there: only its name is looked at."""

GOAL_P99_MS = 300.0
GOAL_IDLE_KB = 60.0

_SPARE_FILES = 512
_WARM_SOCKETS = 50
_WATCH_S = 5.0

Say = Callable[[str], None]


class SocketOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure."""

    sockets: int = 5_000
    rate_per_s: float = 200.0
    seconds: float = 30.0
    database_url: str = ""


class SocketReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result. Latencies from the moment a message was due; processor time by process, in microseconds a message.

    ``idle_kb``: resident memory that one idle socket adds. ``idle_cpu``: share of a core that they all cost together.
    """

    sockets: int
    open_per_s: float
    rate_per_s: float
    reply_p50_ms: float
    reply_p99_ms: float
    reply_max_ms: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    idle_kb: float
    idle_cpu: float
    rss_mb: dict[str, float]
    gateway_us: float
    database_us: float
    loader_us: float
    sent: int
    replied: int
    settings: dict[str, str | int | float | bool]
    faults: list[str]


async def run_socket_bench(options: SocketOptions, folder: Path, say: Say) -> SocketReport:
    """Measure. Raises ``ChildFailed`` when a process does not come up."""
    _allow_files(options.sockets + _SPARE_FILES)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(database_server(options.database_url, folder))
        url = await stack.enter_async_context(database(server, "sockets"))
        settings = {f"channels.webchat.{SITE}.origins": [ORIGIN]}
        say("training the sample bot's models")
        models_url = await train_models(folder)
        gateway = Gateway(folder / "gateway", database_url=url, models_url=models_url, settings=settings)
        await stack.enter_async_context(gateway)
        crowd = await stack.enter_async_context(_Crowd(gateway.port))
        return await _measure(options, gateway.child, crowd, server, url, say)


class _Crowd(PipedChild):
    """The visitors' process, and what it is told."""

    def __init__(self, port: int) -> None:
        super().__init__("the visitors", python("gateway.app.bench.socket_load"))
        self._port = port

    async def open(self, count: int) -> Opened:
        order = Open(port=self._port, site=SITE, origin=ORIGIN, count=count)
        return msgspec.json.decode(await self._tell(order, 300), type=Opened)

    async def talk(self, rate_per_s: float, seconds: float, first: int) -> Talked:
        order = Talk(rate_per_s=rate_per_s, seconds=seconds, first=first)
        return msgspec.json.decode(await self._tell(order, seconds + 60), type=Talked)

    async def leave(self) -> None:
        await self._tell(Leave(), 30)

    async def _tell(self, order: Order, patience_s: float) -> bytes:
        return await self.ask(msgspec.json.encode(order), patience_s)


async def _measure(
    options: SocketOptions, gateway: Child, crowd: _Crowd, server: Server, url: str, say: Say
) -> SocketReport:
    warm = await _warmed(crowd)
    before = cost_of([gateway.pid])
    say(f"opening {options.sockets:,} sockets")
    opened = await crowd.open(options.sockets)
    say(f"    {opened.is_open:,} open after {opened.seconds:.1f} s; watching them idle")
    idle_cpu = await _idle_cpu(gateway)
    idle = cost_of([gateway.pid])
    if not opened.is_open:
        raise ChildFailed(f"no socket was opened: {opened.failures}\n{gateway.output()}")
    say(f"{options.rate_per_s:,.0f} messages a second for {options.seconds:.0f} s")
    costs = idle, server.cost()
    talked = await crowd.talk(options.rate_per_s, options.seconds, 100_000)
    after = cost_of([gateway.pid]), server.cost()
    await crowd.leave()
    gateway_us, database_us = (
        now.since(then) * 1e6 / max(talked.sent, 1) for now, then in zip(after, costs, strict=True)
    )
    return SocketReport(
        sockets=opened.is_open,
        open_per_s=round(opened.is_open / max(opened.seconds, 1e-9), 1),
        rate_per_s=round(talked.replied / max(talked.seconds, 1e-9), 1),
        reply_p50_ms=round(talked.reply_p50_ms, 2),
        reply_p99_ms=round(talked.reply_p99_ms, 2),
        reply_max_ms=round(talked.reply_max_ms, 2),
        accepted_p50_ms=round(talked.accepted_p50_ms, 2),
        accepted_p99_ms=round(talked.accepted_p99_ms, 2),
        idle_kb=round((idle.rss_mb - before.rss_mb) * 1024 / opened.is_open, 1),
        idle_cpu=round(idle_cpu, 3),
        rss_mb=_memory(before, idle, after[0]),
        gateway_us=round(gateway_us),
        database_us=round(database_us),
        loader_us=round(talked.cpu_s * 1e6 / max(talked.sent, 1)),
        sent=talked.sent,
        replied=talked.replied,
        settings=_settings(options, server),
        faults=[*_faults(options, opened, talked), *await _stored(url, warm.accepted + talked.accepted)],
    )


async def _warmed(crowd: _Crowd) -> Talked:
    """A few visitors who talk and leave, so that what is loaded at first use is there."""
    await crowd.open(_WARM_SOCKETS)
    talked = await crowd.talk(50, 4, 1)
    await crowd.leave()
    return talked


async def _idle_cpu(gateway: Child) -> float:
    """The share of a core that the gateway uses while nobody says anything."""
    await asyncio.sleep(1)  # the last of the opening
    before, started = cost_of([gateway.pid]), time.monotonic()
    await asyncio.sleep(_WATCH_S)
    return cost_of([gateway.pid]).since(before) / (time.monotonic() - started)


async def _stored(url: str, accepted: int) -> list[str]:
    """What the database says against it."""
    connection = await asyncpg.connect(url)
    try:
        return (await settled(connection, 30)).faults(accepted)
    finally:
        await connection.close()


def _faults(options: SocketOptions, opened: Opened, talked: Talked) -> list[str]:
    claims = {
        f"{opened.is_open} of {options.sockets} sockets opened: {opened.failures}": opened.is_open < options.sockets,
        f"{talked.closed} sockets closed while talking": talked.closed > 0,
        f"{talked.sent - talked.replied} messages without a reply": talked.replied < talked.sent,
        f"refused: {talked.refused}": bool(talked.refused),
        f"{talked.disorder} frames out of order": talked.disorder > 0,
    }
    return [claim for claim, is_broken in claims.items() if is_broken]


def _memory(before: Cost, idle: Cost, after: Cost) -> dict[str, float]:
    return {"before": round(before.rss_mb, 1), "idle": round(idle.rss_mb, 1), "after_talk": round(after.rss_mb, 1)}


def _settings(options: SocketOptions, server: Server) -> dict[str, str | int | float | bool]:
    """What the figures depend on."""
    shown = {name: value for name, value in msgspec.structs.asdict(options).items() if name != "database_url"}
    return {
        **shown,
        "bot": "sample",
        "workers": 1,
        "source_addresses": SOURCES,
        "postgresql": server.version,
        "cores": os.cpu_count() or 0,
    }


def _allow_files(wanted: int) -> None:
    """Let this process and its children open so many files. Raises ``ChildFailed`` where the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ChildFailed(f"this many sockets need {wanted} open files, and the system allows {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
