"""A small neural network over sparse rows, in numpy alone: one hidden layer, dropout, Adam.

It sees combinations of words where the linear model sees single ones. Its gradient touches only the features that a
batch holds, which is why ten seconds are enough for 7,500 texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nlp.intents.product import Floats, Indices, times

_FIRST_DECAY, _SECOND_DECAY, _TINY = 0.9, 0.999, 1e-8  # Adam as in Kingma and Ba 2015
_FIRST_SPREAD = 0.05
_PIECE = 128


class NetworkOptions(msgspec.Struct, frozen=True):
    """``drop`` is the share of features, ``hidden_drop`` that of hidden units, that a step does not see.

    ``epochs`` is for sets where they make ``least_steps``; smaller ones get as many more.
    """

    hidden: int = 256
    epochs: int = 25
    least_steps: int = 600
    batch: int = 128
    rate: float = 3e-3
    drop: float = 0.5
    hidden_drop: float = 0.3
    seed: int = 0


class Network:
    """The layers: ``first`` ``(features, hidden)``, then ReLU, then ``second`` ``(hidden, labels)``."""

    def __init__(self, first: Floats, first_bias: Floats, second: Floats, second_bias: Floats) -> None:
        self.first = np.ascontiguousarray(first)
        self.first_bias = first_bias
        self.second = np.ascontiguousarray(second)
        self.second_bias = second_bias

    def hidden(self, rows: sparse.csr_array) -> Floats:
        """``(n, features) -> (n, hidden)``, none negative."""
        return self.hidden_of(rows.indptr, rows.indices, rows.data)

    def hidden_of(self, starts: Indices, columns: Indices, values: Floats) -> Floats:
        """The same of rows as :func:`nlp.intents.product.times` takes them."""
        values = times(starts, columns, values, self.first)
        values += self.first_bias
        return np.maximum(values, 0.0, out=values)

    def logits(self, hidden: Floats) -> Floats:
        """``(n, hidden) -> (n, labels)``. Each row is summed by itself: the same alone and in company, to the bit."""
        n, width = hidden.shape
        values = times(np.arange(n + 1) * width, np.tile(np.arange(width), n), hidden.ravel(), self.second)
        values += self.second_bias
        return values

    def rounded(self) -> Network:
        """With float16 weights, as they are stored: what was measured is what will serve."""
        first, second = (_through_half(layer) for layer in (self.first, self.second))
        return Network(first, self.first_bias, second, self.second_bias)


def _through_half(layer: Floats) -> Floats:
    return layer.astype(np.float16).astype(np.float32)


def fit_network(
    variants: Sequence[sparse.csr_matrix],
    labels: NDArray[np.int64],
    n_labels: int,
    options: NetworkOptions,
    report: Callable[[str], None] = lambda _line: None,
) -> Network:
    """Learn *labels* ``(n,)`` from rows ``(n, features)``; the same input gives the same network.

    *variants* holds the rows themselves first, then damaged copies of them, row by row: half of the time a step sees
    a row as it is, else one of its copies.
    """
    random = np.random.default_rng(options.seed)
    n = len(labels)
    rows = sparse.vstack(variants, format="csr") if len(variants) > 1 else variants[0]
    training = _Training(_begun(rows.shape[1], n_labels, options, random), options, random)
    batch = max(8, min(options.batch, n // 20))
    in_an_epoch = -(-n // batch)
    epochs = max(options.epochs, -(-options.least_steps // in_an_epoch))
    for epoch in range(epochs):
        order = random.permutation(n)
        seen_as = _which_variant(n, len(variants), random)
        for start in range(0, n, batch):
            chosen = order[start : start + batch]
            progress = (epoch * in_an_epoch + start // batch) / (epochs * in_an_epoch)
            training.step(rows[chosen + seen_as[chosen] * n], labels[chosen], options.rate * (1.0 - progress))
        if epoch % 5 == 4:
            report(f"network: {epoch + 1} of {epochs} rounds")
    return training.network.rounded()


def _begun(n_features: int, n_labels: int, options: NetworkOptions, random: np.random.Generator) -> Network:
    first = random.standard_normal((n_features, options.hidden), dtype=np.float32) * np.float32(_FIRST_SPREAD)
    second = random.standard_normal((options.hidden, n_labels), dtype=np.float32)
    second *= np.float32(1.0 / np.sqrt(options.hidden))
    return Network(first, np.zeros(options.hidden, np.float32), second, np.zeros(n_labels, np.float32))


def _which_variant(n: int, n_variants: int, random: np.random.Generator) -> NDArray[np.int64]:
    if n_variants == 1:
        return np.zeros(n, dtype=np.int64)
    return np.where(random.random(n) < 0.5, 0, random.integers(1, n_variants, n))


class _Training:
    """Adam's memory, and one step of it."""

    def __init__(self, network: Network, options: NetworkOptions, random: np.random.Generator) -> None:
        self.network = network
        self._options = options
        self._random = random
        self._steps = 0
        self._first_means = np.zeros_like(network.first)
        self._row_squares = np.zeros(len(network.first))
        self._places = np.zeros(len(network.first), dtype=np.int64)
        self._others = [network.first_bias, network.second, network.second_bias]
        self._other_moments = [(np.zeros_like(layer), np.zeros_like(layer)) for layer in self._others]

    def step(self, rows: sparse.csr_matrix, labels: NDArray[np.int64], rate: float) -> None:
        """Go down the gradient of the cross-entropy. Rows of ``first`` that the batch does not hold stay."""
        self._steps += 1
        network = self.network
        features, inverse = self._held(rows.indices)
        seen = sparse.csr_matrix(
            (self._dropped(rows.data, self._options.drop), inverse, rows.indptr), shape=(len(labels), len(features))
        )
        first = network.first[features]
        before = seen @ first + network.first_bias
        mask = self._dropped(np.ones_like(before), self._options.hidden_drop)
        mask[before <= 0] = 0.0
        hidden = before * mask
        error = _softmax(hidden @ network.second + network.second_bias)
        error[np.arange(len(labels)), labels] -= 1.0
        error /= np.float32(len(labels))
        inner = (error @ network.second.T) * mask
        self._move_first(features, first, seen.T @ inner, rate)
        gradients = (inner.sum(axis=0), hidden.T @ error, error.sum(axis=0))
        for layer, gradient, moments in zip(self._others, gradients, self._other_moments, strict=True):
            np.subtract(layer, self._change(gradient, *moments, rate), out=layer)

    def _held(self, indices: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The features that occur, ascending, and where among them each of *indices* is."""
        self._places[indices] = -1
        features = np.flatnonzero(self._places < 0)
        self._places[features] = np.arange(len(features))
        inverse: NDArray[np.int64] = self._places[indices]
        return features, inverse

    def _move_first(self, features: NDArray[np.int64], first: Floats, gradient: Floats, rate: float) -> None:
        """Adam with one second moment for a whole row (as is done for embeddings), piece by piece to stay in cache."""
        speed = rate / (1.0 - _FIRST_DECAY**self._steps) * np.sqrt(1.0 - _SECOND_DECAY**self._steps)
        squares = self._row_squares[features] * _SECOND_DECAY
        squares += (1 - _SECOND_DECAY) / gradient.shape[1] * np.einsum("ij,ij->i", gradient, gradient)
        self._row_squares[features] = squares
        factors = (speed / (np.sqrt(squares) + _TINY)).astype(np.float32)[:, None]
        gradient *= np.float32(1 - _FIRST_DECAY)
        for start in range(0, len(features), _PIECE):
            piece = slice(start, start + _PIECE)
            rows = features[piece]
            means = self._first_means[rows]
            means *= np.float32(_FIRST_DECAY)
            means += gradient[piece]
            self._first_means[rows] = means
            means *= factors[piece]
            self.network.first[rows] = first[piece] - means

    def _change(self, gradient: Floats, means: Floats, squares: Floats, rate: float) -> Floats:
        means *= np.float32(_FIRST_DECAY)
        means += np.float32(1 - _FIRST_DECAY) * gradient
        squares *= np.float32(_SECOND_DECAY)
        squares += np.float32(1 - _SECOND_DECAY) * np.square(gradient)
        change = np.sqrt(squares)
        change *= np.float32(1.0 / np.sqrt(1.0 - _SECOND_DECAY**self._steps))
        change += np.float32(_TINY)
        np.divide(means, change, out=change)
        change *= np.float32(rate / (1.0 - _FIRST_DECAY**self._steps))
        return change

    def _dropped(self, values: Floats, share: float) -> Floats:
        kept = self._random.random(values.shape, dtype=np.float32) >= np.float32(share)
        return values * kept * np.float32(1.0 / (1.0 - share))


def _softmax(values: Floats) -> Floats:
    values = values - values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values
