"""Fits one machine to some rows: the linear model with scikit-learn, the network in numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.svm import LinearSVC

from nlp.intents import signals
from nlp.intents.corpus import Corpus, Labels
from nlp.intents.features import Floats, Rows
from nlp.intents.machine import Machine, Reading
from nlp.intents.network import NetworkOptions, fit_network

REGULARISATION = 0.5  # LinearSVC's C
MOST_KEPT = 2_000  # examples that the network's reject signals compare with
_SEED = 0
_ABSENT = -1.0
_FEWEST_TEXTS_OF_A_FEATURE = 2
_MOST_LINEAR_ROWS = 16_000  # with copies: a linear model's time grows with them, a network's does not


class Fitted:
    """A machine for some of the labels, with the idf that its rows need."""

    def __init__(self, machine: Machine, present: Labels, n_labels: int, idf: tuple[Floats, Floats]) -> None:
        self.machine = machine
        self.present = present
        self.idf = idf
        self._n_labels = n_labels

    def read(self, corpus: Corpus) -> Reading:
        """A reading over all labels: what was not there to learn has the least of the row's figures."""
        reading = self.machine.read(corpus.weighed(self.idf))
        decisions = self._spread(reading.decisions, _ABSENT)
        logits = None if reading.logits is None else self._spread(reading.logits, 0.0)
        return Reading(decisions, logits, reading.signals)

    def _spread(self, values: Floats, ceiling: float) -> Floats:
        everywhere = np.repeat(np.minimum(values.min(axis=1, keepdims=True), np.float32(ceiling)), self._n_labels, 1)
        everywhere[:, self.present] = values
        return everywhere


def fit_machine(
    corpora: Sequence[Corpus],
    labels: Labels,
    n_labels: int,
    network: NetworkOptions | None,
    report: Callable[[str], None] = lambda _line: None,
    regularisation: float = REGULARISATION,
) -> Fitted:
    """Learn *labels* ``(n,)`` of the texts in ``corpora[0]``; the others hold damaged copies of them, row by row."""
    idf = corpora[0].idf()
    variants = [corpus.weighed(idf) for corpus in corpora]
    present, numbers = np.unique(labels, return_inverse=True)
    for_linear = variants[: max(2, _MOST_LINEAR_ROWS // len(labels))]
    linear, bias = _fit_linear(for_linear, numbers, len(present), regularisation)
    if network is None:
        return Fitted(Machine(linear, bias), present, n_labels, idf)
    rows = variants[0].matrix
    columns = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]) >= _FEWEST_TEXTS_OF_A_FEATURE)
    narrow = [_narrowed(each.matrix, columns) for each in variants]
    learnt = fit_network(narrow, numbers, len(present), network, report)
    kept = _kept(signals.whole(learnt.hidden(sparse.csr_array(narrow[0]))), numbers)
    return Fitted(Machine(linear, bias, learnt, columns, kept), present, n_labels, idf)


def _fit_linear(
    variants: Sequence[Rows], numbers: Labels, n_labels: int, regularisation: float
) -> tuple[Floats, Floats]:
    """One against the rest, float16 precision."""
    rows = sparse.csr_matrix(sparse.vstack([each.matrix for each in variants], format="csr"))
    rows.indices, rows.indptr = rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    machine = LinearSVC(C=regularisation, random_state=_SEED, max_iter=20_000).fit(
        rows, np.tile(numbers, len(variants))
    )
    coefficients, intercepts = machine.coef_, machine.intercept_
    if n_labels == 2:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.array([-intercepts[0], intercepts[0]])
    return coefficients.T.astype(np.float16).astype(np.float32), intercepts.astype(np.float32)


def _narrowed(rows: sparse.csr_array, columns: NDArray[np.int64]) -> sparse.csr_matrix:
    return sparse.csr_matrix(rows[:, columns])


def _kept(whole: Floats, numbers: Labels) -> Floats:
    """At most ``MOST_KEPT`` rows, as many of each label: each time the one that is farthest from those taken."""
    n_labels = int(numbers.max()) + 1
    of_each = max(1, MOST_KEPT // n_labels)
    found: list[Floats] = []
    for label in range(n_labels):
        members = whole[numbers == label]
        found.append(members if len(members) <= of_each else members[_spread_out(members, of_each)])
    return np.concatenate(found)


def _spread_out(rows: Floats, count: int) -> list[int]:
    taken = [int(signals.alike(rows, rows.sum(axis=0, keepdims=True)).ravel().argmax())]
    nearest = signals.alike(rows, rows[taken]).ravel()
    while len(taken) < count:
        taken.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, signals.alike(rows, rows[taken[-1:]]).ravel())
    return taken
