"""A trained classifier, ready to predict: numpy and scipy only, immutable, safe to share between tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.turns import Candidate
from nlp.intents.features import Floats, Vectoriser
from nlp.text import for_intents

MAX_CANDIDATES = 5


class Prediction(msgspec.Struct, frozen=True):
    """What one text is about. ``candidates`` are ranked, at most five, with calibrated probabilities.

    ``score`` says how much the text looks like one that the bot was made for: the share of in-scope texts that
    look less so, 0 to 1. ``is_in_scope`` is ``score`` against the model's threshold.
    """

    candidates: tuple[Candidate, ...]
    score: float
    is_in_scope: bool


class Calibration(msgspec.Struct, frozen=True):
    """How decision values become probabilities, learnt from out-of-fold values.

    Probabilities are ``softmax(decisions / temperature)``. ``in_scope`` holds evenly spaced quantiles of the
    highest decision value of in-scope texts, ascending; ``sample_size`` of them were seen.
    """

    temperature: float
    in_scope: tuple[float, ...]
    sample_size: int
    threshold: float


class ModelInfo(msgspec.Struct, frozen=True):
    """What is known about a model besides its weights. ``metrics`` are out of fold; ``seconds`` is the training."""

    intents: tuple[str, ...]
    fingerprint: str
    calibration: Calibration
    metrics: Mapping[str, float]
    settings: Mapping[str, str | float]
    libraries: Mapping[str, str]
    trained_at: str
    version: str = ""


class Weights:
    """A fitted model's arrays, as they are stored. *weights* ``(n_features, n_intents)`` have float16 precision."""

    def __init__(self, words: Sequence[str], grams: Sequence[str], idf: Floats, weights: Floats, bias: Floats) -> None:
        self.words = tuple(words)
        self.grams = tuple(grams)
        self.idf = idf
        self.weights = weights
        self.bias = bias


class Model:
    """``predict`` is pure and costs some 30 µs a text in batches of 16 or more."""

    def __init__(self, info: ModelInfo, stored: Weights) -> None:
        self.info = info
        self._vectoriser = Vectoriser(stored.words, stored.grams, stored.idf)
        self._weights = stored.weights
        self._bias = stored.bias
        calibration = info.calibration
        self._temperature = calibration.temperature
        self._grid = np.asarray(calibration.in_scope, dtype=np.float64)
        lowest = 1.0 / (calibration.sample_size + 1)
        self._shares = np.linspace(lowest, 1.0 - lowest, len(self._grid))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """``n texts -> n predictions``, in order; any string will do, 2,000 characters of it are read."""
        if not texts:
            return []
        decisions = self.decisions(texts)
        order = np.argsort(-decisions, axis=1, kind="stable")[:, :MAX_CANDIDATES]
        ranked = np.take_along_axis(self._probabilities(decisions), order, axis=1)
        scores = self._scores(decisions.max(axis=1))
        threshold = self.info.calibration.threshold
        intents = self.info.intents
        return [
            Prediction(
                tuple(Candidate(intents[column], p) for column, p in zip(columns, ps, strict=True)),
                score,
                score >= threshold,
            )
            for columns, ps, score in zip(order.tolist(), ranked.tolist(), scores.tolist(), strict=True)
        ]

    def decisions(self, texts: Sequence[str]) -> Floats:
        """The linear model's values, ``n texts -> (n, n_intents)``."""
        rows = self._vectoriser.rows([for_intents(text) for text in texts])
        values: Floats = rows @ self._weights
        values += self._bias
        return values

    def _probabilities(self, decisions: Floats) -> Floats:
        scaled = decisions / self._temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        np.exp(scaled, out=scaled)
        scaled /= scaled.sum(axis=1, keepdims=True)
        return scaled

    def _scores(self, highest: Floats) -> Floats:
        """Each highest decision's place among the in-scope ones; strictly rising, also beyond the seen range."""
        shares = np.interp(highest, self._grid, self._shares)
        low, high = self._grid[0], self._grid[-1]
        below = self._shares[0] * np.exp(np.minimum(highest - low, 0.0))
        above = 1.0 - self._shares[0] * np.exp(np.minimum(high - highest, 0.0))
        placed: Floats = np.where(highest < low, below, np.where(highest > high, above, shares))
        return placed


def expected_calibration_error(probabilities: Floats, is_right: NDArray[np.bool_]) -> float:
    """Mean gap between claimed probability and share of right answers, over ten bins of equal width."""
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        abs(float(probabilities[chosen].mean()) - float(is_right[chosen].mean())) * int(chosen.sum())
        for chosen in (bins == each for each in range(10))
        if chosen.any()
    ]
    return math.fsum(gaps) / max(1, len(probabilities))
