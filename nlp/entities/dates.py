"""Reads the days that people name: ``mañana``, ``el lunes que viene``, ``15 de diciembre``, ``15/12``, ``today``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

from babel.dates import get_date_format, get_day_names, get_month_names

from nlp.entities.durations import Length
from nlp.entities.found import MAX_FINDS, Taken
from nlp.entities.numbers import Number, Numbers, locale_of
from nlp.entities.reading import Reading
from nlp.text import fold

_NEAR: Mapping[str, int] = {
    **dict.fromkeys(("hoy", "hoy mismo", "today", "hoje", "tonight", "esta noche", "esta tarde", "esta manana"), 0),
    **dict.fromkeys(("this morning", "this afternoon", "this evening", "hoje mesmo"), 0),
    **dict.fromkeys(("manana", "tomorrow", "amanha"), 1),
    **dict.fromkeys(("pasado manana", "the day after tomorrow", "day after tomorrow", "depois de amanha"), 2),
    **dict.fromkeys(("ayer", "yesterday", "ontem", "anoche", "last night"), -1),
    **dict.fromkeys(("anteayer", "antier", "antes de ayer", "anteontem", "day before yesterday"), -2),
}
_AT_ONCE = re.compile(r"\b(?:(?:ya|ahora)(?: mismo)|ahora|right now|now|agora)\b")
_NEAR_WORDS = re.compile(
    rf"\b(?<!\bla )(?:(?<!\besta )|(?=\besta ))({'|'.join(sorted(_NEAR, key=len, reverse=True))})\b"
)
_ISO = re.compile(r"(?<![\d-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\d-])")
_NUMERIC = re.compile(r"(?<![\d/.\-$,])(\d{1,2})([/.-])(\d{1,2})(?:\2((?:19|20)?\d{2}))?(?![\d/-]|[.,]\d)")
_ORDINAL = r"(?:st|nd|rd|th|ro|er|o)?"
_YEAR = r"(?:,?\s(?:de |del |of )?(?P<year>(?:19|20)\d\d)\b)?"
_TO = r"\s?(?:al?|-|y(?: el)?|e(?: o)?|to(?: the)?|and(?: the)?|until|hasta(?: el)?|ate(?: o)?)\s?"
_JOIN = re.compile(
    r"\s?(?:(?P<sure>al?|hasta(?: el)?|-|to(?: the)?|until|till|through|ate(?: o)?|a)|y(?: el)?|and(?: the)?|e(?: o)?)"
    r"\s?(?:el |the )?"
)
_FROM = re.compile(r"\b(?:del?|desde(?: el)?|entre(?: el)?|from(?: the)?|between(?: the)?|do|da)\s$")
_DAY_OF_MONTH = re.compile(
    r"\b(?:(?:el |the |no |del |do )?dia (?P<dia>\d{1,2})|the (?P<the>\d{1,2})(?:st|nd|rd|th)"
    r"|(?P<nth>\d{1,2})(?:st|nd|rd|th)"
    r"|el (?P<el>\d{1,2})(?=\s?(?:$|[.,;!?)]|a las|por la|de este mes|del mes que viene|del proximo mes)))(?![\d/:])\b"
    r"(?P<month>\s(?:de este mes|deste mes|of this month|del mes que viene|del proximo mes|do mes que vem"
    r"|do proximo mes|of next month))?"
)
_COUNTED = re.compile(r"\b(?:en|dentro de|in|daqui a|em|de aqui a|hace|ha|faz)\s$")
_AGO = re.compile(r"\s(?:ago|atras)\b")
_SPAN_WORDS: Mapping[str, tuple[str, int]] = {
    **dict.fromkeys(("esta semana", "this week", "nesta semana", "essa semana"), ("week", 0)),
    **dict.fromkeys(
        ("la semana que viene", "la proxima semana", "proxima semana", "semana que viene", "next week"), ("week", 1)
    ),
    **dict.fromkeys(("a semana que vem", "semana que vem", "la semana proxima", "semana proxima"), ("week", 1)),
    **dict.fromkeys(("la semana pasada", "last week", "semana passada", "semana pasada"), ("week", -1)),
    **dict.fromkeys(("este fin de semana", "this weekend", "este fim de semana", "el fin de semana"), ("weekend", 0)),
    **dict.fromkeys(("fin de semana", "fim de semana", "the weekend", "el finde", "este finde"), ("weekend", 0)),
    **dict.fromkeys(("el proximo fin de semana", "next weekend", "proximo fim de semana"), ("weekend", 1)),
    **dict.fromkeys(("este mes", "this month"), ("month", 0)),
    **dict.fromkeys(("el mes que viene", "el proximo mes", "proximo mes", "next month", "mes que viene"), ("month", 1)),
    **dict.fromkeys(("o mes que vem", "mes que vem"), ("month", 1)),
    **dict.fromkeys(("el mes pasado", "last month", "mes passado", "mes pasado"), ("month", -1)),
    **dict.fromkeys(("fin de mes", "fim do mes", "final de mes", "end of the month", "fim de mes"), ("month end", 0)),
}
_SPANS = re.compile(rf"\b({'|'.join(sorted(_SPAN_WORDS, key=len, reverse=True))})\b")
_PT_DAYS = {"segunda": 0, "terca": 1, "quarta": 2, "quinta": 3, "sexta": 4}
_BEFORE_DAY = re.compile(
    r"\b(?P<word>el|este|proximo|proxima|next|this|last|on|na|no|nesta|neste|essa|para|pra|for|by|until|hasta|ate|del?"
    r"|desde|toda|a|al)\s$"
)
_AFTER_DAY = re.compile(
    r"(?P<feira>-feira|\sfeira)?"
    r"(?P<which>\s(?:que viene|que vem|proximo|proxima|siguiente|pasado|passada|passado))?(?!\s(?:via|vez|parcela))"
)
_WEEKDAY_NUMBER = re.compile(r"\s(\d{1,2})(?![\d:/hº]|\s?(?:[ap]\.?m|hs?\b|de\s|of\s))\b")
_PAST = frozenset({"pasado", "passada", "passado", "last"})
_TODAY_COUNTS = frozenset({"este", "this", "nesta", "neste", "essa"})
_FILLING = (
    "a antes before day de del depois el esta este essa fim fin final la last mismo mesmo next of o passada pasada"
)
_FILLING_TOO = "pasado passado proxima proximo que the this viene vem end after do deste nesta"
_NEAR_HINTS = frozenset(
    word for phrases in (_NEAR, _SPAN_WORDS) for phrase in phrases for word in phrase.split()
) - frozenset(f"{_FILLING} {_FILLING_TOO}".split())
DAY_OF_MONTH_WORDS = frozenset({"dia", "the", "el", "st", "nd", "rd", "th"})
_OTHER_WORDS = frozenset({"mar", "ter", "sex", "sun", "sat"})  # abbreviated days that mean other things
_NAMING = frozenset({"este", "proximo", "proxima", "next", "this", "last", "nesta", "neste", "essa"})
_LATELY, _FAR_AHEAD = timedelta(days=60), timedelta(days=240)
_READ_CHARS = 200


class Day(NamedTuple):
    """A day, or the days from ``first`` to ``last``; ``rank``: 0 exact, 1 by month's name, 2 near, 3 by weekday."""

    start: int
    end: int
    first: date
    last: date
    rank: int
    confidence: float


