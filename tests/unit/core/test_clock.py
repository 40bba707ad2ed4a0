"""A clock that tests advance: sleepers wake in the order of their due times, each at its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.clock import ManualClock, SystemClock

START = datetime(2026, 3, 1, tzinfo=UTC)
seconds = st.integers(0, 40).map(lambda quarters: quarters / 4)


@settings(deadline=None)
@given(st.lists(seconds, max_size=10), st.lists(seconds, max_size=10))
def test_sleepers_wake_in_order_each_at_its_own_time(naps: list[float], steps: list[float]) -> None:
    async def play() -> tuple[list[tuple[float, int]], float]:
        clock, woken = ManualClock(START), list[tuple[float, int]]()

        async def sleep(number: int, nap: float) -> None:
            await clock.sleep(nap)
            assert clock.now() == START + timedelta(seconds=clock.monotonic())
            woken.append((clock.monotonic(), number))

        async with asyncio.TaskGroup() as group:
            sleepers = [group.create_task(sleep(number, nap)) for number, nap in enumerate(naps)]
            for _ in range(2):
                await asyncio.sleep(0)
            for step in steps:
                before = clock.monotonic()
                await clock.advance(step)
                assert clock.monotonic() == before + step
            for sleeper in sleepers:
                sleeper.cancel()
        return woken, clock.monotonic()

    woken, reached = asyncio.run(play())
    assert woken == sorted((nap, number) for number, nap in enumerate(naps) if nap <= reached)


@settings(deadline=None)
@given(st.lists(st.integers(1, 20).map(float), min_size=1, max_size=6))
def test_who_sleeps_again_and_again_misses_nothing_of_one_long_step(naps: list[float]) -> None:
    async def play() -> list[float]:
        clock, woken = ManualClock(), list[float]()

        async def sleep() -> None:
            for nap in naps:
                await clock.sleep(nap)
                woken.append(clock.monotonic())

        task = asyncio.create_task(sleep())
        await asyncio.sleep(0)
        await clock.advance(sum(naps))
        await task
        return woken

    assert asyncio.run(play()) == [sum(naps[: number + 1]) for number in range(len(naps))]


async def test_a_sleeper_that_gave_up_holds_nobody_up() -> None:
    clock, woken = ManualClock(), list[str]()

    async def sleep(name: str, nap: float) -> None:
        await clock.sleep(nap)
        woken.append(name)

    gone = asyncio.create_task(sleep("gone", 1))
    stays = asyncio.create_task(sleep("stays", 2))
    await asyncio.sleep(0)
    gone.cancel()
    await clock.advance(3)
    await stays
    assert woken == ["stays"]


async def test_the_machines_clock_is_aware_goes_forward_and_lets_others_run() -> None:
    clock, has_run = SystemClock(), asyncio.Event()
    before = clock.monotonic()
    asyncio.get_running_loop().call_soon(has_run.set)
    await clock.sleep(-1)
    assert has_run.is_set()
    assert clock.monotonic() >= before
    assert clock.now().utcoffset() == timedelta(0)
