"""A country's public holidays with their names, for whichever year is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import holidays

from config.bot_localised import Localised


class PublicHolidays:
    """The public holidays of *country* (ISO 3166-1) or of one *region* of it.

    Names are in each of *languages* that the calendar knows, else in the country's own. A year is worked out when a
    day of it is first asked about (some milliseconds), and remembered.
    """

    def __init__(self, country: str, region: str, languages: Sequence[str]) -> None:
        """Raises ``LookupError`` when the calendar is not known."""
        try:
            known = holidays.country_holidays(country, subdiv=region or None).supported_languages
        except NotImplementedError as error:
            raise LookupError(str(error)) from error
        self._place = (country, region or None)
        self._spoken = {
            language: next((tag for tag in known if _main(tag) == _main(language)), None) for language in languages
        }
        self._years: dict[int, dict[date, Localised]] = {}

    def __call__(self, day: date) -> Localised | None:
        """The name of the holiday on *day*; ``None`` when it is none."""
        if day.year not in self._years:
            self._years[day.year] = self._named(day.year)
        return self._years[day.year].get(day)

    def _named(self, year: int) -> dict[date, Localised]:
        country, region = self._place
        names: dict[date, dict[str, str]] = {}
        for language, spoken in self._spoken.items():
            calendar = holidays.country_holidays(country, subdiv=region, years=year, language=spoken)
            for day, name in calendar.items():
                names.setdefault(day, {})[language] = name
        return {day: Localised(texts) for day, texts in names.items()}


def _main(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].lower()
