"""A wrong setting is refused with its name and what to do, and never shown."""

import pytest

from channels.discovery import read_settings, settings_problems
from channels.telegram import channel
from channels.telegram.settings import USED_KINDS
from gateway.core.errors import Misconfigured

GOOD = {"token": "123456:ABC-def_1", "secret_token": "s"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("token", "", "@BotFather"),
        ("token", "ABC", "@BotFather"),
        ("token", "123:A B", "@BotFather"),
        ("secret_token", "", "does not start"),
        ("secret_token", "has space", "1 to 256"),
        ("secret_token", "ñ", "1 to 256"),
        ("secret_token", "x" * 257, "1 to 256"),
        ("secret_token_previous", "no!", "1 to 256"),
        ("api_url", "api.telegram.org", "address"),
        ("api_url", "https://x/?a=1", "address"),
        ("username", "shop bot", "username"),
        ("allowed_updates", ["message", "mesage"], "mesage"),
        ("read_timeout_s", 0, "greater than 0"),
        ("max_connections", 101, "100"),
    ],
)
def test_a_wrong_value_is_named(key, value, words):
    [problem] = settings_problems(channel, "main", {**GOOD, key: value})
    assert problem.key == f"channels.telegram.main.{key}"
    assert words in problem.detail
    assert "\n" not in str(problem)


def test_all_problems_are_found_at_once():
    problems = settings_problems(channel, "main", {"token": "x", "rates": {"per_s": -1}, "colour": 1})
    assert {problem.key.removeprefix("channels.telegram.main.") for problem in problems} == {
        "token",
        "secret_token",
        "rates.per_s",
        "colour",
    }


def test_a_wrong_secret_is_not_repeated_in_the_message():
    with pytest.raises(Misconfigured) as refusal:
        read_settings(channel, "main", {**GOOD, "secret_token": "my secret!"})
    assert "my secret!" not in str(refusal.value)


def test_defaults_are_the_documented_ones():
    settings = read_settings(channel, "main", {**GOOD, "username": "@shop_bot", "api_url": "https://x.org/"})
    [account] = channel.accounts(settings)
    rates = account.rates
    assert (rates.per_s, rates.per_recipient_s, rates.per_group_min) == (30, 1, 20)
    assert rates.is_limited
    assert (settings.username, settings.api_url, settings.bot_id) == ("shop_bot", "https://x.org", 123456)
    assert settings.allowed_updates == USED_KINDS
    assert settings.max_download_bytes == 20_000_000


def test_rates_can_be_switched_off():
    settings = read_settings(
        channel, "main", {**GOOD, "rates": {"per_s": 0, "per_recipient_s": 0, "per_group_min": 0, "concurrency": 500}}
    )
    assert not channel.accounts(settings)[0].rates.is_limited
