"""What the bot remembers: the same bytes when nothing changed, bounded, and never a reason to fail."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import Customer, keys

from config.bot import Bot
from gateway.dialogue import Dialogue
from gateway.dialogue.state import MAX_STATE_BYTES, VERSION, State, read_state, write_state
from nlp.intents import Prediction
from nlp.language import LanguageDetector

TODAY = 20_777


async def test_the_same_turn_again_leaves_the_same_bytes(customer: Customer) -> None:
    for text in ["cuál es mi saldo", "menu", "a qué hora abren"]:
        first = (await customer.says(text)).state
        second = (await customer.says(text)).state
        assert first == second


async def test_what_changes_nothing_gives_the_very_same_state(customer: Customer) -> None:
    await customer.says("no tengo señal")
    before = customer.state
    await customer.turn(customer.timer("unknown", ""))
    assert customer.state is before


async def test_a_conversation_in_which_nothing_happened_needs_no_state(customer: Customer) -> None:
    assert (await customer.turn(customer.timer("unknown", ""))).state == b""


async def test_slots_and_flow_are_forgotten_after_the_authors_days(customer: Customer) -> None:
    await customer.says("i have no signal at home")
    customer.waits(days=29)
    assert keys(await customer.says("north")) == ["utter_outage_known"]
    await customer.says("i have no signal at home")
    customer.waits(days=31)
    outcome = await customer.says("asdf qwer")
    assert "state: too old, forgotten" in outcome.resolution.steps
    assert outcome.language == "en"


async def test_a_state_of_another_version_of_the_bot_is_brought_over(bot: Bot, customer: Customer) -> None:
    await customer.says("no tengo señal")
    customer.state = customer.state.replace(bot.version.encode(), b"0123456789abcdef")
    outcome = await customer.says("norte")
    assert keys(outcome) == ["utter_outage_known"]
    assert bot.version.encode() in outcome.state


async def test_a_flow_that_is_not_there_any_more_is_dropped(bot: Bot, customer: Customer) -> None:
    await customer.says("no tengo señal")
    customer.state = customer.state.replace(b'"name":"outage"', b'"name":"older"')
    outcome = await customer.says("cuál es mi saldo")
    assert keys(outcome) == ["utter_balance"]
    assert any("'older' is not there any more" in step for step in outcome.resolution.steps)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"v":99,"bot":"x"}',
        b'{"v":1}',
        b"\xff\xfe",
        b'{"v":1,"bot":"x","slots":3}',
        b"{" * 9_000,
    ],
)
async def test_a_state_that_makes_no_sense_never_stops_a_turn(customer: Customer, state: bytes) -> None:
    customer.state = state
    assert keys(await customer.says("cuál es mi saldo")) == ["utter_balance"]


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_reading_any_bytes_never_raises(bot: Bot, data: bytes) -> None:
    state, _ = read_state(data, bot, TODAY)
    assert state.version == VERSION


@given(
    st.dictionaries(
        st.text(max_size=20), st.one_of(st.text(max_size=500), st.floats(allow_nan=False), st.booleans()), max_size=80
    ),
    st.text(max_size=8),
)
@settings(max_examples=50, deadline=None)
def test_a_state_is_never_larger_than_allowed_and_reads_back(bot: Bot, slots: dict[str, object], language: str) -> None:
    state = State(version=VERSION, bot_version=bot.version, slots=slots, language=language)
    data = write_state(state, b"")
    assert len(data) <= MAX_STATE_BYTES
    if data:
        again, _ = read_state(data, bot, TODAY)
        assert write_state(again, data) is data


async def test_a_long_answer_is_cut_before_it_is_kept(bot: Bot, detector: LanguageDetector) -> None:
    async def outside(_text: str) -> Prediction:
        return Prediction((), 0.0, is_in_scope=False)

    flow = bot.flows["outage"]
    zone = msgspec.structs.replace(flow.collects[0], validation=type(flow.collects[0].validation)())
    changed = msgspec.structs.replace(flow, steps={**flow.steps, zone.id: zone})
    customer = Customer(Dialogue(msgspec.structs.replace(bot, flows={"outage": changed}), outside, detector))
    await customer.presses("/flow:outage")
    outcome = await customer.says("z" * 100_000)
    assert len(json.loads(outcome.state)["slots"]["zone"]) == 500
