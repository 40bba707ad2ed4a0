"""Puts days, times and lengths together: ``mañana a las 5`` is one moment in the contact's time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from nlp.entities.dates import DAY_OF_MONTH_WORDS, DateWords, Day
from nlp.entities.durations import Length
from nlp.entities.found import Span
from nlp.entities.numbers import Number
from nlp.entities.reading import Reading
from nlp.entities.times import FIGURE_WORDS, TIME_WORDS, Time, find_times

_BETWEEN = re.compile(
    r"[\s,]{0,3}(?:(?:a|al|por|de|del|el|on|the|para|at|o|do|no|na|em|en|desde|las|la|as|in)\s?){0,2}(?:dia\s)?"
)
_TO = re.compile(r"\s?(?:a|al|y|e|-|to|and|until|hasta|ate|as)?\s?")
_FROM = re.compile(r"\b(?:de|desde|entre|from|between|das|a partir de)\s$")
_SOON = re.compile(r"\b(?:en|dentro de|in|daqui a|em)\s$")
_AGO = re.compile(r"\b(?:hace|ha|faz)\s$")
_WITH_FIGURES = FIGURE_WORDS | DAY_OF_MONTH_WORDS
_AGO_AFTER = re.compile(r"\s(?:ago|atras)\b")


class Moments:
    """Finds days, times of day, moments and periods. Values: ``2026-11-21``, ``17:00``, ``2026-11-21T17:00-05:00``,
    ``{"from": …, "to": …}``.
    """

    def __init__(self, dates: DateWords) -> None:
        self._dates = dates
        self._words, self._month_words = dates.words | TIME_WORDS, dates.month_words
        self.words = self._words | self._month_words | FIGURE_WORDS | DAY_OF_MONTH_WORDS

    def may_find(self, reading: Reading, numbers: Sequence[Number]) -> bool:
        """Whether there is a word for a day or a time, or a figure or a number that another word makes one."""
        clues, folded = reading.clues, reading.folded
        if not clues.isdisjoint(self._words):
            return True
        has_month = not clues.isdisjoint(self._month_words)
        if reading.short_numbers and (has_month or not clues.isdisjoint(_WITH_FIGURES)):
            return True
        if reading.short_numbers > 1 and (":" in folded or "/" in folded or "-" in folded or "." in folded):
            return True
        return has_month and ("prime" in folded or "first" in folded or any(each.is_spoken for each in numbers))

    def find(
        self, reading: Reading, numbers: Sequence[Number], lengths: Sequence[Length], language: str, now: datetime
    ) -> Iterator[Span]:
        """*now* is the contact's own time, aware."""
        days = self._dates.find(reading, numbers, lengths, language, now.date())
        times = find_times(reading, language)
        if lengths:
            yield from _counted(reading.folded, lengths, now)
        if not days and not times:
            return
        used: set[int] = set()
        zone = now.tzinfo
        for day in days:
            place, near = _nearest(reading.folded, day, times) if day.first == day.last else (-1, None)
            if near is None or place in used:
                yield _day(day)
                continue
            used.add(place)
            moment = datetime.combine(day.first, near.at, zone)
            start, end = min(day.start, near.start), max(day.end, near.end)
            yield Span("datetime", _iso(moment), start, end, min(day.confidence, near.confidence))
        yield from _times(reading.folded, [each for place, each in enumerate(times) if place not in used])


@lru_cache(maxsize=256)
def zone_of(time_zone: str) -> ZoneInfo:
    """Raises ``ValueError`` or ``KeyError`` when there is no such zone."""
    return ZoneInfo(time_zone)


def _day(day: Day) -> Span:
    if day.first == day.last:
        return Span("date", day.first.isoformat(), day.start, day.end, day.confidence)
    value = {"from": day.first.isoformat(), "to": day.last.isoformat()}
    return Span("period", value, day.start, day.end, day.confidence)


def _nearest(folded: str, day: Day, times: Sequence[Time]) -> tuple[int, Time | None]:
    """The time that stands right before or after a day."""
    for place, each in enumerate(times):
        first, second = (day, each) if day.start < each.start else (each, day)
        is_near = first.end <= second.start < first.end + 16
        if is_near and _BETWEEN.fullmatch(folded, first.end, second.start):
            return place, each
    return -1, None


def _times(folded: str, times: Sequence[Time]) -> Iterator[Span]:
    """Times of day; two that are joined (``de 9am a 5pm``) are a period."""
    place = 0
    while place < len(times):
        first = times[place]
        second = times[place + 1] if place + 1 < len(times) else None
        start = _FROM.search(folded[max(0, first.start - 14) : first.start])
        gap = folded[first.end : second.start] if second is not None else "."
        begins_so = start is not None or folded[first.start :].startswith(("entre", "desde", "de ", "das "))
        if second is not None and _TO.fullmatch(gap) and (begins_so or gap.strip() in {"-", "a", "to"}):
            begin = first.start - (len(start[0]) if start is not None else 0)
            value = {"from": first.at.isoformat("minutes"), "to": second.at.isoformat("minutes")}
            yield Span("period", value, begin, second.end, min(first.confidence, second.confidence))
            place += 2
            continue
        yield Span("time", first.at.isoformat("minutes"), first.start, first.end, first.confidence)
        place += 1


def _counted(folded: str, lengths: Sequence[Length], now: datetime) -> Iterator[Span]:
    """``in 2 hours``, ``hace media hora``: to the minute."""
    for length in lengths:
        if not length.units.keys() & {"H", "M", "S"} or length.units.keys() & {"m", "Y"}:
            continue
        before = folded[max(0, length.start - 12) : length.start]
        soon, ago, after = _SOON.search(before), _AGO.search(before), _AGO_AFTER.match(folded, length.end)
        if soon is None and ago is None and after is None:
            continue
        units = length.units
        step = timedelta(
            days=units.get("D", 0) + 7 * units.get("W", 0),
            hours=units.get("H", 0),
            minutes=units.get("M", 0),
            seconds=units.get("S", 0),
        )
        marked = soon or ago
        try:
            moment = now + (step if after is None and ago is None else -step)
        except OverflowError:
            continue
        start = length.start - (len(marked[0]) if marked is not None else 0)
        yield Span("datetime", _iso(moment), start, after.end() if after is not None else length.end, 0.9)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
