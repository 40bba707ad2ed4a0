"""The classifier that serves, as evaluation teaches it."""

from __future__ import annotations

from datetime import UTC, datetime

from nlp.evaluation.judging import Taught, Teach
from nlp.intents import DEFAULTS, QUICK, FitOptions, Model
from nlp.models.versions import INTENT, SENTIMENT
from nlp.training_data import TrainingData

_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


def taught(model: Model) -> Taught:
    """A model that is there already."""
    return Taught(model, model.info.calibration.threshold)


def teacher(task: str = INTENT, options: FitOptions = DEFAULTS) -> Teach:
    """Trains as ``tertulia train`` does for *task*. What it makes raises ``Misconfigured``."""

    def teach(data: TrainingData) -> Taught:
        if task == SENTIMENT:
            from nlp.sentiment.training import fit as fit_sentiment

            return taught(Model(*fit_sentiment(data, _ALWAYS)))
        from nlp.intents.training import fit

        return taught(Model(*fit(data, _ALWAYS, options=options)))

    return teach


def quick_teacher(task: str = INTENT) -> Teach:
    """Leaves out what takes long: for what needs many trainings, and compares them with one another only."""
    return teacher(task, QUICK)
