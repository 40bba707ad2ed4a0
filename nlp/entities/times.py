"""Reads times of day: ``a las 5``, ``17h30``, ``5:30 pm``, ``ao meio-dia``, ``half past five``.

Hours without a sign of the half of the day are read as people mean them with a business: 1 to 6 are in the afternoon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import time
from typing import NamedTuple

from nlp.entities.found import MAX_FINDS, Taken
from nlp.entities.reading import Reading

_HOURS_BY_LANGUAGE = (
    "una dos tres cuatro cinco seis siete ocho nueve diez once doce",
    "uma duas tres quatro cinco seis sete oito nove dez onze doze",
    "one two three four five six seven eight nine ten eleven twelve",
)
_HOURS: Mapping[str, int] = {word: hour for words in _HOURS_BY_LANGUAGE for hour, word in enumerate(words.split(), 1)}
_MINUTES: Mapping[str, int] = {
    **dict.fromkeys(("y media", "e meia", "half past"), 30),
    **dict.fromkeys(("y cuarto", "e quinze", "quarter past"), 15),
    **dict.fromkeys(("menos cuarto", "quarter to"), -15),
}
_NAMED: Mapping[str, time] = {
    **dict.fromkeys(("mediodia", "medio dia", "noon", "midday", "meio-dia", "meio dia"), time(12)),
    **dict.fromkeys(("medianoche", "media noche", "midnight", "meia-noite", "meia noite"), time(0)),
}
_HALF = r"(?P<half>[ap]\.?\s?m\b\.?)"
_OF_DAY = (
    r"\s(?:de la|por la|en la|del|da|in the|at)\s(?:manana|tarde|noche|madrugada|dia|manha|noite|morning"
    r"|afternoon|evening|night)\b"
)
_PART = _OF_DAY.replace("(?:manana", "(?P<part>manana")
_AFTER = rf"(?:\s?{_HALF})?(?:\s?(?:hs|hrs|h|horas|o'clock)\b)?(?:{_PART})?"
_WORDS = "|".join(sorted(_HOURS, key=len, reverse=True))
_CLOCK = re.compile(rf"(?<![\d:.,/$])(?P<hour>\d{{1,2}})(?::|h)(?P<minute>\d{{2}})(?![\d:]){_AFTER}")
_MARKED = re.compile(rf"(?<![\d:.,/$])(?P<hour>\d{{1,2}})(?:\s?{_HALF}|\s?(?:hs|hrs|h)\b|(?={_OF_DAY}))(?:{_PART})?")
_ASKED = re.compile(
    r"\b(?:(?:a|sobre|desde|hasta|entre|para|son|es|y|e|de)\s(?:eso de\s)?las?|(?P<pt>as|das|pelas|ate as)"
    r"|at|around)\s"
    rf"(?P<hour>\d{{1,2}}|{_WORDS})(?![\d:.,/]\d)"
    r"(?:\s(?P<minutes>y media|y cuarto|e meia|e quinze|menos cuarto)|\sen punto)?"
    rf"{_AFTER}(?![^\W_])"
)
_SPOKEN = re.compile(rf"\b(?P<hour>{_WORDS})(?:{_PART})")
_RANGE = re.compile(
    r"\b(?:de|entre|from|between|das)\s(?P<first>(?:las?\s)?(?P<hour>\d{1,2}))\s?(?:a|y|e|to|and|as|-)\s?"
    rf"(?P<second>(?:las?\s)?\d{{1,2}}(?:\s?{_HALF}|\s?(?:hs|hrs|h)\b)?(?:{_OF_DAY})?)(?!\w)"
)
_PAST = re.compile(rf"\b(?P<minutes>half past|quarter past|quarter to)\s(?P<hour>\d{{1,2}}|{_WORDS})\b{_AFTER}")
_NAMED_TIME = re.compile(rf"\b(?:(?:al?|at|ao|a la)\s)?({'|'.join(sorted(_NAMED, key=len, reverse=True))})\b")
_LATE = frozenset({"tarde", "afternoon", "evening", "dia"})
_NIGHT = frozenset({"noche", "noite", "night"})
_EARLY = frozenset({"manana", "manha", "morning", "madrugada"})
_COMMON = frozenset({"una", "uma", "one"})  # hours that are mostly articles
_NAMED_WORDS = frozenset(
    {"mediodia", "noon", "midday", "medianoche", "midnight", "half", "quarter", "medio", "media", "meio"}
)
_TRIGGERS = (_HOURS.keys() - _COMMON) | _NAMED_WORDS | {"meia"}
_HOUR_WORDS = frozenset(_HOURS)
_PARTS = _LATE | _NIGHT | _EARLY
_MARKS = _PARTS | {"am", "pm", "m", "hs", "hrs", "h"}
_ASKING = frozenset({"la", "las", "as", "das", "pelas", "at", "around"})
_PAST_WORDS = frozenset({"half", "quarter"})
_RANGE_WORDS = frozenset({"de", "entre", "from", "between", "das"})
FIGURE_WORDS = _MARKS | _ASKING | _PAST_WORDS | _RANGE_WORDS
"""Words that make a time of a number of one or two digits."""
TIME_WORDS = _TRIGGERS | _HOUR_WORDS
"""Without a digit and without any of these no time is told."""


class Time(NamedTuple):
    """A time of day with its place in the folded text."""

    start: int
    end: int
    at: time
    confidence: float


def find_times(reading: Reading, language: str) -> list[Time]:
    """The times in order; of those that overlap the longest."""
    is_one = "la" in reading.vocabulary and "una" in reading.vocabulary
    if not (reading.has_digits or is_one) and reading.vocabulary.isdisjoint(_TRIGGERS):
        return []
    found = sorted(_all(reading, language), key=lambda each: (each.start - each.end, each.start))
    if not found:
        return []
    taken = Taken()
    return sorted(each for each in found if taken.take(each.start, each.end))[:MAX_FINDS]


def _fitting(reading: Reading) -> Iterator[re.Pattern[str]]:
    """The patterns of one time that may match: what each needs is looked for first, which costs less than it does."""
    clues, has_figure = reading.clues, reading.short_numbers > 0
    has_word = not clues.isdisjoint(_HOUR_WORDS)
    if reading.short_numbers > 1 and (":" in reading.folded or "h" in clues):
        yield _CLOCK
    if has_figure and not clues.isdisjoint(_MARKS):
        yield _MARKED
    if (has_figure or has_word) and not clues.isdisjoint(_ASKING):
        yield _ASKED
    if has_word and not clues.isdisjoint(_PARTS):
        yield _SPOKEN
    if (has_figure or has_word) and not clues.isdisjoint(_PAST_WORDS):
        yield _PAST


def _all(reading: Reading, language: str) -> Iterator[Time]:
    folded = reading.folded
    for pattern in _fitting(reading):
        for match in pattern.finditer(folded):
            groups = match.groupdict()
            if groups.get("pt") and not language.startswith("pt"):
                continue
            at, confidence = _time(groups)
            if at is not None:
                yield Time(*match.span(), at, confidence)
    if reading.short_numbers > 1 and not reading.clues.isdisjoint(_RANGE_WORDS):
        for match in _RANGE.finditer(folded):
            yield from _both(match)
    if not reading.clues.isdisjoint(_NAMED_WORDS):
        for match in _NAMED_TIME.finditer(folded):
            yield Time(*match.span(), _NAMED[match[1]], 0.9)


def _both(match: re.Match[str]) -> Iterator[Time]:
    """``entre 2 y 4 de la tarde``: the half of the day is said once, for both."""
    ends = _MARKED.search(match["second"])
    if ends is None:
        return
    second, confidence = _time(ends.groupdict())
    if second is None:
        return
    first, _ = _time({**ends.groupdict(), "hour": match["hour"]})
    if first is not None and first > second:
        first, _ = _time({"hour": match["hour"], "half": "a"})
    if first is not None and first < second:
        yield Time(*match.span("first"), first, confidence)
        yield Time(*match.span("second"), second, confidence)


def _time(groups: Mapping[str, str | None]) -> tuple[time | None, float]:
    """The time and how sure it is; ``None`` where there is no such hour."""
    written = groups["hour"] or ""
    hour = _HOURS[written] if written in _HOURS else int(written)
    minute = int(groups.get("minute") or _MINUTES.get(groups.get("minutes") or "", 0))
    half, part = (groups.get("half") or "")[:1], groups.get("part") or ""
    confidence = 0.95
    if hour > 24 or minute > 59 or (half and not 1 <= hour <= 12):
        return None, 0.0
    if half == "p" or part in _LATE or (part in _NIGHT and hour >= 6):
        hour = hour if hour >= 12 else hour + 12
        hour = 0 if part in _NIGHT and hour == 12 else hour
    elif half == "a" or part in _EARLY or part in _NIGHT:
        hour = 0 if hour == 12 else hour
    elif hour <= 12 and not written.startswith("0"):
        confidence = 0.7
        hour = hour + 12 if 1 <= hour <= 6 else hour
    minutes = (hour * 60 + minute) % 1440
    return time(minutes // 60, minutes % 60), confidence
