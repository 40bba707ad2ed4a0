"""One form of a text for all understanding: case, accents and compatibility forms must not matter."""

from __future__ import annotations

import re
import unicodedata

MAX_READ_CHARS = 2_000
"""How much of a text the understanding reads (rule 11 of the design)."""

_MARKS = re.compile("[\u0300-\u036f]+")  # Latin, Greek and Cyrillic accents; other scripts' vowel signs stay
_DIGIT = re.compile(r"\d")
_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Lower case without accents, compatibility forms (NFKC) resolved; at most ``MAX_READ_CHARS`` characters."""
    text = text[:MAX_READ_CHARS]
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).lower())
    return unicodedata.normalize("NFC", _MARKS.sub("", decomposed))[:MAX_READ_CHARS]


def for_intents(text: str) -> str:
    """What the classifier reads: folded, every digit a ``0``, so that one amount is as good as another."""
    return _DIGIT.sub("0", fold(text))


def phrase(text: str) -> str:
    """Folded words with single blanks between them: how fixed words, labels and answers are compared."""
    return _NOT_WORD.sub(" ", fold(text)).strip()