class DateWords:
    """The names of months and days in a bot's languages, and the order in which its country writes them."""

    def __init__(self, languages: Sequence[str], country: str = "") -> None:
        locales = {language: locale_of(language, country) for language in languages}
        self._numbers = Numbers(country)
        self._months = _names(get_month_names(width, locale=each) for each in locales.values() for width in _WIDTHS)
        self._full_days = _names(get_day_names("wide", locale=each) for each in locales.values())
        if any(language.startswith("pt") for language in languages):
            self._full_days |= _PT_DAYS
        short = _names(get_day_names("abbreviated", locale=each) for each in locales.values())
        self._days = {name: day for name, day in short.items() if len(name) > 2} | self._full_days
        self._is_month_first = {
            language: get_date_format("short", locale).pattern.lstrip("'").startswith("M")
            for language, locale in locales.items()
        }
        months, days = _either(self._months), _either(self._days)
        self._day_words, self._month_words = frozenset(self._days), frozenset(self._months)
        self._has_plain_months = not any(character.isdecimal() for character in months)
        self.words: frozenset[str] = self._day_words | _NEAR_HINTS
        self.month_words = self._month_words
        if not self._has_plain_months:
            self.words |= self._month_words
        self._day = re.compile(rf"\b({days})\b\.?")
        self._day_month = re.compile(
            rf"\b(?P<day>\d{{1,2}}|primero?|primeiro|first){_ORDINAL}\s?"
            rf"(?:de |of |del mes de )?(?P<month>{months})\b\.?{_YEAR}"
        )
        self._month_day = re.compile(
            rf"\b(?P<month>{months})\b\.?\s(?:the |el |dia )?(?P<day>\d{{1,2}})"
            rf"(?:st|nd|rd|th)?(?![\d:/]|\s?h\b)\b{_YEAR}"
        )
        self._of_month = re.compile(rf"\s(?:de |of )(?P<month>{months})\b{_YEAR}")
        self._between = re.compile(
            rf"\b(?P<first>\d{{1,2}}){_ORDINAL}{_TO}(?P<last>\d{{1,2}}){_ORDINAL}\s?"
            rf"(?:de |of )?(?P<month>{months})\b{_YEAR}"
        )
        self._month_between = re.compile(
            rf"\b(?P<month>{months})\.?\s(?P<first>\d{{1,2}}){_ORDINAL}\s?(?:-|to|until)\s?(?P<last>\d{{1,2}}){_ORDINAL}\b{_YEAR}"
        )

    def read(self, text: str, language: str, today: date) -> date | None:
        """The one day that *text* names, today or later where it leaves that open; ``None``: none, or several.

        As an answer to *which day?*: ``now`` is today, and ``5.12`` and a lone ``seg`` are days.
        """
        reading = Reading(text[:_READ_CHARS])
        found = list(self.find(reading, self._numbers.find(reading, language), (), language, today, is_answer=True))
        if not found and _AT_ONCE.search(reading.folded):
            return today
        if any(day.first != day.last for day in found):
            return None
        best = min((day.rank for day in found), default=0)
        days = {day.first for day in found if day.rank == best}
        return next(iter(days)) if len(days) == 1 else None

    def find(
        self,
        reading: Reading,
        numbers: Sequence[Number],
        lengths: Sequence[Length],
        language: str,
        today: date,
        *,
        is_answer: bool = False,
    ) -> list[Day]:
        """The days that are named, in order; of those that overlap the longest. *lengths* make ``in 3 days``."""
        folded, words = reading.folded, reading.vocabulary
        found: list[Day] = list(_counted(folded, lengths, today)) if lengths else []
        if reading.short_numbers > 1:
            found += self._exact(folded, language, today, is_answer=is_answer)
        if not words.isdisjoint(self._month_words):
            found += self._by_month(reading, numbers, today, is_answer=is_answer)
        if reading.short_numbers and not words.isdisjoint(DAY_OF_MONTH_WORDS):
            found += _days_of_month(folded, today)
        if not words.isdisjoint(_NEAR_HINTS):
            found += _near(folded, today)
        if not words.isdisjoint(self._day_words):
            found += self._weekdays(folded, today, is_answer=is_answer)
        return _joined(folded, _longest(found)) if found else []

    def _exact(self, folded: str, language: str, today: date, *, is_answer: bool) -> Iterator[Day]:
        for match in _ISO.finditer(folded) if "-" in folded else ():
            if (day := _date(int(match[1]), int(match[2]), int(match[3]))) is not None:
                yield Day(*match.span(), day, day, 0, 0.98)
        for match in _NUMERIC.finditer(folded) if "/" in folded or "-" in folded or "." in folded else ():
            if match[4] is None and not is_answer and (match[2] != "/" or match[0] == "24/7"):
                continue
            if (day := self._numeric(match, language, today, is_answer=is_answer)) is not None:
                yield Day(*match.span(), day, day, 0, 0.9 if match[4] else 0.8)

    def _numeric(self, match: re.Match[str], language: str, today: date, *, is_answer: bool) -> date | None:
        first, second = int(match[1]), int(match[3])
        day, month = (second, first) if self._is_month_first.get(language) and first <= 12 else (first, second)
        if month > 12 and day <= 12:
            day, month = month, day
        if match[4] is None:
            return _open_year(day, month, today, is_answer=is_answer)
        year = int(match[4])
        return _date(year + 2000 if year < 100 else year, month, day)

    def _by_month(self, reading: Reading, numbers: Sequence[Number], today: date, *, is_answer: bool) -> Iterator[Day]:
        folded, has_figures = reading.folded, reading.short_numbers if self._has_plain_months else reading.digit_count
        for pattern in (self._between, self._month_between) if has_figures > 1 else ():
            for match in pattern.finditer(folded):
                first, last = (
                    self._dated(match, int(match[name]), today, is_answer=True) for name in ("first", "last")
                )
                if first is not None and last is not None and first < last:
                    yield Day(*match.span(), first, last, 1, 0.9)
        has_day = has_figures or "prime" in folded or "first" in folded
        for pattern in (self._day_month, self._month_day) if has_day else ():
            for match in pattern.finditer(folded):
                number = int(match["day"]) if match["day"].isdigit() else 1
                if (day := self._dated(match, number, today, is_answer=is_answer)) is not None:
                    yield Day(*match.span(), day, day, 1, 0.95)
        for spoken in numbers:
            named = self._of_month.match(folded, spoken.end) if spoken.is_spoken and 0 < spoken.value < 32 else None
            if (
                named is not None
                and (day := self._dated(named, int(spoken.value), today, is_answer=is_answer)) is not None
            ):
                yield Day(spoken.start, named.end(), day, day, 1, 0.9)

    def _dated(self, match: re.Match[str], day: int, today: date, *, is_answer: bool) -> date | None:
        month = self._months[match["month"]]
        if match["year"]:
            return _date(int(match["year"]), month, day)
        return _open_year(day, month, today, is_answer=is_answer)

    def _weekdays(self, folded: str, today: date, *, is_answer: bool) -> Iterator[Day]:
        is_alone = is_answer or folded.count(" ") < 3
        for match in self._day.finditer(folded):
            before = _BEFORE_DAY.search(folded[max(0, match.start() - 10) : match.start()])
            after = _AFTER_DAY.match(folded, match.end())
            if after is None:
                continue
            name, which = match[1], (after["which"] or "").strip()
            is_doubtful = name not in self._full_days or (name in _PT_DAYS and not after["feira"])
            if is_doubtful and not (which or is_alone or (before and name not in _OTHER_WORDS)):
                continue
            ahead = (self._days[name] - today.weekday() - 1) % 7 + 1
            word = before["word"] if before else ""
            if which in _PAST or word == "last":
                ahead -= 7 if ahead < 7 else 14
                ahead = ahead if ahead < 0 else -7
            elif ahead == 7 and word in _TODAY_COUNTS:
                ahead = 0
            day, end = today + timedelta(days=ahead), max(match.end(), after.end())
            numbered = _WEEKDAY_NUMBER.match(folded, match.end())
            dated = _on_weekday(int(numbered[1]), self._days[name], today) if numbered else None
            if numbered and dated is not None:
                yield Day(match.start(), numbered.end(), dated, dated, 1, 0.9)
            start = match.start() - (len(word) + 1 if word in _NAMING else 0)
            yield Day(start, end, day, day, 3, 0.7 if is_doubtful else 0.9)


