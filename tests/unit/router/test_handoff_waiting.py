"""When customers of open cases are told of the wait, reminded, and let go; and how long a wait is said to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.bot_hours import LocalHours, OpeningHours
from gateway.core.control import Control
from gateway.core.ids import ConversationId, HandoffId, new_id
from gateway.router.waiting import FEWEST, LOOK_S, MOST_TOLD, WaitingTimes, expected_minutes, judge
from gateway.store.waiting import Cared, Waited

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TIMES = WaitingTimes(tell_every_s=300, remind_s=600, close_s=3600)
ALWAYS = LocalHours(OpeningHours(), ZoneInfo("UTC"))


def case(**changed: object) -> Cared:
    plain = Cared(
        id=HandoffId(new_id()),
        conversation_id=ConversationId(new_id()),
        desk="builtin.main",
        reason="asked",
        asked_at=NOON,
        care_at=NOON,
        told_expected=0,
        told_at=None,
        reminded_at=None,
        control=Control.QUEUED,
        agent_position=None,
        agent_at=None,
        customer_position=1,
        now=NOON,
    )
    return msgspec.structs.replace(plain, **changed)


def with_agent(quiet_s: float, **changed: object) -> Cared:
    """The agent spoke last, so long ago."""
    spoke = {"control": Control.AGENT, "agent_position": 2, "agent_at": NOON - timedelta(seconds=quiet_s)}
    return case(**{**spoke, **changed})


def test_the_wait_is_told_at_once_and_then_ever_rarer_and_not_for_ever() -> None:
    assert judge(case(), TIMES).act == "tell_expected"
    told = NOON - timedelta(seconds=301)
    assert judge(case(told_expected=1, told_at=told), TIMES).act == "tell_expected"
    assert judge(case(told_expected=2, told_at=told), TIMES).act is None
    assert judge(case(told_expected=MOST_TOLD, told_at=NOON - timedelta(days=1)), TIMES).act is None


def test_who_left_a_message_is_told_of_no_wait() -> None:
    assert judge(case(reason="left_message"), TIMES).act is None


def test_a_silent_customer_is_reminded_once_and_later_let_go() -> None:
    assert judge(with_agent(599), TIMES).act is None
    assert judge(with_agent(600), TIMES).act == "remind"
    reminded = NOON - timedelta(seconds=2999)
    assert judge(with_agent(3599, reminded_at=reminded), TIMES).act is None
    assert judge(with_agent(3601, reminded_at=NOON - timedelta(seconds=3001)), TIMES).act == "close"


def test_each_word_of_the_agent_begins_the_time_anew() -> None:
    before = NOON - timedelta(seconds=1200)
    assert judge(with_agent(601, reminded_at=before), TIMES).act == "remind"


def test_a_late_reminder_still_leaves_time_to_answer() -> None:
    assert judge(with_agent(9_000), TIMES).act == "remind"
    assert judge(with_agent(9_000, reminded_at=NOON - timedelta(seconds=60)), TIMES).act is None


@pytest.mark.parametrize(
    "owing",
    [
        with_agent(9_000, customer_position=3),
        with_agent(9_000, agent_position=None),
        with_agent(9_000, desk="provider.main"),
        with_agent(9_000, control=None),
    ],
)
def test_nobody_is_reminded_whom_the_agent_owes_an_answer(owing: Cared) -> None:
    assert judge(owing, TIMES).act is None


def test_zero_switches_each_of_them_off() -> None:
    off = WaitingTimes(tell_every_s=0, remind_s=0, close_s=0)
    assert judge(case(), off).act is None
    assert judge(with_agent(1e6), off).act is None
    assert judge(with_agent(1e6), WaitingTimes(tell_every_s=0, remind_s=0, close_s=60)).act == "close"


MOMENTS = st.lists(st.tuples(st.sampled_from(["agent", "customer", "look"]), st.integers(1, 4000)), max_size=40)


@given(moments=MOMENTS)
def test_however_words_and_looks_interleave_silence_is_met_once_and_an_owed_answer_never(
    moments: list[tuple[str, int]],
) -> None:
    """Played by the clock: at each moment somebody speaks, or the case is looked at as its row says."""
    now, position = NOON, 1
    seen = with_agent(0, customer_position=0, agent_at=NOON)
    acts: list[str] = []
    for what, after_s in moments:
        end, look_at = now + timedelta(seconds=after_s), now
        while look_at <= end:  # looks between what is said
            judged = judge(msgspec.structs.replace(seen, now=look_at), TIMES)
            assert 0 < judged.look_again_s <= LOOK_S
            if judged.act is not None:
                quiet = seen.quiet_since
                assert quiet is not None, "the agent owes the answer"
                acts.append(judged.act)
                least_s = TIMES.remind_s if judged.act == "remind" else TIMES.close_s
                assert look_at - quiet >= timedelta(seconds=least_s)
                if judged.act == "close":
                    return
                assert acts[-2:] != ["remind", "remind"], "once only"
                seen = msgspec.structs.replace(seen, reminded_at=look_at)
            look_at += timedelta(seconds=max(judged.look_again_s, 0.5))
        now = end
        position += 1
        acts.append(what)
        if what == "agent":
            seen = msgspec.structs.replace(seen, agent_position=position, agent_at=now)
        elif what == "customer":
            seen = msgspec.structs.replace(seen, customer_position=position)


def waits(*minutes: float, at: datetime = NOON, reason: str = "asked") -> list[Waited]:
    return [Waited(at - timedelta(days=7), reason, 60 * each) for each in minutes]


def test_a_wait_is_told_that_three_of_four_were_served_within() -> None:
    assert expected_minutes(waits(1, 2, 3, 4, 5, 6, 7, 8), NOON, NOON, ALWAYS) == 6
    assert expected_minutes(waits(*[0.1] * 8), NOON, NOON, ALWAYS) == 2
    assert expected_minutes(waits(*[13] * 8), NOON, NOON, ALWAYS) == 15
    assert expected_minutes(waits(*[41] * 8), NOON, NOON, ALWAYS) == 50


def test_who_has_waited_longer_than_most_is_told_by_those_who_did_too() -> None:
    samples = waits(1, 1, 1, 10, 11, 12, 13)
    assert expected_minutes(samples, NOON, NOON - timedelta(minutes=5), ALWAYS) == 7


@pytest.mark.parametrize(
    "samples",
    [
        [],
        waits(*[3] * (FEWEST - 1)),
        waits(*[300] * 9),
        waits(*[3] * 9, at=NOON + timedelta(hours=7)),
        waits(*[3] * 9, at=NOON + timedelta(days=1)),
        waits(*[3] * 9, reason="left_message"),
    ],
)
def test_where_nobody_can_know_nothing_is_said(samples: list[Waited]) -> None:
    assert expected_minutes(samples, NOON, NOON, ALWAYS) is None


def test_outside_of_the_opening_hours_no_minutes_are_told() -> None:
    closed = LocalHours(OpeningHours(((),) * 7), ZoneInfo("UTC"))
    assert expected_minutes(waits(*[3] * 9), NOON, NOON, closed) is None


@given(minutes=st.lists(st.floats(0, 500), max_size=30), age_min=st.floats(0, 200))
def test_what_is_told_is_a_number_one_can_say(minutes: list[float], age_min: float) -> None:
    told = expected_minutes(waits(*minutes), NOON, NOON - timedelta(minutes=age_min), ALWAYS)
    assert told is None or (2 <= told <= 120 and (told <= 10 or told % 5 == 0))
