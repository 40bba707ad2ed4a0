"""Leaving a message when nobody is there, going on with a solved case, and that no word of the customer is lost."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import CLOSED, OPEN, Customer, Oracle, detail, keys, options

from config.bot import Bot
from gateway.core.messages import Media, Text
from gateway.core.turns import TurnOutcome
from gateway.dialogue import Dialogue
from gateway.dialogue.draft import REOPEN_TIMER
from nlp.language import LanguageDetector

KNOWN = {
    "my balance": {"balance": 0.95},
    "a person": {"person": 0.95},
    "thank you": {"thanks": 0.95},
    "my line is dead": {"outage": 0.95},
    "i have no signal": {"outage": 0.95},
}


@pytest.fixture(scope="module")
def english(bot: Bot, detector: LanguageDetector) -> Dialogue:
    talk = msgspec.structs.replace(bot.handoff, leaves_messages=True)
    return Dialogue(msgspec.structs.replace(bot, handoff=talk), Oracle(KNOWN), detector)


@pytest.fixture
def at_night(english: Dialogue) -> Customer:
    return Customer(english, profile="en", now=CLOSED)


@pytest.fixture
def by_day(english: Dialogue) -> Customer:
    return Customer(english, profile="en", now=OPEN)


async def test_at_night_a_message_may_be_left_and_is_acknowledged_once(at_night: Customer) -> None:
    offered = await at_night.says("a person")
    assert (offered.hand_off, keys(offered)) == ("", ["utter_offer_message"])
    asked = await at_night.presses(options(offered)["Leave a message"])
    assert (asked.hand_off, keys(asked)) == ("", ["utter_leave_message"])
    left = await at_night.sends([Text("my invoice is wrong")], [Media("image", provider_ref="x")])
    assert (left.hand_off, detail(left), keys(left)) == ("left_message", "asked: person", ["utter_message_left"])


async def test_a_file_alone_is_a_message_too(at_night: Customer) -> None:
    await at_night.says("a person")
    await at_night.says("1")
    assert (await at_night.sends([Media("image", provider_ref="x")])).hand_off == "left_message"


async def test_whoever_would_rather_talk_to_the_bot_is_answered_by_it(at_night: Customer) -> None:
    offered = await at_night.says("a person")
    kept = await at_night.presses(options(offered)["Go on with the bot"])
    assert keys(kept) == ["utter_kept_bot"]
    assert keys(await at_night.says("my balance")) == ["utter_balance"]


async def test_a_question_instead_of_a_choice_is_answered(at_night: Customer) -> None:
    await at_night.says("a person")
    assert keys(await at_night.says("my balance")) == ["utter_balance"]
    assert (await at_night.says("i have no signal")).hand_off == "", "nobody is writing a message any more"


@pytest.mark.parametrize("word", ["cancel", "never mind"])
async def test_a_message_that_was_begun_can_be_dropped(at_night: Customer, word: str) -> None:
    await at_night.says("a person")
    await at_night.says("leave a message")
    dropped = await at_night.says(word)
    assert (dropped.hand_off, keys(dropped)) == ("", ["utter_kept_bot"])


async def test_a_message_is_not_waited_for_until_the_next_day(at_night: Customer) -> None:
    await at_night.says("a person")
    await at_night.says("1")
    at_night.waits(hours=3)
    assert keys(await at_night.says("my balance")) == ["utter_balance"]


async def test_when_people_are_back_meanwhile_the_case_goes_to_them(at_night: Customer) -> None:
    await at_night.says("a person")
    at_night.now = OPEN + timedelta(days=3)
    handed = await at_night.presses("/leave_message")
    assert (handed.hand_off, detail(handed), keys(handed)) == ("asked", "person", ["utter_handoff"])


async def test_when_the_bot_fails_at_night_the_case_is_opened_at_once(at_night: Customer) -> None:
    failed = at_night.dialogue.failed(at_night.input(at_night.message(Text("hi"))), "KeyError")
    assert (failed.hand_off, keys(failed)) == ("bot_failed", ["utter_handoff_closed"])


async def test_not_being_understood_at_night_leads_to_the_offer(at_night: Customer) -> None:
    for _ in range(2):
        await at_night.says("wxyz qwrt")
    third = await at_night.says("wxyz qwrt")
    assert (third.hand_off, keys(third)) == ("", ["utter_offer_message"])
    await at_night.says("1")
    left = await at_night.says("the app shows an error")
    assert (left.hand_off, detail(left)) == ("left_message", "unresolved: 3 times")


# a case that was solved


async def test_who_writes_soon_after_a_solved_case_is_asked_once_whether_it_goes_on(by_day: Customer) -> None:
    case = await by_day.has_solved("Marta")
    asked = await by_day.says("my line is dead")
    assert keys(asked) == ["utter_reopen"]
    assert "Marta" in str(asked.replies[0].parts)
    assert [(t.kind, t.payload) for t in asked.timers if t.kind == REOPEN_TIMER] == [
        (REOPEN_TIMER, case.handoff_id.hex)
    ]
    again = await by_day.presses(options(asked)["The same case"])
    assert (again.hand_off, keys(again)) == ("reopened", ["utter_handoff_reopened"])
    assert again.handing is not None
    assert again.handing.reopens == case.handoff_id


async def test_something_new_is_the_very_message_that_was_written(by_day: Customer) -> None:
    await by_day.has_solved()
    asked = await by_day.says("my balance")
    new = await by_day.presses(options(asked)["Something new"])
    assert (keys(new), new.resolution.intent) == (["utter_balance"], "balance")
    assert [(t.kind, t.after_s) for t in new.timers] == [(REOPEN_TIMER, None)]
    assert keys(await by_day.says("my balance")) == ["utter_balance"], "asked once only"


async def test_the_choice_may_be_typed_as_a_number_where_there_are_no_buttons(by_day: Customer) -> None:
    await by_day.has_solved()
    await by_day.says("my balance")
    assert keys(await by_day.says("2")) == ["utter_balance"]


async def test_without_an_answer_the_bot_reads_the_message_by_itself(by_day: Customer) -> None:
    case = await by_day.has_solved()
    await by_day.says("my balance")
    read = await by_day.turn(by_day.timer(REOPEN_TIMER, case.handoff_id.hex))
    assert keys(read) == ["utter_balance"]
    assert keys(await by_day.turn(by_day.timer(REOPEN_TIMER, case.handoff_id.hex))) == [], "and once only"


async def test_further_words_are_read_together_with_the_first(by_day: Customer) -> None:
    await by_day.has_solved()
    await by_day.says("my balance")
    assert keys(await by_day.says("please tell")) == ["utter_balance"]


async def test_a_picture_that_was_held_back_is_not_met_with_silence(by_day: Customer) -> None:
    await by_day.has_solved()
    asked = await by_day.sends([Media("image", provider_ref="x")])
    assert keys(asked) == ["utter_reopen"]
    assert keys(await by_day.presses("/new_case")) == ["utter_media_received"]


@pytest.mark.parametrize("said", ["thank you", "5"])
async def test_thanks_and_a_rating_are_about_no_case(by_day: Customer, said: str) -> None:
    await by_day.has_solved()
    assert "utter_reopen" not in keys(await by_day.says(said))


async def test_the_same_case_can_still_be_chosen_after_the_bot_read_the_message(by_day: Customer) -> None:
    case = await by_day.has_solved()
    await by_day.says("my balance")
    await by_day.turn(by_day.timer(REOPEN_TIMER, case.handoff_id.hex))
    late = await by_day.presses("/same_case")
    assert late.handing is not None
    assert late.handing.reopens == case.handoff_id


async def test_a_case_that_is_too_old_to_go_on_with_is_asked_for_anew(by_day: Customer) -> None:
    await by_day.has_solved()
    await by_day.says("my balance")
    by_day.solved = None
    late = await by_day.presses("/same_case")
    assert (late.hand_off, late.handing.reopens if late.handing else "") == ("asked", None)


async def test_a_second_solved_case_is_asked_about_again(by_day: Customer) -> None:
    await by_day.has_solved()
    await by_day.says("my balance")
    await by_day.says("my balance")
    await by_day.has_solved("Luis")
    assert "Luis" in str((await by_day.says("my balance")).replies)


async def test_thanks_instead_of_a_rating_end_the_case(by_day: Customer) -> None:
    await by_day.turn(by_day.desk("given_back", "Marta", "solved"))
    thanked = await by_day.says("thank you")
    assert (keys(thanked), thanked.ends_episode) == (["utter_thanks"], "solved")
    assert (await by_day.says("thank you")).ends_episode == ""


@pytest.mark.parametrize(
    ("reason", "was_answered"), [("solved", False), ("customer_quiet", True), ("agent_quiet", True)]
)
async def test_where_nobody_helped_nobody_is_asked_how_it_was(
    by_day: Customer, reason: str, *, was_answered: bool
) -> None:
    back = await by_day.turn(by_day.desk("given_back", "Marta", reason, was_answered=was_answered))
    assert keys(back) == ([] if reason == "customer_quiet" else ["utter_given_back"])


async def test_when_the_window_has_closed_nobody_is_asked_how_it_was(by_day: Customer) -> None:
    by_day.may_speak = False
    back = await by_day.turn(by_day.desk("given_back", "Marta", "solved"))
    assert keys(back) == []
    by_day.may_speak = True
    assert keys(await by_day.says("my balance")) == ["utter_balance"], "and no question is open"


STEPS = st.lists(
    st.sampled_from(["my balance", "i have no signal", "thank you", "1", "2", "/same_case", "/new_case", "/keep_bot",
                     "/leave_message", "picture", "timer", "solve", "night", "day", "cancel", "back"]),
    max_size=14,
)  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_however_timers_and_turns_interleave_no_message_stays_unread(english: Dialogue, steps: list[str]) -> None:
    """What the customer wrote is answered, goes to a person, or is held back with a timer that will read it."""
    customer = Customer(english, profile="en")
    for step in steps:
        outcome = await _take(customer, step)
        if outcome is None:
            continue
        state = msgspec.json.decode(outcome.state or b"{}")
        said_something = step not in ("timer", "solve", "back")
        if said_something:
            assert outcome.replies, f"silence after {step}"
        for reply in outcome.replies:
            assert "{" not in str([getattr(part, "text", "") for part in reply.parts])
        if outcome.hand_off:
            assert state.get("held") is None
            assert state.get("leaving") is None
            await customer.turn(customer.desk("given_back", "Marta", "returned"))
        if state.get("held") is not None and "utter_reopen" in keys(outcome):
            assert any(timer.kind == REOPEN_TIMER and timer.after_s for timer in outcome.timers)


async def _take(customer: Customer, step: str) -> TurnOutcome | None:
    match step:
        case "timer":
            case = customer.solved.handoff_id.hex if customer.solved else ""
            return await customer.turn(customer.timer(REOPEN_TIMER, case))
        case "solve":
            await customer.has_solved()
            return None
        case "back":
            return await customer.turn(customer.desk("given_back", "Marta", "returned"))
        case "night" | "day":
            customer.now = CLOSED if step == "night" else OPEN
            return None
        case "picture":
            return await customer.sends([Media("image", provider_ref="x")])
        case _ if step.startswith("/"):
            return await customer.presses(step)
        case _:
            return await customer.says(step)