def coming(day: int, month: int, today: date) -> date | None:
    """The next such day, today included."""
    this_year = _date(today.year, month, day)
    return this_year if this_year is not None and this_year >= today else _date(today.year + 1, month, day)


def _open_year(day: int, month: int, today: date, *, is_answer: bool) -> date | None:
    """The next such day; told in passing, one of the last weeks is meant (``me cobraron el 3 de noviembre``)."""
    following = coming(day, month, today)
    if is_answer or following is None or following - today < _FAR_AHEAD:
        return following
    before = _date(following.year - 1, month, day)
    return before if before is not None and today - before <= _LATELY else following


def moved(day: date, *, months: int) -> date:
    """The same day some months on, or the month's last one where it has no such day. Raises ``OverflowError``."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9998:
        raise OverflowError("date out of range")
    return date(year, month, min(day.day, _last_day(year, month)))


_WIDTHS: tuple[Literal["wide", "abbreviated"], ...] = ("wide", "abbreviated")


def _names(tables: Iterable[Mapping[int, str]]) -> dict[str, int]:
    return {fold(name).rstrip("."): number for table in tables for number, name in table.items()}


def _either(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


def _near(folded: str, today: date) -> Iterator[Day]:
    for match in _NEAR_WORDS.finditer(folded):
        day = today + timedelta(days=_NEAR[match[1]])
        yield Day(*match.span(), day, day, 2, 0.95)
    for match in _SPANS.finditer(folded):
        first, last = _span(*_SPAN_WORDS[match[1]], today)
        yield Day(*match.span(), first, last, 2, 0.85)


def _span(unit: str, ahead: int, today: date) -> tuple[date, date]:
    """A week from Monday to Sunday, a weekend, a calendar month, or the last day of this one."""
    monday = today - timedelta(days=today.weekday()) + timedelta(weeks=ahead)
    if unit == "week":
        return monday, monday + timedelta(days=6)
    if unit == "weekend":
        return monday + timedelta(days=5), monday + timedelta(days=6)
    first = moved(today.replace(day=1), months=ahead)
    last = first.replace(day=_last_day(first.year, first.month))
    return (last, last) if unit == "month end" else (first, last)


def _counted(folded: str, lengths: Sequence[Length], today: date) -> Iterator[Day]:
    """``in 3 days``, ``hace dos semanas``."""
    for length in lengths:
        if not length.units.keys() <= {"D", "W", "m", "Y"}:
            continue
        before = _COUNTED.search(folded[max(0, length.start - 12) : length.start])
        ago = _AGO.match(folded, length.end)
        if before is None and ago is None:
            continue
        is_past = ago is not None or (before is not None and before[0].strip() in {"hace", "ha", "faz"})
        sign = -1 if is_past else 1
        try:
            months = int(12 * length.units.get("Y", 0) + length.units.get("m", 0))
            day = moved(today, months=sign * months)
            day += timedelta(days=sign * (length.units.get("D", 0) + 7 * length.units.get("W", 0)))
        except OverflowError:
            continue
        start = length.start - (len(before[0]) if before is not None else 0)
        yield Day(start, ago.end() if ago is not None else length.end, day, day, 2, 0.9)


def _days_of_month(folded: str, today: date) -> Iterator[Day]:
    for match in _DAY_OF_MONTH.finditer(folded):
        number = int(match["dia"] or match["the"] or match["nth"] or match["el"])
        month = match["month"] or ""
        is_next = bool(re.search("viene|vem|next|prox", month))
        if month:
            base = moved(today.replace(day=1), months=1 if is_next else 0)
            day = _date(base.year, base.month, number)
        else:
            day = _next_numbered(number, today)
        if day is not None:
            yield Day(*match.span(), day, day, 1, 0.6 if match["nth"] else 0.85)


def _next_numbered(number: int, today: date) -> date | None:
    """The next day of that number in a month, today included."""
    for months in range(3):
        base = moved(today.replace(day=1), months=months)
        day = _date(base.year, base.month, number)
        if day is not None and day >= today:
            return day
    return None


def _on_weekday(number: int, weekday: int, today: date) -> date | None:
    """The next day of that number that falls on that weekday, within four months."""
    for months in range(4):
        base = moved(today.replace(day=1), months=months)
        day = _date(base.year, base.month, number)
        if day is not None and day >= today and day.weekday() == weekday:
            return day
    return None


def _longest(found: list[Day]) -> list[Day]:
    taken = Taken()
    ranked = sorted(found, key=lambda day: (day.start - day.end, day.rank))
    return sorted(day for day in ranked if taken.take(day.start, day.end))[:MAX_FINDS]


def _joined(folded: str, days: list[Day]) -> list[Day]:
    """``lunes 23 de noviembre`` is one day, ``del lunes al viernes`` one span of days."""
    joined: list[Day] = []
    for day in days:
        before = joined[-1] if joined else None
        if before is None or before.first != before.last or day.first != day.last:
            joined.append(day)
            continue
        gap = folded[before.end : day.start]
        link = _JOIN.fullmatch(gap)
        start = _FROM.search(folded[: before.start])
        last = day.last if day.last > before.first else day.last + timedelta(days=7 if day.rank == 3 else 0)
        if gap.strip(" ,") in {"", "el", "the"} and before.rank == 3 and day.rank <= 1:
            joined[-1] = day._replace(start=before.start)
        elif link is not None and (link["sure"] or start is not None) and last > before.first:
            begin = before.start - (len(start[0]) if start is not None else 0)
            joined[-1] = Day(begin, day.end, before.first, last, day.rank, min(before.confidence, day.confidence))
        else:
            joined.append(day)
    return joined


def _last_day(year: int, month: int) -> int:
    return ((date(year + month // 12, month % 12 + 1, 1)) - timedelta(days=1)).day


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
