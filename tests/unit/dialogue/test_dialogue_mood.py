"""How the customer sounds is told of each turn, and leads to a person where the author wants it."""

from __future__ import annotations

import msgspec
import pytest
from talking import Customer, detail

from config.bot import Bot
from gateway.core.errors import Unavailable
from gateway.core.turns import TurnOutcome
from gateway.dialogue import Dialogue
from gateway.dialogue.mood import Feel
from nlp.intents import Model, Prediction
from nlp.language import LanguageDetector
from nlp.sentiment import NEGATIVE, NEUTRAL, POSITIVE, Feeling

SAID = {
    "ya van tres veces": Feeling(NEGATIVE, 0.7),
    "esto es una estafa": Feeling(NEGATIVE, 0.98),
    "mil gracias": Feeling(POSITIVE, 0.01),
}


async def feel(text: str) -> Feeling | None:
    return SAID.get(text, Feeling(NEUTRAL, 0.1))


def customer_of(
    bot: Bot, model: Model, detector: LanguageDetector, how: Feel | None = feel, **rules: float
) -> Customer:
    settings = msgspec.structs.replace(bot.settings, **({"after_negative": 0, "strongly_negative": 0.0} | rules))

    async def classify(text: str) -> Prediction:
        return model.predict([text])[0]

    return Customer(Dialogue(msgspec.structs.replace(bot, settings=settings), classify, detector, feel=how))


@pytest.fixture
def listening(bot: Bot, model: Model, detector: LanguageDetector) -> Customer:
    return customer_of(bot, model, detector, sentiment=True)


def sentiment(outcome: TurnOutcome) -> str:
    return outcome.resolution.sentiment


async def test_each_turn_tells_how_it_sounded(listening: Customer) -> None:
    assert sentiment(await listening.says("ya van tres veces")) == NEGATIVE
    assert sentiment(await listening.says("cuál es mi saldo")) == NEUTRAL
    assert sentiment(await listening.says("mil gracias")) == POSITIVE


async def test_a_burst_sounds_as_its_worst_message(listening: Customer) -> None:
    outcome = await listening.says("mil gracias", "ya van tres veces")
    assert sentiment(outcome) == NEGATIVE
    assert "sentiment: negative, 0.70 negative" in outcome.resolution.steps


async def test_without_a_rule_nobody_is_handed_over(listening: Customer) -> None:
    for _ in range(5):
        assert not (await listening.says("esto es una estafa")).hand_off.startswith("sentiment")


async def test_where_it_is_off_nothing_is_read(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    asked: list[str] = []

    async def listen(text: str) -> Feeling:
        asked.append(text)
        return Feeling(NEGATIVE, 1.0)

    customer = customer_of(bot, model, detector, listen, sentiment=False, after_negative=1)
    assert sentiment(await customer.says("esto es una estafa")) == ""
    assert not asked


async def test_the_author_may_want_a_person_after_so_many(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    customer = customer_of(bot, model, detector, sentiment=True, after_negative=3)
    assert not (await customer.says("ya van tres veces")).hand_off
    assert not (await customer.says("cuál es mi saldo")).hand_off
    assert not (await customer.says("ya van tres veces")).hand_off
    outcome = await customer.says("ya van tres veces")
    assert (outcome.hand_off, detail(outcome)) == ("sentiment", "3 times")
    assert outcome.resolution.link == "handoff"
    assert outcome.replies


async def test_messages_of_a_burst_count_one_by_one(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    customer = customer_of(bot, model, detector, sentiment=True, after_negative=2)
    assert detail(await customer.says("ya van tres veces", "ya van tres veces")) == "2 times"


async def test_a_glad_word_begins_the_count_anew(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    customer = customer_of(bot, model, detector, sentiment=True, after_negative=2)
    await customer.says("ya van tres veces")
    await customer.says("mil gracias")
    assert not (await customer.says("ya van tres veces")).hand_off


async def test_what_was_said_days_ago_does_not_count(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    customer = customer_of(bot, model, detector, sentiment=True, after_negative=2)
    await customer.says("ya van tres veces")
    customer.waits(days=3)
    assert not (await customer.says("ya van tres veces")).hand_off


async def test_one_strongly_negative_message_is_enough(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    customer = customer_of(bot, model, detector, sentiment=True, strongly_negative=0.95)
    assert not (await customer.says("ya van tres veces")).hand_off
    assert (await customer.says("esto es una estafa")).hand_off == "sentiment"


async def test_a_model_that_is_away_stops_no_turn(bot: Bot, model: Model, detector: LanguageDetector) -> None:
    async def away(text: str) -> Feeling:
        raise Unavailable(text)

    async def not_yet(text: str) -> None:
        assert text

    for broken in (away, not_yet):
        outcome = await customer_of(bot, model, detector, broken, sentiment=True).says("cuál es mi saldo")
        assert outcome.replies
        assert sentiment(outcome) == ""
