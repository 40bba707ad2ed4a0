"""Reads ``opening_hours:``, ``holidays:`` and ``special_days:`` of ``bot.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time

import yaml

from config.bot_holidays import PublicHolidays
from config.bot_hours import OpeningHours, Span
from config.bot_yaml import Source

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_HOLIDAYS = frozenset({"public", "region", "also", "except"})
_CLOSED = "closed"


class HoursReader:
    """Notes what is wrong with its line; what could not be read is left out."""

    def __init__(self, source: Source, country: str, languages: tuple[str, ...]) -> None:
        self._source = source
        self._country = country
        self._languages = languages

    def read(self, fields: Mapping[str, yaml.Node]) -> OpeningHours:
        """``holidays`` is a list of days, or ``{public, region, also, except}``."""
        week = self._week(fields.get("opening_hours"))
        special = self._special(fields.get("special_days"))
        if special and not week:
            self._source.wrong(fields["special_days"], "special_days needs 'opening_hours:' for the other days")
        node = fields.get("holidays")
        if node is None:
            return OpeningHours(week, special=special)
        if not isinstance(node, yaml.MappingNode):
            return OpeningHours(week, self._dates(node, "holidays"), special=special)
        rules = self._source.mapping(node, "holidays", _HOLIDAYS)
        return OpeningHours(
            week,
            self._dates(rules["also"], "holidays, also") if "also" in rules else frozenset(),
            self._dates(rules["except"], "holidays, except") if "except" in rules else frozenset(),
            self._public_holidays(rules),
            special,
        )

    def _week(self, node: yaml.Node | None) -> tuple[tuple[Span, ...], ...]:
        if node is None:
            return ()
        week: list[tuple[Span, ...]] = [()] * 7
        for days, spans in self._source.mapping(node, "opening_hours").items():
            first, _, last = days.lower().partition("-")
            if first not in DAYS or (last and last not in DAYS):
                self._source.wrong(spans, f"opening_hours: '{days}' is not a day like mon or a span like mon-fri")
                continue
            read = self._spans(spans, "opening_hours")
            start, end = DAYS.index(first), DAYS.index(last or first)
            for ahead in range((end - start) % 7 + 1):
                week[(start + ahead) % 7] = read
        return tuple(week)

    def _special(self, node: yaml.Node | None) -> Mapping[date, tuple[Span, ...]]:
        """``{2026-12-24: 08:00-12:00, 2026-12-31: closed}``."""
        found: dict[date, tuple[Span, ...]] = {}
        for day, spans in (self._source.mapping(node, "special_days") if node is not None else {}).items():
            read = self._date(spans, day, "special_days")
            is_closed = isinstance(spans, yaml.ScalarNode) and spans.value.strip().lower() == _CLOSED
            if read is not None:
                found[read] = () if is_closed else self._spans(spans, "special_days")
        return found

    def _spans(self, node: yaml.Node, where: str) -> tuple[Span, ...]:
        return tuple(filter(None, (self._span(node, text, where) for text in self._source.texts(node, where))))

    def _span(self, node: yaml.Node, text: str, where: str) -> Span | None:
        """``22:00-06:00`` goes over midnight; ``00:00-24:00`` is the whole day."""
        match = _SPAN.fullmatch(text)
        from_h, from_min, to_h, to_min = (int(part) for part in match.groups()) if match else (25, 0, 0, 0)
        try:
            opens = time(from_h, from_min)
            closes = time.min if (to_h, to_min) == (24, 0) else time(to_h, to_min)
        except ValueError:
            self._source.wrong(node, f"{where}: '{text}' is not a span like 08:00-20:00 or 22:00-06:00")
            return None
        if opens == closes and (to_h, to_min) != (24, 0):
            self._source.wrong(node, f"{where}: '{text}' ends when it begins; the whole day is 00:00-24:00")
            return None
        return opens, closes

    def _public_holidays(self, fields: Mapping[str, yaml.Node]) -> PublicHolidays | None:
        region = self._source.text(fields["region"], "holidays, region") if "region" in fields else ""
        node = fields.get("public")
        if node is None or not self._source.flag(node, "holidays, public"):
            return None
        if not self._country:
            self._source.wrong(node, "holidays: public needs 'country:', for instance country: CO")
            return None
        try:
            return PublicHolidays(self._country, region, self._languages)
        except LookupError as error:
            self._source.wrong(fields.get("region", node), f"holidays: {error}")
            return None

    def _dates(self, node: yaml.Node, where: str) -> frozenset[date]:
        return frozenset(filter(None, (self._date(node, text, where) for text in self._source.texts(node, where))))

    def _date(self, node: yaml.Node, text: str, where: str) -> date | None:
        try:
            return date.fromisoformat(text)
        except ValueError:
            self._source.wrong(node, f"{where}: '{text}' is not a date like 2026-12-25")
            return None
