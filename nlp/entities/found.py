"""What was found in a text, and which of two finds that overlap stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Source = Literal["annotated", "lookup", "regex", "built-in"]
Value = str | int | float | Mapping[str, str | int | float]

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
    kept: list[Span] = []
    for span in sorted(spans, key=_precedence):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


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
