"""Zendesk writes to a customer in their language, under the name that the account has for it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from handoff.desks.zendesk.people import locale_of
from handoff.desks.zendesk.sandbox_people import LOCALES
from handoff.desks.zendesk.settings import ZendeskSettings


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("es", "es"),
        ("es-CO", "es-419"),
        ("es_MX", "es-419"),
        ("es-419", "es-419"),
        ("es-ES", "es-ES"),
        ("en", "en-US"),
        ("en-GB", "en-GB"),
        ("pt", "pt-BR"),
        ("pt-PT", "pt"),
        ("fr-CA", "fr"),
        ("", ""),
        ("no language; at all", ""),
    ],
)
def test_a_language_has_zendesks_name(language: str, locale: str) -> None:
    assert locale_of(language, {}) == locale
    assert not locale or locale.lower() in LOCALES


def test_the_operators_names_come_first() -> None:
    locales = {"es": "es-419", "es-ES": "es-ES"}
    assert locale_of("es", locales) == "es-419"
    assert locale_of("es-CO", locales) == "es-419"
    assert locale_of("es-ES", locales) == "es-ES"
    assert locale_of("en", locales) == "en-US"


def test_a_name_that_is_no_language_is_refused_with_its_place() -> None:
    with pytest.raises(ValidationError, match="locales"):
        ZendeskSettings.model_validate({"subdomain": "acme", "locales": {"es": "Spanish, of course"}})
