"""A model in memory from examples: what tests and tools need, without importing what learns until it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from nlp.intents.model import Model
from nlp.intents.options import DEFAULTS, FitOptions
from nlp.training_data import TrainingData


def train(
    data: TrainingData,
    *,
    trained_at: datetime | None = None,
    report: Callable[[str], None] = lambda _line: None,
    options: FitOptions = DEFAULTS,
) -> Model:
    """Train on *data*; nothing is stored. Takes seconds of one core. Raises ``Misconfigured``."""
    from nlp.intents.training import fit

    return Model(*fit(data, trained_at or datetime.now(UTC), report, options))
