"""Whose clock it is: the names of time zones as others tell them, and what a phone number's country says of it."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

ZONE = "time_zone"
"""The detail of a contact that names their time zone (``America/Bogota``)."""

ZONE_HINT = "time_zone_hint"
"""The detail that says what their browser or their number's country says: it counts while nobody knows better."""

MAX_ZONE_CHARS = 64

# Of the machine's own entries (``localtime``, ``posixrules``) nobody is a resident.
_NAME = re.compile(r"(?:[A-Z][A-Za-z]+(?:/[A-Za-z0-9][A-Za-z0-9_+-]*){1,2}|UTC|GMT)", re.ASCII)


def zone_named(name: str) -> ZoneInfo | None:
    """The zone of that name (``America/Bogota``, ``UTC``); ``None`` for anything else. Any string is harmless.

    A zone that was asked for before costs 1 µs.
    """
    if len(name) > MAX_ZONE_CHARS or not _NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def zone_of_phone(number: str) -> str:
    """The one zone of a number's country (``+57…``: ``America/Bogota``); empty where a country has several.

    A weak hint: people travel with their numbers. The first call loads tables, in some 30 ms.
    """
    import phonenumbers
    from phonenumbers import timezone

    try:
        country = phonenumbers.parse("+" + number.removeprefix("+")).country_code
    except phonenumbers.NumberParseException:
        return ""
    # No national number begins with 0, so nothing longer than the country's own prefix matches.
    zones = timezone.time_zones_for_geographical_number(
        phonenumbers.PhoneNumber(country_code=country, national_number=0)
    )
    return zones[0] if len(zones) == 1 and zone_named(zones[0]) is not None else ""
