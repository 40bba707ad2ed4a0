"""Flows on the sample bot and on small ones: answers, mistakes, corrections, leaving, time running out."""

from __future__ import annotations

from pathlib import Path

import pytest
from talking import Customer, Oracle, detail, keys, options, words

from config.bot import Bot, load_bot
from gateway.core.errors import Misconfigured
from gateway.core.messages import ContactCard, Media, Text
from gateway.core.turns import TimerSet
from gateway.dialogue import Dialogue
from gateway.dialogue.draft import FLOW_TIMER
from nlp.language import LanguageDetector


async def test_a_flow_asks_takes_the_answer_and_goes_on(customer: Customer) -> None:
    asked = await customer.says("no tengo señal")
    assert keys(asked) == ["utter_ask_zone"]
    assert options(asked)["Norte"] == "/choose:outage.zone=north"
    assert asked.timers == (TimerSet(FLOW_TIMER, 1800.0, "outage"),)
    answered = await customer.says("estoy en la zona norte")
    assert keys(answered) == ["utter_outage_known"]
    assert answered.resolution.link == "flow"
    assert answered.timers == (TimerSet(FLOW_TIMER, None),)


async def test_a_mistake_is_asked_again_and_then_given_to_a_person(customer: Customer) -> None:
    await customer.says("no tengo señal")
    for _ in range(2):
        again = await customer.says("wakanda")
        assert keys(again) == ["utter_retry_zone"]
        assert "Norte" in options(again)
    third = await customer.says("gondor")
    assert (third.hand_off, detail(third)) == ("unresolved", "no answer to a question")
    assert keys(third) == ["utter_handoff"]


async def test_a_mistake_can_be_followed_by_the_right_answer(customer: Customer) -> None:
    await customer.says("no tengo señal")
    await customer.says("wakanda")
    assert keys(await customer.says("sur")) == ["utter_outage_none"]


@pytest.mark.parametrize("correction", ["no, mejor el de 10 gigas", "perdón, quise decir 10 GB", "10 gb"])
async def test_an_earlier_answer_can_be_corrected(customer: Customer, correction: str) -> None:
    await customer.presses("/intent:data_packs")
    confirm = await customer.says("5 gigas")
    assert "5 GB por 15 días" in words(confirm)
    corrected = await customer.says(correction)
    assert "10 GB por 30 días" in words(corrected)
    done = await customer.says("sí")
    assert keys(done) == ["utter_pack_bought"]
    assert "10 GB" in words(done)


async def test_one_can_go_back_to_the_question_before(customer: Customer) -> None:
    await customer.presses("/intent:data_packs")
    await customer.says("5 gigas")
    assert keys(await customer.says("atrás")) == ["utter_ask_pack"]
    assert "2 GB por 7 días" in words(await customer.says("1"))


@pytest.mark.parametrize("word", ["cancelar", "ya no", "Never mind!", "dejemos así"])
async def test_a_word_leaves_the_flow(customer: Customer, word: str) -> None:
    await customer.says("no tengo señal")
    left = await customer.says(word)
    assert keys(left) == ["utter_flow_cancelled"]
    assert left.timers == (TimerSet(FLOW_TIMER, None),)
    assert (await customer.says("norte")).resolution.link != "flow"


@pytest.mark.parametrize("answer", ["no", "no gracias", "nop", "2"])
async def test_a_no_is_an_answer_not_a_cancellation(customer: Customer, answer: str) -> None:
    await customer.presses("/intent:data_packs")
    await customer.says("el más barato")
    assert keys(await customer.says(answer)) == ["utter_pack_declined"]


async def test_something_else_is_answered_and_the_question_asked_again(customer: Customer) -> None:
    await customer.says("no tengo señal")
    between = await customer.says("cuándo vence mi factura?")
    assert keys(between) == ["utter_bill", "utter_ask_zone"]
    assert keys(await customer.says("occidente")) == ["utter_outage_none"]


async def test_asking_for_a_person_leaves_the_flow(customer: Customer) -> None:
    await customer.says("no tengo señal")
    outcome = await customer.says("quiero hablar con un asesor")
    assert outcome.hand_off == "asked"
    assert outcome.timers == (TimerSet(FLOW_TIMER, None),)


async def test_who_repeats_the_same_trouble_is_not_led_in_circles(customer: Customer) -> None:
    await customer.says("no tengo señal")
    assert keys(await customer.says("no me funciona el internet")) == ["utter_retry_zone"]
    assert keys(await customer.says("que no tengo internet le digo")) == ["utter_retry_zone"]
    assert (await customer.says("no tengo internet")).hand_off


