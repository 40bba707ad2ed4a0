"""Learns what out of scope looks like, by hiding intents: nobody needs to collect examples of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.cluster import hierarchy
from scipy.spatial import distance

from nlp.intents.corpus import Labels
from nlp.intents.features import Floats
from nlp.intents.signals import Head

ENOUGH_OUTSIDE = 50
"""So many real examples of what is out of scope take over from hidden intents."""

# What is believed before anything was measured, in standard deviations: the head stays near it where little was seen.
_BELIEVED = {"highest": 1.0, "logit": 1.0, "unseen_words": -0.3, "unseen_grams": -0.3}
_PULL = 0.005
_LEAST_SPREAD = 0.1  # a signal that hardly varied here may well do so among customers


def hidden_together(rows: sparse.csr_array, labels: Labels, n_labels: int, n_folds: int) -> Labels:
    """The fold ``(n_labels,)`` in which each label is hidden; labels with like texts are hidden together.

    What customers ask that a bot was not made for is mostly farther from it than its intents are from one another.
    """
    members = sparse.csr_array(
        (np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))), shape=(n_labels, len(labels))
    )
    centres = (members @ rows).toarray()
    tree = hierarchy.linkage(np.maximum(distance.pdist(centres, "cosine"), 0.0), "average")
    order = hierarchy.leaves_list(tree)
    fold_of = np.zeros(n_labels, dtype=np.int64)
    fold_of[order] = np.arange(n_labels) * n_folds // n_labels
    return fold_of


def learn_head(names: Sequence[str], inside: Floats, outside: Floats) -> Head:
    """Logistic regression of *inside* against *outside* ``(n, signals)``, both sides weighing the same.

    It is pulled towards what is believed anyway, the more the fewer rows there are; with none outside, that is all.
    """
    means = inside.mean(axis=0, dtype=np.float64)
    squares = [np.square(rows - means).mean(axis=0, dtype=np.float64) for rows in (inside, outside) if len(rows)]
    spreads = np.maximum(np.sqrt(np.mean(squares, axis=0)), _LEAST_SPREAD)
    believed = np.array([_BELIEVED.get(name, 0.0) for name in names])
    weights = believed
    if len(outside):
        weights = _regress((inside - means) / spreads, (outside - means) / spreads, believed)
    return Head(tuple(names), tuple(means.tolist()), tuple(spreads.tolist()), tuple(weights.tolist()))


def _regress(
    inside: NDArray[np.float64], outside: NDArray[np.float64], believed: NDArray[np.float64]
) -> NDArray[np.float64]:
    rows = np.concatenate([inside, outside])
    signs = np.concatenate([np.ones(len(inside)), -np.ones(len(outside))])
    shares = np.concatenate([np.full(len(inside), 0.5 / len(inside)), np.full(len(outside), 0.5 / len(outside))])
    pull = max(_PULL, 1.0 / len(outside))

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = point[:-1], point[-1]
        margins = signs * (rows @ weights + bias)
        slopes = -signs * shares / (1.0 + np.exp(np.clip(margins, -50.0, 50.0)))
        away = weights - believed
        value = float(shares @ np.logaddexp(0.0, -margins) + pull * away @ away)
        return value, np.append(rows.T @ slopes + 2.0 * pull * away, slopes.sum())

    found: NDArray[np.float64] = optimize.minimize(loss, np.append(believed, 0.0), jac=True, method="L-BFGS-B").x[:-1]
    return found
