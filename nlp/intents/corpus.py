"""Examples as counts of n-grams, to be weighed anew for every part of them that a model is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize

from nlp.intents.encoding import Encoder
from nlp.intents.features import CHAR_NGRAMS, WORD, WORD_NGRAMS, Floats, Rows, char_ngrams

Labels = NDArray[np.int64]


class Vocabulary:
    """The n-grams of the examples. Columns: the words' first, then the characters'."""

    def __init__(self, texts: Sequence[str], encoder: Encoder | None = None) -> None:
        self._encoder = encoder
        self._readers = (
            CountVectorizer(ngram_range=WORD_NGRAMS, token_pattern=WORD, lowercase=False, dtype=np.float32),
            CountVectorizer(analyzer="char_wb", ngram_range=CHAR_NGRAMS, lowercase=False, dtype=np.float32),
        )
        for reader in self._readers:
            reader.fit(texts)
        self.words, self.grams = (reader.get_feature_names_out().tolist() for reader in self._readers)
        self._words_of = CountVectorizer(token_pattern=WORD, lowercase=False).build_analyzer()
        self.is_word = np.array([" " not in word for word in self.words], dtype=np.float32)

    def read(self, texts: Sequence[str]) -> Corpus:
        """*texts* counted; what the vocabulary lacks shows in the totals only."""
        words, grams = (reader.transform(texts) for reader in self._readers)
        n_words = np.array([len(self._words_of(text)) for text in texts], dtype=np.int64)
        n_grams = np.array([sum(len(char_ngrams(chunk)) for chunk in text.split()) for text in texts], dtype=np.int64)
        dense = None if self._encoder is None else self._encoder.encode(texts)
        return Corpus(words, grams, n_words, n_grams, self.is_word, dense)


class Corpus(NamedTuple):
    """Counts of n texts: ``words`` and ``grams`` as rows, and how many there are in all, known or not.

    ``dense`` ``(n, size)`` are sentence vectors, if there is an encoder, to be taken ``dense_weight`` times.
    """

    words: sparse.csr_matrix
    grams: sparse.csr_matrix
    n_words: Labels
    n_grams: Labels
    is_word: Floats
    dense: Floats | None = None
    dense_weight: float = 1.0

    def chosen(self, rows: Labels) -> Corpus:
        """Some of the texts."""
        return self._replace(
            words=self.words[rows],
            grams=self.grams[rows],
            n_words=self.n_words[rows],
            n_grams=self.n_grams[rows],
            dense=None if self.dense is None else self.dense[rows],
        )

    def idf(self) -> tuple[Floats, Floats]:
        """Smoothed inverse document frequencies; 0 for what does not occur here, as if it were unknown."""
        found: list[Floats] = []
        for block in (self.words, self.grams):
            seen = np.bincount(block.indices, minlength=block.shape[1])
            found.append(np.where(seen > 0, TfidfTransformer().fit(block).idf_, 0.0).astype(np.float32))
        return found[0], found[1]

    def weighed(self, idf: tuple[Floats, Floats]) -> Rows:
        """TF-IDF rows, sublinear, each block of length 1."""
        blocks: list[sparse.csr_matrix] = []
        for block, weights in zip((self.words, self.grams), idf, strict=True):
            weighed = block.astype(np.float32)
            weighed.data = ((1.0 + np.log(weighed.data)) * weights[weighed.indices]).astype(np.float32)
            blocks.append(normalize(weighed, copy=False) if weighed.shape[0] else weighed)
        known_words = self.words @ (self.is_word * (idf[0] > 0))
        known_grams = self.grams @ (idf[1] > 0).astype(np.float32)
        unseen = np.stack([_missing(known_words, self.n_words), _missing(known_grams, self.n_grams)], axis=1)
        matrix = sparse.csr_array(sparse.hstack(blocks, format="csr", dtype=np.float32))
        matrix.sort_indices()
        matrix.eliminate_zeros()
        rows = Rows.of(matrix, unseen, self.n_words)
        return rows if self.dense is None else rows.beside(self.dense * np.float32(self.dense_weight))


def _missing(known: Floats, total: Labels) -> Floats:
    """Without anything to read, all of it is missing."""
    share: Floats = np.where(total > 0, 1.0 - known / np.maximum(total, 1), 1.0).astype(np.float32)
    return share
