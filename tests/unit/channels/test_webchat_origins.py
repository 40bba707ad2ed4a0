"""Which pages may speak with a site, languages, and where a request comes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from channels.webchat.origins import Origins
from channels.webchat.rates import address_key
from channels.webchat.settings import WebchatSettings
from channels.webchat.texts import accepted_languages, best_language, in_language

LISTED = ("https://shop.example", "https://*.example.com", "http://localhost:*", "https://odd.example:8443")


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "https://SHOP.example",
        "https://shop.example:443",
        "https://www.example.com",
        "https://a.b.example.com",
        "http://localhost:3000",
        "http://localhost",
        "https://odd.example:8443",
    ],
)
def test_a_page_on_the_list_may_speak(origin: str) -> None:
    assert Origins(LISTED).allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example.evil.test",
        "https://evil-shop.example",
        "https://example.com",
        "https://evilexample.com",
        "https://www.example.com.evil.test",
        "https://www.example.com:444",
        "https://odd.example",
        "https://user@shop.example",
        "https://shop.example/",
        "https://shop.example\n",
        "https://shop.example https://evil.test",
        "null",
        "",
        "*",
        "file://",
    ],
)
def test_any_other_page_may_not(origin: str) -> None:
    assert not Origins(LISTED).allows(origin)


def test_the_star_lets_in_everyone() -> None:
    origins = Origins(["*"])
    assert origins.is_open
    assert origins.allows("https://anybody.test")
    assert origins.allows("null")


@given(st.text(max_size=60))
def test_no_text_gets_past_the_list_by_chance(origin: str) -> None:
    assert not Origins(["https://shop.example"]).allows(origin)


@pytest.mark.parametrize(
    "pattern", ["https://*", "https://*.com", "shop.example", "https://", "https://a b", "https://*x.example"]
)
def test_a_pattern_that_means_nothing_or_everything_does_not_start(pattern: str) -> None:
    with pytest.raises(ValidationError):
        WebchatSettings(origins=(pattern,))


def test_a_site_without_origins_does_not_start() -> None:
    with pytest.raises(ValidationError):
        WebchatSettings.model_validate({"origins": []})
    with pytest.raises(ValidationError):
        WebchatSettings.model_validate({})


def test_settings_never_show_their_secrets() -> None:
    settings = WebchatSettings.model_validate({"origins": ["*"], "identity_secret": "s3cret-" * 6})
    assert "s3cret" not in repr(settings)
    with pytest.raises(ValidationError) as caught:
        WebchatSettings.model_validate({"origins": ["*"], "identity_secret": "s3cret-short"})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("accent", ["red", "#fff", "#0a7f5a;}body{display:none", "url(//evil.test)", "#0a7f5a\n"])
def test_an_accent_is_a_colour_and_nothing_else(accent: str) -> None:
    with pytest.raises(ValidationError, match="colour"):
        WebchatSettings.model_validate({"origins": ["*"], "accent": accent})


def test_published_keys_need_an_audience() -> None:
    url = "https://issuer.example/jwks.json"
    with pytest.raises(ValidationError, match="identity_audience"):
        WebchatSettings.model_validate({"origins": ["*"], "identity_jwks_url": url})
    assert WebchatSettings.model_validate({"origins": ["*"], "identity_jwks_url": url, "identity_audience": "a"})


@pytest.mark.parametrize(
    "url", ["http://issuer.example/jwks.json", "https://u:p@issuer.example/jwks", "file:///etc/passwd"]
)
def test_keys_come_by_https_only(url: str) -> None:
    with pytest.raises(ValidationError, match="https"):
        WebchatSettings.model_validate({"origins": ["*"], "identity_jwks_url": url, "identity_audience": "a"})


@pytest.mark.parametrize(
    "mime", ["image/svg+xml", "text/html", "application/javascript", "application/xml", "application/x-msdownload"]
)
def test_no_setting_lets_in_files_that_run(mime: str) -> None:
    with pytest.raises(ValidationError, match="harmful"):
        WebchatSettings.model_validate({"origins": ["*"], "upload_types": [mime]})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(["es-MX"], "es"), (["ES"], "es"), (["pt"], "pt-BR"), (["de", "en-GB"], "en"), (["de"], "es"), ([], "es")],
)
def test_the_dearest_language_that_the_bot_speaks_is_chosen(wanted: list[str], found: str) -> None:
    assert best_language(wanted, ("es", "en", "pt-BR")) == found


def test_a_browser_tells_its_languages_by_weight() -> None:
    assert accepted_languages("de;q=0.5, es-MX, *;q=0.1, en;q=0.9, fr;q=0, it;q=x") == ["es-MX", "en", "de"]


def test_texts_fall_back_to_another_language() -> None:
    texts = {"en": "Hello", "es": "Hola"}
    assert in_language(texts, "es-MX", ()) == "Hola"
    assert in_language(texts, "de", ("es", "en")) == "Hola"
    assert in_language("Hi", "es", ()) == "Hi"
    assert in_language({}, "es", ()) == ""


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:55123", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", ""),
        ("", ""),
        ("1.2.3.4.5", ""),
    ],
)
def test_an_address_counts_by_what_one_customer_has(address: str, key: str) -> None:
    assert address_key(address) == key
