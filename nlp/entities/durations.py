"""Lengths of time: ``3 días``, ``hora y media``, ``meia hora``, ``2 hours 30 minutes``; as ISO 8601 (``PT1H30M``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from nlp.entities.found import Span
from nlp.entities.numbers import Number
from nlp.entities.reading import Reading

Unit = str
"""One of ``S`` (seconds), ``M`` (minutes), ``H``, ``D``, ``W``, ``m`` (months), ``Y``."""

UNITS: Mapping[str, tuple[Unit, int]] = {
    **dict.fromkeys(("segundo", "segundos", "second", "seconds", "seg", "segs", "secs"), ("S", 1)),
    **dict.fromkeys(("minuto", "minutos", "minute", "minutes", "min", "mins"), ("M", 1)),
    **dict.fromkeys(("hora", "horas", "hour", "hours", "hs", "hrs", "hr"), ("H", 1)),
    **dict.fromkeys(("dia", "dias", "day", "days"), ("D", 1)),
    **dict.fromkeys(("semana", "semanas", "week", "weeks"), ("W", 1)),
    **dict.fromkeys(("quincena", "quincenas", "quinzena", "fortnight", "fortnights"), ("W", 2)),
    **dict.fromkeys(("mes", "meses", "month", "months"), ("m", 1)),
    **dict.fromkeys(("trimestre", "trimestres", "quarters"), ("m", 3)),
    **dict.fromkeys(("semestre", "semestres"), ("m", 6)),
    **dict.fromkeys(("ano", "anos", "year", "years"), ("Y", 1)),
}
_NAMES = "|".join(sorted(UNITS, key=len, reverse=True))
_UNIT = re.compile(rf"\s{{0,2}}({_NAMES})\b(?P<half>\s(?:y medi[oa]|e mei[oa]|and a half)\b)?")
_ONE = re.compile(
    rf"\b(?P<half>medi[oa]|mei[oa]|half an?)\s(?:de\s)?(?P<of>{_NAMES})\b"
    rf"|\b(?:una?|uma?|one|an?)\s(?P<one>{_NAMES})\b(?P<more>\s(?:y medi[oa]|e mei[oa]|and a half)\b)?"
    rf"|\b(?P<bare>hora|ano|semana)(?P<bare_more>\s(?:y medi[oa]|e mei[oa])\b)"
    r"|\b(?:an?|one) hour and a (?P<hour>half)\b"
)
_JOINED = re.compile(r"\s(?:y |e |and |con |com )?")
_HALF: Mapping[Unit, tuple[Unit, float]] = {
    "Y": ("m", 6),
    "m": ("D", 15),
    "D": ("H", 12),
    "H": ("M", 30),
    "M": ("S", 30),
}
_ORDER = "YmWDHMS"
LENGTH_WORDS = frozenset(UNITS)
"""Without any of these there is no length of time."""
ONE_WORDS = frozenset({"medio", "media", "meio", "meia", "half", "un", "una", "um", "uma", "one", "a", "an"})
"""Without any of these a length of time has a number."""


class Length(msgspec.Struct, frozen=True):
    """A length of time by units, with its place in the folded text."""

    start: int
    end: int
    units: Mapping[Unit, float]
    confidence: float = 0.9


def find_lengths(reading: Reading, numbers: Sequence[Number]) -> list[Length]:
    """All lengths of time in order; ``2 horas 30 minutos`` is one."""
    if reading.vocabulary.isdisjoint(LENGTH_WORDS):
        return []
    found = list(_counted(reading.folded, numbers)) if numbers else []
    if not reading.clues.isdisjoint(ONE_WORDS):
        found += _single(reading.folded)
    joined: list[Length] = []
    for length in sorted(found, key=lambda length: (length.start, -length.end)):
        if joined and length.start < joined[-1].end:
            continue
        if joined and _JOINED.fullmatch(reading.folded, joined[-1].end, length.start) and _follows(joined[-1], length):
            joined[-1] = Length(joined[-1].start, length.end, {**joined[-1].units, **length.units})
        else:
            joined.append(length)
    return joined


def spans(lengths: Sequence[Length]) -> Iterator[Span]:
    """Lengths of time as entities."""
    for length in lengths:
        yield Span("duration", iso_duration(length.units), length.start, length.end, length.confidence)


def iso_duration(units: Mapping[Unit, float]) -> str:
    """``P1Y2M``, ``PT1H30M``; weeks become days where other units stand beside them."""
    units = dict(units)
    if units.keys() == {"W"}:
        return f"P{units['W']:g}W"
    if weeks := units.pop("W", 0):
        units["D"] = units.get("D", 0) + 7 * weeks
    days = "".join(f"{units[unit]:g}{unit.upper()}" for unit in "YmD" if unit in units)
    hours = "".join(f"{units[unit]:g}{unit}" for unit in "HMS" if unit in units)
    return f"P{days}" + (f"T{hours}" if hours else "")


def _counted(folded: str, numbers: Sequence[Number]) -> Iterator[Length]:
    for number in numbers:
        match = _UNIT.match(folded, number.end)
        if match is None or number.value < 0 or number.value > 1e6:
            continue
        unit, times = UNITS[match[1]]
        units = {unit: number.value * times}
        if match["half"]:
            units |= _half(unit, times)
        yield Length(number.start, match.end(), units)


def _single(folded: str) -> Iterator[Length]:
    for match in _ONE.finditer(folded):
        if match["hour"]:
            yield Length(*match.span(), {"H": 1, "M": 30})
            continue
        unit, times = UNITS[match["of"] or match["one"] or match["bare"]]
        units = _half(unit, times) if match["half"] else {unit: float(times)}
        if match["more"] or match["bare_more"]:
            units = {**units, **_half(unit, times)}
        yield Length(*match.span(), units, 0.8 if match["one"] else 0.9)


def _half(unit: Unit, times: int) -> dict[Unit, float]:
    if times > 1 or unit not in _HALF:
        return {unit: times / 2}
    smaller, count = _HALF[unit]
    return {smaller: count}


def _follows(first: Length, second: Length) -> bool:
    """Whether the units go down: hours, then minutes."""
    return max(map(_ORDER.index, first.units)) < min(map(_ORDER.index, second.units))
