"""Opening hours: shifts over midnight, special days, and what follows without a break."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.bot_hours import OpeningHours
from config.bot_hours_reader import HoursReader
from config.bot_problems import Problem
from config.bot_yaml import Source

ZONE = ZoneInfo("America/Bogota")
NIGHT = ((time(22), time(6)),)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)  # the 16th is a Monday


def read(tmp_path: Path, text: str) -> tuple[OpeningHours, list[Problem]]:
    path, problems = tmp_path / "bot.yaml", []
    path.write_text(text, encoding="utf-8")
    source = Source(path, tmp_path, problems)
    root = source.open()
    assert root is not None
    return HoursReader(source, "CO", ("es",)).read(source.mapping(root, "bot.yaml")), problems


def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_begins(tmp_path: Path) -> None:
    hours, problems = read(tmp_path, "opening_hours: {fri: 22:00-06:00}\nholidays: [2026-11-21]\n")
    assert problems == []
    assert hours.is_open(at(20, 23))
    assert hours.is_open(at(21, 5)), "the holiday is the next day's"
    assert not hours.is_open(at(21, 6))
    assert not hours.is_open(at(20, 5))
    assert hours.closing(at(20, 23)) == time(6)
    assert hours.next_opening(at(16, 12)) == at(20, 22)


def test_shifts_without_a_break_are_one(tmp_path: Path) -> None:
    hours, _ = read(tmp_path, "opening_hours: {mon: ['08:00-24:00'], tue: ['00:00-02:00', '02:00-03:30']}\n")
    assert hours.closes_at(at(16, 9)) == at(17, 3, 30)
    assert not hours.is_open(at(17, 3, 30))


def test_who_is_always_there_is_open_and_the_search_for_the_end_is_bounded(tmp_path: Path) -> None:
    hours, problems = read(tmp_path, "opening_hours: {mon-sun: 00:00-24:00}\n")
    assert problems == []
    assert hours.is_open(at(18, 0))
    closes = hours.closes_at(at(18, 12))
    assert closes is not None
    assert closes - at(18, 12) < timedelta(days=10)


def test_special_days_go_before_the_week_and_before_holidays(tmp_path: Path) -> None:
    text = "opening_hours: {mon-fri: 08:00-18:00}\nholidays: {public: true}\nspecial_days:\n"
    text += "  2026-12-24: 08:00-12:00\n  2026-12-25: [10:00-11:00]\n  2026-12-23: closed\n"
    hours, problems = read(tmp_path, text)
    assert problems == []
    assert hours.spans(date(2026, 12, 24)) == ((time(8), time(12)),)
    assert hours.spans(date(2026, 12, 25)) == ((time(10), time(11)),)
    assert hours.spans(date(2026, 12, 23)) == ()
    assert hours.holiday(date(2026, 12, 25)) is None, "it is open, if not for long"
    assert hours.next_opening(datetime(2026, 12, 22, 19, tzinfo=ZONE)) == datetime(2026, 12, 24, 8, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("opening_hours: {mon: 25:00-26:00}", "is not a span like"),
        ("opening_hours: {mon: 08:00-08:00}", "the whole day is 00:00-24:00"),
        ("opening_hours: {mon: 08:00-09:00}\nspecial_days: {tomorrow: closed}", "is not a date like"),
        ("special_days: {2026-12-24: closed}", "needs 'opening_hours:'"),
        ("opening_hours: {someday: 08:00-09:00}", "is not a day like mon"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    _, problems = read(tmp_path, text + "\n")
    assert len(problems) == 1
    assert said in problems[0].what
    assert problems[0].line == len(text.splitlines())


SPANS = st.lists(st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda x: x[0] != x[1]), max_size=2)


@given(week=st.lists(SPANS, min_size=7, max_size=7), hour=st.integers(0, 24 * 14))
def test_it_is_open_until_it_closes_and_closed_until_it_opens(week: list[list[tuple[int, int]]], hour: int) -> None:
    hours = OpeningHours(tuple(tuple((time(a), time(b)) for a, b in day) for day in week))
    now = at(2, 0).replace(tzinfo=None) + timedelta(hours=hour)
    here = now.replace(tzinfo=ZONE)
    closes, opens = hours.closes_at(here), hours.next_opening(here)
    assert hours.is_open(here) == (closes is not None)
    if closes is not None and closes - here < timedelta(days=8):
        assert not hours.is_open(closes)
        assert hours.is_open(closes - timedelta(minutes=1))
    if opens is not None:
        assert hours.is_open(opens)
        assert closes is not None or not hours.is_open(opens - timedelta(minutes=1))
