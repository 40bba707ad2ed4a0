"""A gateway restarted under open web chats: everybody goes on by themselves (``make chaos`` runs it at full size)."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from fault_harness import QUICK_LEASES, connected
from resuming_visitor import ENDPOINT, ORIGIN, Visitor, answers_to, visitors

from gateway.app.bench.audit import settled
from gateway.app.bench.subjects import Gateway

pytestmark = pytest.mark.system

CHATS = int(os.environ.get("TERTULIA_CHAOS_CHATS", "100"))
RESUMED_WITHIN_S = 5.0
MESSAGES_PER_S = 100.0
"""What all of them say together; everybody waits for an answer before they say more."""

SETTINGS = {**QUICK_LEASES, f"channels__webchat__{ENDPOINT}__origins": [ORIGIN]}


async def stopped_politely(gateway: Gateway) -> None:
    assert await gateway.child.stop() == 0, gateway.child.output()


async def killed(gateway: Gateway) -> None:
    gateway.child.kill()


@pytest.mark.parametrize("end", [stopped_politely, killed])
async def test_open_chats_resume_by_themselves_with_nothing_lost_or_doubled(
    make_gateway, database_url: str, end: Callable[[Gateway], Awaitable[None]]
) -> None:
    gateway = make_gateway(**SETTINGS)
    await gateway.start()
    done = asyncio.Event()
    async with visitors(CHATS, gateway.port) as crowd:
        talks = [asyncio.create_task(talk(visitor, f"{number}", done)) for number, visitor in enumerate(crowd)]
        await everybody_said(crowd, 2)
        await end(gateway)
        downtime_began = time.monotonic()
        await everybody_is_offline(crowd)
        await gateway.start()
        ready = time.monotonic()
        await everybody_is_back(crowd)
        slowest_s = max(visitor.live_since for visitor in crowd) - ready
        await everybody_said(crowd, 2)
        done.set()
        said = await asyncio.wait_for(asyncio.gather(*talks), 60)
        await gateway.child.stop()
    print(f"{CHATS} chats; down for {ready - downtime_began:.1f} s; the last was back {slowest_s:.1f} s after")  # noqa: T201  # the figure is what `make chaos` shows

    assert slowest_s < RESUMED_WITHIN_S
    for visitor, own in zip(crowd, said, strict=True):
        assert_complete(visitor, own)
    async with connected(database_url) as connection:
        assert (await settled(connection, 30)).faults(sum(map(len, said))) == []


async def talk(visitor: Visitor, name: str, done: asyncio.Event) -> list[str]:
    """Say one thing after another, connected or not; returns what was said, all of it answered."""
    said = []
    pause_s = CHATS / MESSAGES_PER_S
    await asyncio.sleep(random.uniform(0, pause_s))  # so that not all speak at once
    while not done.is_set():
        text = f"{name} says {len(said)}" if said else "/start"
        said.append(text)
        await visitor.say(text)
        try:
            await asyncio.wait_for(done.wait(), random.uniform(0.5, 1.5) * pause_s)
        except TimeoutError:
            continue
    return said


async def everybody_said(crowd: list[Visitor], more: int) -> None:
    """Wait until each saw so many more answers than now."""
    before = [len(visitor.shown) for visitor in crowd]
    async with asyncio.timeout(60 + more * CHATS / MESSAGES_PER_S):
        while any(len(visitor.shown) < start + 2 * more for visitor, start in zip(crowd, before, strict=True)):
            await asyncio.sleep(0.05)


async def everybody_is_offline(crowd: list[Visitor]) -> None:
    async with asyncio.timeout(5):
        while any(visitor.live.is_set() for visitor in crowd):
            await asyncio.sleep(0.01)


async def everybody_is_back(crowd: list[Visitor]) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*(visitor.live.wait() for visitor in crowd))


def assert_complete(visitor: Visitor, said: list[str]) -> None:
    """What was said and what was answered, once each and in order, under numbers without a gap."""
    assert visitor.connections >= 2
    assert visitor.disorder == []
    assert visitor.refused == []
    assert [message.text for message in visitor.shown] == [line for text in said for line in (text, *answers_to(text))]
    assert max(Counter(message.id for message in visitor.shown).values()) == 1
