"""A wait ends in time, and a cancellation from outside stays one."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.deadlines import Deadlines


async def test_a_wait_that_takes_too_long_is_ended() -> None:
    deadlines = Deadlines(tick_s=0.01)
    with pytest.raises(TimeoutError), deadlines.within(0.02):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_wait_that_ends_in_time_is_left_alone() -> None:
    deadlines = Deadlines(tick_s=0.01)
    with deadlines.within(5):
        await asyncio.sleep(0.03)


async def test_many_waits_end_each_at_its_own_time() -> None:
    deadlines = Deadlines(tick_s=0.005)
    ended: list[float] = []

    async def wait(seconds: float) -> None:
        with pytest.raises(TimeoutError), deadlines.within(seconds):
            await asyncio.Event().wait()
        ended.append(seconds)

    await asyncio.gather(*(wait(seconds) for seconds in (0.09, 0.03, 0.06)))
    assert ended == [0.03, 0.06, 0.09]


async def test_a_cancellation_from_outside_stays_a_cancellation() -> None:
    deadlines = Deadlines(tick_s=0.01)

    async def wait() -> None:
        with deadlines.within(5):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
