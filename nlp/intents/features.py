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

from nlp.intents.product import Indices

WORD = r"\w+"
WORD_NGRAMS = (1, 2)
CHAR_NGRAMS = (2, 4)

_WORD = re.compile(WORD)
_MAX_REMEMBERED = 50_000  # chunks; about 25 MB at most
_MAX_REMEMBERED_CHARS = 24

Floats = NDArray[np.float32]


class Rows(NamedTuple):
    """TF-IDF of n texts ``(n, width)``; in each row both blocks have length 1 (or are empty).

    Row *i* is ``starts[i]`` to ``starts[i + 1]`` of ``columns`` (ascending) and ``values``. ``unseen`` ``(n, 2)``: the
    share of words, and of character n-grams, that no training text has. ``n_words`` ``(n,)``.
    """

    starts: Indices
    columns: Indices
    values: Floats
    width: int
    unseen: Floats
    n_words: NDArray[np.int64]

    @classmethod
    def of(cls, matrix: sparse.csr_array, unseen: Floats, n_words: NDArray[np.int64]) -> Rows:
        """The rows of a matrix that is there already."""
        return cls(matrix.indptr, matrix.indices, matrix.data, matrix.shape[1], unseen, n_words)

    @property
    def matrix(self) -> sparse.csr_array:
        """``(n, width)``. Making it costs more than predicting one row without it."""
        return sparse.csr_array((self.values, self.columns, self.starts), shape=(len(self.starts) - 1, self.width))

    def beside(self, dense: Floats) -> Rows:
        """The same with ``dense`` ``(n, size)`` as further columns."""
        n, size = dense.shape
        columns = np.tile(np.arange(size), n)
        more = sparse.csr_array((dense.ravel(), columns, np.arange(n + 1) * size), shape=dense.shape)
        joined = sparse.csr_array(sparse.hstack([self.matrix, more], format="csr"))
        return Rows.of(joined, self.unseen, self.n_words)


class _Chunk(NamedTuple):
    """What stands between two blanks: its words, and the columns of its known words and n-grams as int32 bytes."""

    words: tuple[str, ...]
    columns: bytes
    known_words: int
    known_grams: int
    all_grams: int


class Vectoriser:
    """A fixed vocabulary with its weights. Columns: the words' n-grams first, then the characters'."""

    def __init__(self, words: Sequence[str], grams: Sequence[str], idf: Floats) -> None:
        self.n_words = len(words)
        self.n_features = len(words) + len(grams)
        self._word_column = {word: column for column, word in enumerate(words)}
        self._gram_column = {gram: column for column, gram in enumerate(grams, start=len(words))}
        self._idf = idf.astype(np.float64)
        self._remembered: dict[str, _Chunk] = {}

    def read(self, texts: Sequence[str]) -> Rows:
        """Normalised texts as rows."""
        pieces: list[bytes] = []
        unseen: list[tuple[float, float]] = []
        n_words: list[int] = []
        for text in texts:
            columns, unseen_words, unseen_grams, count = self._columns(text)
            pieces.append(columns)
            unseen.append((unseen_words, unseen_grams))
            n_words.append(count)
        starts, found, values = self._alone(pieces[0]) if len(pieces) == 1 else self._together(pieces)
        return Rows(
            starts,
            found,
            values,
            self.n_features,
            np.array(unseen, dtype=np.float32).reshape(-1, 2),
            np.array(n_words, dtype=np.int64),
        )

    def _alone(self, piece: bytes) -> tuple[Indices, Indices, Floats]:
        """One row: nothing to keep apart."""
        columns, counts = _counted(np.frombuffer(piece, dtype=np.int32).copy())
        values = self._weighed(columns, counts, columns >= self.n_words)
        return np.array((0, len(columns)), dtype=np.int32), columns, values

    def _together(self, pieces: Sequence[bytes]) -> tuple[Indices, Indices, Floats]:
        flat = np.frombuffer(b"".join(pieces), dtype=np.int32)
        begins = np.arange(len(pieces), dtype=np.int64) * self.n_features
        cells, counts = _counted(np.repeat(begins, [len(piece) // 4 for piece in pieces]) + flat)
        row, columns = np.divmod(cells, self.n_features)
        values = self._weighed(columns, counts, row * 2 + (columns >= self.n_words))
        return np.searchsorted(row, np.arange(len(pieces) + 1)), columns, values

    def _weighed(self, columns: Indices, counts: Indices, block: NDArray[np.generic]) -> Floats:
        """Sublinear TF-IDF; what belongs to one *block*, a number for each column, gets length 1."""
        values = np.log(counts)
        values += 1.0
        values *= self._idf[columns]
        block = block.astype(np.intp)
        squares = np.bincount(block, weights=values * values, minlength=1)
        values /= np.sqrt(squares)[block]
        return values.astype(np.float32)

    def _columns(self, text: str) -> tuple[bytes, float, float, int]:
        """The columns of a text's n-grams as int32 bytes, repeated as they occur, unseen shares, number of words."""
        words: list[str] = []
        pieces: list[bytes] = []
        known_words = known_grams = all_grams = 0
        recall = self._remembered.get
        for chunk in text.split():
            its_words, columns, its_known_words, its_known_grams, its_grams = recall(chunk) or self._read(chunk)
            words += its_words
            pieces.append(columns)
            known_words += its_known_words
            known_grams += its_known_grams
            all_grams += its_grams
        get = self._word_column.get
        pairs = [
            column for first, second in itertools.pairwise(words) if (column := get(f"{first} {second}")) is not None
        ]
        pieces.append(array("i", pairs).tobytes())
        unseen_words, unseen_grams = _share_missing(known_words, len(words)), _share_missing(known_grams, all_grams)
        return b"".join(pieces), unseen_words, unseen_grams, len(words)

    def _read(self, chunk: str) -> _Chunk:
        words = tuple(_WORD.findall(chunk))
        all_grams = char_ngrams(chunk)
        known_words = [column for word in words if (column := self._word_column.get(word)) is not None]
        known_grams = [column for gram in all_grams if (column := self._gram_column.get(gram)) is not None]
        columns = array("i", known_words + known_grams).tobytes()
        read = _Chunk(words, columns, len(known_words), len(known_grams), len(all_grams))
        if len(chunk) <= _MAX_REMEMBERED_CHARS:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[chunk] = read
        return read


def _counted(numbers: Indices) -> tuple[Indices, Indices]:
    """Each number once, ascending, and how often it was there. Sorts in place."""
    numbers.sort()
    is_first = np.empty(len(numbers) + 1, dtype=np.bool_)
    is_first[0] = is_first[-1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=is_first[1:-1])
    places = is_first.nonzero()[0]
    return numbers[places[:-1]], places[1:] - places[:-1]


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
