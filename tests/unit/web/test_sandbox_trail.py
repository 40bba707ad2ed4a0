"""The panel's lines: which rows there are, which steps each has taken, and how long each took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import new_id
from gateway.core.messages import Choice, Media, Option, Text, Unsupported
from gateway.core.turns import Candidate, Entity, Resolution
from gateway.store.trail import TrailEnd, TrailMessage, TrailTurn
from gateway.web.sandbox.trail import Step, lines_of, said

BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def after(ms: float) -> datetime:
    return BEGAN + timedelta(milliseconds=ms)


def message(author: str, ms: float, *, seq: int | None = None, status: str = "sent", **more: object) -> TrailMessage:
    plain = {
        "id": new_id(),
        "seq": seq,
        "author": author,
        "status": status,
        "parts": (Text("hola"),),
        "at": after(ms),
        "turn_id": None,
        "agent": "",
        "reply_key": "",
        "claims": 0,
        "failures": 0,
        "reason": "",
        "detail": "",
    }
    return TrailMessage(**(plain | more))


def turn(ms: float, from_seq: int, to_seq: int, **more: object) -> TrailTurn:
    plain = {
        "id": new_id(),
        "from_seq": from_seq,
        "to_seq": to_seq,
        "at": after(ms),
        "epoch": 0,
        "bot_version": "v",
        "outcome": "answered",
        "link": "intents",
        "intent": "balance",
        "confidence": 0.97,
        "language": "es",
        "resolution": None,
        "duration_us": 2500,
        "entry_kind": "",
    }
    return TrailTurn(**(plain | more))


def end(messages: list[TrailMessage], turns: list[TrailTurn]) -> TrailEnd:
    return TrailEnd(new_id(), "telegram", "Ana", "bot", "", tuple(messages), tuple(turns))


def test_a_message_that_was_answered_shows_every_step_with_its_time() -> None:
    decided = turn(10, 1, 1)
    asked = message("customer", 0, seq=1)
    reply = message("bot", 10, turn_id=decided.id, status="read")
    times = {
        reply.id: {"message_sent": after(25), "message_delivered": after(60), "message_read": after(1060)},
    }
    [line] = lines_of(end([asked, reply], [decided]), times)
    assert line.steps == (
        Step("received", 0.0),
        Step("turn", 10.0),
        Step("sent", 15.0),
        Step("delivered", 35.0),
        Step("read", 1000.0),
    )
    assert (line.kind, line.text, line.contact) == ("customer", "hola", "Ana")


def test_what_is_still_to_come_is_shown_as_such() -> None:
    decided = turn(5, 1, 1)
    asked = message("customer", 0, seq=1)
    waiting = message("bot", 5, turn_id=decided.id, status="queued", claims=3, failures=2)
    later = message("customer", 20, seq=2)
    one, two = lines_of(end([asked, waiting, later], [decided]), {})
    assert one.steps[-1] == Step("sent", is_done=False)
    assert one.replies[0].tries == 2
    assert two.steps == (Step("received", 0.0), Step("turn", is_done=False))


def test_a_burst_is_two_lines_that_share_one_decision() -> None:
    decided = turn(30, 1, 2)
    first, second = message("customer", 0, seq=1), message("customer", 12, seq=2)
    reply = message("bot", 30, turn_id=decided.id)
    lines = lines_of(end([first, second, reply], [decided]), {reply.id: {"message_sent": after(40)}})
    assert [line.steps[1].ms for line in lines] == [30.0, 18.0]
    assert [line.decision.read_messages for line in lines if line.decision] == [2, 2]


@pytest.mark.parametrize("status", ["failed", "withdrawn"])
def test_a_reply_that_came_to_nothing_says_so(status: str) -> None:
    decided = turn(5, 1, 1)
    reply = message("bot", 5, turn_id=decided.id, status=status, reason="blocked", detail="by the user", failures=4)
    [line] = lines_of(
        end([message("customer", 0, seq=1), reply], [decided]), {reply.id: {f"message_{status}": after(9)}}
    )
    assert line.steps[-1] == Step(status, 4.0)
    assert (line.replies[0].reason, line.replies[0].tries) == ("blocked: by the user", 4)


def test_what_a_person_wrote_is_a_line_of_its_own() -> None:
    answer = message("agent", 0, agent="Berta", status="delivered")
    [line] = lines_of(end([answer], []), {answer.id: {"message_sent": after(8), "message_delivered": after(20)}})
    assert (line.kind, line.who, line.decision) == ("agent", "Berta", None)
    assert line.steps == (Step("received", 0.0), Step("sent", 8.0), Step("delivered", 12.0))


def test_a_turn_that_a_timer_began_is_a_line_only_when_something_came_of_it() -> None:
    silent = turn(0, 1, 1, entry_kind="timer", outcome="silent", intent="")
    spoke = turn(100, 2, 2, entry_kind="timer")
    reply = message("bot", 100, turn_id=spoke.id)
    [line] = lines_of(end([reply], [silent, spoke]), {})
    assert (line.kind, line.id) == ("timer", str(spoke.id))


def test_the_reasons_of_a_decision_come_along() -> None:
    why = Resolution(
        link="intents",
        candidates=(Candidate("balance", 0.97), Candidate("bill", 0.02)),
        entities=(Entity("zone", "north", "norte"),),
        steps=("intents: balance 0.97",),
    )
    [line] = lines_of(end([message("customer", 0, seq=1)], [turn(1, 1, 1, resolution=why)]), {})
    assert line.decision is not None
    assert (line.decision.candidates, line.decision.entities, line.decision.steps) == (
        why.candidates,
        why.entities,
        why.steps,
    )
    assert msgspec.json.decode(msgspec.json.encode(line))["decision"]["candidates"][0]["intent"] == "balance"


@given(
    st.lists(st.sampled_from(["customer", "bot", "agent", "system"]), max_size=12),
    st.integers(min_value=0, max_value=12),
)
def test_no_message_is_lost_or_told_twice(authors: list[str], read: int) -> None:
    messages, turns, seq = [], [], 0
    for number, author in enumerate(authors):
        if author == "customer":
            seq += 1
            if seq <= read:
                turns.append(turn(number, seq, seq))
        turn_id = turns[-1].id if author == "bot" and turns else None
        messages.append(message(author, number, seq=seq if author == "customer" else None, turn_id=turn_id))
    lines = lines_of(end(messages, turns), {})
    told = [line.id for line in lines] + [str(m.id) for m in messages if m.turn_id is not None]
    assert sorted(told) == sorted(str(m.id) for m in messages)
    assert all(step.ms is None or step.ms >= 0 for line in lines for step in line.steps)


def test_a_message_without_words_is_named() -> None:
    assert said((Media("image", blob="x"), Unsupported("dice"))) == "[image] [dice]"
    assert said((Choice("¿Sí?", (Option("Sí"),)),)) == "¿Sí?"


def test_times_of_other_messages_do_not_leak_in() -> None:
    decided = turn(5, 1, 1)
    reply = message("bot", 5, turn_id=decided.id)
    [line] = lines_of(end([message("customer", 0, seq=1), reply], [decided]), {UUID(int=7): {"message_sent": after(9)}})
    assert line.steps[-1] == Step("sent", None)
