"""A trained classifier, ready to predict: numpy and scipy only, immutable, safe to share between tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.turns import Candidate
from nlp.intents.features import Floats, Vectoriser
from nlp.signals import reading

MAX_CANDIDATES = 5
_TAIL = 4.0  # how fast a score falls beyond the worst in-scope text: nonsense is far out, also of few examples


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

    Probabilities are ``softmax(decisions / temperature)``. A text's *fit* is its highest decision value less its
    shares of unseen words and of unseen character n-grams times ``unseen_weights``. ``in_scope`` holds evenly spaced
    quantiles, ascending, of the fit of ``sample_size`` in-scope texts that were understood.
    """

    temperature: float
    unseen_weights: tuple[float, float]
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
    """``predict`` is pure and costs 10 to 40 µs a text in batches of 16 or more."""

    def __init__(self, info: ModelInfo, stored: Weights) -> None:
        self.info = info
        self._normalise = reading(str(info.settings.get("reads", "intents")))
        self._vectoriser = Vectoriser(stored.words, stored.grams, stored.idf)
        self._weights = stored.weights
        self._bias = stored.bias
        calibration = info.calibration
        self._temperature = calibration.temperature
        self._unseen_weights = np.asarray(calibration.unseen_weights, dtype=np.float32)
        self._grid = np.asarray(calibration.in_scope, dtype=np.float64)
        lowest = 1.0 / (calibration.sample_size + 1)
        self._shares = np.linspace(lowest, 1.0 - lowest, len(self._grid))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """``n texts -> n predictions``, in order; any string will do, 2,000 characters of it are read."""
        if not texts:
            return []
        rows = self._vectoriser.read([self._normalise(text) for text in texts])
        decisions = rows.times(self._weights)
        decisions += self._bias
        order = np.argsort(-decisions, axis=1, kind="stable")[:, :MAX_CANDIDATES]
        ranked = np.take_along_axis(self._probabilities(decisions), order, axis=1)
        scores = self._scores(decisions.max(axis=1) - rows.unseen @ self._unseen_weights)
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
        rows = self._vectoriser.read([self._normalise(text) for text in texts])
        return rows.times(self._weights) + self._bias

    def _probabilities(self, decisions: Floats) -> Floats:
        scaled = decisions / self._temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        np.exp(scaled, out=scaled)
        scaled /= scaled.sum(axis=1, keepdims=True)
        return scaled

    def _scores(self, fit: Floats) -> Floats:
        """Each fit's place among the in-scope ones; strictly rising, also beyond the seen range."""
        shares = np.interp(fit, self._grid, self._shares)
        low, high = self._grid[0], self._grid[-1]
        below = self._shares[0] * np.exp(_TAIL * np.minimum(fit - low, 0.0))
        above = 1.0 - self._shares[0] * np.exp(_TAIL * np.minimum(high - fit, 0.0))
        placed: Floats = np.where(fit < low, below, np.where(fit > high, above, shares))
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