async def test_a_picture_during_a_question_is_answered_and_the_question_asked_again(customer: Customer) -> None:
    await customer.says("no tengo señal")
    outcome = await customer.sends([Media("image", provider_ref="x")])
    assert keys(outcome) == ["utter_media_received", "utter_ask_zone"]


async def test_fragments_of_a_burst_may_hold_the_answer(customer: Customer) -> None:
    await customer.says("no tengo señal")
    assert keys(await customer.says("norte", "gracias")) == ["utter_outage_known"]


async def test_a_choice_named_at_the_beginning_is_not_asked_for(customer: Customer) -> None:
    outcome = await customer.says("quiero comprar el paquete de 10 gigas")
    assert "10 GB por 30 días" in words(outcome)
    assert keys(await Customer(customer.dialogue).says("no tengo señal en la zona norte")) == ["utter_outage_known"]


@pytest.mark.parametrize("word", ["no", "No, gracias.", "nope"])
async def test_a_no_to_a_choice_leaves_the_flow(customer: Customer, word: str) -> None:
    await customer.presses("/intent:data_packs")
    assert keys(await customer.says(word)) == ["utter_flow_cancelled"]


async def test_goodbye_ends_an_open_question(customer: Customer) -> None:
    await customer.presses("/intent:data_packs")
    outcome = await customer.says("gracias, eso es todo, chao")
    assert keys(outcome) == ["utter_goodbye"]
    assert b'"flow"' not in outcome.state


# buttons of flows


async def test_a_button_pressed_twice_does_nothing_the_second_time(customer: Customer) -> None:
    await customer.presses("/intent:data_packs")
    await customer.presses("/choose:data_packs.pack=5gb")
    yes = "/choose:data_packs.pack_confirmed=yes"
    assert keys(await customer.presses(yes)) == ["utter_pack_bought"]
    assert keys(await customer.presses(yes)) == ["utter_expired_choice"]


async def test_the_first_questions_button_begins_the_flow_again(customer: Customer) -> None:
    outcome = await customer.presses("/choose:data_packs.pack=2gb")
    assert keys(outcome) == ["utter_ask_pack_confirmed"]


async def test_an_earlier_questions_button_corrects(customer: Customer) -> None:
    await customer.presses("/choose:data_packs.pack=2gb")
    assert "10 GB" in words(await customer.presses("/choose:data_packs.pack=10gb"))


async def test_a_forged_value_of_a_button_is_asked_again(customer: Customer) -> None:
    outcome = await customer.presses("/choose:data_packs.pack=900gb")
    assert keys(outcome) == ["utter_ask_pack"]


# time


async def test_when_time_runs_out_the_flow_is_over_and_the_author_decides_what_is_said(customer: Customer) -> None:
    await customer.says("no tengo señal")
    customer.waits(minutes=30)
    outcome = await customer.turn(customer.timer(FLOW_TIMER, "outage"))
    assert keys(outcome) == ["utter_outage_timeout"]
    assert outcome.resolution.reason == "timed out"
    assert (await customer.says("norte")).resolution.link != "flow"


async def test_a_flow_without_a_reply_for_it_ends_in_silence(customer: Customer) -> None:
    await customer.presses("/intent:data_packs")
    outcome = await customer.turn(customer.timer(FLOW_TIMER, "data_packs"))
    assert outcome.replies == ()
    assert outcome.state != customer.dialogue  # a new state without the flow
    assert b"data_packs" not in outcome.state.split(b'"offered"')[0]


@pytest.mark.parametrize(("kind", "payload"), [(FLOW_TIMER, "data_packs"), ("inactivity", "outage")])
async def test_a_timer_of_something_else_changes_nothing(customer: Customer, kind: str, payload: str) -> None:
    await customer.says("no tengo señal")
    before = customer.state
    outcome = await customer.turn(customer.timer(kind, payload))
    assert (outcome.replies, outcome.state) == ((), before)


async def test_an_answer_that_comes_with_the_timer_is_taken(customer: Customer) -> None:
    await customer.says("no tengo señal")
    outcome = await customer.turn(customer.timer(FLOW_TIMER, "outage"), customer.message(Text("norte")))
    assert keys(outcome) == ["utter_outage_known"]


# a bot with every kind of question

