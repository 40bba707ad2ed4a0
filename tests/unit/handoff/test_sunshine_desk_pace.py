"""Calls to Sunshine keep their distance, and stop altogether when it asks for that."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.clock import ManualClock
from gateway.core.desks import NotYet
from handoff.desks.sunshine.pace import LONGEST_PAUSE_S, Pace


async def test_calls_leave_one_after_the_other_at_the_rate() -> None:
    clock = ManualClock()
    pace = Pace(10, 5, clock)
    left: list[float] = []

    async def call() -> None:
        await pace.turn()
        left.append(clock.monotonic())

    calls = [asyncio.create_task(call()) for _ in range(5)]
    for _ in range(60):
        await asyncio.sleep(0)
        await clock.advance(0.01)
    await asyncio.gather(*calls)
    assert [round(at, 2) for at in left] == [0.0, 0.1, 0.2, 0.3, 0.4]


async def test_whoever_would_wait_too_long_is_told_to_come_again() -> None:
    clock = ManualClock()
    pace = Pace(10, 0.15, clock)
    await pace.turn()
    waiting = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    assert not pace.is_ample or pace.wait_s <= 0.25
    with pytest.raises(NotYet) as later:
        await pace.turn()
    assert 0.1 <= later.value.after_s <= 0.3
    await clock.advance(0.2)
    await waiting


async def test_a_refusal_stops_everybody_longer_each_time_and_at_least_as_long_as_asked() -> None:
    clock = ManualClock()
    pace = Pace(10, 0.1, clock)
    pauses = [pace.refused(None).after_s for _ in range(12)]
    assert pauses[0] <= 1.25
    assert pauses[5] > pauses[0]
    assert max(pauses) <= LONGEST_PAUSE_S * 1.25
    with pytest.raises(NotYet):
        await pace.turn()
    assert not pace.is_ample
    assert 120 <= pace.refused(120).after_s <= 150
    await clock.advance(200)
    await pace.turn()
    pace.worked()
    assert pace.refused(None).after_s <= 1.25


async def test_without_a_rate_nobody_waits() -> None:
    pace = Pace(0, 1, ManualClock())
    for _ in range(100):
        await pace.turn()
    assert pace.is_ample
