"""What predictions are worth, as arithmetic on arrays: numpy in, numbers out, nothing of models or files.

Labels are integers ``0 … k-1``. The figures agree with scikit-learn's of the same name (a test holds them to it).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Numbers = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Counts = NDArray[np.int64]

BINS = 10
RESAMPLES = 1_000
LEVEL = 0.95
_SEED = 20_260_101


class Figure(msgspec.Struct, frozen=True):
    """A share from 0 to 1, with the interval in which 95 of 100 repetitions with other texts would fall."""

    value: float
    low: float
    high: float


class Scores(msgspec.Struct, frozen=True):
    """Per label, arrays ``(k,)``: precision, recall, F1 (0 where undefined), and how many texts have the label."""

    precision: Numbers
    recall: Numbers
    f1: Numbers
    support: Counts


class Bin(msgspec.Struct, frozen=True):
    """The texts whose claimed probability lies in ``[low, high)``: the mean claim, and the share that is right."""

    low: float
    high: float
    texts: int
    claimed: float
    right: float


def confusion(truth: Labels, predicted: Labels, k: int) -> Counts:
    """``(k, k)`` counts: rows are what a text is, columns what it was taken for."""
    cells = np.bincount(truth * k + predicted, minlength=k * k)
    return cells.reshape(k, k).astype(np.int64)


def scores(counts: Counts) -> Scores:
    """Per label from a :func:`confusion`."""
    right = np.diag(counts).astype(np.float64)
    support, taken = counts.sum(axis=1), counts.sum(axis=0)
    precision = np.divide(right, taken, out=np.zeros_like(right), where=taken > 0)
    recall = np.divide(right, support, out=np.zeros_like(right), where=support > 0)
    both = (support + taken).astype(np.float64)
    f1 = np.divide(2.0 * right, both, out=np.zeros_like(right), where=both > 0)
    return Scores(precision, recall, f1, support.astype(np.int64))


def accuracy(truth: Labels, predicted: Labels) -> float:
    """The share that is right; 0 of nothing."""
    return float((truth == predicted).mean()) if len(truth) else 0.0


def macro_f1(truth: Labels, predicted: Labels, k: int) -> float:
    """The mean F1 of the labels that occur, as truth or as prediction: each counts the same, however rare."""
    counts = confusion(truth, predicted, k)
    occurs = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    return float(scores(counts).f1[occurs].mean()) if occurs.any() else 0.0


def reliability(claimed: Numbers, is_right: Booleans, bins: int = BINS) -> tuple[Bin, ...]:
    """Claimed probabilities against what came of them, in bins of equal width; empty bins are left out."""
    place = np.minimum((claimed * bins).astype(np.int64), bins - 1)
    found = []
    for index in range(bins):
        chosen = place == index
        if chosen.any():
            mean, right = float(claimed[chosen].mean()), float(is_right[chosen].mean())
            found.append(Bin(index / bins, (index + 1) / bins, int(chosen.sum()), mean, right))
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Expected calibration error: the mean gap between claim and outcome, weighted with the texts of each bin.

    Source: Naeini, Cooper, Hauskrecht, *Obtaining Well Calibrated Probabilities Using Bayesian Binning*, 2015.
    """
    total = sum(each.texts for each in bins)
    return sum(each.texts * abs(each.claimed - each.right) for each in bins) / total if total else 0.0


def auroc(inside: Numbers, outside: Numbers) -> float:
    """The chance that a random text in scope scores above a random one out of scope; ties count half."""
    if not len(inside) or not len(outside):
        return 0.5
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left") + np.searchsorted(ordered, outside, "right")
    return 1.0 - float(below.mean()) / (2.0 * len(inside))


def kept_and_caught(inside: Numbers, outside: Numbers, thresholds: Numbers) -> tuple[Numbers, Numbers]:
    """For each threshold, the share in scope that is kept (score at or above it) and out of scope that is caught."""
    kept = 1.0 - np.searchsorted(np.sort(inside), thresholds, "left") / max(1, len(inside))
    caught = np.searchsorted(np.sort(outside), thresholds, "left") / max(1, len(outside))
    return kept.astype(np.float64), caught.astype(np.float64)


def caught_at(inside: Numbers, outside: Numbers, kept: float = 0.95) -> float:
    """The share out of scope below the threshold that keeps the share *kept* in scope."""
    if not len(inside) or not len(outside):
        return 0.0
    return float((outside < np.quantile(inside, 1.0 - kept)).mean())


def bootstrapped(statistic: Callable[[Labels], float], n: int, resamples: int = RESAMPLES) -> Figure:
    """*statistic* of all ``n`` texts, and its percentile interval over resamples of them; the same at every call.

    *statistic* takes the indices of the texts that count. Source: Efron, *Bootstrap Methods*, 1979.
    """
    everything = np.arange(n)
    value = statistic(everything)
    if n < 2:
        return Figure(value, value, value)
    random = np.random.default_rng(_SEED)
    repeated = [statistic(random.integers(0, n, n)) for _ in range(resamples)]
    low, high = np.quantile(repeated, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Figure(value, min(value, float(low)), max(value, float(high)))


def auroc_figure(inside: Numbers, outside: Numbers, resamples: int = 200) -> Figure:
    """:func:`auroc` with its interval; both sides are resampled."""
    n = len(inside)
    whole = np.concatenate([inside, outside])

    def statistic(rows: Labels) -> float:
        return auroc(whole[rows[rows < n]], whole[rows[rows >= n]])

    return bootstrapped(statistic, len(whole), resamples)
