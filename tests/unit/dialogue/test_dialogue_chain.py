"""The chain on the sample bot: each link answers what is its own, abstains otherwise, and says why."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talking import CLOSED, Customer, Oracle, detail, keys, options, words

from channels.shortening import shortened_value
from config.bot import Bot
from config.bot_handoff import NO_TALK
from config.bot_localised import Localised
from gateway.core.errors import Misconfigured, Overloaded
from gateway.core.messages import AnyPart, ContactCard, Location, Media, Reaction, Selection, Text, Unsupported
from gateway.core.turns import TimerSet
from gateway.dialogue import Dialogue
from nlp.intents import Prediction
from nlp.language import LanguageDetector

TORN = {"balance": 0.45, "bill": 0.4, "greet": 0.1}


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(
        {
            "torn": TORN,
            "still torn": TORN,
            "my balance": {"balance": 0.9},
            "hello": {"greet": 0.95},
            "balance maybe": {"balance": 0.54},
            "hello my balance": {"greet": 0.5, "balance": 0.45},
            "small torn": {"greet": 0.5, "thanks": 0.4},
        }
    )


@pytest.fixture
def scripted(bot: Bot, oracle: Oracle, detector: LanguageDetector) -> Customer:
    return Customer(Dialogue(bot, oracle, detector), profile="en")


# commands


@pytest.mark.parametrize("text", ["/start", "/start promo-2026", "/START@FaroBot", "menu", "MENÚ", " Menú! "])
async def test_exact_words_are_commands_and_cost_no_classification(
    scripted: Customer, oracle: Oracle, text: str
) -> None:
    outcome = await scripted.says(text)
    assert outcome.resolution.link == "commands"
    assert keys(outcome) in (["utter_welcome"], ["utter_menu"])
    assert oracle.asked == []


async def test_a_word_inside_of_a_sentence_is_no_command(customer: Customer) -> None:
    outcome = await customer.says("me muestras el menu de opciones")
    assert outcome.resolution.link != "commands"


@pytest.mark.parametrize("value", ["/intent:balance", "/balance", '/balance{"x": 1}'])
async def test_a_button_that_names_an_intent_answers_it(scripted: Customer, oracle: Oracle, value: str) -> None:
    outcome = await scripted.presses(value, "My balance")
    assert (outcome.resolution.link, outcome.resolution.intent) == ("commands", "balance")
    assert keys(outcome) == ["utter_balance"]
    assert oracle.asked == []


@pytest.mark.parametrize(
    "value", ["/intent:gone", "/flow:gone", "/reply:utter_gone", "/choose:gone.x=1", "/", "/choose:"]
)
async def test_a_button_of_another_version_of_the_bot_is_not_met_with_silence(customer: Customer, value: str) -> None:
    outcome = await customer.presses(value)
    assert keys(outcome) == ["utter_default"]


async def test_a_button_without_a_meaning_of_its_own_is_read_as_its_words(customer: Customer) -> None:
    outcome = await customer.presses("q_77", "¿Cuál es mi saldo?")
    assert (outcome.resolution.link, outcome.resolution.intent) == ("intents", "balance")


@pytest.mark.parametrize("typed", ["3", "3.", "#3", " 3) ", "Paquetes de datos", "paquetes DE datos"])
async def test_options_just_offered_can_be_typed_by_number_or_label(customer: Customer, typed: str) -> None:
    await customer.says("menu")
    outcome = await customer.says(typed)
    assert (outcome.resolution.link, outcome.resolution.intent) == ("commands", "data_packs")


async def test_a_value_that_a_channel_shortened_is_known_for_the_one_that_was_offered(customer: Customer) -> None:
    await customer.says("menu")
    outcome = await customer.presses(shortened_value("/intent:data_packs", 17), "Paquetes")
    assert (outcome.resolution.link, outcome.resolution.intent) == ("commands", "data_packs")


async def test_a_number_beyond_the_options_is_no_option(customer: Customer) -> None:
    await customer.says("menu")
    outcome = await customer.says("9")
    assert outcome.resolution.link != "commands"


async def test_options_are_forgotten_with_the_next_reply(customer: Customer) -> None:
    await customer.says("menu")
    await customer.says("chao")
    outcome = await customer.says("3")
    assert outcome.resolution.link != "commands"


# intents


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("kiero saber cuanto saldo me keda", "balance"),
        ("me llegó carísima la factura este mes", "bill_explain"),
        ("¿a qué hora abren mañana?", "office_hours"),
        ("no tengo internet en mi casa", "outage"),
        ("how do I pay my bill?", "payment"),
        ("I need more gigs", "data_packs"),
    ],
)
async def test_what_people_write_is_understood(customer: Customer, text: str, intent: str) -> None:
    outcome = await customer.says(text)
    assert (outcome.resolution.link, outcome.resolution.intent) == ("intents", intent)
    assert outcome.resolution.confidence > 0.6
    assert outcome.resolution.candidates[0].intent == intent
    assert outcome.replies


async def test_an_intent_below_the_threshold_is_not_answered(scripted: Customer) -> None:
    outcome = await scripted.says("balance maybe")
    assert outcome.resolution.link == "clarify"
    assert "intents: balance 0.54 below 0.55" in outcome.resolution.steps


@pytest.mark.parametrize("text", ["asdf qwer zxcv", "lorem ipsum dolor", "🙂🙂🙂", "ñlkj"])
async def test_out_of_scope_is_said_and_never_guessed(customer: Customer, text: str) -> None:
    outcome = await customer.says(text)
    assert (outcome.resolution.link, outcome.resolution.intent) == ("none", "")
    assert outcome.resolution.reason == "out of scope"
    assert keys(outcome) == ["utter_default"]


async def test_a_classifier_that_fails_only_makes_its_link_abstain(bot: Bot, detector: LanguageDetector) -> None:
    async def broken(_text: str) -> Prediction:
        raise Overloaded("predict")

    outcome = await Customer(Dialogue(bot, broken, detector)).says("hola amigos")
    assert keys(outcome) == ["utter_default"]
    assert "intents: not available (Overloaded)" in outcome.resolution.steps


async def test_goodbye_ends_the_episode_as_solved(customer: Customer) -> None:
    assert (await customer.says("eso es todo, chao")).ends_episode == "solved"
    assert (await customer.says("hola")).ends_episode == ""


# clarify


async def test_between_two_intents_the_best_two_are_offered(scripted: Customer) -> None:
    outcome = await scripted.says("torn")
    assert (outcome.resolution.link, outcome.resolution.intent) == ("clarify", "")
    assert options(outcome) == {
        "Check my balance": "/intent:balance",
        "My bill": "/intent:bill",
        "Something else": "/reply:utter_rephrase",
    }


@pytest.mark.parametrize("answer", ["2", "my bill", "My bill!"])
async def test_the_answer_to_clarify_resolves_it(scripted: Customer, answer: str) -> None:
    await scripted.says("torn")
    outcome = await scripted.says(answer)
    assert (outcome.resolution.link, outcome.resolution.intent) == ("clarify", "bill")
    assert keys(outcome) == ["utter_bill"]


async def test_clarify_never_asks_twice_in_a_row(scripted: Customer) -> None:
    assert (await scripted.says("torn")).resolution.link == "clarify"
    second = await scripted.says("still torn")
    assert second.resolution.link == "none"
    assert "clarify: asked just before" in second.resolution.steps
    assert (await scripted.says("torn")).resolution.link == "clarify"


async def test_what_has_no_label_is_not_offered(scripted: Customer) -> None:
    outcome = await scripted.says("small torn")
    assert outcome.resolution.link == "none"
    assert "clarify: nothing to offer" in outcome.resolution.steps


async def test_something_else_asks_for_other_words(scripted: Customer) -> None:
    await scripted.says("torn")
    assert keys(await scripted.says("3")) == ["utter_rephrase"]


# handoff


@pytest.mark.parametrize("text", ["quiero hablar con una persona", "agente", "put me through to someone please"])
async def test_asking_for_a_person_hands_off_and_says_so(customer: Customer, text: str) -> None:
    outcome = await customer.says(text)
    assert outcome.hand_off == "asked"
    assert outcome.resolution.link == "handoff"
    assert keys(outcome) == ["utter_handoff"]


async def test_outside_of_the_opening_hours_the_customer_is_told_when(
    bot: Bot, oracle: Oracle, detector: LanguageDetector
) -> None:
    dialogue = Dialogue(msgspec.structs.replace(bot, handoff=NO_TALK), oracle, detector)
    spanish = Customer(dialogue, now=CLOSED)
    outcome = await spanish.says("quiero hablar con una persona")
    assert outcome.hand_off
    assert keys(outcome) == ["utter_handoff_closed"]
    assert "mañana a partir de las 08:00" in words(outcome)
    english = await Customer(dialogue, profile="en", now=CLOSED).says("i want to talk to a person")
    assert "tomorrow from 08:00" in words(english)


async def test_the_third_time_without_understanding_a_person_is_asked_for(customer: Customer) -> None:
    assert (await customer.says("asdf qwer")).hand_off == ""
    assert (await customer.says("zxcv uiop")).hand_off == ""
    third = await customer.says("hjkl bnm")
    assert (third.hand_off, detail(third)) == ("unresolved", "3 times")
    assert third.resolution.link == "handoff"
    assert keys(third) == ["utter_handoff"]
    assert (await customer.says("asdf qwer")).hand_off == ""


async def test_being_understood_in_between_begins_the_count_anew(customer: Customer) -> None:
    for text in ["asdf qwer", "zxcv uiop", "cuál es mi saldo", "asdf qwer", "zxcv uiop"]:
        outcome = await customer.says(text)
        assert outcome.hand_off == ""


async def test_a_chain_without_handoff_only_says_that_it_did_not_understand(
    bot: Bot, oracle: Oracle, detector: LanguageDetector
) -> None:
    customer = Customer(Dialogue(msgspec.structs.replace(bot, chain=("intents",)), oracle, detector))
    for _ in range(5):
        outcome = await customer.says("nothing known")
        assert keys(outcome) == ["utter_default"]
        assert outcome.hand_off == ""
    assert keys(await customer.presses("/intent:balance")) == ["utter_balance"]


# bursts


async def test_messages_that_waited_together_are_answered_once(customer: Customer) -> None:
    outcome = await customer.says("hola", "buenas tardes", "quiero ver", "mi factura")
    assert keys(outcome) == ["utter_bill"]


async def test_a_burst_whose_whole_is_unclear_is_understood_by_its_clear_parts(
    scripted: Customer, oracle: Oracle
) -> None:
    outcome = await scripted.says("hello", "my balance")
    assert outcome.resolution.intent == "balance"
    assert oracle.asked == ["hello my balance", "hello", "my balance"]


async def test_small_talk_is_answered_last(bot: Bot, detector: LanguageDetector) -> None:
    oracle = Oracle({"my balance": {"balance": 0.9}, "thanks": {"thanks": 0.9}})
    outcome = await Customer(Dialogue(bot, oracle, detector), profile="en").says("my balance", "thanks")
    assert outcome.resolution.intent == "balance"


async def test_the_last_button_of_a_burst_wins(customer: Customer) -> None:
    outcome = await customer.sends(
        [Text("hola")], [Selection("/intent:bill")], [Selection("/intent:balance", "Mi saldo")]
    )
    assert keys(outcome) == ["utter_balance"]


async def test_words_right_after_a_button_answer_the_question_it_opened(customer: Customer) -> None:
    outcome = await customer.sends([Selection("/intent:outage")], [Text("en el centro")])
    assert keys(outcome) == ["utter_outage_none"]
    assert "centro" in words(outcome)


# what comes without words


@pytest.mark.parametrize(
    "part",
    [Media("image", provider_ref="x"), Location(4.6, -74.1), ContactCard("Ana", "+573001234567"), Unsupported("dice")],
)
async def test_what_comes_without_words_is_not_met_with_silence(customer: Customer, part) -> None:
    outcome = await customer.sends([part])
    assert keys(outcome) == ["utter_media_received"]
    assert outcome.resolution.reason.startswith("without words: ")


async def test_a_caption_is_read_like_a_text(customer: Customer) -> None:
    outcome = await customer.sends([Media("image", provider_ref="x", caption="me llegó muy cara la factura")])
    assert outcome.resolution.intent == "bill_explain"


async def test_a_reaction_alone_needs_no_answer(customer: Customer) -> None:
    outcome = await customer.sends([Reaction("m1", ("👍",))])
    assert outcome.replies == ()
    assert outcome.resolution.reason == "only a reaction"


async def test_an_empty_text_gets_an_answer(customer: Customer) -> None:
    assert keys(await customer.says("  \n ")) == ["utter_default"]


# the desk


async def test_after_the_return_from_the_desk_the_bot_says_that_it_speaks_again(customer: Customer) -> None:
    outcome = await customer.turn(customer.desk("given_back"))
    assert keys(outcome) == ["utter_given_back"]
    assert (await customer.turn(customer.desk("something_new"))).replies == ()


async def test_a_message_together_with_the_return_is_answered_too(customer: Customer) -> None:
    outcome = await customer.turn(customer.desk("given_back"), customer.message(Text("cuál es mi saldo")))
    assert keys(outcome) == ["utter_given_back", "utter_balance"]


async def test_after_the_desk_no_old_question_and_no_old_option_stands(customer: Customer) -> None:
    await customer.says("no tengo señal")
    returned = await customer.turn(customer.desk("given_back"))
    assert returned.timers == (TimerSet("flow", None),)
    assert (await customer.says("norte")).resolution.link != "flow"


# the bot fails


async def test_when_the_bot_fails_the_customer_is_told_and_a_person_is_asked_for(customer: Customer) -> None:
    await customer.says("no tengo señal")
    outcome = customer.dialogue.failed(customer.input(customer.message(Text("norte"))), "KeyError")
    assert (outcome.hand_off, keys(outcome), outcome.state) == ("bot_failed", ["utter_handoff"], outcome.state)
    assert outcome.resolution.reason == "KeyError"
    assert b'"flow"' not in outcome.state


async def test_when_even_the_authors_words_for_it_fail_there_are_others(
    bot: Bot, oracle: Oracle, detector: LanguageDetector
) -> None:
    variation = bot.replies["utter_handoff"][0]
    broken = msgspec.structs.replace(variation, text=Localised({"es": "{{ 1 // 0 }}", "en": "{{ 1 // 0 }}"}))
    replies = {**bot.replies, "utter_handoff": (broken,)}
    customer = Customer(Dialogue(msgspec.structs.replace(bot, replies=replies), oracle, detector))
    with pytest.raises(Misconfigured, match="template"):
        await customer.presses("/intent:person")
    outcome = customer.dialogue.failed(customer.input(customer.message(Text("x"))), "Misconfigured")
    assert outcome.hand_off == "bot_failed"
    assert "una persona" in words(outcome)


# languages


async def test_each_is_answered_in_the_language_written(dialogue: Dialogue) -> None:
    assert "credit" not in words(await Customer(dialogue, profile="en").says("cuanto saldo tengo en la linea"))
    assert "of credit" in words(await Customer(dialogue, profile="es").says("how much credit do i have"))


async def test_the_language_stays_until_a_longer_message_changes_it(customer: Customer) -> None:
    assert (await customer.says("hola")).language == "es"
    assert (await customer.says("my bill")).language == "es"
    assert (await customer.says("can you please show me my bill")).language == "en"
    assert (await customer.says("ok")).language == "en"


async def test_a_profile_in_another_language_falls_back_to_the_first_of_the_bot(dialogue: Dialogue) -> None:
    assert (await Customer(dialogue, profile="de").presses("/intent:balance")).language == "es"
    assert (await Customer(dialogue, profile="en-GB").presses("/intent:balance")).language == "en"


@pytest.mark.parametrize(("profile", "language"), [("es", "es"), ("en", "en"), ("", "es")])
async def test_a_command_says_nothing_about_the_language(dialogue: Dialogue, profile: str, language: str) -> None:
    assert (await Customer(dialogue, profile=profile).says("/start")).language == language


# variations


async def test_the_variation_depends_on_the_turn_only(dialogue: Dialogue) -> None:
    async def greeting(turn: int) -> str:
        customer = Customer(dialogue)
        return words(await customer.turn(customer.message(Text("hola")), turn_id=UUID(int=turn)))

    said = [await greeting(turn) for turn in range(6)]
    assert len(set(said)) == 2
    assert said == [await greeting(turn) for turn in range(6)]


# whatever comes


TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["no tengo señal", "5 gigas", "norte", "sí", "no", "atrás", "cancelar", "1", "2", "agente", "/start", "hola"]
    ),
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.builds(
        str.__add__,
        st.sampled_from(["/intent:", "/flow:", "/choose:", "/choose:data_packs.pack=", "/"]),
        st.text(max_size=9),
    ),
    st.sampled_from(
        ["/intent:outage", "/intent:data_packs", "/choose:data_packs.pack=5gb", "/choose:outage.zone=north"]
    ),
)
PARTS = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(Selection, VALUES, TEXTS),
    st.builds(Media, st.just("image"), provider_ref=st.just("x"), caption=TEXTS),
    st.just(ContactCard("Ana", "+573001234567")),
)


@given(st.lists(st.lists(PARTS, min_size=1, max_size=3), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
async def test_whatever_comes_there_is_an_answer_and_a_small_state(
    dialogue: Dialogue, turns: list[list[AnyPart]]
) -> None:
    customer = Customer(dialogue)
    for parts in turns:
        outcome = await customer.sends(parts)
        assert outcome.replies
        assert len(outcome.replies) <= 8
        assert len(outcome.state) <= 16_384
        assert outcome.language in {"es", "en"}
        again = await dialogue.decide(
            customer.input(customer.message(*parts))
        )  # the next turn can always read what this one left
        assert not any(step.startswith("state:") for step in again.resolution.steps)
