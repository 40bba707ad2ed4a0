"""Reads the day that a customer names: ``mañana``, ``el lunes``, ``15 de diciembre``, ``15/12``, ``2026-12-15``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from babel import Locale, localedata
from babel.dates import get_date_format, get_day_names, get_month_names

from nlp.text import fold, phrase

_NEAR: Mapping[str, int] = {
    **dict.fromkeys(("hoy", "hoy mismo", "ya mismo", "ahora mismo", "ahora", "today", "right now", "now", "hoje"), 0),
    **dict.fromkeys(("manana", "tomorrow", "amanha"), 1),
    **dict.fromkeys(("pasado manana", "the day after tomorrow", "day after tomorrow", "depois de amanha"), 2),
}
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<![\d/.-])(\d{1,2})[/.-](\d{1,2})(?:[/.-](\d{2,4}))?(?![\d/.-])")
_WORDS = re.compile(r"[^\W_]+")
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th|o|º)?")
_YEAR = re.compile(r"20\d\d")


class DateWords:
    """The names of months and days in a bot's languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        locales = [_locale(language) for language in languages]
        self._months = {
            fold(name).rstrip("."): month
            for locale in locales
            for width in ("wide", "abbreviated")
            for month, name in get_month_names(width, locale=locale).items()
        }
        self._days = {
            fold(name).rstrip("."): day
            for locale in locales
            for width in ("wide", "abbreviated")
            for day, name in get_day_names(width, locale=locale).items()
        }
        self._is_month_first = {
            language: get_date_format("short", locale).pattern.lstrip("'").startswith("M")
            for language, locale in zip(languages, locales, strict=True)
        }

    def read(self, text: str, language: str, today: date) -> date | None:
        """The one day that *text* names, today or later where it leaves that open; ``None``: none, or several."""
        found = set(self._named(text[:200], language, today))
        return next(iter(found)) if len(found) == 1 else None

    def _named(self, text: str, language: str, today: date) -> Iterator[date]:
        exact = [_date(*map(int, match.groups())) for match in _ISO.finditer(text)]
        exact += [self._numeric(match, language, today) for match in _NUMERIC.finditer(_ISO.sub(" ", text))]
        if exact:
            yield from filter(None, exact)
            return
        words = _WORDS.findall(fold(text))
        named = list(self._with_month(words, today))
        if named:
            yield from named
            return
        padded = f" {phrase(text)} "
        near = [(len(word), days) for word, days in _NEAR.items() if f" {word} " in padded]
        if near:
            yield today + timedelta(days=max(near)[1])
            return
        for word in words:
            if word in self._days and len(word) > 2:
                yield today + timedelta(days=(self._days[word] - today.weekday() - 1) % 7 + 1)

    def _numeric(self, match: re.Match[str], language: str, today: date) -> date | None:
        first, second = int(match[1]), int(match[2])
        day, month = (second, first) if self._is_month_first.get(language) and first <= 12 else (first, second)
        if month > 12 and day <= 12:
            day, month = month, day
        if match[3] is None:
            return _coming(day, month, today)
        year = int(match[3])
        return _date(year + 2000 if year < 100 else year, month, day)

    def _with_month(self, words: Sequence[str], today: date) -> Iterator[date]:
        """A month's name with a number close before or after it."""
        for place, word in enumerate(words):
            month = self._months.get(word)
            if month is None:
                continue
            near = (*words[max(0, place - 2) : place][::-1], *words[place + 1 : place + 2])
            days = [int(number[1]) for each in near if (number := _ORDINAL.fullmatch(each))]
            years = [int(each) for each in words[place + 1 : place + 4] if _YEAR.fullmatch(each)]
            if days:
                day = _date(years[0], month, days[0]) if years else _coming(days[0], month, today)
                if day is not None:
                    yield day


def _locale(language: str) -> Locale:
    """The rules of a language, or English where there are none for it."""
    main = language.partition("-")[0]
    return Locale.parse(main if localedata.exists(main) else "en")


def _coming(day: int, month: int, today: date) -> date | None:
    """The next such day, today included."""
    this_year = _date(today.year, month, day)
    return this_year if this_year is not None and this_year >= today else _date(today.year + 1, month, day)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
