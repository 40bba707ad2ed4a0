"""Buckets: bursts, the long run, strangers who do not disturb one another, and bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from channels.webchat.rates import Buckets
from gateway.core.clock import ManualClock


def taken(buckets: Buckets, key: str, tries: int) -> int:
    return sum(buckets.wait_s(key) == 0 for _ in range(tries))


def test_a_burst_is_let_through_and_no_more() -> None:
    assert taken(Buckets(10, 600, ManualClock()), "a", 1000) == 600


async def test_in_the_long_run_the_rate_holds() -> None:
    clock = ManualClock()
    buckets = Buckets(5, 20, clock)
    total = 0
    for _ in range(100):
        total += taken(buckets, "a", 50)
        await clock.advance(1)
    assert 20 + 5 * 99 - 1 <= total <= 20 + 5 * 99


async def test_who_waits_as_told_is_let_through() -> None:
    clock = ManualClock()
    buckets = Buckets(0.5, 1, clock)
    assert buckets.wait_s("a") == 0
    wait_s = buckets.wait_s("a")
    assert wait_s == 2.0
    await clock.advance(wait_s)
    assert buckets.wait_s("a") == 0


def test_a_refusal_takes_nothing() -> None:
    buckets = Buckets(1, 1, ManualClock())
    buckets.wait_s("a")
    assert [buckets.wait_s("a") for _ in range(5)] == [1.0] * 5


def test_one_does_not_use_up_what_another_has() -> None:
    buckets = Buckets(1, 3, ManualClock())
    assert taken(buckets, "a", 10) == 3
    assert taken(buckets, "b", 10) == 3


def test_rate_zero_is_without_limit() -> None:
    buckets = Buckets(0, 1, ManualClock())
    assert taken(buckets, "a", 10_000) == 10_000
    assert len(buckets) == 0


def test_a_hundred_thousand_addresses_do_not_fill_the_memory() -> None:
    buckets = Buckets(1, 1, ManualClock(), limit=500)
    for number in range(100_000):
        buckets.wait_s(str(number))
    assert len(buckets) == 500


def test_the_one_that_is_seen_often_is_not_forgotten() -> None:
    buckets = Buckets(1, 100, ManualClock(), limit=10)
    for number in range(50):
        assert buckets.wait_s("busy") == 0
        buckets.wait_s(f"other {number}")
    assert taken(buckets, "busy", 100) == 50


@given(st.lists(st.floats(0, 5), max_size=40), st.integers(1, 5), st.sampled_from([0.5, 1.0, 3.0]))
async def test_no_span_of_time_has_more_than_burst_and_rate_allow(
    pauses: list[float], burst: int, per_s: float
) -> None:
    clock = ManualClock()
    buckets = Buckets(per_s, burst, clock)
    times: list[float] = []
    for pause in pauses:
        await clock.advance(pause)
        if buckets.wait_s("a") == 0:
            times.append(clock.monotonic())
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + per_s * (times[last] - times[first]) + 1e-6
