"""Texts to answers with the very objects that read a customer's message: models, language, entities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from nlp.batch.job import Job
from nlp.batch.models import open_model
from nlp.intents import Model, Prediction
from nlp.language import LanguageDetector
from nlp.training_data import TrainingData, load_training_data

BATCH = 128
"""Texts that are predicted in one go. More is not faster, and of long texts it would take much memory."""


class Answer(msgspec.Struct, frozen=True):
    """What is known about a text: a prediction for each task in the job's order, and its language."""

    text: str
    language: str
    predictions: tuple[Prediction, ...]


class Classifier:
    """Answers for n texts at a time. Opening costs a second; one instance serves any number of partitions."""

    def __init__(self, models: Sequence[tuple[str, Model]], detector: LanguageDetector, language: str = "") -> None:
        """*models* with their tasks' names; a *language* that is not empty is taken for granted."""
        self.tasks = tuple(task for task, _ in models)
        self._models = tuple(model for _, model in models)
        self._detector = detector
        self._language = language

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """``n texts -> n answers``, in order."""
        predicted = [model.predict(texts) for model in self._models]
        return [
            Answer(text, self._language or self._detector.choose(text, "", is_first=True), predictions)
            for text, predictions in zip(texts, zip(*predicted, strict=True), strict=True)
        ]


def open_classifier(job: Job) -> Classifier:
    """Everything that a job needs, loaded. Raises ``Misconfigured``."""
    understanding = job.understanding
    models = [(ref.task, open_model(ref)) for ref in job.models]
    data = _training_data(understanding.bot_folder, understanding.languages)
    detector = LanguageDetector(understanding.languages, data.examples)
    return Classifier(models, detector, understanding.language)


def _training_data(folder: str, languages: Sequence[str]) -> TrainingData:
    return load_training_data(Path(folder), languages)
