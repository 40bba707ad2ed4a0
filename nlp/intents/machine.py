"""What a fitted classifier says of rows before anything is calibrated: the same code in training and in serving."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nlp.intents import signals
from nlp.intents.features import Floats, Rows
from nlp.intents.network import Network
from nlp.intents.product import times


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
        self.linear = np.ascontiguousarray(linear)
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
        decisions, logits, found = self.judge(rows)
        return Reading(decisions, logits, np.stack(found, axis=1))

    def judge(self, rows: Rows) -> tuple[Floats, Floats | None, list[Floats]]:
        """The same with the signals one by one, each ``(n,)``."""
        decisions = self.decide(rows)
        found = signals.of_linear(decisions)
        logits = None
        if self.network is not None:
            hidden = self._hidden(rows, self.network)
            logits = self.network.logits(hidden)
            found += signals.of_network(decisions, logits, hidden, self.kept, self._kept_lengths)
        found += signals.of_text(rows.unseen, rows.n_words)
        return decisions, logits, found

    def decide(self, rows: Rows) -> Floats:
        """The linear model's values alone."""
        decisions = times(rows.starts, rows.columns, rows.values, self.linear)
        decisions += self.bias
        return decisions

    def logits(self, rows: Rows) -> Floats | None:
        """The network's alone; ``None`` without one."""
        return None if self.network is None else self.network.logits(self._hidden(rows, self.network))

    def _hidden(self, rows: Rows, network: Network) -> Floats:
        """The hidden layer for the network's features of *rows*."""
        places = self._place[rows.columns]
        is_there = places >= 0
        starts = np.concatenate(([0], np.cumsum(is_there)))[rows.starts]
        return network.hidden_of(starts, places[is_there], rows.values[is_there])
