"""The days on which nobody answers: a country's public holidays with their names, and the author's own days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import holidays

from config.bot_model import Localised

YEARS_AHEAD = 4
"""How long a process may run before its calendar ends: bots are read again at every start."""


def public_holidays(
    country: str, region: str, languages: Sequence[str], first_year: int
) -> dict[date, Localised | None]:
    """The public holidays of *country* (ISO 3166-1) or one *region* of it, by day.

    Names are in each of *languages* that the calendar knows, else in the country's own. Raises ``LookupError``.
    """
    years = range(first_year, first_year + YEARS_AHEAD + 1)
    names: dict[date, dict[str, str]] = {}
    for language in languages:
        for day, name in _calendar(country, region, language, years).items():
            names.setdefault(day, {})[language] = name
    return {day: Localised(texts) for day, texts in names.items()}


def _calendar(country: str, region: str, language: str, years: Sequence[int]) -> holidays.HolidayBase:
    try:
        known = holidays.country_holidays(country, subdiv=region or None).supported_languages
        spoken = next((tag for tag in known if tag.partition("_")[0] == language.partition("-")[0]), None)
        return holidays.country_holidays(country, subdiv=region or None, years=years, language=spoken)
    except NotImplementedError as error:
        raise LookupError(str(error)) from error
