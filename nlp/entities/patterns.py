"""Finds what the author's regular expressions describe, within a limit of time whatever they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import regex

from gateway.core.errors import Misconfigured
from nlp.entities.found import Span
from nlp.text import MAX_READ_CHARS

PATTERN_S = 0.01
"""How long one pattern may search one text; what it did not find by then is not found."""

ALL_PATTERNS_S = 0.03
"""How long all patterns together may search one text."""

_CONFIDENCE = 0.95
_MOST_FINDS = 50


class Patterns:
    """The author's patterns by kind, case ignored. A group named ``value`` is the value, else the whole match.

    Python's own ``re`` cannot be stopped, so ``(a+)+$`` would halt the process; the regex module (Apache-2.0) can.
    """

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        """Raises ``Misconfigured`` when a pattern does not compile."""
        self._patterns = [(kind, _compiled(kind, text)) for kind, texts in patterns.items() for text in texts]

    def find(self, text: str) -> Iterator[Span]:
        """Matches with offsets in *text* itself; empty ones are none."""
        read = text[:MAX_READ_CHARS]
        ends = time.monotonic() + ALL_PATTERNS_S
        for kind, pattern in self._patterns:
            left = min(PATTERN_S, ends - time.monotonic())
            if left <= 0:
                return
            yield from _matches(kind, pattern, read, left)


def _compiled(kind: str, pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise Misconfigured("nlu", f"regex '{kind}' does not compile: {error}") from error


def _matches(kind: str, pattern: regex.Pattern[str], text: str, limit_s: float) -> list[Span]:
    found: list[Span] = []
    try:
        for match in pattern.finditer(text, timeout=limit_s):
            name = "value" if match.groupdict().get("value") else 0
            start, end = match.span(name)
            if end > start:
                found.append(Span(kind, match[name], start, end, _CONFIDENCE, "regex"))
            if len(found) >= _MOST_FINDS:
                break
    except TimeoutError:
        pass  # the pattern is slow on this text: what it found until now counts
    return found
