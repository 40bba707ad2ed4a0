"""What the three probabilities say: the label, and how surely a text is negative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from nlp.intents import Model, Prediction
from nlp.intents.encoding import EncoderFailed
from nlp.intents.prediction import MAX_CANDIDATES

Label = Literal["negative", "neutral", "positive"]

NEGATIVE: Final = "negative"
NEUTRAL: Final = "neutral"
POSITIVE: Final = "positive"
LABELS: tuple[Label, ...] = (NEGATIVE, NEUTRAL, POSITIVE)


class Feeling(msgspec.Struct, frozen=True):
    """How one text sounds. ``negative`` is the calibrated probability that it is negative, 0 to 1."""

    label: Label
    negative: float


def feelings(model: Model, texts: Sequence[str]) -> list[Feeling]:
    """``n texts -> n feelings``, in order. A text without a letter, digit or sign that is known is neutral.

    What `feeling_of` says of the model's predictions, without their scores, which nobody asks for here.
    """
    labels = model.info.intents
    if len(labels) > MAX_CANDIDATES:
        return [feeling_of(each) for each in model.predict(texts)]
    try:
        rows = model.probabilities(texts).tolist()
    except EncoderFailed:
        return [feeling_of(each) for each in model.predict(texts)]
    return [_feeling(dict(zip(labels, row, strict=True))) for row in rows]


def feeling_of(prediction: Prediction) -> Feeling:
    """The feeling that a prediction of the model means."""
    return _feeling({one.intent: one.confidence for one in prediction.candidates})


def _feeling(probabilities: Mapping[str, float]) -> Feeling:
    negative = probabilities.get(NEGATIVE, 0.0)
    if negative > max(probabilities.get(NEUTRAL, 0.0), probabilities.get(POSITIVE, 0.0)):
        return Feeling(NEGATIVE, negative)
    is_positive = probabilities.get(POSITIVE, 0.0) > probabilities.get(NEUTRAL, 0.0)
    return Feeling(POSITIVE if is_positive else NEUTRAL, negative)
