"""The provider's rates hold over every window of time, whoever writes to whom, and when the keeper changes."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.channel import Rates
from gateway.router.pace import Bucket, Pace

PEOPLE = ("ana", "ben", "-group")

rates_of_all_kinds = st.builds(
    Rates,
    per_s=st.sampled_from([0.0, 0.5, 1.0, 7.0, 30.0]),
    per_recipient_s=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    recipient_burst=st.integers(1, 4),
    per_group_min=st.sampled_from([0.0, 20.0]),
    concurrency=st.integers(1, 8),
)
gaps = st.just(0.0) | st.integers(0, 300).map(lambda number: number / 100)
wishes = st.lists(st.tuples(gaps, st.sampled_from(PEOPLE)), max_size=60)
"""Who wants to be written to, and how many seconds after the last wish."""

Sends = dict[str, list[float]]


def is_group(recipient: str) -> bool:
    return recipient.startswith("-")


def send_what_may_go(pace: Pace, wanted: list[tuple[float, str]], began_s: float = 0.0) -> Sends:
    """Grant each wish that the pace lets through at its moment; the others are dropped."""
    sent: Sends = defaultdict(list)
    now = began_s
    for gap, recipient in wanted:
        now += gap
        if pace.wait_s(recipient, now, is_group=is_group(recipient)) == 0:
            pace.take(recipient, now, is_group=is_group(recipient))
            sent[recipient].append(now)
    return sent


def is_within(times: list[float], per_s: float, burst: int) -> bool:
    """Whether no window holds more than *burst* and what its length allows."""
    if per_s <= 0:
        return True
    ordered = sorted(times)
    return all(
        last - first + 1 <= burst + (ordered[last] - ordered[first]) * per_s + 1e-6
        for first in range(len(ordered))
        for last in range(first, len(ordered))
    )


def keeps(rates: Rates, sent: Sends) -> bool:
    def limit(recipient: str) -> float:
        return rates.per_group_min / 60 if is_group(recipient) and rates.per_group_min > 0 else rates.per_recipient_s

    everything = [at for times in sent.values() for at in times]
    return is_within(everything, rates.per_s, 1) and all(
        is_within(times, limit(recipient), rates.recipient_burst) for recipient, times in sent.items()
    )


@settings(deadline=None)
@given(rates_of_all_kinds, wishes)
def test_no_window_holds_more_than_the_rates_allow(rates: Rates, wanted: list[tuple[float, str]]) -> None:
    assert keeps(rates, send_what_may_go(Pace(rates, 0.0), wanted))


BURSTS = Rates(per_recipient_s=1.0, recipient_burst=3)


@settings(deadline=None, max_examples=200)
@example(BURSTS, [(0.0, "ana")] * 3, [(1.1, "ana"), (0.0, "ana"), (0.0, "ana")], 0.0)
@given(rates_of_all_kinds, wishes, wishes, gaps)
def test_the_rates_hold_across_a_change_of_keeper(
    rates: Rates, before: list[tuple[float, str]], after: list[tuple[float, str]], gap: float
) -> None:
    sent = send_what_may_go(Pace(rates, 0.0), before)
    changed_s = sum(pause for pause, _ in before) + gap
    later = send_what_may_go(Pace(rates, changed_s, is_new_keeper=True), after, changed_s)
    for recipient, times in later.items():
        sent[recipient] += times
    assert keeps(rates, sent)


@settings(deadline=None)
@given(rates_of_all_kinds, wishes, st.sampled_from(PEOPLE))
def test_who_waits_as_long_as_told_may_send(rates: Rates, wanted: list[tuple[float, str]], recipient: str) -> None:
    pace = Pace(rates, 0.0)
    send_what_may_go(pace, wanted)
    now = sum(gap for gap, _ in wanted)
    wait_s = pace.wait_s(recipient, now, is_group=is_group(recipient))
    assert pace.wait_s(recipient, now + wait_s, is_group=is_group(recipient)) == 0
    if wait_s > 0.001:
        assert pace.wait_s(recipient, now + wait_s, is_group=is_group(recipient)) == 0
        assert wait_s <= max(1 / rate for rate in (rates.per_s, rates.per_recipient_s, 20 / 60) if rate > 0) + 1e-6


@settings(deadline=None)
@given(rates_of_all_kinds, st.integers(1, 50))
def test_somebody_talkative_costs_others_no_more_than_the_accounts_own_rate(rates: Rates, many: int) -> None:
    pace = Pace(rates, 0.0)
    send_what_may_go(pace, [(0.05, "ana")] * many)
    now = many * 0.05
    assert pace.wait_s("ben", now, is_group=False) == pace.account_wait_s(now)


@settings(deadline=None)
@given(rates_of_all_kinds, wishes, st.lists(st.booleans(), min_size=60, max_size=60))
def test_what_did_not_go_after_all_may_go_later_and_no_faster(
    rates: Rates, wanted: list[tuple[float, str]], goes: list[bool]
) -> None:
    pace, sent, now = Pace(rates, 0.0), defaultdict[str, list[float]](list), 0.0
    for (gap, recipient), does_go in zip(wanted, goes, strict=False):
        now += gap
        group = is_group(recipient)
        if pace.wait_s(recipient, now, is_group=group) > 0:
            continue
        pace.take(recipient, now, is_group=group)
        if does_go:
            sent[recipient].append(now)
        else:
            pace.put_back(recipient, now, is_group=group)
            assert pace.wait_s(recipient, now, is_group=group) == 0, "it cost nothing"
    assert keeps(rates, sent)


@settings(deadline=None)
@given(rates_of_all_kinds, st.lists(st.tuples(gaps, gaps), min_size=1, max_size=8))
def test_nothing_goes_out_while_any_pause_lasts(rates: Rates, pauses: list[tuple[float, float]]) -> None:
    pace, now, until = Pace(rates, 0.0), 0.0, 0.0
    for gap, seconds in pauses:
        now += gap
        pace.pause(now, seconds)
        until = max(until, now + seconds)
        assert pace.account_wait_s(now) >= until - now - 1e-9, "a shorter pause does not end a longer one"
        assert pace.wait_s("ana", now, is_group=False) >= until - now - 1e-9
    assert pace.account_wait_s(until + 10) == 0


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 20))
def test_no_more_calls_are_under_way_than_agreed(concurrency: int, under_way: int) -> None:
    pace = Pace(Rates(concurrency=concurrency), 0.0)
    pace.under_way = under_way
    assert pace.room() == max(0, concurrency - under_way)


def test_a_keeper_that_knows_the_past_begins_full_and_a_new_one_empty() -> None:
    rates = Rates(per_s=2.0, per_recipient_s=1.0, recipient_burst=3)
    known, new = Pace(rates, 100.0), Pace(rates, 100.0, is_new_keeper=True)
    assert known.wait_s("ana", 100.0, is_group=False) == 0
    assert new.account_wait_s(100.0) == 0.5
    assert new.wait_s("ana", 100.0, is_group=False) == 1.0
    assert new.wait_s("ana", 101.0, is_group=False) == 0


@settings(deadline=None)
@given(st.sampled_from([0.3, 1.0, 25.0]), st.integers(1, 5), st.floats(0.01, 1000))
def test_a_bucket_that_rests_fills_up_to_its_brim_and_no_further(per_s: float, burst: int, rest_s: float) -> None:
    bucket = Bucket(per_s, burst, 0.0, is_full=False)
    now = burst / per_s + rest_s
    taken = 0
    while bucket.wait_s(now) == 0:
        bucket.take()
        taken += 1
    assert taken == burst
