"""While a question is open: what is an answer, what is a correction, what is something else, and the way back."""

from __future__ import annotations

import json
from typing import cast

import pytest
from talking import Customer, keys, options, words

from gateway.core.turns import TimerSet
from gateway.dialogue.draft import FLOW_TIMER


def slots(customer: Customer) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(customer.state).get("slots", {}))


async def after(customer: Customer, *said: str) -> Customer:
    for text in said:
        await customer.says(text)
    return customer


PLAN = ("quiero cambiar de plan", "plus", "3005550142", "mañana")
COMPLAINT = ("quiero poner un reclamo", "otra cosa")


# a change of plan, interrupted


@pytest.mark.parametrize(
    ("answered", "question"),
    [
        (1, "utter_ask_plan"),
        (2, "utter_ask_line"),
        (3, "utter_ask_plan_start"),
        (4, "utter_ask_plan_confirmed"),
    ],
)
async def test_trouble_told_in_the_middle_is_answered_and_the_change_goes_on(
    customer: Customer, answered: int, question: str
) -> None:
    await after(customer, *PLAN[:answered])
    before = slots(customer)
    outcome = await customer.says("No tengo señal en el norte")
    assert keys(outcome) == ["utter_outage_known", question]
    assert outcome.timers == (TimerSet(FLOW_TIMER, 3600.0, "change_plan"),)
    assert {slot: slots(customer)[slot] for slot in before} == before
    await after(customer, *PLAN[answered:])
    assert keys(await customer.says("sí")) == ["utter_plan_ordered"]


async def test_a_confirmation_that_was_given_is_not_corrected_while_a_later_question_is_open(
    customer: Customer,
) -> None:
    await after(customer, *PLAN, "corregir algo")
    assert slots(customer)["plan_confirmed"] == "fix"
    outcome = await customer.says("No tengo señal en el norte")
    assert keys(outcome) == ["utter_outage_known", "utter_ask_plan_field"]
    assert slots(customer)["plan_confirmed"] == "fix"


async def test_a_flow_with_questions_goes_first_and_the_interrupted_one_comes_back(customer: Customer) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas")
    assert keys(await customer.says("no tengo señal")) == ["utter_ask_zone"]
    back = await customer.says("norte")
    assert keys(back) == ["utter_outage_known", "utter_ask_pack_confirmed"]
    assert "flow: back to data_packs" in back.resolution.steps
    assert keys(await customer.says("sí")) == ["utter_pack_bought"]
    assert b"paused" not in customer.state


async def test_who_speaks_of_the_interrupted_flow_again_goes_on_with_it(customer: Customer) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas", "no tengo señal")
    assert keys(await customer.says("sí pero cuánto dura el paquete")) == ["utter_ask_pack_confirmed"]
    assert slots(customer)["pack"] == "5gb"


async def test_a_button_of_the_interrupted_flow_goes_on_with_it(customer: Customer) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas", "no tengo señal")
    assert keys(await customer.presses("/choose:data_packs.pack_confirmed=yes")) == ["utter_pack_bought"]


@pytest.mark.parametrize("left_by", ["cancelar", "menu", "quiero hablar con un asesor", "eso es todo, chao"])
async def test_leaving_leaves_the_interrupted_flow_as_well(customer: Customer, left_by: str) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas", "no tengo señal", left_by)
    assert b"paused" not in customer.state
    assert keys(await customer.says("cuál es mi saldo")) == ["utter_balance"]


async def test_time_that_runs_out_ends_the_interrupted_flow_as_well(customer: Customer) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas", "no tengo señal")
    await customer.turn(customer.timer(FLOW_TIMER, "outage"))
    assert b"paused" not in customer.state


async def test_an_interrupted_flow_that_is_not_there_any_more_is_dropped(customer: Customer) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas", "no tengo señal")
    assert customer.state.count(b'"name":"data_packs"') == 1
    customer.state = customer.state.replace(b'"name":"data_packs"', b'"name":"older"')
    assert keys(await customer.says("norte")) == ["utter_outage_known"]


# answers


@pytest.mark.parametrize("said", ["no me acuerdo", "no sé", "no estoy seguro", "I don't know", "not sure"])
async def test_not_to_know_is_no_no(customer: Customer, said: str) -> None:
    await after(customer, *PLAN)
    assert keys(await customer.says(said)) == ["utter_retry_confirmed"]
    await after(customer, "cancelar", "quiero comprar un paquete de datos", "5 gigas")
    assert keys(await customer.says(said)) == ["utter_retry", "utter_ask_pack_confirmed"]


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("sí, cómprelo", "utter_pack_bought"),
        ("claro que sí, cómpralo", "utter_pack_bought"),
        ("no, es muy caro", "utter_pack_declined"),
        ("sí pero cuánto dura eso?", "utter_retry"),
        ("no tengo internet en el norte", "utter_outage_known"),
    ],
)
async def test_a_sentence_that_begins_with_a_yes_or_a_no(customer: Customer, said: str, key: str) -> None:
    await after(customer, "quiero comprar un paquete de datos", "5 gigas")
    assert keys(await customer.says(said))[0] == key


