"""py3langid's judgement of a text, word by word out of memory: the library itself walks over every byte of it.

Its automaton has a state after each byte, and a feature in some of them. Which features a word adds depends on
nothing but the word and the state that it begins in, and most of a chat's words were seen before.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

_MAX_REMEMBERED = 20_000  # words with the states that they began in; about 5 MB
_MAX_REMEMBERED_BYTES = 24
_PIECE = re.compile(rb"[^ ]+ ?| ")


class Spelling:
    """Ranks languages as ``LanguageIdentifier.rank`` does, to the bit."""

    def __init__(self, identifier: LanguageIdentifier) -> None:
        self.labels = tuple(identifier.labels)
        self._identifier = identifier
        self._table = np.ascontiguousarray(identifier.nb_ptc, dtype=np.float32)  # a row to a line of the cache
        self._has_aliases = len(self.labels) < len(identifier.nb_classes)
        self._remembered: dict[tuple[int, bytes], tuple[int, tuple[int, ...]]] = {}

    def rank(self, text: str) -> list[tuple[str, float]]:
        """Every label with its share, 0 to 1, the best first; *text* is in lower case."""
        if self._has_aliases:  # two alphabets of one language
            return [(label, float(share)) for label, share in self._identifier.rank(text)]
        encoded = unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")
        shares = self._shares(self._features(encoded), len(encoded))
        return sorted(zip(self.labels, shares, strict=True), key=lambda one: one[1], reverse=True)

    def _features(self, encoded: bytes) -> list[int]:
        found: list[int] = []
        state = 0
        recall = self._remembered.get
        for piece in _PIECE.findall(encoded):
            begun = (state, piece)
            state, features = recall(begun) or self._walk(begun)
            found += features
        return found

    def _walk(self, begun: tuple[int, bytes]) -> tuple[int, tuple[int, ...]]:
        """The state after a piece, and the features on the way."""
        state, piece = begun
        moves, row_of, features = self._identifier.tk_nextmove, self._identifier.tk_row, self._identifier.tk_output
        found: list[int] = []
        for byte in piece:
            state = moves[(row_of[state] << 8) + byte]
            if features[state] >= 0:
                found.append(features[state])
        walked = (state, tuple(found))
        if len(piece) <= _MAX_REMEMBERED_BYTES:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[begun] = walked
        return walked

    def _shares(self, features: list[int], n_bytes: int) -> list[float]:
        """A softmax of naive Bayes, as flat as the text is short."""
        counts = Counter(features)
        if not counts:
            return [float(np.float32(1.0 / len(self.labels)))] * len(self.labels)
        numbers = np.array(list(counts), dtype=np.intp)
        seen = np.array(list(counts.values()), dtype=np.float32)
        scores = np.log1p(seen) @ self._table[numbers] + self._identifier.nb_pc
        scores *= 1.0 / math.sqrt(n_bytes)
        scores -= np.maximum.reduce(scores)
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores)
        shares: list[float] = scores.tolist()
        return shares


def open_spelling(languages: Collection[str]) -> Spelling | None:
    """Restricted to *languages* (ISO 639); ``None`` when the library knows fewer than two of them."""
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = set(languages) & set(identifier.labels)
    if len(known) < 2:
        return None
    identifier.set_languages(sorted(known))
    return Spelling(identifier)
