"""Sparse rows times a matrix, without the cost of making a sparse array: for one row that is most of the work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# What ``csr_array @ dense`` calls; there is no public name for it. The tests hold the two against each other.
from scipy.sparse._sparsetools import csr_matvecs

Floats = NDArray[np.float32]
Indices = NDArray[np.int32] | NDArray[np.int64]


def times(starts: Indices, columns: Indices, values: Floats, dense: Floats) -> Floats:
    """Rows ``(n, m)`` times *dense* ``(m, k)``: to the bit what ``csr_array @ dense`` gives, whatever n is.

    Row *i* is ``starts[i]`` to ``starts[i + 1]`` of *columns*, all below m, and *values*. *dense* should be C-ordered,
    else each call copies it.
    """
    n, k = len(starts) - 1, dense.shape[1]
    found = np.zeros(n * k, dtype=np.float32)
    csr_matvecs(n, len(dense), k, starts, columns, values, dense.ravel(), found)
    return found.reshape(n, k)