async def test_a_no_before_what_stands_for_a_yes_confirms_nothing(customer: Customer) -> None:
    await after(customer, *PLAN)
    assert keys(await customer.says("no está bien")) == ["utter_retry_confirmed"]
    assert keys(await customer.says("está bien así")) == ["utter_plan_ordered"]


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("¿cuánto cuesta el ilimitado?", None),
        ("how much is the unlimited one?", None),
        ("no quiero el ilimitado", None),
        ("me das el ilimitado por favor?", "unlimited"),
        ("can i have the big one please?", "unlimited"),
        ("que sea el ilimitado por favor", "unlimited"),
        ("el más pequeño", "essential"),
        ("the smallest one", "essential"),
    ],
)
async def test_a_question_or_a_refusal_chooses_nothing_and_a_request_does(
    customer: Customer, said: str, chosen: str | None
) -> None:
    await customer.says("quiero cambiar de plan")
    outcome = await customer.says(said)
    assert slots(customer).get("plan") == chosen
    assert keys(outcome)[-1] == ("utter_ask_line" if chosen else "utter_ask_plan")


@pytest.mark.parametrize("said", ["mi número es el 300 555 0142", "es el 3005550142 creo"])
async def test_a_number_is_found_within_a_sentence(customer: Customer, said: str) -> None:
    await after(customer, *PLAN[:2])
    assert keys(await customer.says(said)) == ["utter_ask_plan_start"]
    assert slots(customer)["line"] == "3005550142"


@pytest.mark.parametrize(
    ("said", "shown"),
    [("perdón, el lunes", "Desde: 23 de noviembre"), ("no, era el 310 222 3344", "Línea: 3102223344")],
)
async def test_a_day_and_a_number_can_be_corrected_by_words(customer: Customer, said: str, shown: str) -> None:
    await after(customer, *PLAN)
    outcome = await customer.says(said)
    assert keys(outcome) == ["utter_ask_plan_confirmed"]
    assert shown in words(outcome)


async def test_a_wish_that_names_a_choice_in_passing_is_a_wish(customer: Customer) -> None:
    await after(customer, *PLAN)
    between = await customer.says("quiero saber mi saldo en la línea")
    assert keys(between) == ["utter_balance", "utter_ask_plan_confirmed"]
    await after(customer, "cancelar", "no tengo señal")
    assert (await customer.says("quiero hablar con alguien de la tienda del centro")).hand_off == "asked"


# the customer's own words


@pytest.mark.parametrize(
    "text",
    [
        "una persona que me atendió mal",
        "la persona que me atendió en la tienda fue grosera",
        "pedí hablar con un asesor y me dejaron esperando una hora",
        "me cobraron dos veces la factura del mes pasado",
        "llevo tres días sin internet y nadie responde",
        "they charged me twice this month",
    ],
)
async def test_what_happened_is_the_complaints_text_whatever_it_speaks_of(customer: Customer, text: str) -> None:
    await after(customer, *COMPLAINT)
    assert keys(await customer.says(text)) == ["utter_ask_line"]
    assert slots(customer)["complaint_text"] == text
    assert slots(customer)["complaint_about"] == "other"


@pytest.mark.parametrize("text", ["quiero hablar con una persona", "un asesor por favor", "I want to talk to a person"])
async def test_who_wants_a_person_gets_one_instead_of_a_complaint(customer: Customer, text: str) -> None:
    await after(customer, *COMPLAINT)
    assert (await customer.says(text)).hand_off == "asked"


async def test_a_topic_named_in_a_sentence_is_the_topic_not_another_question(customer: Customer) -> None:
    await customer.says("quiero poner un reclamo")
    assert keys(await customer.says("por un cobro en la factura")) == ["utter_ask_complaint_text"]


async def test_trouble_told_after_a_complaint_does_not_change_what_it_is_about(customer: Customer) -> None:
    await after(customer, *COMPLAINT, "me dejaron esperando una hora", "3005550142")
    assert keys(await customer.says("no tengo señal")) == ["utter_ask_zone"]
    assert slots(customer)["complaint_about"] == "other"
    assert keys(await customer.says("sur")) == ["utter_outage_none", "utter_ask_complaint_call"]


# the rating's episode


async def test_a_rating_ends_its_episode_when_it_is_complete(customer: Customer) -> None:
    await customer.turn(customer.desk("given_back", agent="Marta"))
    rated = await customer.says("5")
    assert (rated.rating, rated.ends_episode) == (5, "")
    assert (await customer.says("el asesor fue muy claro")).ends_episode == "solved"


async def test_a_rating_without_a_comment_ends_its_episode_by_the_button_and_by_time(customer: Customer) -> None:
    await customer.turn(customer.desk("given_back", agent="Marta"))
    rated = await customer.says("4")
    assert (await customer.presses(options(rated)["No, gracias"])).ends_episode == "solved"
    await customer.presses("/choose:satisfaction.score=2")
    silent = await customer.turn(customer.timer(FLOW_TIMER, "satisfaction"))
    assert (silent.ends_episode, silent.replies) == ("solved", ())


async def test_no_rating_ends_the_episode_and_silence_leaves_it_as_it_is(customer: Customer) -> None:
    await customer.turn(customer.desk("given_back", agent="Marta"))
    assert (await customer.turn(customer.timer(FLOW_TIMER, "satisfaction"))).ends_episode == ""
    await customer.turn(customer.desk("given_back", agent="Marta"))
    assert (await customer.says("no")).ends_episode == "solved"


async def test_another_matter_instead_of_a_rating_keeps_the_episode(customer: Customer) -> None:
    await customer.turn(customer.desk("given_back", agent="Marta"))
    outcome = await customer.says("cuál es mi saldo")
    assert (keys(outcome), outcome.ends_episode) == (["utter_balance"], "")


async def test_who_was_not_helped_says_so(customer: Customer) -> None:
    await customer.turn(customer.desk("given_back", agent="Marta"))
    assert (await customer.says("no me solucionaron nada")).rating == 1
