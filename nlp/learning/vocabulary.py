"""The words that a bot's examples have: what a text brings beside them is new."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nlp.text import for_intents

_WORD = re.compile(r"\w+")


class Vocabulary:
    """The words of *texts*, as the classifier reads them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._known = frozenset(word for text in texts for word in _WORD.findall(for_intents(text)))

    def count(self, text: str) -> tuple[int, int]:
        """How many words a text has, and how many of them no example has."""
        words = _WORD.findall(for_intents(text))
        return len(words), sum(word not in self._known for word in words)
