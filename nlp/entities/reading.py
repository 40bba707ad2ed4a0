"""A text made ready for all finders at once: folded, cut into words, with the way back to its own offsets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from nlp.text import MAX_READ_CHARS, fold

_WORD = re.compile(r"[^\W\d_]+|\d+")
_SHORT = 2


def _same_length() -> dict[int, str]:
    """For each Latin letter that folds to one other character: that one."""
    ranges = (range(0xC0, 0x250), range(0x1E00, 0x1F00))
    folded = {code: fold(chr(code)) for codes in ranges for code in codes}
    return {code: text for code, text in folded.items() if len(text) == 1 and text != chr(code)}


_LETTERS = _same_length()


class Word(NamedTuple):
    """One run of letters or of digits; ``start`` and ``end`` are offsets in the folded text."""

    text: str
    start: int
    end: int


class Reading:
    """``folded`` is at most ``MAX_READ_CHARS`` long; what comes after is not read.

    ``vocabulary`` and ``digit_count`` decide what is found. ``clues`` (words), ``first_digit`` (where it stands),
    ``longest_number`` (digits in a row) and ``short_numbers`` (how often no more than two stand in a row) only tell a
    finder that it need not look: with more in them than there is, it finds the same.
    """

    first_digit = longest_number = short_numbers = digit_count = 0

    def __init__(self, text: str) -> None:
        self.original = text
        self.folded, self._origins = _folded(text[:MAX_READ_CHARS])
        words = _WORD.findall(self.folded)
        self.clues = self.vocabulary = frozenset(words)
        for word in words:
            if word.isdecimal():
                length = len(word)
                if not self.digit_count:
                    self.first_digit = self.folded.index(word)
                self.digit_count += length
                self.short_numbers += length <= _SHORT
                if length > self.longest_number:  # noqa: PLR1730 - a call would cost more
                    self.longest_number = length

    def keep_clues(self, words: frozenset[str]) -> None:
        """Only those of *words*: the fewer they are, the cheaper is every question about them."""
        self.clues &= words

    @property
    def is_in_place(self) -> bool:
        """Whether offsets in the folded text are those of the original."""
        return self._origins is None

    @property
    def has_digits(self) -> bool:
        """Whether there is any digit."""
        return self.digit_count > 0

    @cached_property
    def words(self) -> Sequence[Word]:
        """The words in order; most texts are done with before anybody asks for them."""
        return [Word(match[0], *match.span()) for match in _WORD.finditer(self.folded)]

    def written(self, start: int, end: int) -> str:
        """What stands in the original between offsets of the folded text."""
        first, last = self.span(start, end)
        return self.original[first:last]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original for offsets in the folded text; *end* is after the last character."""
        if self._origins is None or end <= start:
            return start, end
        last = self._origins[end - 1] + 1
        while last < len(self.original) and unicodedata.combining(self.original[last]):
            last += 1
        return self._origins[start], last


def _folded(text: str) -> tuple[str, Sequence[int] | None]:
    """The folded text, and for each of its characters where it comes from (``None``: from the same place)."""
    if text.isascii():
        return text.lower(), None
    if unicodedata.is_normalized("NFKC", text):
        lower = text.translate(_LETTERS).lower()
        if len(lower) == len(text):
            return lower, None
    pieces: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(text):
        piece = fold(character)
        pieces.append(piece)
        origins.extend([place] * len(piece))
    folded = "".join(pieces)[:MAX_READ_CHARS]
    return folded, origins[: len(folded)]
