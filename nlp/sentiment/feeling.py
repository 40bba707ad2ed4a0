"""What the three probabilities say: the label, and how surely a text is negative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from nlp.intents import Model, Prediction

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
    """``n texts -> n feelings``, in order. A text without a letter, digit or sign that is known is neutral."""
    return [feeling_of(each) for each in model.predict(texts)]


def feeling_of(prediction: Prediction) -> Feeling:
    """The feeling that a prediction of the model means."""
    probabilities = {one.intent: one.confidence for one in prediction.candidates}
    negative = probabilities.get(NEGATIVE, 0.0)
    if negative > max(probabilities.get(NEUTRAL, 0.0), probabilities.get(POSITIVE, 0.0)):
        return Feeling(NEGATIVE, negative)
    is_positive = probabilities.get(POSITIVE, 0.0) > probabilities.get(NEUTRAL, 0.0)
    return Feeling(POSITIVE if is_positive else NEUTRAL, negative)
