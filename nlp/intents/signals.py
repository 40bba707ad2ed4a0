"""What speaks for and against a text being in scope: up to sixteen signals, and the weights that join them to one.

The weights are learnt by hiding intents: their texts play out of scope for models that never saw them
(docs/decisions/0003-intent-prediction.md). The same code makes the signals in training and in serving.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LINEAR = ("highest", "margin", "peak", "mean")
NETWORK = ("logit", "evidence", "certainty", "logit_mean", "strength", "nearest", "near", "agreement")
TEXT = ("unseen_words", "unseen_grams", "length")

_PEAK_TEMPERATURE = 0.2
_NEAR = 5
_STEPS = 127.0  # whole numbers up to here: sums of 256 products of two stay exact in float32, in whatever order


class Head(msgspec.Struct, frozen=True):
    """A text's *fit* is ``((signals - means) / spreads) @ weights``: higher is more in scope."""

    names: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    weights: tuple[float, ...]

    def fit(self, signals: Floats) -> Floats:
        """``(n, signals) -> (n,)``. Summed signal by signal, so that company changes nothing."""
        joined = np.zeros(len(signals), dtype=np.float64)
        for column, (mean, spread, weight) in enumerate(zip(self.means, self.spreads, self.weights, strict=True)):
            joined += (signals[:, column].astype(np.float64) - mean) * (weight / spread)
        return joined.astype(np.float32)

    def shares(self, signals: Floats) -> list[tuple[str, float]]:
        """For one row of *signals*, what each adds to the fit; the most negative first."""
        parts = [
            (name, float((value - mean) / spread * weight))
            for name, value, mean, spread, weight in zip(
                self.names, signals.tolist(), self.means, self.spreads, self.weights, strict=True
            )
        ]
        return sorted(parts, key=lambda part: part[1])


def of_linear(decisions: Floats) -> list[Floats]:
    """``LINEAR`` for decision values ``(n, labels)``, each ``(n,)``."""
    ordered = decisions.copy()
    ordered.sort(axis=1)
    highest = ordered[:, -1]
    below = ordered - highest[:, None]
    below /= np.float32(_PEAK_TEMPERATURE)
    others = np.add.reduce(np.exp(below, out=below), axis=1)
    mean = np.add.reduce(decisions, axis=1) / np.float32(decisions.shape[1])
    return [highest, highest - ordered[:, -2], 1.0 / others, mean]


def of_network(decisions: Floats, logits: Floats, hidden: Floats, kept: Floats, kept_lengths: Floats) -> list[Floats]:
    """``NETWORK`` for logits ``(n, labels)``, the hidden layer ``(n, hidden)``, *kept* ``(m, hidden)`` as `whole`."""
    highest = logits.max(axis=1)
    evidence = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    likeness = alike(whole(hidden), kept, kept_lengths)
    near = np.sort(np.partition(likeness, -min(_NEAR, len(kept)), axis=1)[:, -_NEAR:], axis=1)
    agreement = (decisions.argmax(axis=1) == logits.argmax(axis=1)).astype(np.float32)
    strength = np.log1p(np.square(hidden).sum(axis=1))
    return [
        highest,
        evidence,
        highest - evidence,
        logits.mean(axis=1),
        strength,
        near[:, -1],
        near.mean(axis=1),
        agreement,
    ]


def of_text(unseen: Floats, n_words: NDArray[np.int64]) -> list[Floats]:
    """``TEXT`` for unseen shares ``(n, 2)`` and numbers of words ``(n,)``."""
    return [unseen[:, 0], unseen[:, 1], np.log1p(n_words).astype(np.float32)]


def whole(hidden: Floats) -> Floats:
    """Rows as whole numbers from 0 to 127: directions, near enough, and exact to reckon with."""
    top = hidden.max(axis=1, keepdims=True)
    rounded: Floats = np.rint(hidden * (_STEPS / np.maximum(top, np.float32(1e-12))))
    return rounded


def lengths(rows: Floats) -> Floats:
    """Of `whole` rows, ``(n,)``; exact up to the root."""
    found: Floats = np.sqrt(np.square(rows).sum(axis=1))
    return found


def alike(some: Floats, others: Floats, other_lengths: Floats | None = None) -> Floats:
    """Cosines ``(n, m)`` of two sets of `whole` rows; 0 where one is empty. *other_lengths* spare working them out."""
    known = lengths(others) if other_lengths is None else other_lengths
    cosines: Floats = (some @ others.T) / np.maximum(lengths(some)[:, None] * known[None, :], np.float32(1.0))
    return cosines
