"""One worker process: as a child of the supervisor, or the whole of ``tertulia run`` when there is only one.

A child gets its orders as one line of JSON on standard input. That pipe is also its lifeline: when it closes, the
supervisor is gone, and the worker stops in order by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from config.settings import Settings, load_settings
from gateway.app.nodes import NodeMark, new_node_name
from gateway.app.runtime import run_until_stopped, stop_on_signals
from gateway.app.telemetry import configure_logging

READY_LINE = b"ready\n"


class Orders(msgspec.Struct, frozen=True):
    """What a child needs to know; ``overrides`` go over its own reading of the settings."""

    config: str
    overrides: dict[str, object]
    dsn: str


async def run_one_worker(settings: Settings, dsn: str, stop: asyncio.Event, ready: Callable[[], None]) -> bool:
    """Run this process' worker until *stop*; returns whether it finished all that ran within ``server.drain_s``."""
    from gateway.app.wiring import run_worker

    node = new_node_name()
    configure_logging(settings.telemetry, node)
    mark = NodeMark.set(settings.data_dir / "run", node)

    async def work() -> None:
        await run_worker(settings, node=node, dsn=dsn, stop=stop, ready=ready)

    is_in_order = await run_until_stopped(work, stop, settings.server.drain_s)
    if is_in_order:
        mark.remove()
    return is_in_order


async def run_child() -> bool:
    """The life of a child: read the orders, work, and stop when told or when the lifeline closes."""
    stop = stop_on_signals()
    lifeline = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lifeline), sys.stdin)
    orders = msgspec.json.decode(await lifeline.readline(), type=Orders)
    settings = load_settings(Path(orders.config) if orders.config else None, overrides=orders.overrides)
    watcher = asyncio.create_task(_stop_at_end_of(lifeline, stop))
    try:
        return await run_one_worker(settings, orders.dsn, stop, _say_ready)
    finally:
        watcher.cancel()


async def _stop_at_end_of(lifeline: asyncio.StreamReader, stop: asyncio.Event) -> None:
    await lifeline.read()
    stop.set()


def _say_ready() -> None:
    os.write(sys.stdout.fileno(), READY_LINE)


if __name__ == "__main__":
    sys.exit(0 if uvloop.run(run_child()) else 1)
