"""What was found in a text, and which of two finds that overlap stays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Source = Literal["annotated", "lookup", "regex", "built-in"]
Value = str | int | float | Mapping[str, str | int | float]

MAX_FINDS = 60
"""Numbers, days or times of one text that are looked at; nobody means more."""

PERSONAL = frozenset({"phone", "email", "document"})
"""Built-in kinds that tell who somebody is: they are kept only where the messages are."""

_RANK: Mapping[Source, int] = {"annotated": 3, "regex": 2, "lookup": 1, "built-in": 0}


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a text with its meaning.

    ``text`` is ``whole[start:end]``. ``value`` is normalised and JSON-able: a number, a text (an ISO date, time or
    duration, a phone in E.164), or an object of such (``{"amount": 20000, "currency": "COP"}``). ``is_personal``: it
    tells who somebody is, be it under the author's own name for it.
    """

    kind: str
    text: str
    value: Value
    start: int
    end: int
    confidence: float
    role: str = ""
    group: str = ""
    source: Source = "built-in"
    is_personal: bool = False


class Span(msgspec.Struct, frozen=True):
    """A find before it is an entity: offsets are those of the folded text."""

    kind: str
    value: Value
    start: int
    end: int
    confidence: float = 1.0
    source: Source = "built-in"
    role: str = ""
    group: str = ""


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """The finds that stay, in the order of the text.

    What the author taught wins over what is built in wherever it covers as much; else the longer find wins, then what
    is surer; a mere number comes last. Among the author's own: annotated, then regex, then lookup.
    """
    spans = list(spans)
    if len(spans) < 2:
        return spans
    taken = Taken()
    kept = [span for span in sorted(spans, key=_precedence) if taken.take(span.start, span.end)]
    return sorted(kept, key=lambda span: span.start)


class Taken:
    """The parts of a text that are spoken for."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def take(self, start: int, end: int) -> bool:
        """Take a part. False: another overlaps it."""
        place = bisect_left(self._starts, start)
        if place and self._ends[place - 1] > start:
            return False
        if place < len(self._starts) and self._starts[place] < end:
            return False
        self._starts.insert(place, start)
        self._ends.insert(place, end)
        return True


def as_text(value: Value) -> str:
    """The value in one line, for records and slots: ``20000 COP``, ``2026-12-01/2026-12-05``, ``3.5``."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _MAPPED.get(frozenset(value), " ").join(map(_number_text, value.values()))
    return _number_text(value)


_MAPPED: Mapping[frozenset[str], str] = {frozenset({"from", "to"}): "/"}


def _number_text(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _precedence(span: Span) -> tuple[float, ...]:
    return (span.start - span.end, -_RANK[span.source], span.kind == "number", -span.confidence, span.start)
