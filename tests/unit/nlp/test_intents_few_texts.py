"""An author begins with few texts: fewer than there are folds, and no reason to fail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nlp.intents import Model
from nlp.intents.training import fit
from nlp.training_data import OUT_OF_SCOPE, Example, TrainingData

TEXTS = {
    "greet": ("hello there", "good morning", "hi bot", "good evening to you", "hey friend"),
    "price": ("how much is it", "what does it cost", "the price please", "is it expensive", "tell me the price"),
    "hours": ("when do you open", "are you open now", "until what time", "opening hours please", "do you close today"),
}


@pytest.mark.parametrize("count", [1, 2])
def test_a_model_is_learnt_from_examples_of_which_few_are_out_of_scope(count: int) -> None:
    outside = ("will it rain tomorrow", "who won the match")[:count]
    data = TrainingData(
        tuple(Example(text, intent) for intent, texts in TEXTS.items() for text in texts),
        outside=tuple(Example(text, OUT_OF_SCOPE) for text in outside),
    )
    model = Model(*fit(data, datetime.now(UTC), lambda _line: None))
    assert model.info.intents == ("greet", "hours", "price")
    assert model.predict(["how much does it cost"])[0].candidates[0].intent == "price"


@pytest.mark.parametrize("intents", [2, 4, 6])
def test_a_model_is_learnt_from_one_example_an_intent(intents: int) -> None:
    words = ("balance", "greeting", "outage", "roaming", "invoice", "upgrade")[:intents]
    data = TrainingData(tuple(Example(f"my {word} please", word) for word in words))
    model = Model(*fit(data, datetime.now(UTC), lambda _line: None))
    assert model.predict(["the balance"])[0].candidates[0].intent == "balance"
