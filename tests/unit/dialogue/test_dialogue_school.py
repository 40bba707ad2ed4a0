"""The school bot: another domain is only another folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from talking import Customer, detail, keys, options, words

import config
from config.bot import Bot, load_bot
from gateway.dialogue import Dialogue
from nlp.intents import Prediction, train
from nlp.language import LanguageDetector
from nlp.training_data import load_training_data

SCHOOL = Path(config.__file__).parent / "bots" / "school"
TUESDAY = datetime(2026, 11, 17, 10, 0, tzinfo=UTC)  # 11:00 in Madrid

UTTERANCES = {
    "greet": ("hola, buenos días", "hello, good morning", "utter_greet"),
    "goodbye": ("eso es todo, adiós", "that is all, goodbye", "utter_goodbye"),
    "thanks": ("muchas gracias por todo", "thank you very much", "utter_thanks"),
    "what_can_you_do": ("qué información me puede dar", "what can you do for me", "utter_what_can_you_do"),
    "bot_challenge": ("es usted un robot", "are you a robot?", "utter_bot_challenge"),
    "timetable": ("a qué hora salen los niños", "what time does school finish", "utter_ask_stage"),
    "enrolment": ("quiero matricular a mi hija", "i want to enrol my daughter", "utter_enrolment_begin"),
    "fees": ("cuánto cuesta el colegio al mes", "how much is the monthly fee", "utter_fees"),
    "teachers_hours": ("cuándo atienden los profesores", "when are the teachers available", "utter_ask_teacher"),
    "term_dates": ("cuándo empiezan las vacaciones de navidad", "when are the christmas holidays", "utter_term_dates"),
    "lunch": ("qué hay hoy en el comedor", "what is for lunch today", "utter_lunch"),
    "absence": ("mi hijo está enfermo y no irá hoy", "my son is sick and won't come today", "utter_absence"),
    "contact": ("cuál es el teléfono de secretaría", "what is the phone number of the office", "utter_contact"),
    "person": ("quiero hablar con una persona", "i want to talk to a person", "utter_handoff"),
}


@pytest.fixture(scope="module")
def school_bot() -> Bot:
    return load_bot(SCHOOL)


@pytest.fixture(scope="module")
def school(school_bot: Bot) -> Dialogue:
    data = load_training_data(SCHOOL, school_bot.languages)
    model = train(data)

    async def classify(text: str) -> Prediction:
        return model.predict([text])[0]

    return Dialogue(school_bot, classify, LanguageDetector(school_bot.languages, data.examples))


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("intent", UTTERANCES)
async def test_every_intent_answers_in_both_languages(school: Dialogue, intent: str, language: str) -> None:
    spanish, english, key = UTTERANCES[intent]
    outcome = await Customer(school, profile=language, now=TUESDAY).says(spanish if language == "es" else english)
    assert (outcome.resolution.intent, outcome.language) == (intent, language), outcome.resolution.steps
    assert keys(outcome)[0] == key
    assert "!" not in words(outcome)


def test_every_intent_is_tried(school_bot: Bot) -> None:
    assert set(UTTERANCES) == set(school_bot.intents)


async def test_an_application_is_corrected_and_goes_to_the_office(school: Dialogue) -> None:
    family = Customer(school, now=TUESDAY)
    await family.says("quiero matricular a mi hija")
    assert keys(await family.says("12")) == ["utter_retry_child_name"]
    await family.says("Vera Ruiz Paz")
    assert keys(await family.says("ayer")) == ["utter_retry_child_birth"]
    await family.says("14/05/2021")
    await family.presses("/choose:enrolment.enrol_stage=infant")
    assert keys(await family.says("vera en ejemplo")) == ["utter_retry_family_mail"]
    summary = await family.says("vera@ejemplo.es")
    assert "Nacimiento: 14 de mayo de 2021" in words(summary)
    what = await family.presses(options(summary)["Corregir algo"])
    await family.presses(options(what)["La etapa"])
    fixed = await family.says("primaria")
    assert "Nombre: Vera Ruiz Paz\nNacimiento: 14 de mayo de 2021\nEtapa: Primaria\n" in words(fixed)
    sent = await family.says("sí")
    assert (detail(sent), keys(sent)) == ("enrolment request", ["utter_handoff"])


@pytest.mark.parametrize(
    ("said", "heard"), [("primaria", "de 9:00 a 12:30"), ("2", "de 9:00 a 12:30"), ("la eso", "de 8:15 a 14:45")]
)
async def test_the_timetable_depends_on_the_stage(school: Dialogue, said: str, heard: str) -> None:
    family = Customer(school, now=TUESDAY)
    await family.says("a qué hora empiezan las clases")
    assert heard in words(await family.says(said))


async def test_the_office_has_hours_with_a_break_and_a_regions_holidays(school: Dialogue) -> None:
    async def told(now: datetime) -> str:
        return words(await Customer(school, now=now).presses("/intent:contact"))

    assert "abierta ahora, hasta las 13:30" in await told(TUESDAY)
    assert "cerrada; abre hoy a las 15:00" in await told(TUESDAY.replace(hour=13))
    assert "cerrada por el festivo" in await told(datetime(2026, 5, 2, 10, 0, tzinfo=UTC))


async def test_the_office_is_rated_when_it_gave_the_conversation_back(school: Dialogue) -> None:
    family = Customer(school, now=TUESDAY)
    asked = await family.turn(family.desk("given_back", agent="Inés"))
    assert keys(asked) == ["utter_given_back", "utter_ask_score"]
    rated = await family.says("muy bien")
    assert (rated.rating, keys(rated)) == (4, ["utter_rating_done"])


async def test_a_rating_of_the_office_ends_its_episode(school: Dialogue) -> None:
    family = Customer(school, now=TUESDAY)
    await family.turn(family.desk("given_back", agent="Inés"))
    rated = await family.says("muy bien, gracias")
    assert (rated.rating, rated.ends_episode) == (4, "solved")


@pytest.mark.parametrize(
    ("language", "begun", "said"),
    [
        ("es", "quiero matricular a mi hija", "Quiero hablar con secretaría"),
        ("es", "quiero solicitar plaza", "quiero hablar con una persona"),
        ("en", "i want to enrol my son", "I want to talk to a person"),
    ],
)
async def test_who_wants_the_office_is_not_taken_for_a_child(
    school: Dialogue, language: str, begun: str, said: str
) -> None:
    family = Customer(school, profile=language, now=TUESDAY)
    assert keys(await family.says(begun))[-1] == "utter_ask_child_name"
    assert (await family.says(said)).hand_off == "asked"


@pytest.mark.parametrize("said", ["no sé", "hola", "muchas gracias", "¿para qué lo necesitan?"])
async def test_what_is_no_name_is_not_taken_for_one(school: Dialogue, said: str) -> None:
    family = Customer(school, now=TUESDAY)
    await family.says("quiero matricular a mi hija")
    assert keys(await family.says(said)) == ["utter_retry_child_name"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Inés Profesor", "Inés Profesor"),
        ("Víctor Plaza", "Víctor Plaza"),
        ("Amparo Directora Pérez", "Amparo Directora Pérez"),
        ("María del Carmen López", "María del Carmen López"),
        ("se llama Vera Ruiz Paz", "Vera Ruiz Paz"),
        ("mi hijo se llama Pablo Gómez", "Pablo Gómez"),
        ("Her name is Grace Hill", "Grace Hill"),
        ("Estela Iglesias", "Estela Iglesias"),
    ],
)
async def test_a_name_is_kept_without_what_leads_to_it(school: Dialogue, said: str, name: str) -> None:
    family = Customer(school, now=TUESDAY)
    await family.says("quiero matricular a mi hija")
    assert keys(await family.says(said)) == ["utter_ask_child_birth"]
    for text in ("14/05/2021", "4 años", "vera@ejemplo.es"):
        summary = await family.says(text)
    lines = words(summary).splitlines()
    assert lines[1].partition(": ")[2] == name
    assert lines[3] in {"Etapa: Infantil (3 a 5 años)", "Stage: Nursery (3 to 5)"}


async def test_other_questions_in_the_middle_of_an_application_are_answered_and_it_goes_on(school: Dialogue) -> None:
    family = Customer(school, now=TUESDAY)
    await family.says("quiero matricular a mi hija")
    assert keys(await family.says("cuánto cuesta el comedor?")) == ["utter_lunch", "utter_ask_child_name"]
    assert keys(await family.says("quiero ver el horario de clases")) == ["utter_ask_stage"]
    assert keys(await family.says("primaria")) == ["utter_timetable", "utter_ask_child_name"]
    await family.says("Vera Ruiz")
    await family.says("14/05/2021")
    await family.says("infantil")
    corrected = await family.says("no, era el 15/05/2021")
    assert keys(corrected) == ["utter_ask_family_mail"]
    summary = await family.says("vera@ejemplo.es")
    assert "Nacimiento: 15 de mayo de 2021\nEtapa: Infantil" in words(summary)
    assert detail(await family.says("está todo bien")) == "enrolment request"


@pytest.mark.parametrize(
    ("language", "said", "heard"),
    [
        ("es", ("horario de secundaria", "y primaria?"), "de 9:00 a 12:30"),
        ("en", ("what time does secondary school start", "what about primary"), "from 9:00 to 12:30"),
        ("es", ("quiero hablar con el profesor de mates", "y el de inglés?"), "inglés"),
        ("es", ("hola", "¿a qué hora salen los niños de primaria?"), "de 9:00 a 12:30"),
    ],
)
async def test_the_next_question_may_leave_out_what_it_is_about(
    school: Dialogue, language: str, said: tuple[str, str], heard: str
) -> None:
    family = Customer(school, profile=language, now=TUESDAY)
    await family.says(said[0])
    assert heard in words(await family.says(said[1]))
