"""What a fitted classifier says of rows before anything is calibrated: the same code in training and in serving."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from nlp.intents import signals
from nlp.intents.features import Floats, Rows
from nlp.intents.network import Network


class Reading(NamedTuple):
    """``decisions`` ``(n, labels)`` of the linear model, ``logits`` of a network if any, ``signals`` ``(n, names)``."""

    decisions: Floats
    logits: Floats | None
    signals: Floats


class Machine:
    """A linear model, and a network on those of its features that more than one text has.

    ``columns`` are the network's features; ``kept`` ``(m, hidden)`` holds examples of each label as the network sees
    them (`signals.whole`).
    """

    def __init__(
        self,
        linear: Floats,
        bias: Floats,
        network: Network | None = None,
        columns: NDArray[np.int64] | None = None,
        kept: Floats | None = None,
    ) -> None:
        none = np.zeros(0, dtype=np.int64)
        self.linear = linear
        self.bias = bias
        self.network = network
        self.columns = none if columns is None else columns
        self.kept = np.zeros((0, 0), dtype=np.float32) if kept is None else kept
        self._kept_lengths = signals.lengths(self.kept)
        self._place = np.full(len(linear), -1, dtype=np.int64)
        self._place[self.columns] = np.arange(len(self.columns))

    @property
    def signal_names(self) -> tuple[str, ...]:
        """What the columns of a reading's signals are."""
        inner = signals.NETWORK if self.network is not None else ()
        return (*signals.LINEAR, *inner, *signals.TEXT)

    def read(self, rows: Rows) -> Reading:
        """Every row by itself: batches of any size give the same figures, to the bit."""
        decisions: Floats = rows.matrix @ self.linear
        decisions += self.bias
        found = signals.of_linear(decisions)
        logits = None
        if self.network is not None:
            hidden = self.network.hidden(self.narrowed(rows.matrix))
            logits = self.network.logits(hidden)
            found += signals.of_network(decisions, logits, hidden, self.kept, self._kept_lengths)
        found += signals.of_text(rows.unseen, rows.n_words)
        return Reading(decisions, logits, np.stack(found, axis=1))

    def narrowed(self, rows: sparse.csr_array) -> sparse.csr_array:
        """The network's features of *rows*."""
        places = self._place[rows.indices]
        is_there = places >= 0
        starts = np.concatenate(([0], np.cumsum(is_there)))[rows.indptr]
        return sparse.csr_array(
            (rows.data[is_there], places[is_there], starts), shape=(rows.shape[0], len(self.columns))
        )
