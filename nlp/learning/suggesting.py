"""What a group of texts is probably about: the live model's opinion, what customers chose, the nearest examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.intents.model import Prediction
from nlp.learning.grouping import MOST_TEXTS, Asked, group, nearest
from nlp.training_data import Example

MOST_NEAREST = 3
CHOSEN_WEIGHT = 2.0
"""A customer who chose an intent when asked says more than the model that was not sure."""


class Classifier(Protocol):
    """The live model."""

    def predict(self, texts: Sequence[str]) -> Sequence[Prediction]: ...


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was not understood, as it is kept.

    ``chosen`` is the intent that most customers picked when they were asked what they meant, ``answer`` what an agent
    wrote then. ``reasons`` are of ``unresolved``, ``unclear``, ``clarified``, ``agent``.
    """

    key: str
    text: str
    language: str = ""
    times: int = 1
    reasons: tuple[str, ...] = ()
    chosen: str = ""
    answer: str = ""


class Near(msgspec.Struct, frozen=True):
    """An example of the bot that is like the group. ``likeness``: cosine, 0 to 1."""

    text: str
    intent: str
    likeness: float


class Suggestion(msgspec.Struct, frozen=True):
    """An intent for the group, with a confidence from 0 to 1."""

    intent: str
    confidence: float


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A group to decide on: what stands for it comes first. ``suggestions`` ranked; ``is_foreign``: out of scope."""

    texts: tuple[Collected, ...]
    times: int
    suggestions: tuple[Suggestion, ...]
    is_foreign: bool
    nearest: tuple[Near, ...]
    answers: tuple[str, ...]


def suggest(collected: Sequence[Collected], model: Classifier | None, examples: Sequence[Example]) -> list[Reviewed]:
    """The texts in groups with suggestions, the most frequent first; beyond ``MOST_TEXTS`` the rarest are left out.

    Without a model (none was trained) only choices and nearest examples suggest.
    """
    ranked = sorted(collected, key=lambda each: (-each.times, each.text))[:MOST_TEXTS]
    predictions = model.predict([each.text for each in ranked]) if model is not None else []
    near = nearest([each.text for each in ranked], [example.text for example in examples], MOST_NEAREST)
    groups = group([Asked(each.text, each.times) for each in ranked], _opinions(predictions))
    return [
        _reviewed(
            [ranked[index] for index in found.members],
            [predictions[index] for index in found.members] if predictions else [],
            [near[index] for index in found.members],
            examples,
        )
        for found in groups
    ]


def _opinions(predictions: Sequence[Prediction]) -> NDArray[np.float64] | None:
    """The candidates' probabilities, one row a text and one column an intent; ``None`` without predictions."""
    intents = sorted({candidate.intent for each in predictions for candidate in each.candidates})
    if not intents:
        return None
    column = {intent: index for index, intent in enumerate(intents)}
    rows = np.zeros((len(predictions), len(intents)))
    for row, each in enumerate(predictions):
        for candidate in each.candidates:
            rows[row, column[candidate.intent]] = candidate.confidence
    return rows


def _reviewed(
    texts: Sequence[Collected],
    predictions: Sequence[Prediction],
    near: Sequence[Sequence[tuple[int, float]]],
    examples: Sequence[Example],
) -> Reviewed:
    votes: defaultdict[str, float] = defaultdict(float)
    total = 0.0
    foreign = 0.0
    for text, prediction in zip(texts, predictions, strict=False):
        total += text.times
        foreign += 0.0 if prediction.is_in_scope else text.times
        for candidate in prediction.candidates:
            votes[candidate.intent] += candidate.confidence * text.times
    for text in texts:
        if text.chosen:
            total += CHOSEN_WEIGHT * text.times
            votes[text.chosen] += CHOSEN_WEIGHT * text.times
    ranked = sorted(votes.items(), key=lambda item: (-item[1], item[0]))[:3]
    return Reviewed(
        texts=tuple(texts),
        times=sum(text.times for text in texts),
        suggestions=tuple(Suggestion(intent, round(vote / total, 4)) for intent, vote in ranked if total),
        is_foreign=foreign > total / 2,
        nearest=_nearest(near, examples),
        answers=tuple(dict.fromkeys(text.answer for text in texts if text.answer))[:MOST_NEAREST],
    )


def _nearest(near: Sequence[Sequence[tuple[int, float]]], examples: Sequence[Example]) -> tuple[Near, ...]:
    best: dict[int, float] = {}
    for found in near:
        for index, cosine in found:
            best[index] = max(best.get(index, 0.0), cosine)
    ranked = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:MOST_NEAREST]
    return tuple(Near(examples[index].text, examples[index].intent, round(cosine, 3)) for index, cosine in ranked)
