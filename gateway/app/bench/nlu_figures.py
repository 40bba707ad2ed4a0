"""The figures of understanding, and how sure they are: all of them shares, 0 to 1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
_SEED = 0


class Drawn(NamedTuple):
    """Texts in scope with their labels by number and scores, the scores of texts out of scope, a threshold."""

    meant: NDArray[np.int64]
    said: NDArray[np.int64]
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    threshold: float


class Figures(NamedTuple):
    """The last three need texts out of scope.

    ``auroc``: how often a text in scope scores above one out of scope, ties by half. ``r95``: the share of texts out
    of scope below the score that 95 % of those in scope reach. ``kept`` and ``caught``: at the threshold.
    """

    acc: float
    macro_f1: float
    kept: float
    auroc: float | None = None
    r95: float | None = None
    caught: float | None = None


def scope_figures(drawn: Drawn) -> Figures:
    """All figures of a set."""
    acc, kept = float((drawn.meant == drawn.said).mean()), float((drawn.inside >= drawn.threshold).mean())
    f1 = macro_f1(drawn.meant, drawn.said)
    if not len(drawn.outside):
        return Figures(acc, f1, kept)
    return Figures(
        acc,
        f1,
        kept,
        auroc(drawn.inside, drawn.outside),
        float((drawn.outside < np.quantile(drawn.inside, 0.05)).mean()),
        float((drawn.outside < drawn.threshold).mean()),
    )


def auroc(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """How often one of *inside* is above one of *outside*."""
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left") + np.searchsorted(ordered, outside, "right")
    return 1.0 - float(below.mean()) / (2 * len(inside))


def macro_f1(meant: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    """The mean F1 of the labels that occur in *meant*."""
    n_labels = int(max(meant.max(), said.max())) + 1
    right = np.bincount(meant[said == meant], minlength=n_labels)
    taken, there = np.bincount(said, minlength=n_labels), np.bincount(meant, minlength=n_labels)
    occurs = there > 0
    return float((2.0 * right[occurs] / (taken + there)[occurs]).mean())


def intervals(drawn: Drawn) -> dict[str, tuple[float, float]]:
    """For ``acc``, ``auroc``, ``r95`` the 2.5 % and 97.5 % quantiles of ``RESAMPLES`` sets drawn with return."""
    random = np.random.default_rng(_SEED)
    found: dict[str, list[float]] = {"acc": [], "auroc": [], "r95": []}
    for _ in range(RESAMPLES):
        inner = random.integers(0, len(drawn.inside), len(drawn.inside))
        outer = random.integers(0, max(1, len(drawn.outside)), len(drawn.outside))
        figures = scope_figures(
            Drawn(drawn.meant[inner], drawn.said[inner], drawn.inside[inner], drawn.outside[outer], drawn.threshold)
        )
        for name, value in (("acc", figures.acc), ("auroc", figures.auroc), ("r95", figures.r95)):
            if value is not None:
                found[name].append(value)
    return {
        name: (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
        for name, values in found.items()
        if values
    }
