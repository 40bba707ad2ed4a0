"""Time zones as others name them: what is no zone is nobody's, whatever it is, and a number's country is a hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.zones import zone_named, zone_of_phone


@pytest.mark.parametrize("name", ["America/Bogota", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "UTC"])
def test_a_zone_is_known_by_its_name(name: str) -> None:
    zone = zone_named(name)
    assert zone is not None
    assert zone.key == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Bogota", "America", "America/Macondo", "../etc/passwd", "/etc/localtime", "localtime", "Etc/Unknown"),
        *("America/\x00", "America/Bogotá", "America/Bogota\n", "\ud800/x", "A" * 100_000),
    ],
)
def test_what_is_no_zone_is_none(name: str) -> None:
    assert zone_named(name) is None


@given(st.text())
def test_any_string_is_harmless(text: str) -> None:
    assert zone_named(text) is None or "/" in text or text in {"UTC", "GMT"}
    assert isinstance(zone_of_phone(text), str)


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+573005550142", "America/Bogota"),
        ("573005550142", "America/Bogota"),
        ("+51999888777", "America/Lima"),
        ("+34600123456", ""),  # the Canaries have their own
        ("+5215512345678", ""),
        ("+12125550123", ""),
        ("+80012345678", ""),
    ],
)
def test_a_numbers_country_tells_the_zone_where_it_has_but_one(number: str, zone: str) -> None:
    assert zone_of_phone(number) == zone
