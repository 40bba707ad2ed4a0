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
        group = is_group(recipient)
        if pace.wait_s(recipient, now, is_group=group) == 0:
            pace.book(recipient, now, is_group=group)
            if pace.begin_wait_s(recipient, now, is_group=group) > 0:
                pace.put_back(recipient, now, is_group=group)
                continue
            pace.begin(recipient, now, is_group=group, is_heavy=False)
            pace.end()
            sent[recipient].append(now)
    return sent


def is_bucket(times: list[float], per_s: float, burst: int) -> bool:
    """Whether no window holds more than *burst* and what its length allows."""
    if per_s <= 0:
        return True
    ordered = sorted(times)
    return all(
        last - first + 1 <= burst + (ordered[last] - ordered[first]) * per_s + 1e-6
        for first in range(len(ordered))
        for last in range(first, len(ordered))
    )


def most_in_any_span(times: list[float], span_s: float) -> int:
    """The most that any span of that length holds, its end not counted."""
    ordered = sorted(times)
    return max(
        (sum(first <= at < first + span_s - 1e-6 for at in ordered) for first in ordered),
        default=0,
    )


def keeps(rates: Rates, sent: Sends) -> bool:
    """Whether no span of the account's, a group's or a person's rate holds more than it may."""
    everything = [at for times in sent.values() for at in times]
    most = max(1, int(rates.per_s))
    if rates.per_s > 0 and most_in_any_span(everything, most / rates.per_s) > most:
        return False
    for recipient, times in sent.items():
        if is_group(recipient) and rates.per_group_min > 0:
            if most_in_any_span(times, 60.0) > rates.per_group_min:
                return False
        elif not is_bucket(times, rates.per_recipient_s, rates.recipient_burst):
            return False
    return True


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
    group = is_group(recipient)
    wait_s = pace.wait_s(recipient, now, is_group=group)
    assert pace.wait_s(recipient, now + wait_s, is_group=group) == 0
    begin_s = pace.begin_wait_s(recipient, now + wait_s, is_group=group)
    assert begin_s <= (1.0 if rates.per_s >= 1 else 2.0) + 1e-6
    assert pace.begin_wait_s(recipient, now + wait_s + begin_s, is_group=group) == 0
    if wait_s > 0.001:
        slowest = max(1 / rate for rate in (rates.per_s, rates.per_recipient_s, 20 / 60) if rate > 0)
        assert wait_s <= max(slowest, 60.0 if group else 0.0) + 1e-6


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
        pace.book(recipient, now, is_group=group)
        if does_go and pace.begin_wait_s(recipient, now, is_group=group) == 0:
            pace.begin(recipient, now, is_group=group, is_heavy=False)
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
    for _ in range(concurrency):
        assert not pace.is_busy()
        pace.begin("ana", 0.0, is_group=False, is_heavy=False)
    assert pace.is_busy()
    pace.end()
    assert not pace.is_busy()


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
    bucket = Bucket(per_s, burst, 0.0, tokens=0.0)
    now = burst / per_s + rest_s
    taken = 0
    while bucket.wait_s(now) == 0:
        bucket.take(now)
        taken += 1
    assert taken == burst


@settings(deadline=None)
@given(st.sampled_from([1.0, 7.0, 30.0, 80.0]), st.lists(st.floats(0, 0.4), min_size=1, max_size=40))
def test_planned_moments_keep_the_rate_however_late_the_calls_begin(per_s: float, lags: list[float]) -> None:
    rates = Rates(per_s=per_s)
    pace, now, began = Pace(rates, 0.0), 0.0, list[float]()
    for lag in lags:
        moments = [pace.book("ana", now, is_group=False) for _ in range(max(1, pace.slots(now)))]
        for moment in moments:
            now = max(now, moment)
            now += pace.begin_wait_s("ana", now, is_group=False)
            pace.begin("ana", now, is_group=False, is_heavy=False)
            began.append(now)
        now += lag
    most = max(1, int(per_s))
    assert most_in_any_span(began, most / per_s) <= most


def test_moments_that_are_planned_follow_one_another_at_the_rate() -> None:
    pace = Pace(Rates(per_s=10.0), 0.0)
    moments = [pace.book("ana", 0.0, is_group=False) for _ in range(5)]
    assert [round(moment, 6) for moment in moments] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert pace.slots(0.0) == 0
    assert pace.slots(0.4) == 2


def test_heavy_calls_have_a_rate_of_their_own_and_each_its_moment() -> None:
    pace = Pace(Rates(per_s=100.0, heavy_per_s=2.0), 0.0)
    for _ in range(2):
        assert pace.heavy_wait_s(0.0) == 0
        pace.begin("ana", 0.0, is_group=False, is_heavy=True)
    assert [pace.promise_heavy_s(0.0) for _ in range(3)] == [1.0, 1.5, 2.0]
    assert pace.begin_wait_s("ana", 0.0, is_group=False) == 0, "light ones go on"
