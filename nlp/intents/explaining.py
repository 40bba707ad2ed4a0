"""Why a text got its prediction: the examples nearest to it, the words that spoke for it, what spoke against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.intents.prediction import Prediction
from nlp.text import MAX_READ_CHARS

_NEAREST = 5
_MOST_WORDS = 40
_REASONS = 3
_LEAST = 1e-9

_SAYINGS = {
    "highest": "no intent's words are strong in it",
    "margin": "two intents are about as likely",
    "peak": "several intents are about as likely",
    "mean": "its words speak for many intents at once",
    "logit": "it is not clearly like any intent",
    "evidence": "it is not clearly like any intent",
    "certainty": "several intents are about as likely",
    "logit_mean": "its words speak for many intents at once",
    "strength": "little in it is known",
    "nearest": "no example is much like it",
    "near": "few examples are like it",
    "agreement": "the linear model and the network disagree",
    "unseen_words": "words that no example has",
    "unseen_grams": "spelling that no example has",
    "length": "its length is unusual",
}


class Neighbour(msgspec.Struct, frozen=True):
    """An example, and how much it is like the text, 0 to 1."""

    text: str
    intent: str
    similarity: float


class SpokenWord(msgspec.Struct, frozen=True):
    """By how much (in nats of log-odds) the word speaks for the intent; negative: against it."""

    word: str
    weight: float


class Explanation(msgspec.Struct, frozen=True):
    """``nearest`` and ``words`` the strongest first. ``reasons`` (at most three) say why the text is out of scope.

    ``signals`` are the figures behind the score. ``reasons`` is empty where the text is in scope; ``doubts`` are what
    lowers the score all the same, for whoever has another threshold.
    """

    prediction: Prediction
    nearest: tuple[Neighbour, ...]
    words: tuple[SpokenWord, ...]
    reasons: tuple[str, ...]
    signals: Mapping[str, float]
    doubts: tuple[str, ...] = ()


class _Explained(Protocol):
    """What of a model the explanation asks."""

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]: ...
    def nearest(self, text: str, count: int) -> list[tuple[str, str, float]]: ...


def explain(
    text: str,
    prediction: Prediction,
    shares: Sequence[tuple[str, float]],
    signals: Mapping[str, float],
    model: _Explained,
) -> Explanation:
    """*shares*: what each signal adds to the fit, the most negative first."""
    lowering = [_SAYINGS.get(name, name) for name, share in shares if share < 0]
    doubts = tuple(dict.fromkeys(lowering))[:_REASONS]
    return Explanation(
        prediction,
        tuple(Neighbour(*each) for each in model.nearest(text, _NEAREST) if each[2] > 0),
        _words(text[:MAX_READ_CHARS], model),
        () if prediction.is_in_scope else doubts,
        signals,
        doubts,
    )


def _words(text: str, model: _Explained) -> tuple[SpokenWord, ...]:
    """Each word's weight: what the intent's log-odds lose when it is left out."""
    words = text.split()
    chosen = range(min(len(words), _MOST_WORDS))
    without = [" ".join(words[:index] + words[index + 1 :]) for index in chosen]
    probabilities = model.probabilities([text, *without])
    best = int(probabilities[0].argmax())
    odds = [_log_odds(float(row[best])) for row in probabilities]
    spoken = [SpokenWord(words[index], round(odds[0] - odds[index + 1], 3)) for index in chosen]
    return tuple(sorted(spoken, key=lambda each: -each.weight))


def _log_odds(probability: float) -> float:
    kept = min(max(probability, _LEAST), 1.0 - _LEAST)
    return math.log(kept / (1.0 - kept))