FORM = """\
flows:
  form:
    nlu_trigger: [{intent: form}]
    steps:
      - {collect: full_name, validate: {min: 3, max: 40}}
      - {collect: age, validate: {type: integer, min: 18, max: 120}}
      - {collect: amount, validate: {type: number}}
      - {collect: mail, validate: {type: email}}
      - {collect: mobile, validate: {type: phone}}
      - {collect: code, validate: {regex: "[a-z]{3}-[0-9]{3}"}}
      - say: utter_summary
  circles:
    steps:
      - {id: one, set_slots: {code: x}}
      - {id: two, say: utter_retry, next: one}
  linked:
    steps:
      - {set_slots: {age: 20}}
      - {link: short}
  short:
    steps:
      - {collect: age, validate: {type: integer}, next: [{if: age < 18, then: [{handoff: a minor}]}]}
      - {say: utter_done}
"""


@pytest.fixture(scope="module")
def form_bot(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    folder = tmp_path_factory.mktemp("form")
    asks = ["full_name", "age", "amount", "mail", "mobile", "code"]
    texts = {f"utter_ask_{slot}": f"{slot}?" for slot in asks} | {
        "utter_summary": "**{full_name}** {age} {amount} {mail} {mobile} {code}",
        "utter_retry": "again",
        "utter_done": "done",
        "utter_default": "what",
        "utter_media_received": "seen",
        "utter_handoff": "person",
        "utter_clarify": "which",
        "utter_flow_cancelled": "left",
        "utter_expired_choice": "old",
    }
    responses = "\n".join(f"  {key}:\n    - text: '{text}'\n      markup: markdown" for key, text in texts.items())
    write(
        folder / "bot.yaml",
        "name: Form\nlanguages: [en]\ncommands: {circles: flow:circles, linked: flow:linked, short: flow:short}\n",
    )
    write(
        folder / "nlu" / "en.yml",
        "nlu:\n- intent: form\n  examples: |\n    - form\n- intent: stop\n  examples: |\n    - x\n",
    )
    write(folder / "replies" / "all.yml", f"responses:\n{responses}\n  utter_stop:\n    - text: stopped\n")
    write(folder / "flows" / "all.yml", FORM)
    return load_bot(folder)


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.fixture
def filler(form_bot: Bot) -> Customer:
    oracle = Oracle({"form": {"form": 0.99}, "please stop this": {"stop": 0.95}})
    return Customer(Dialogue(form_bot, oracle, LanguageDetector(("en",))))


async def test_every_kind_of_answer_is_checked_and_kept(filler: Customer) -> None:
    await filler.says("form")
    for bad, good in [
        ("x", "Ana *la* [Reina](http://evil)"),
        ("17", "I am 45 years old"),
        ("a lot", "$ 1.500,50"),
        ("ana at mail", "it is Ana@Example.com"),
        ("123", "+57 (300) 123-4567"),
        ("abc123", "ABC-123"),
    ]:
        assert keys(await filler.says(bad))[0] == "utter_retry"
        outcome = await filler.says(good)
    assert keys(outcome) == ["utter_summary"]
    part = outcome.replies[0].parts[0]
    assert isinstance(part, Text)
    assert part.text == (
        r"**Ana \*la\* \[Reina\]\(http\:\/\/evil\)** 45 1500\.5 ana\@example\.com \+573001234567 abc\-123"
    )


async def test_a_free_answer_is_taken_unless_it_clearly_is_something_else(filler: Customer) -> None:
    await filler.says("form")
    assert keys(await filler.says("please stop this")) == ["utter_stop", "utter_ask_full_name"]
    assert keys(await filler.says("any name at all")) == ["utter_ask_age"]


async def test_a_contact_card_answers_a_question_for_a_phone(filler: Customer) -> None:
    await filler.says("form")
    for text in ["Ana Pérez", "45", "10", "ana@example.com"]:
        await filler.says(text)
    assert keys(await filler.sends([ContactCard("Ana", "+573001234567", is_own=True)])) == ["utter_ask_code"]


async def test_a_flow_that_goes_in_circles_is_stopped(filler: Customer) -> None:
    with pytest.raises(Misconfigured, match="goes in circles"):
        await filler.says("circles")


async def test_a_link_keeps_what_both_flows_know_and_conditions_decide(filler: Customer) -> None:
    assert keys(await filler.says("linked")) == ["utter_done"]
    await filler.says("short")
    outcome = await filler.says("12")
    assert (outcome.hand_off, detail(outcome)) == ("flow", "a minor")
