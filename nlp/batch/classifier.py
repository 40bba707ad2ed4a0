"""Texts to answers with the very objects that read a customer's message: models, language, entities."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nlp.batch.job import Job, Understanding
from nlp.batch.models import open_model, open_tagger
from nlp.intents import Model, Prediction
from nlp.language import LanguageDetector
from nlp.training_data import TrainingData, load_training_data

if TYPE_CHECKING:
    from nlp.entities.extractor import Extractor
    from nlp.entities.found import Entity

BATCH = 128
"""Texts that are predicted in one go. More is not faster, and of long texts it would take much memory."""


class Answer(msgspec.Struct, frozen=True):
    """What is known about a text: a prediction for each task in the job's order, its language, what it mentions."""

    text: str
    language: str
    predictions: tuple[Prediction, ...]
    entities: tuple[Entity, ...] = ()


class Extraction:
    """Finds the entities of the kinds that were asked for, as they are found in a customer's message."""

    def __init__(self, extractor: Extractor, kinds: Collection[str], at: datetime, time_zone: str) -> None:
        self._extractor = extractor
        self._kinds = frozenset(kinds)
        self._at = at
        self._time_zone = time_zone

    def find(self, text: str, language: str) -> tuple[Entity, ...]:
        found = self._extractor.extract(text, language, self._at, self._time_zone)
        return tuple(entity for entity in found if entity.kind in self._kinds)


class Classifier:
    """Answers for n texts at a time. Opening costs a second; one instance serves any number of partitions."""

    def __init__(
        self,
        models: Sequence[tuple[str, Model]],
        detector: LanguageDetector,
        language: str = "",
        extraction: Extraction | None = None,
    ) -> None:
        """*models* with their tasks' names; a *language* that is not empty is taken for granted."""
        self.tasks = tuple(task for task, _ in models)
        self._models = tuple(model for _, model in models)
        self._detector = detector
        self._language = language
        self._extraction = extraction

    def answer(self, texts: Sequence[str]) -> list[Answer]:
        """``n texts -> n answers``, in order."""
        predicted = [model.predict(texts) for model in self._models]
        return [
            self._answer(text, predictions)
            for text, predictions in zip(texts, zip(*predicted, strict=True), strict=True)
        ]

    def _answer(self, text: str, predictions: tuple[Prediction, ...]) -> Answer:
        language = self._language or self._detector.choose(text, "", is_first=True)
        entities = self._extraction.find(text, language) if self._extraction is not None else ()
        return Answer(text, language, predictions, entities)


def open_classifier(job: Job) -> Classifier:
    """Everything that a job needs, loaded. Raises ``Misconfigured``."""
    understanding = job.understanding
    models = [(ref.task, open_model(ref)) for ref in job.models]
    data = load_training_data(Path(understanding.bot_folder), understanding.languages)
    detector = LanguageDetector(understanding.languages, data.examples)
    return Classifier(models, detector, understanding.language, _extraction(job, data))


def known_kinds(data: TrainingData, understanding: Understanding) -> frozenset[str]:
    """The kinds of entities that can be asked for."""
    return _extractor(data, understanding).kinds


def _extraction(job: Job, data: TrainingData) -> Extraction | None:
    if not job.extract:
        return None
    understanding = job.understanding
    at = datetime.fromisoformat(understanding.at)
    extractor = _extractor(data, understanding).with_tagger(open_tagger(job.models))
    return Extraction(extractor, job.extract, at, understanding.time_zone)


def _extractor(data: TrainingData, understanding: Understanding) -> Extractor:
    from nlp.entities.extractor import Extractor

    return Extractor(data, understanding.languages, country=understanding.country)
