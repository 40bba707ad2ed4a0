"""The telecom bot as its customers meet it: every intent in both languages, its forms, its hours, its manners."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from talking import CLOSED, OPEN, Customer, detail, keys, options, words

from config.bot import Bot
from gateway.core.messages import Cards
from gateway.dialogue import Dialogue
from gateway.dialogue.draft import FLOW_TIMER

UTTERANCES: dict[str, tuple[str, str, str]] = {
    # intent: what is said in Spanish, in English, and the reply that begins the answer
    "greet": ("hola, muy buenas tardes", "hello, good afternoon", "utter_greet"),
    "goodbye": ("listo, eso es todo, hasta luego", "that's all, goodbye", "utter_goodbye"),
    "thanks": ("mil gracias por tu ayuda", "thank you so much for your help", "utter_thanks"),
    "what_can_you_do": ("en qué me puedes ayudar tú", "what can you help me with", "utter_what_can_you_do"),
    "bot_challenge": ("estoy hablando con un robot?", "am i talking to a robot?", "utter_bot_challenge"),
    "insult": ("eres un completo idiota", "you stupid idiot", "utter_insult"),
    "balance": ("me dices cuánto saldo tengo?", "could you tell me my balance", "utter_balance"),
    "top_up": ("cómo hago para recargar mi celular", "how can i top up my phone", "utter_top_up"),
    "bill": ("cuándo se vence mi factura", "when is my bill due please", "utter_bill"),
    "bill_explain": ("por qué me llegó tan cara la factura", "why is my bill so high this month", "utter_bill_explain"),
    "bill_copy": ("envíame una copia de la factura", "please send me a copy of my invoice", "utter_bill_copy"),
    "payment": ("dónde puedo pagar la factura", "where can i pay my bill", "utter_payment"),
    "billing_details": (
        "necesito cambiar la dirección de facturación",
        "i need to change my billing address",
        "utter_billing_details",
    ),
    "data_packs": ("quiero comprar más gigas", "i would like to buy more data", "utter_ask_pack"),
    "plans": ("qué planes tienen ahora", "which plans do you have", "utter_plans"),
    "change_plan": ("me gustaría cambiar de plan", "i would like to change my plan", "utter_ask_plan"),
    "cancel_service": ("quiero dar de baja mi línea", "i want to cancel my line", "utter_ask_cancel_wish"),
    "outage": ("estoy sin señal desde ayer", "i have had no signal since yesterday", "utter_ask_zone"),
    "coverage": ("tienen cobertura 5g en mi ciudad?", "do you have 5g coverage in my city", "utter_coverage"),
    "speed": ("el internet del celular va lentísimo", "my mobile internet is really slow", "utter_speed"),
    "sim_blocked": ("me está pidiendo el código puk", "it is asking me for the puk code", "utter_sim_blocked"),
    "lost_phone": ("me acaban de robar el celular", "somebody just stole my phone", "utter_lost_phone"),
    "esim": ("quiero activar una esim", "i want to activate an esim", "utter_esim"),
    "portability": (
        "quiero pasarme a faro con mi mismo número",
        "i want to switch to faro and keep my number",
        "utter_portability",
    ),
    "roaming": ("cómo activo el roaming para mi viaje", "how do i activate roaming for my trip", "utter_roaming"),
    "international_calls": (
        "cuánto cuesta llamar a estados unidos",
        "how much does it cost to call the united states",
        "utter_international_calls",
    ),
    "voicemail": ("cómo desactivo el buzón de voz", "how do i turn off my voicemail", "utter_voicemail"),
    "complaint": ("quiero poner un reclamo", "i want to make a complaint", "utter_ask_complaint_about"),
    "office_hours": ("a qué hora abren mañana", "what time do you open tomorrow", "utter_office_hours"),
    "stores": ("dónde queda la tienda más cercana", "where is your nearest store", "utter_stores"),
    "person": ("necesito hablar con un asesor", "i need to speak to a human agent", "utter_handoff"),
    "affirm": ("sí, claro que sí", "yes, of course", "utter_affirm"),
    "deny": ("no, para nada", "no, not that", "utter_deny"),
}


def test_every_intent_is_tried(bot: Bot) -> None:
    assert set(UTTERANCES) == set(bot.intents)


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("intent", UTTERANCES)
async def test_every_intent_answers_in_both_languages(dialogue: Dialogue, intent: str, language: str) -> None:
    spanish, english, key = UTTERANCES[intent]
    said = spanish if language == "es" else english
    outcome = await Customer(dialogue, profile=language).says(said)
    assert (outcome.resolution.intent, outcome.language) == (intent, language), outcome.resolution.steps
    assert keys(outcome)[0] == key
    assert "!" not in words(outcome)
    assert "{" not in words(outcome)
    assert len(words(outcome)) < 420


@pytest.mark.parametrize(
    "said",
    [
        "cuál es la capital de francia",
        "recomiéndame una receta con pollo",
        "quién ganó el partido anoche",
        "what is the meaning of life",
        "write me a poem about the sea",
        "book me a flight to paris",
    ],
)
async def test_what_a_telecom_operator_does_not_know_is_said_honestly(customer: Customer, said: str) -> None:
    outcome = await customer.says(said)
    assert outcome.resolution.link in {"none", "clarify"}, outcome.resolution
    assert keys(outcome)[0] in {"utter_default", "utter_clarify"}


# the change of plan


async def test_the_form_takes_mistakes_and_a_correction_and_orders_only_what_was_confirmed(customer: Customer) -> None:
    asked = await customer.says("quiero cambiar de plan")
    assert list(options(asked)) == ["Esencial · 10 GB · $35.900", "Plus · 25 GB · $49.900", "Ilimitado · $69.900"]
    assert keys(await customer.says("el plus")) == ["utter_ask_line"]
    for wrong in ("300 555", "6015550142", "no me acuerdo"):
        assert keys(await customer.says(wrong)) == ["utter_retry_line"]
        if wrong == "6015550142":
            break
    assert keys(await customer.says("300 555 0142")) == ["utter_ask_plan_start"]
    assert keys(await customer.says("el año pasado")) == ["utter_retry_plan_start"]
    summary = await customer.says("el 1 de diciembre")
    assert keys(summary) == ["utter_ask_plan_confirmed"]
    assert words(summary) == (
        "Así queda el cambio:\nPlan: Plus · 25 GB · $49.900 al mes\nLínea: 3005550142\n"
        "Desde: 1 de diciembre\n¿Lo confirmo?"
    )
    assert list(options(summary)) == ["Sí, confirmar", "Corregir algo", "No, dejarlo así"]
    assert keys(await customer.says("no, la fecha está mal")) == ["utter_ask_plan_field"]
    assert keys(await customer.says("la fecha")) == ["utter_ask_plan_start"]
    again = await customer.says("el lunes")
    assert "Plus" in words(again)
    assert "Línea: 3005550142\nDesde: 23 de noviembre" in words(again)
    done = await customer.says("sí, confirmo")
    assert keys(done) == ["utter_plan_ordered"]
    assert "desde el 23 de noviembre" in words(done)
    assert "C-20417" in words(done)


@pytest.mark.parametrize(
    ("field", "answer", "shown"),
    [
        ("The plan", "/choose:change_plan.plan=unlimited", "Plan: Unlimited"),
        ("The line", "+57 310 222 3344", "Line: +573102223344"),
        ("The date", "Tomorrow", "From: November 21"),
    ],
)
async def test_each_field_can_be_corrected_by_itself_with_buttons(
    dialogue: Dialogue, field: str, answer: str, shown: str
) -> None:
    customer = Customer(dialogue, profile="en")
    await customer.presses("/intent:change_plan")
    await customer.presses("/choose:change_plan.plan=essential")
    await customer.says("3005550142")
    first = await customer.says("today")
    before = words(first).splitlines()
    what = await customer.presses(options(first)["Correct something"])
    await customer.presses(options(what)[field])
    second = await (customer.presses(answer) if answer.startswith("/") else customer.says(answer))
    assert keys(second) == ["utter_ask_plan_confirmed"]
    after = words(second).splitlines()
    assert len([None for old, new in zip(before, after, strict=True) if old != new]) == 1
    assert shown in words(second)
    assert keys(await customer.presses(options(second)["Yes, confirm"])) == ["utter_plan_ordered"]


async def test_a_mistake_that_names_a_field_is_no_correction_before_there_was_a_summary(customer: Customer) -> None:
    await customer.says("quiero cambiar de plan")
    await customer.says("plus")
    assert keys(await customer.says("mi línea es la 12345")) == ["utter_retry_line"]
    await customer.says("300 555 0142")
    assert keys(await customer.says("el día del juicio")) == ["utter_retry_plan_start"]


async def test_a_plan_named_at_the_summary_changes_it_without_asking_the_rest_again(customer: Customer) -> None:
    for text in ("quiero cambiar de plan", "esencial", "3005550142", "mañana"):
        await customer.says(text)
    changed = await customer.says("mejor el ilimitado")
    assert keys(changed) == ["utter_ask_plan_confirmed"]
    assert "Ilimitado" in words(changed)
    assert "Línea: 3005550142\nDesde: 21 de noviembre" in words(changed)


async def test_a_no_at_the_summary_orders_nothing(customer: Customer) -> None:
    for text in ("quiero cambiar de plan", "esencial", "3005550142", "mañana"):
        await customer.says(text)
    assert keys(await customer.says("no")) == ["utter_plan_declined"]


async def test_the_line_is_asked_for_once(customer: Customer) -> None:
    for text in ("quiero cambiar de plan", "esencial", "3005550142", "mañana", "sí"):
        await customer.says(text)
    await customer.presses("/flow:block_line")
    assert "3005550142" in words(customer.last) if customer.last else ""
    assert keys(await customer.says("sí")) == ["utter_line_blocked"]


async def test_the_balance_asked_for_in_the_middle_of_the_form_is_answered_and_the_question_stands(
    customer: Customer,
) -> None:
    await customer.says("quiero cambiar de plan")
    await customer.says("esencial")
    between = await customer.says("cuánto saldo me queda?")
    assert keys(between) == ["utter_balance", "utter_ask_line"]
    assert keys(await customer.says("3005550142")) == ["utter_ask_plan_start"]


@pytest.mark.parametrize(("language", "plan"), [("es", "Plus"), ("en", "Unlimited")])
async def test_a_plan_is_chosen_from_its_card(dialogue: Dialogue, language: str, plan: str) -> None:
    customer = Customer(dialogue, profile=language)
    shown = await customer.presses("/intent:plans")
    cards = next(part for part in shown.replies[0].parts if isinstance(part, Cards))
    option = next(card.options[0] for card in cards.cards if card.title == plan)
    assert keys(await customer.presses(option.value, option.label)) == ["utter_ask_line"]
    await customer.says("3005550142")
    assert plan in words(await customer.says("mañana"))


# complaint, cancellation


async def test_a_complaint_gets_a_case_number(customer: Customer) -> None:
    await customer.says("quiero poner un reclamo")
    await customer.says("la atención")
    assert keys(await customer.says("mal")) == ["utter_retry_complaint_text"]
    await customer.says("me dejaron esperando una hora en la tienda y nadie me atendió")
    assert keys(await customer.says("3005550142")) == ["utter_ask_complaint_call"]
    done = await customer.says("no")
    assert keys(done) == ["utter_complaint_opened"]
    assert "R-31058" in words(done)
    assert "por este chat" in words(done)


@pytest.mark.parametrize(
    ("choice", "reason"),
    [("offer", "retention: takes the offer"), ("cancel", "retention: wants to cancel"), ("stay", "")],
)
async def test_who_wants_to_leave_hears_an_offer_and_then_a_person(
    customer: Customer, choice: str, reason: str
) -> None:
    await customer.says("quiero dar de baja mi línea")
    assert detail(await customer.presses(f"/choose:cancel_service.cancel_wish={choice}")) == reason


# hours


async def test_hours_are_told_by_now(dialogue: Dialogue) -> None:
    spanish = Customer(dialogue, now=OPEN)
    assert "estamos atendiendo, hoy hasta las 20:00" in words(await spanish.presses("/intent:office_hours"))
    english = Customer(dialogue, profile="en", now=CLOSED)
    assert "closed now and open tomorrow at 08:00" in words(await english.presses("/intent:office_hours"))


async def test_a_public_holiday_is_named_in_the_customers_language(dialogue: Dialogue) -> None:
    feast = datetime(2026, 12, 8, 15, 0, tzinfo=UTC)  # 10:00 in Bogotá
    spanish = words(await Customer(dialogue, now=feast).presses("/intent:office_hours"))
    english = words(await Customer(dialogue, profile="en", now=feast).presses("/intent:office_hours"))
    assert "por el festivo (La Inmaculada Concepción); abrimos mañana a las 08:00" in spanish
    assert "for the public holiday (Immaculate Conception)" in english
    closed = await Customer(dialogue, now=feast).says("quiero hablar con una persona")
    assert keys(closed) == ["utter_handoff_closed"]
    assert "mañana a partir de las 08:00" in words(closed)


# after a person


async def given_back(customer: Customer) -> None:
    outcome = await customer.turn(customer.desk("given_back", agent="Marta"))
    assert keys(outcome) == ["utter_given_back", "utter_ask_score"]
    assert next(iter(options(outcome))) == "5 · Excelente"


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("5", 5),
        ("1", 1),
        ("excelente", 5),
        ("le pongo un 4", 4),
        ("muy mala", 1),
        ("mala la verdad", 2),
        ("tres", 3),
        ("👍", 5),
        ("⭐", 1),
    ],
)
async def test_a_rating_can_be_typed(customer: Customer, said: str, score: int) -> None:
    await given_back(customer)
    outcome = await customer.says(said)
    assert (outcome.rating, keys(outcome)) == (score, ["utter_ask_score_comment"])
    assert ("faltó" in words(outcome)) == (score < 3)
    done = await customer.says("todo muy claro y rápido")
    assert (keys(done), done.rating) == (["utter_rating_done"], None)
    assert "muy claro" not in done.state.decode()


async def test_a_rating_can_be_pressed_and_the_comment_left_out(customer: Customer) -> None:
    await given_back(customer)
    outcome = await customer.presses("/choose:satisfaction.score=2")
    assert outcome.rating == 2
    done = await customer.presses(options(outcome)["No, gracias"])
    assert (keys(done), done.rating) == (["utter_rating_done"], None)
    again = await customer.presses("/choose:satisfaction.score=2")
    assert again.rating == 2, "whoever changes their mind may press again"


async def test_the_buttons_of_a_rating_name_their_case_and_old_ones_rate_their_own(customer: Customer) -> None:
    first = await customer.turn(customer.desk("given_back", agent="Marta", case="aaaaaaaa"))
    second = await customer.turn(customer.desk("given_back", agent="Berta", case="bbbbbbbb"))
    old, new = options(first)["5 · Excelente"], options(second)["5 · Excelente"]
    assert old != new
    late = await customer.presses(old)
    assert (late.rating, late.rating_of) == (5, "aaaaaaaa")
    assert keys(late) == ["utter_ask_score_comment"]
    pressed = await customer.presses(new)
    assert (pressed.rating, pressed.rating_of) == (5, "bbbbbbbb")


async def test_a_rating_that_is_typed_is_of_the_case_that_was_asked_about(customer: Customer) -> None:
    await customer.turn(customer.desk("given_back", agent="Marta", case="aaaaaaaa"))
    outcome = await customer.says("4")
    assert (outcome.rating, outcome.rating_of) == (4, "aaaaaaaa")
    corrected = await customer.presses("/choose:satisfaction.score@aaaaaaaa=2")
    assert (corrected.rating, corrected.rating_of) == (2, "aaaaaaaa")


async def test_a_button_of_a_rating_works_days_later_and_rates_its_own_case(customer: Customer) -> None:
    asked = await customer.turn(customer.desk("given_back", agent="Marta", case="aaaaaaaa"))
    await customer.turn(customer.timer(FLOW_TIMER, "satisfaction"))
    await customer.says("cuál es mi saldo")
    customer.now += timedelta(days=9)
    late = await customer.presses(options(asked)["2 · Mala"])
    assert (late.rating, late.rating_of) == (2, "aaaaaaaa")


async def test_a_button_of_a_case_that_nobody_could_name_rates_the_newest(customer: Customer) -> None:
    outcome = await customer.presses("/choose:satisfaction.score@'; drop=3")
    assert (outcome.rating, outcome.rating_of) == (3, "")


async def test_nobody_has_to_rate(customer: Customer) -> None:
    await given_back(customer)
    outcome = await customer.says("cuál es mi saldo")
    assert keys(outcome) == ["utter_balance"]
    assert outcome.rating is None
    assert keys(await customer.says("5")) != ["utter_ask_score_comment"]


async def test_what_is_no_rating_is_answered_like_any_other_message(customer: Customer) -> None:
    await given_back(customer)
    outcome = await customer.says("asdf qwer zxcv")
    assert keys(outcome) == ["utter_default"]
    assert outcome.hand_off == ""


async def test_a_question_instead_of_a_comment_is_answered(customer: Customer) -> None:
    await given_back(customer)
    await customer.says("4")
    assert keys(await customer.says("cuánto debo de la factura")) == ["utter_bill"]


async def test_where_nobody_had_the_case_no_rating_is_asked_for(customer: Customer) -> None:
    assert keys(await customer.turn(customer.desk("given_back"))) == ["utter_given_back"]


def test_a_person_is_announced_by_name_in_the_conversations_language(dialogue: Dialogue) -> None:
    spanish = dialogue.announcement("utter_agent_joined", "es", agent="Marta {Ruiz}")
    english = dialogue.announcement("utter_agent_left", "en-GB", agent="Marta")
    assert [part.text for part in spanish or ()] == ["Ahora hablas con Marta {Ruiz}."]  # type: ignore[union-attr]
    assert [part.text for part in english or ()] == ["Marta has left the conversation."]  # type: ignore[union-attr]
    assert dialogue.announcement("utter_nothing", "es") is None
