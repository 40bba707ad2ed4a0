"""The sample bot's examples, read and learnt once for all tests of understanding."""

from __future__ import annotations

from pathlib import Path

import pytest

import config
from nlp.intents import QUICK, Model, train
from nlp.training_data import TrainingData, load_training_data

TELECOM = Path(config.__file__).parent / "bots" / "telecom"


@pytest.fixture(scope="session")
def telecom() -> TrainingData:
    return load_training_data(TELECOM, ("es", "en"))


@pytest.fixture(scope="session")
def model(telecom: TrainingData) -> Model:
    return train(telecom, options=QUICK)
