"""What a classifier answers."""

from __future__ import annotations

import msgspec

from gateway.core.turns import Candidate

MAX_CANDIDATES = 5


class Prediction(msgspec.Struct, frozen=True):
    """What one text is about. ``candidates`` are ranked, at most five, with calibrated probabilities.

    ``score`` says how much the text looks like one that the bot was made for: the share of in-scope texts that
    look less so, 0 to 1. ``is_in_scope`` is ``score`` against the model's threshold.
    """

    candidates: tuple[Candidate, ...]
    score: float
    is_in_scope: bool
