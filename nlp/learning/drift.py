"""Whether what customers say has moved away from what it was: this week beside the weeks before it.

Four measures: the share of intents (population stability index), the share of texts out of scope, the mean
confidence, the share of words that no example has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import msgspec

SMALLEST_SHARE = 0.0005
"""A share of nothing has no logarithm: an intent that is missing on one side counts as so rare."""


_Z = 3.09  # one chance in a thousand


class Limits(msgspec.Struct, frozen=True):
    """When a measure is too much. ``stability`` is an index, the others differences of shares (0.1: ten points)."""

    stability: float = 0.25
    out_of_scope: float = 0.1
    confidence: float = 0.1
    unseen_words: float = 0.1


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """The turns of one day that the classifier put to one intent (empty: out of scope), as sums."""

    day: date
    intent: str
    turns: int
    confidence: float = 0.0
    words: int = 0
    unseen: int = 0


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Some days together. ``shares`` of the turns in scope, by intent; the other figures from 0 to 1."""

    since: date
    until: date
    turns: int
    shares: dict[str, float]
    out_of_scope: float
    confidence: float
    unseen_words: float


class Measure(msgspec.Struct, frozen=True):
    """One measure: then, now, and how far that is; ``is_over`` its limit. The stability index has no *then*."""

    name: str
    before: float | None
    now: float | None
    change: float
    limit: float
    is_over: bool


class Shift(msgspec.Struct, frozen=True):
    """One intent's share, then and now, and its part of the stability index."""

    intent: str
    before: float
    now: float
    weight: float


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison. ``enough``: both sides have the turns that it takes; else nothing is over its limit."""

    at: datetime
    before: Period
    now: Period
    enough: bool
    measures: tuple[Measure, ...]
    shifts: tuple[Shift, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the measures that are over their limit."""
        return tuple(measure.name for measure in self.measures if measure.is_over)


def read_drift(
    days: Iterable[Day], at: datetime, *, window_days: int, baseline_days: int, fewest_turns: int, limits: Limits
) -> Reading:
    """Compare the last *window_days* whole or begun days with the *baseline_days* before them (UTC)."""
    today = at.date()
    begin = today - timedelta(days=window_days - 1)
    known = list(days)
    now = summed(known, begin, today)
    before = summed(known, begin - timedelta(days=baseline_days), begin - timedelta(days=1))
    enough = min(now.turns, before.turns) >= fewest_turns
    shifts = stability(before.shares, now.shares)
    measures = (
        _stability(shifts, before, now, limits.stability, enough),
        _measure(
            "out_of_scope",
            before.out_of_scope,
            now.out_of_scope,
            now.out_of_scope - before.out_of_scope,
            limits.out_of_scope,
            enough,
        ),
        _measure(
            "confidence",
            before.confidence,
            now.confidence,
            before.confidence - now.confidence,
            limits.confidence,
            enough,
        ),
        _measure(
            "unseen_words",
            before.unseen_words,
            now.unseen_words,
            now.unseen_words - before.unseen_words,
            limits.unseen_words,
            enough,
        ),
    )
    return Reading(at=at, before=before, now=now, enough=enough, measures=measures, shifts=shifts)


def _stability(shifts: tuple[Shift, ...], before: Period, now: Period, limit: float, enough: bool) -> Measure:
    """Few turns over many intents shift by chance alone: what chance explains is not over the limit."""
    index = sum(shift.weight for shift in shifts)
    limit = max(limit, index_by_chance(len(shifts), before.turns, now.turns))
    return _measure("stability", None, None, index, round(limit, 6), enough)


def index_by_chance(intents: int, before: int, now: int) -> float:
    """The stability index that the same customers exceed one time in a thousand, with so many turns on each side.

    The index is about ``(1/before + 1/now)`` times chi-squared with ``intents - 1`` degrees (Yurdakul, *Statistical
    Properties of Population Stability Index*, 2018); its quantile by Wilson and Hilferty, 1931.
    """
    degrees = intents - 1
    if degrees < 1 or not before or not now:
        return 0.0
    spread = 2.0 / (9.0 * degrees)
    return degrees * (1.0 - spread + _Z * math.sqrt(spread)) ** 3 * (1.0 / before + 1.0 / now)


def _measure(name: str, before: float | None, now: float | None, change: float, limit: float, enough: bool) -> Measure:
    return Measure(name, before, now, round(change, 6), limit, is_over=enough and change > limit)


def summed(days: Iterable[Day], since: date, until: date) -> Period:
    """The days from *since* to *until*, both included."""
    chosen = [day for day in days if since <= day.day <= until]
    turns = sum(day.turns for day in chosen)
    inside = [day for day in chosen if day.intent]
    in_scope = sum(day.turns for day in inside)
    by_intent: dict[str, int] = {}
    for day in inside:
        by_intent[day.intent] = by_intent.get(day.intent, 0) + day.turns
    return Period(
        since=since,
        until=until,
        turns=turns,
        shares={intent: _share(count, in_scope) for intent, count in sorted(by_intent.items())},
        out_of_scope=_share(turns - in_scope, turns),
        confidence=_share(sum(day.confidence for day in inside), in_scope),
        unseen_words=_share(sum(day.unseen for day in chosen), sum(day.words for day in chosen)),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def stability(before: Mapping[str, float], now: Mapping[str, float]) -> tuple[Shift, ...]:
    """Each intent's part of the population stability index, the largest first; their sum is the index.

    ``sum((now - before) * ln(now / before))``; below 0.1 is usually called stable, above 0.25 a shift (Siddiqi,
    *Credit Risk Scorecards*, 2006). Empty when one side is.
    """
    if not before or not now:
        return ()
    shifts = []
    for intent in sorted({*before, *now}):
        was, is_now = before.get(intent, 0.0), now.get(intent, 0.0)
        old, new = max(was, SMALLEST_SHARE), max(is_now, SMALLEST_SHARE)
        shifts.append(Shift(intent, was, is_now, (new - old) * math.log(new / old)))
    return tuple(sorted(shifts, key=lambda shift: (-shift.weight, shift.intent)))
