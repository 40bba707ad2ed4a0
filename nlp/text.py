"""One form of a text for all understanding: case, accents and compatibility forms must not matter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

MAX_READ_CHARS = 2_000
"""How much of a text the understanding reads (rule 11 of the design)."""

_MARKS = re.compile("[\u0300-\u036f]+")  # Latin, Greek and Cyrillic accents; other scripts' vowel signs stay
_DIGIT = re.compile(r"\d")
_NOT_WORD = re.compile(r"[\W_]+")
_ODD = 0x80  # a control character, in place of what does not become one character of Latin-1


def fold(text: str) -> str:
    """Lower case without accents, compatibility forms (NFKC) resolved; at most ``MAX_READ_CHARS`` characters."""
    text = text[:MAX_READ_CHARS]
    if text.isascii():
        return text.lower()
    mapped = _mapped(text, _FOLDED)
    return _folded(text) if mapped is None else mapped


def for_intents(text: str) -> str:
    """What the classifier reads: folded, every digit a ``0``, so that one amount is as good as another."""
    text = text[:MAX_READ_CHARS]
    mapped = _mapped(text, _ZEROED)
    return _DIGIT.sub("0", _folded(text)) if mapped is None else mapped


def phrase(text: str) -> str:
    """Folded words with single blanks between them: how fixed words, labels and answers are compared."""
    return " ".join(words_of(text))


def words_of(text: str) -> list[str]:
    """The words of :func:`phrase`."""
    text = text[:MAX_READ_CHARS]
    mapped = _mapped(text, _SPACED)
    return (_NOT_WORD.sub(" ", _folded(text)) if mapped is None else mapped).split()


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).lower())
    return unicodedata.normalize("NFC", _MARKS.sub("", decomposed))[:MAX_READ_CHARS]


def _mapped(text: str, table: bytes) -> str | None:
    """*text* by a table for Latin-1, as most is written: a tenth of the cost. ``None`` where it is not that simple."""
    latin = text.encode("latin-1", "ignore").translate(table)
    return None if len(latin) != len(text) or _ODD in latin else latin.decode("latin-1")


def _table(read: Callable[[str], str]) -> bytes:
    """What *read* makes of each character of Latin-1; none of them changes with its neighbours."""
    found = [read(chr(code)) for code in range(256)]
    return bytes(ord(each) if len(each) == 1 and each < "\u0100" else _ODD for each in found)


_FOLDED = _table(_folded)
_ZEROED = _table(lambda character: _DIGIT.sub("0", _folded(character)))
_SPACED = _table(lambda character: _NOT_WORD.sub(" ", _folded(character)))
