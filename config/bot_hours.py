"""When people answer: shifts of a week by the bot's own clock, also over midnight, holidays and special days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from config.bot_localised import Localised

Span = tuple[time, time]
"""From when to when; an end that is not after the beginning is on the next day (``00:00``: midnight)."""

_MIDNIGHT = time.min
_AHEAD_DAYS = 32
_LONGEST_DAYS = 8
"""Shifts without a break are followed so far: who is always there has no closing time to tell."""


class OpeningHours(msgspec.Struct, frozen=True):
    """``week`` has seven entries from Monday, each with its spans; no week at all: always open.

    ``public`` names a country's holidays; ``closed`` are further days, ``open`` those that count as usual all the same.
    ``special`` are days with spans of their own (none: closed), whatever else is said of them. A shift belongs to the
    day on which it begins: one over midnight goes on into a holiday. Times are those that the clock on the wall shows.
    """

    week: tuple[tuple[Span, ...], ...] = ()
    closed: frozenset[date] = frozenset()
    open: frozenset[date] = frozenset()
    public: Callable[[date], Localised | None] | None = None
    special: Mapping[date, tuple[Span, ...]] = {}

    def holiday(self, day: date) -> Localised | None:
        """The name of the public holiday on which all is closed."""
        is_usual = day in self.open or bool(self.special.get(day))
        return self.public(day) if self.public is not None and not is_usual else None

    def spans(self, day: date) -> tuple[Span, ...]:
        """The shifts that begin on one day."""
        if not self.week:
            return ()
        if day in self.special:
            return self.special[day]
        is_closed = (day in self.closed and day not in self.open) or self.holiday(day) is not None
        return () if is_closed else self.week[day.weekday()]

    def is_open(self, local: datetime) -> bool:
        """Whether people answer at *local* (the bot's own time)."""
        return not self.week or self.closes_at(local) is not None

    def closing(self, local: datetime) -> time | None:
        """Until what time people answer without a break; ``None`` when they do not now, or always do."""
        closes = self.closes_at(local)
        return closes.time() if closes is not None else None

    def closes_at(self, local: datetime) -> datetime | None:
        """When people stop to answer who answer now; ``None``: they do not now, or always do.

        Shifts that follow one another without a break are one; they are followed for a week.
        """
        wall = local.replace(tzinfo=None)
        until = self._end_of_shift(wall)
        if until is None:
            return None
        while (further := self._end_of_shift(until)) is not None and until - wall < timedelta(days=_LONGEST_DAYS):
            until = further
        return until.replace(tzinfo=local.tzinfo)

    def next_opening(self, local: datetime) -> datetime | None:
        """When people answer again, within a month; ``None`` when they never do."""
        wall = local.replace(tzinfo=None)
        for ahead in range(_AHEAD_DAYS if self.week else 0):
            day = wall.date() + timedelta(days=ahead)
            later = [opens for opens, _ in self._shifts(day) if opens > wall]
            if later:
                return min(later).replace(tzinfo=local.tzinfo)
        return None

    def _end_of_shift(self, wall: datetime) -> datetime | None:
        """The end of the longest shift that runs at that time; the one from the day before may still."""
        days = (wall.date() - timedelta(days=1), wall.date())
        ends = [closes for day in days for opens, closes in self._shifts(day) if opens <= wall < closes]
        return max(ends, default=None)

    def _shifts(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        for opens, closes in self.spans(day):
            ends_on = day + timedelta(days=1) if closes <= opens or closes == _MIDNIGHT else day
            yield datetime.combine(day, opens), datetime.combine(ends_on, closes)


class LocalHours(msgspec.Struct, frozen=True):
    """Opening hours that are asked about with any moment."""

    hours: OpeningHours
    time_zone: ZoneInfo

    def is_open(self, at: datetime) -> bool:
        """Whether people answer at that moment."""
        return self.hours.is_open(self.local(at))

    def local(self, at: datetime) -> datetime:
        """The moment by the bot's own clock."""
        return at.astimezone(self.time_zone)
