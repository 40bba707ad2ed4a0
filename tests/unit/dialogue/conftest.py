"""The sample bot with its real model, read and learnt once, and a customer who talks to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from talking import Customer

import config
from config.bot import Bot, load_bot
from gateway.dialogue import Dialogue
from nlp.intents import QUICK, Model, Prediction, train
from nlp.language import LanguageDetector
from nlp.training_data import TrainingData, load_training_data

TELECOM = Path(config.__file__).parent / "bots" / "telecom"


@pytest.fixture(scope="session")
def bot() -> Bot:
    return load_bot(TELECOM)


@pytest.fixture(scope="session")
def data(bot: Bot) -> TrainingData:
    return load_training_data(TELECOM, bot.languages)


@pytest.fixture(scope="session")
def detector(bot: Bot, data: TrainingData) -> LanguageDetector:
    return LanguageDetector(bot.languages, data.examples)


@pytest.fixture(scope="session")
def model(data: TrainingData) -> Model:
    return train(data, options=QUICK)


@pytest.fixture(scope="session")
def dialogue(bot: Bot, model: Model, detector: LanguageDetector) -> Dialogue:
    async def classify(text: str) -> Prediction:
        return model.predict([text])[0]

    return Dialogue(bot, classify, detector)


@pytest.fixture
def customer(dialogue: Dialogue) -> Customer:
    return Customer(dialogue)
