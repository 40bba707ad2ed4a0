"""What an operator may set for an app of Sunshine, and what stands for what is left out."""

import base64

import jwt
import pytest

from channels.discovery import settings_problems
from channels.sunshine import channel
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.specimen import specimen
from channels.sunshine.transport import authorization

VALUES = dict(specimen.settings_values)


def settings(**more):
    return SunshineSettings.model_validate({**VALUES, **more})


def problems(**more):
    return [problem.key for problem in settings_problems(channel, "main", {**VALUES, **more})]


def test_the_address_is_made_of_the_subdomain_unless_another_is_given():
    assert settings().base_url == "https://cumbre.zendesk.com/sc"
    assert settings(subdomain="Cumbre.zendesk.com").base_url == "https://cumbre.zendesk.com/sc"
    assert settings(api_url="https://api.smooch.io/v2/").base_url == "https://api.smooch.io"
    assert problems(subdomain="") == ["channels.sunshine.main"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("app_id", ""),
        ("app_id", "a/b"),
        ("key_id", "a:b"),
        ("key_secret", " "),
        ("webhook_secret", ""),
        ("subdomain", "a.b"),
        ("api_url", "shop.zendesk.com"),
        ("api_url", "https://shop.zendesk.com/?a=1"),
        ("api_url", "https://[broken/sc"),
        ("authentication", "digest"),
        ("avatar_url", "http://cumbre.example/a.png"),
        ("next_responder", "zd agents"),
        ("media_hosts", ["https://zendesk.com"]),
    ],
)
def test_what_cannot_be_meant_is_named(key, value):
    assert problems(**{key: value}) == [f"channels.sunshine.main.{key}"]


def test_the_key_itself_or_a_token_that_it_signed_proves_who_we_are():
    kind, proof = authorization(settings()).split(" ")
    assert kind == "Basic"
    assert base64.b64decode(proof).decode() == f"{VALUES['key_id']}:{VALUES['key_secret']}"
    kind, token = authorization(settings(authentication="jwt")).split(" ")
    assert kind == "Bearer"
    assert jwt.decode(token, VALUES["key_secret"], algorithms=["HS256"]) == {"scope": "app"}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": VALUES["key_id"]}


@pytest.mark.parametrize(
    ("key_id", "scope"), [("app_1", "app"), ("act_1", "account"), ("svc_1", "account"), ("int_1", "integration")]
)
def test_a_token_claims_what_its_key_is_for(key_id, scope):
    assert settings(key_id=key_id).scope == scope


def test_the_app_is_the_one_account_and_has_no_window():
    [account] = channel.accounts(settings())
    assert (account.external, account.app, account.rates.per_s) == ("", "zendesk_messaging", 10.0)
    assert account.window.free_s == 0
