"""The days that people name, counted from Friday, 20 November 2026."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from babel.dates import get_month_names
from hypothesis import given
from hypothesis import strategies as st

from nlp.entities.dates import DateWords

TODAY = date(2026, 11, 20)
WORDS = DateWords(("es", "en"))


@pytest.mark.parametrize(
    ("text", "language", "day"),
    [
        ("hoy", "es", "2026-11-20"),
        ("desde hoy mismo, por favor", "es", "2026-11-20"),
        ("mañana", "es", "2026-11-21"),
        ("manana x favor", "es", "2026-11-21"),
        ("pasado mañana", "es", "2026-11-22"),
        ("el lunes", "es", "2026-11-23"),
        ("el viernes", "es", "2026-11-27"),
        ("next Monday", "en", "2026-11-23"),
        ("on Wed", "en", "2026-11-25"),
        ("el 1 de diciembre", "es", "2026-12-01"),
        ("1º de diciembre", "es", "2026-12-01"),
        ("diciembre 15", "es", "2026-12-15"),
        ("15 dic", "es", "2026-12-15"),
        ("15 de enero", "es", "2027-01-15"),
        ("15 de enero de 2028", "es", "2028-01-15"),
        ("December 1st", "en", "2026-12-01"),
        ("the 3rd of December, 2026", "en", "2026-12-03"),
        ("5/12", "es", "2026-12-05"),
        ("5/12/26", "es", "2026-12-05"),
        ("05-12-2026", "es", "2026-12-05"),
        ("12/5/2026", "en", "2026-12-05"),
        ("25/12", "en", "2026-12-25"),
        ("2026-12-05", "en", "2026-12-05"),
        ("el lunes 23 de noviembre", "es", "2026-11-23"),
        ("tomorrow", "es", "2026-11-21"),
    ],
)
def test_a_day_is_understood(text: str, language: str, day: str) -> None:
    assert WORDS.read(text, language, TODAY) == date.fromisoformat(day)


@pytest.mark.parametrize(
    "text", ["", "no sé", "31/11", "31 de febrero", "el lunes o el martes", "5/12 o 6/12", "45/45/2026", "300 555 0142"]
)
def test_what_names_no_day_or_several_is_no_answer(text: str) -> None:
    assert WORDS.read(text, "es", TODAY) is None


def test_a_language_without_rules_is_read_by_the_english_ones() -> None:
    assert DateWords(("zz", "pt-br")).read("3 de dezembro", "pt-br", TODAY) == date(2026, 12, 3)
    assert DateWords(("zz",)).read("3 December", "zz", TODAY) == date(2026, 12, 3)


@given(st.dates(min_value=TODAY, max_value=TODAY + timedelta(days=360)))
def test_every_day_of_the_year_to_come_is_read_in_numbers_and_words(day: date) -> None:
    names = get_month_names("wide", locale="es")
    for text in (f"{day.day}/{day.month}", f"{day.day} de {names[day.month]}", day.isoformat()):
        assert WORDS.read(text, "es", TODAY) == day


@given(st.text(max_size=80))
def test_whatever_is_written_is_read_without_harm(text: str) -> None:
    assert WORDS.read(text, "es", TODAY) is None or isinstance(WORDS.read(text, "es", TODAY), date)
