"""The heartbeat of everything that polls: run, wait for the time or a wake-up, survive what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import structlog

from gateway.core.errors import Unavailable

log = structlog.get_logger(__name__)

MAX_BACKOFF_S = 2.0
"""A message may wait for several loops in turn after the database came back."""


async def poll(
    name: str,
    step: Callable[[], Awaitable[bool]],
    *,
    every_s: float,
    wake: asyncio.Event | None,
    stop: asyncio.Event,
) -> None:
    """Call *step* until *stop*: at once again while it returns true (there is more), else after *every_s* or a wake-up.

    A step that runs is never cut off by *stop*: what it took in a transaction, it hands on.

    The interval is jittered, so that many processes do not ask at the same moment. While the database is away the
    pauses grow; any other error is logged with its stack and does not end the loop.
    """
    failures = 0
    while not stop.is_set():
        try:
            has_more = await step()
            failures = 0
        except Unavailable as error:
            has_more = False
            failures += 1
            if failures == 1:
                log.warning("loop_paused", loop=name, reason=str(error))
        except Exception:
            has_more = False
            failures += 1
            log.exception("loop_failed", loop=name)
        if has_more:
            await asyncio.sleep(0)
            continue
        pause_s = min(MAX_BACKOFF_S, every_s * 2.0**failures) if failures else every_s
        await _wait(wake or stop, pause_s * random.uniform(0.75, 1.25))  # noqa: S311  spreading, not secrecy
        if wake is not None:
            wake.clear()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
