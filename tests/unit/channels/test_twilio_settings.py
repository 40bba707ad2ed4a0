"""A wrong setting is refused with its name and what to do, and never shown."""

import pytest

from channels.discovery import read_settings, settings_problems
from channels.twilio import channel

SID = "AC" + "0" * 32
SERVICE = "MG" + "0" * 32
CONTENT = "HX" + "0" * 32
GOOD = {"account_sid": SID, "auth_token": "t", "accounts": {"a": {"address": "whatsapp:+14155238886"}}}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("account_sid", "AC1", "32"),
        ("auth_token", "", "does not start"),
        ("auth_token", "  ", "does not start"),
        ("shared_keys", {"k": ""}, "secret"),
        ("api_url", "api.twilio.com", "address"),
        ("api_url", "https://x/?a=1", "address"),
        ("api_url", "https://user@x", "address"),
        ("webhook_url", "https://x", "path"),
        ("webhook_url", "https://x/hook#rc=5", "fragment"),
        ("accounts", {}, "at least 1"),
        ("accounts", {"a": {"address": "+1415"}, "b": {"address": "+14155238886"}}, "must look like"),
        ("accounts", {"a": {"address": "+14155238886"}, "b": {"address": "+14155238886"}}, "same address"),
        ("accounts", {"a": {"address": "+14155238886", "messaging_service_sid": "MG1"}}, "MG and 32"),
        ("templates", {"welcome": "HX1"}, "welcome"),
        ("validity_period_s", 36_001, "36000"),
        ("read_timeout_s", 0, "greater than 0"),
    ],
)
def test_a_wrong_value_is_named(key, value, words):
    [problem] = settings_problems(channel, "main", {**GOOD, key: value})
    assert problem.key.startswith(f"channels.twilio.main.{key}")
    assert words in problem.detail
    assert "\n" not in str(problem)


def test_an_api_key_is_whole_or_not_there():
    [problem] = settings_problems(channel, "main", {**GOOD, "api_key_sid": "SK" + "0" * 32})
    assert "belong together" in problem.detail
    [wrong] = settings_problems(channel, "main", {**GOOD, "api_key_sid": "x", "api_key_secret": "hidden-secret"})
    assert "hidden-secret" not in str(wrong)
    keyed = read_settings(channel, "main", {**GOOD, "api_key_sid": "SK" + "0" * 32, "api_key_secret": "s"})
    assert keyed.login == ("SK" + "0" * 32, "s")
    assert read_settings(channel, "main", GOOD).login == (SID, "t")


def test_defaults_are_the_documented_ones():
    accounts = {
        "wa": {"address": "whatsapp:+14155238886"},
        "sms": {"address": "+14155550100"},
        "code": {"address": "12345"},
    }
    specs = {
        spec.name: spec for spec in channel.accounts(read_settings(channel, "main", {**GOOD, "accounts": accounts}))
    }
    assert [spec.app for spec in specs.values()] == ["whatsapp", "sms", "sms"]
    rates = specs["wa"].rates
    assert (rates.per_s, rates.per_recipient_s, rates.recipient_burst) == (80, 1 / 6, 45)
    assert specs["sms"].rates.per_s == 1
    assert specs["wa"].window.free_s == specs["wa"].window.ad_s == specs["wa"].window.agent_s == 86_400
    assert specs["wa"].window.has_templates
    assert specs["wa"].window.may_begin
    assert specs["sms"].window.free_s == 0
    assert specs["sms"].window.may_begin


def test_every_rate_can_be_set_and_none_means_without_limit():
    accounts = {"a": {"address": "+14155550100", "rates": {"per_s": 0, "concurrency": 3}}}
    [spec] = channel.accounts(read_settings(channel, "main", {**GOOD, "accounts": accounts}))
    assert (spec.rates.per_s, spec.rates.concurrency) == (0, 3)
    assert not spec.rates.is_limited


def test_the_products_addresses_follow_from_the_apis():
    usual = read_settings(channel, "main", GOOD)
    assert (usual.content_base, usual.messaging_base) == ("https://content.twilio.com", "https://messaging.twilio.com")
    one = read_settings(channel, "main", {**GOOD, "api_url": "http://127.0.0.1:9/"})
    assert (one.content_base, one.messaging_base) == ("http://127.0.0.1:9", "http://127.0.0.1:9")
    told = read_settings(channel, "main", {**GOOD, "content_url": "https://c.example/"})
    assert told.content_base == "https://c.example"


def test_a_template_in_the_nearest_language_is_taken():
    sids = {name: f"HX{number:032x}" for number, name in enumerate(("hi", "hi/es", "hi/es-MX"))}
    settings = read_settings(channel, "main", {**GOOD, "templates": sids})
    found = [settings.content_sid("hi", language) for language in ("es-MX", "es-AR", "es", "fr", "")]
    assert found == [sids["hi/es-MX"], sids["hi/es"], sids["hi/es"], sids["hi"], sids["hi"]]
    assert settings.content_sid("other", "es") == ""
    assert settings.content_sid(CONTENT, "es") == CONTENT


def test_a_service_stands_for_its_numbers_only_where_there_is_no_doubt():
    address = ["+14155550100", "+14155550101", "whatsapp:+14155550100"]
    accounts = {str(n): {"address": a, "messaging_service_sid": SERVICE} for n, a in enumerate(address)}
    settings = read_settings(channel, "main", {**GOOD, "accounts": accounts})
    assert {key[1]: account.address for key, account in settings.by_service.items()} == {"whatsapp": address[2]}
