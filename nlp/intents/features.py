"""Texts to TF-IDF rows: words (1,2) and ``char_wb`` (2,4), exactly as scikit-learn would, in a tenth of the time.

Character n-grams stay inside a chunk between blanks, so they are remembered for each chunk: most of a
chat's words were seen before. ``docs/decisions/0003-intent-prediction.md`` has the figures.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Sequence

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


class Vectoriser:
    """A fixed vocabulary with its weights. Columns: the words' n-grams first, then the characters'."""

    def __init__(self, words: Sequence[str], grams: Sequence[str], idf: Floats) -> None:
        self.n_words = len(words)
        self.n_features = len(words) + len(grams)
        self._word_column = {word: column for column, word in enumerate(words)}
        self._gram_column = {gram: column for column, gram in enumerate(grams, start=len(words))}
        self._idf = idf
        self._remembered: dict[str, tuple[tuple[str, ...], bytes]] = {}

    def rows(self, texts: Sequence[str]) -> sparse.csr_array:
        """``n normalised texts -> (n, n_features)`` float32; each row's two blocks have length 1 (or are empty)."""
        columns: list[bytes] = []
        lengths: list[int] = []
        for text in texts:
            found = self._columns(text)
            columns.append(found)
            lengths.append(len(found) // 4)
        flat = np.frombuffer(b"".join(columns), dtype=np.int32)
        row_of = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
        cells, counts = np.unique(row_of * self.n_features + flat, return_counts=True)
        row, column = np.divmod(cells, self.n_features)
        values = (1.0 + np.log(counts)) * self._idf[column]
        block = row * 2 + (column >= self.n_words)
        squares = np.bincount(block, weights=values * values, minlength=1)
        values /= np.sqrt(squares)[block]
        starts = np.searchsorted(row, np.arange(len(texts) + 1))
        shape = (len(texts), self.n_features)
        return sparse.csr_array((values.astype(np.float32), column, starts), shape=shape)

    def _columns(self, text: str) -> bytes:
        """The columns of a text's n-grams as int32 bytes, repeated as often as they occur."""
        words: list[str] = []
        pieces: list[bytes] = []
        for chunk in text.split():
            chunk_words, grams = self._remembered.get(chunk) or self._read(chunk)
            words += chunk_words
            pieces.append(grams)
        found = [self._word_column.get(word) for word in words]
        found += [self._word_column.get(f"{first} {second}") for first, second in itertools.pairwise(words)]
        pieces.append(array("i", [column for column in found if column is not None]).tobytes())
        return b"".join(pieces)

    def _read(self, chunk: str) -> tuple[tuple[str, ...], bytes]:
        words = tuple(_WORD.findall(chunk))
        columns = [self._gram_column.get(gram) for gram in char_ngrams(chunk)]
        grams = array("i", [column for column in columns if column is not None]).tobytes()
        if len(chunk) <= _MAX_REMEMBERED_CHARS:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[chunk] = (words, grams)
        return words, grams


def char_ngrams(chunk: str) -> list[str]:
    """The n-grams of a chunk padded with one blank on each side; a chunk shorter than n counts once (scikit-learn)."""
    padded = f" {chunk} "
    found: list[str] = []
    for n in range(CHAR_NGRAMS[0], CHAR_NGRAMS[1] + 1):
        found += [padded[start : start + n] for start in range(max(1, len(padded) - n + 1))]
        if len(padded) <= n:
            break
    return found
