"""Texts to TF-IDF rows: words (1,2) and ``char_wb`` (2,4), exactly as scikit-learn would, in a tenth of the time.

Character n-grams stay inside a chunk between blanks, so they are remembered for each chunk: most of a
chat's words were seen before. ``docs/decisions/0003-intent-prediction.md`` has the figures.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

WORD = r"\w+"
WORD_NGRAMS = (1, 2)
CHAR_NGRAMS = (2, 4)

_WORD = re.compile(WORD)
_MAX_REMEMBERED = 50_000  # chunks; about 25 MB at most
_MAX_REMEMBERED_CHARS = 24

Floats = NDArray[np.float32]


class Rows(NamedTuple):
    """TF-IDF of n texts ``(n, n_features)``; in each row both blocks have length 1 (or are empty).

    ``unseen`` ``(n, 2)``: the share of words, and of character n-grams, that no training text has.
    ``n_words`` ``(n,)``.
    """

    matrix: sparse.csr_array
    unseen: Floats
    n_words: NDArray[np.int64]

    def beside(self, dense: Floats) -> Rows:
        """The same with ``dense`` ``(n, size)`` as further columns."""
        n, size = dense.shape
        columns = np.tile(np.arange(size), n)
        more = sparse.csr_array((dense.ravel(), columns, np.arange(n + 1) * size), shape=dense.shape)
        return self._replace(matrix=sparse.csr_array(sparse.hstack([self.matrix, more], format="csr")))


class Vectoriser:
    """A fixed vocabulary with its weights. Columns: the words' n-grams first, then the characters'."""

    def __init__(self, words: Sequence[str], grams: Sequence[str], idf: Floats) -> None:
        self.n_words = len(words)
        self.n_features = len(words) + len(grams)
        self._word_column = {word: column for column, word in enumerate(words)}
        self._gram_column = {gram: column for column, gram in enumerate(grams, start=len(words))}
        self._idf = idf
        self._remembered: dict[str, tuple[tuple[str, ...], bytes, int]] = {}

    def read(self, texts: Sequence[str]) -> Rows:
        """Normalised texts as rows."""
        pieces: list[bytes] = []
        lengths: list[int] = []
        unseen: list[tuple[float, float]] = []
        n_words: list[int] = []
        for text in texts:
            columns, unseen_words, unseen_grams, count = self._columns(text)
            pieces.append(columns)
            lengths.append(len(columns) // 4)
            unseen.append((unseen_words, unseen_grams))
            n_words.append(count)
        flat = np.frombuffer(b"".join(pieces), dtype=np.int32)
        row_of = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
        cells, counts = np.unique(row_of * self.n_features + flat, return_counts=True)
        row, column = np.divmod(cells, self.n_features)
        values = (1.0 + np.log(counts)) * self._idf[column]
        block = row * 2 + (column >= self.n_words)
        squares = np.bincount(block, weights=values * values, minlength=1)
        values /= np.sqrt(squares)[block]
        starts = np.searchsorted(row, np.arange(len(texts) + 1))
        matrix = sparse.csr_array((values.astype(np.float32), column, starts), shape=(len(texts), self.n_features))
        return Rows(matrix, np.array(unseen, dtype=np.float32).reshape(-1, 2), np.array(n_words, dtype=np.int64))

    def _columns(self, text: str) -> tuple[bytes, float, float, int]:
        """The columns of a text's n-grams as int32 bytes, repeated as they occur, unseen shares, number of words."""
        words: list[str] = []
        pieces: list[bytes] = []
        n_grams = 0
        for chunk in text.split():
            chunk_words, grams, count = self._remembered.get(chunk) or self._read(chunk)
            words += chunk_words
            pieces.append(grams)
            n_grams += count
        known_grams = sum(map(len, pieces)) // 4
        get = self._word_column.get
        found = [column for word in words if (column := get(word)) is not None]
        known_words = len(found)
        found += [
            column for first, second in itertools.pairwise(words) if (column := get(f"{first} {second}")) is not None
        ]
        pieces.append(array("i", found).tobytes())
        unseen_words, unseen_grams = _share_missing(known_words, len(words)), _share_missing(known_grams, n_grams)
        return b"".join(pieces), unseen_words, unseen_grams, len(words)

    def _read(self, chunk: str) -> tuple[tuple[str, ...], bytes, int]:
        words = tuple(_WORD.findall(chunk))
        all_grams = char_ngrams(chunk)
        columns = [column for gram in all_grams if (column := self._gram_column.get(gram)) is not None]
        read = (words, array("i", columns).tobytes(), len(all_grams))
        if len(chunk) <= _MAX_REMEMBERED_CHARS:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[chunk] = read
        return read


def _share_missing(known: int, total: int) -> float:
    """Without anything to read, all of it is missing."""
    return 1.0 - known / total if total else 1.0


def char_ngrams(chunk: str) -> list[str]:
    """The n-grams of a chunk padded with one blank on each side; a chunk shorter than n counts once (scikit-learn)."""
    padded = f" {chunk} "
    found: list[str] = []
    for n in range(CHAR_NGRAMS[0], CHAR_NGRAMS[1] + 1):
        found += [padded[start : start + n] for start in range(max(1, len(padded) - n + 1))]
        if len(padded) <= n:
            break
    return found
