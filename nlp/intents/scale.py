"""From a text's signals to its score: its place among the in-scope texts that were seen in training."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from nlp.intents.signals import Head

_TAIL = 4.0  # how fast a score falls beyond the worst in-scope text: nonsense is far out, also of few examples


class Scale:
    """Reads signals text by text, in plain floats: arrays of one number cost ten times as much."""

    def __init__(self, head: Head, in_scope: Sequence[float], sample_size: int) -> None:
        """*in_scope* are evenly spaced quantiles, ascending, of the fit of *sample_size* in-scope texts."""
        self._steps = tuple(
            (mean, weight / spread) for mean, spread, weight in zip(head.means, head.spreads, head.weights, strict=True)
        )
        self._grid = [float(each) for each in in_scope]
        lowest = 1.0 / (sample_size + 1)
        self._shares: list[float] = np.linspace(lowest, 1.0 - lowest, len(self._grid)).tolist()

    def score(self, signals: Sequence[float]) -> float:
        """0 to 1 for one text's *signals*, in the order of the head's names: the share that fits worse."""
        joined = 0.0
        for value, (mean, factor) in zip(signals, self._steps, strict=True):
            joined += (value - mean) * factor
        return self._placed(float(np.float32(joined)))

    def _placed(self, fit: float) -> float:
        """Strictly rising, also beyond the seen range."""
        grid, shares = self._grid, self._shares
        if fit < grid[0]:
            return float(shares[0] * np.exp(_TAIL * (fit - grid[0])))
        if fit > grid[-1]:
            return float(1.0 - shares[0] * np.exp(_TAIL * (grid[-1] - fit)))
        if math.isnan(fit):
            return fit
        place = bisect_right(grid, fit) - 1
        if fit == grid[place]:
            return shares[place]
        slope = (shares[place + 1] - shares[place]) / (grid[place + 1] - grid[place])
        return slope * (fit - grid[place]) + shares[place]
