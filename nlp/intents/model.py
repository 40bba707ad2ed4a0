"""A trained classifier, ready to predict: numpy and scipy only, immutable, safe to share between tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.turns import Candidate
from nlp.intents.encoding import EncoderFailed, open_encoder
from nlp.intents.explaining import Explanation, explain
from nlp.intents.features import Floats, Rows, Vectoriser
from nlp.intents.machine import Machine, Reading
from nlp.intents.prediction import MAX_CANDIDATES, Prediction
from nlp.intents.scale import Scale
from nlp.intents.signals import Head
from nlp.signals import read_by

__all__ = [
    "MAX_CANDIDATES",
    "Calibration",
    "Confusion",
    "CurvePoint",
    "Model",
    "ModelInfo",
    "Prediction",
    "Weights",
    "expected_calibration_error",
]


class Calibration(msgspec.Struct, frozen=True):
    """How figures become probabilities and scores, learnt from predictions out of fold.

    Probabilities are ``softmax(decisions * linear_scale + logits * network_scale)``. ``head`` makes a text's *fit* of
    its signals. ``in_scope`` holds evenly spaced quantiles, ascending, of the fit of ``sample_size`` in-scope texts.
    """

    linear_scale: float
    network_scale: float
    head: Head
    in_scope: tuple[float, ...]
    sample_size: int
    threshold: float


class Confusion(msgspec.Struct, frozen=True):
    """Out of fold, ``count`` texts of ``meant`` were taken for ``said``."""

    meant: str
    said: str
    count: int


class CurvePoint(msgspec.Struct, frozen=True):
    """What a threshold would do: the share of in-scope texts kept, and of out-of-scope ones caught."""

    threshold: float
    kept: float
    caught: float


class ModelInfo(msgspec.Struct, frozen=True):
    """What is known about a model besides its weights. ``metrics`` are out of fold; ``seconds`` is the training.

    ``confusions`` are the most frequent first. ``curve`` is of hidden intents, or of the author's own examples of what
    is out of scope (``settings["outside"]`` tells which); empty where there were too few intents to hide any.
    """

    intents: tuple[str, ...]
    fingerprint: str
    calibration: Calibration
    metrics: Mapping[str, float]
    settings: Mapping[str, str | float]
    libraries: Mapping[str, str]
    trained_at: str
    version: str = ""
    confusions: tuple[Confusion, ...] = ()
    curve: tuple[CurvePoint, ...] = ()


class Weights:
    """A fitted model's arrays, as they are stored; the machine's have float16 precision.

    ``texts`` are the examples that it learnt from, ``labels`` their intents by number.
    """

    def __init__(
        self,
        words: Sequence[str],
        grams: Sequence[str],
        idf: Floats,
        machine: Machine,
        texts: Sequence[str],
        labels: NDArray[np.int64],
    ) -> None:
        self.words = tuple(words)
        self.grams = tuple(grams)
        self.idf = idf
        self.machine = machine
        self.texts = tuple(texts)
        self.labels = labels


class Model:
    """``predict`` is pure; a text costs 0.05 ms alone, 0.02 ms in batches of 64, 0.1 ms where a network takes part."""

    def __init__(self, info: ModelInfo, stored: Weights) -> None:
        self.info = info
        self._stored = stored
        self._machine = stored.machine
        self._normalise = read_by(str(info.settings.get("reads", "intents")))
        self._vectoriser = Vectoriser(stored.words, stored.grams, stored.idf)
        self._encoder = open_encoder(str(info.settings.get("encoder", "")))
        self._dense_weight = np.float32(info.settings.get("dense_weight", 1.0))
        calibration = info.calibration
        self._softmax_scales = np.float32(calibration.linear_scale), np.float32(calibration.network_scale)
        self._scale = Scale(calibration.head, calibration.in_scope, calibration.sample_size)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """``n texts -> n predictions``, in order; any string will do, 2,000 characters of it are read.

        A text's prediction is the same to the bit, whatever texts it comes with. An encoder that fails makes all of
        them out of scope with score 0.
        """
        if not texts:
            return []
        try:
            decisions, logits, signals = self._machine.judge(self._rows(texts))
        except EncoderFailed:
            return [Prediction(self._abstained, 0.0, is_in_scope=False)] * len(texts)
        probabilities = self._probabilities(decisions, logits)
        order = np.negative(probabilities).argsort(axis=1, kind="stable")[:, :MAX_CANDIDATES]
        score, threshold, intents = self._scale.score, self.info.calibration.threshold, self.info.intents
        found: list[Prediction] = []
        for columns, confidences, values in zip(
            order.tolist(),
            probabilities.tolist(),
            zip(*[signal.tolist() for signal in signals], strict=True),
            strict=True,
        ):
            candidates = tuple([Candidate(intents[column], confidences[column]) for column in columns])
            placed = score(values)
            found.append(Prediction(candidates, placed, placed >= threshold))
        return found

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """``n texts -> (n, k)``, columns as ``info.intents``; each row adds up to 1. Raises ``EncoderFailed``."""
        if not texts:
            return np.zeros((0, len(self.info.intents)), dtype=np.float32)
        rows = self._rows(texts)
        return self._probabilities(self._machine.decide(rows), self._machine.logits(rows))

    def decisions(self, texts: Sequence[str]) -> Floats:
        """The linear model's values, ``n texts -> (n, k)``."""
        return self._machine.decide(self._rows(texts))

    def explain(self, text: str) -> Explanation:
        """Why *text* gets its prediction. The first call costs what reading all examples costs, later ones 5 ms."""
        reading = self._machine.read(self._rows([text]))
        return explain(
            text,
            self.predict([text])[0],
            self.info.calibration.head.shares(reading.signals[0]),
            dict(zip(self.info.calibration.head.names, reading.signals[0].tolist(), strict=True)),
            self,
        )

    def nearest(self, text: str, count: int) -> list[tuple[str, str, float]]:
        """The *count* examples most like *text* with their intents and likeness, 0 to 1; the likest first."""
        query = self._vectoriser.read([self._normalise(text)]).matrix
        # both blocks of a row have length 1
        likeness = np.asarray((self._examples.matrix @ query.T).todense(), dtype=np.float64).ravel() / 2.0
        found = np.argsort(-likeness, kind="stable")[:count].tolist()
        names, stored = self.info.intents, self._stored
        return [(stored.texts[row], names[stored.labels[row]], min(1.0, float(likeness[row]))) for row in found]

    @cached_property
    def _examples(self) -> Rows:
        return self._vectoriser.read([self._normalise(text) for text in self._stored.texts])

    def _rows(self, texts: Sequence[str]) -> Rows:
        normalised = [self._normalise(text) for text in texts]
        rows = self._vectoriser.read(normalised)
        if self._encoder is not None:
            rows = rows.beside(self._encoder.encode(normalised) * self._dense_weight)
        return rows

    @cached_property
    def _abstained(self) -> tuple[Candidate, ...]:
        intents = self.info.intents
        return tuple(Candidate(intent, 1.0 / len(intents)) for intent in intents[:MAX_CANDIDATES])

    def _probabilities(self, decisions: Floats, logits: Floats | None) -> Floats:
        return _softmax(decisions, logits, *self._softmax_scales)


def joined_probabilities(reading: Reading, linear_scale: float, network_scale: float) -> Floats:
    """``softmax(decisions * linear_scale + logits * network_scale)``."""
    return _softmax(reading.decisions, reading.logits, np.float32(linear_scale), np.float32(network_scale))


def _softmax(decisions: Floats, logits: Floats | None, linear_scale: np.float32, network_scale: np.float32) -> Floats:
    scaled: Floats = decisions * linear_scale
    if logits is not None:
        scaled += logits * network_scale
    scaled -= np.maximum.reduce(scaled, axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= np.add.reduce(scaled, axis=1, keepdims=True)
    return scaled


def expected_calibration_error(probabilities: Floats, is_right: NDArray[np.bool_]) -> float:
    """Mean gap between claimed probability and share of right answers, over ten bins of equal width."""
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [
        abs(float(probabilities[chosen].mean()) - float(is_right[chosen].mean())) * int(chosen.sum())
        for chosen in (bins == each for each in range(10))
        if chosen.any()
    ]
    return math.fsum(gaps) / max(1, len(probabilities))
