"""What the watchdog decides, by the age of a case and by what was done about it before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.control import Control
from gateway.core.ids import ConversationId, HandoffId, new_id
from gateway.router.desk_watchdog import Judgement, WatchTimes, judge
from gateway.store.desk_watch import Watched

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TIMES = WatchTimes(
    acknowledge_within_s=30, alert_after_s=120, fall_back_after_s=300, nobody_after_s=240, agent_quiet_s=3600
)


def case(age_s: float, control: Control | None = Control.QUEUED, **facts: object) -> Watched:
    known: dict[str, object] = {
        "id": HandoffId(new_id()),
        "conversation_id": ConversationId(new_id()),
        "desk": "zendesk.main",
        "asked_at": NOW - timedelta(seconds=age_s),
        "acknowledged_at": None,
        "told_customer_at": None,
        "told_waiting_at": None,
        "alerted_at": None,
        "watch_at": NOW,
        "problem": "",
        "control": control,
        "waiting_since": None,
        "now": NOW,
    }
    return Watched(**{**known, **facts})  # type: ignore[arg-type]


def test_a_new_case_is_looked_at_when_the_desk_should_have_it() -> None:
    assert judge(case(0), TIMES) == Judgement((), 30)


def test_a_desk_that_does_not_answer_is_told_of_alerted_and_replaced_in_turn() -> None:
    assert judge(case(31), TIMES) == Judgement(("told_delayed",), 89)
    assert judge(case(121, told_customer_at=NOW), TIMES) == Judgement(("alerted",), 179)
    assert judge(case(301, told_customer_at=NOW, alerted_at=NOW), TIMES) == Judgement(("fell_back",), None)


def test_what_was_missed_while_nobody_looked_is_made_up_at_once() -> None:
    assert judge(case(301), TIMES) == Judgement(("told_delayed", "alerted", "fell_back"), None)


def test_nothing_falls_back_to_where_it_is_nor_when_it_is_switched_off() -> None:
    done = {"told_customer_at": NOW, "alerted_at": NOW}
    assert judge(case(301, desk="builtin.main", **done), TIMES) == Judgement()
    assert judge(case(301, desk="builtin", **done), TIMES) == Judgement()
    assert judge(case(301, **done), msgspec.structs.replace(TIMES, fall_back_after_s=0)) == Judgement()


def test_where_the_desk_has_it_and_nobody_comes_the_customer_is_told_once() -> None:
    assert judge(case(100, acknowledged_at=NOW), TIMES) == Judgement((), 140)
    assert judge(case(241, acknowledged_at=NOW), TIMES) == Judgement(("told_waiting",), None)
    assert judge(case(241, acknowledged_at=NOW, told_waiting_at=NOW), TIMES) == Judgement()


def test_an_agent_is_given_the_time_that_the_customer_waits_for_them() -> None:
    agent = Control.AGENT
    assert judge(case(9999, agent), TIMES) == Judgement((), 3600)
    assert judge(case(9999, agent, waiting_since=NOW - timedelta(seconds=600)), TIMES) == Judgement((), 3000)
    assert judge(case(9999, agent, waiting_since=NOW - timedelta(seconds=3600)), TIMES) == Judgement(("gave_back",))
    silent = case(9999, agent, waiting_since=NOW - timedelta(seconds=3600), desk="provider")
    assert judge(silent, TIMES) == Judgement(), "the provider's inbox has a time of its own"
    off = msgspec.structs.replace(TIMES, agent_quiet_s=0)
    assert judge(case(9999, agent, waiting_since=NOW - timedelta(days=9)), off) == Judgement()


def test_a_case_in_which_the_conversation_is_not_is_left_alone() -> None:
    assert judge(case(9999, None), TIMES) == Judgement()
    assert judge(case(9999, Control.BOT), TIMES) == Judgement()


seconds = st.integers(0, 1000)


@given(age=seconds, acknowledged=st.booleans(), told=st.booleans(), alerted=st.booleans(), later=st.integers(1, 500))
def test_looking_again_when_it_said_so_misses_nothing(
    age: int, acknowledged: bool, told: bool, alerted: bool, later: int
) -> None:
    facts = {
        "acknowledged_at": NOW if acknowledged else None,
        "told_customer_at": NOW if told else None,
        "alerted_at": NOW if alerted else None,
    }
    first = judge(case(age, **facts), TIMES)
    if first.acts:
        return
    between = judge(case(age + min(later, (first.look_again_s or 10_000) - 0.5), **facts), TIMES)
    assert between.acts == ()
    if first.look_again_s is not None:
        assert judge(case(age + first.look_again_s, **facts), TIMES).acts
