"""Learns the three feelings: our own texts, and what an author adds in ``tasks/sentiment/`` of the bot's folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from nlp.intents import Model
from nlp.intents.model import ModelInfo, Weights
from nlp.training_data import TrainingData, load_training_data

LANGUAGES = ("es", "en", "pt")
_HERE = Path(__file__).parent


def training_data(added: TrainingData | None = None) -> TrainingData:
    """The texts to learn from, with the author's *added* ones."""
    own = load_training_data(_HERE / "texts", LANGUAGES)
    return TrainingData((*own.examples, *(added.examples if added is not None else ())))


def held_out() -> TrainingData:
    """Texts that were written apart, for measuring only."""
    return load_training_data(_HERE / "held_out", LANGUAGES)


def fit(
    data: TrainingData, trained_at: datetime, report: Callable[[str], None] = lambda _line: None
) -> tuple[ModelInfo, Weights]:
    """Train on *data* as ``nlp.intents.training.fit`` does, with the signals of :mod:`nlp.signals` among the words."""
    from nlp.intents.options import FitOptions
    from nlp.intents.training import fit as fit_intents

    return fit_intents(data, trained_at, report, FitOptions(reads="sentiment", regularisation=0.1, network="never"))


def train(added: TrainingData | None = None) -> Model:
    """A model in memory of our own texts and the author's *added* ones; takes seconds, blocks."""
    return Model(*fit(training_data(added), datetime.now(UTC)))
