"""The sample bot tells what it is not made for from what it is, on texts that it has never seen."""

from __future__ import annotations

import pytest
from scope_texts import FOREIGN, FOREIGN_EN, FOREIGN_ES, FOREIGN_PT, OWN, OWN_EN, OWN_ES, OWN_STORIES, lines
from talking import Customer

from config.bot import Bot
from nlp.intents import Model
from nlp.text import for_intents
from nlp.training_data import TrainingData


def share_in_scope(bot: Bot, model: Model, texts: list[str]) -> float:
    scope = bot.settings.scope
    assert scope is not None
    return sum(each.score >= scope for each in model.predict(texts)) / len(texts)


def test_no_text_is_among_the_examples(data: TrainingData) -> None:
    taught = {for_intents(each.text) for each in (*data.examples, *data.outside)}
    assert not [text for text in (*FOREIGN, *OWN, *lines(OWN_STORIES)) if for_intents(text) in taught]
    assert (len(set(FOREIGN)), len(set(OWN))) == (120, 120)


@pytest.mark.parametrize("texts", [FOREIGN_ES, FOREIGN_EN, FOREIGN_PT], ids=["es", "en", "pt"])
def test_seven_of_ten_foreign_texts_are_turned_away_in_each_language(bot: Bot, model: Model, texts: str) -> None:
    assert share_in_scope(bot, model, lines(texts)) <= 0.3


@pytest.mark.parametrize("texts", [OWN_ES, OWN_EN], ids=["es", "en"])
def test_nearly_all_that_the_bot_is_made_for_stays(bot: Bot, model: Model, texts: str) -> None:
    assert share_in_scope(bot, model, lines(texts)) >= 0.97


def test_who_tells_a_long_story_is_heard_too(bot: Bot, model: Model) -> None:
    assert share_in_scope(bot, model, lines(OWN_STORIES)) >= 0.85
    assert share_in_scope(bot, model, [*OWN, *lines(OWN_STORIES)]) >= 0.97


async def test_a_foreign_text_is_no_customers_wish(customer: Customer) -> None:
    outcome = await customer.says("cómo hago crecer tomates en el balcón")
    assert (outcome.resolution.link, outcome.resolution.reason) == ("none", "out of scope")
