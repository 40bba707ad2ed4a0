"""The settings of the desk for Zendesk messaging say what is wrong with them, by key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import Settings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature
from handoff.desks import discover, load, read_desks
from handoff.desks.sunshine.settings import SunshineDeskSettings

GOOD: dict[str, Any] = {
    "app_id": "5698",
    "key_id": "app_1",
    "key_secret": "s" * 40,
    "webhook_secret": "current-secret",
    "webhook_secret_previous": "previous-secret",
    "subdomain": "shop.zendesk.com",
}


def settings(**more: object) -> SunshineDeskSettings:
    return SunshineDeskSettings.model_validate({**GOOD, **more})


def test_the_kind_is_discovered_and_fits() -> None:
    assert "sunshine" in discover()
    kind = load("sunshine")
    assert kind.read_settings(GOOD) == settings()
    assert kind.check(settings()) == []


def test_the_line_to_the_app_has_what_the_settings_say() -> None:
    line = settings(authentication="jwt", target="agents").line
    assert line.base_url == "https://shop.zendesk.com/sc"
    assert (line.authentication, line.switchboard_name, line.next_responder) == ("jwt", "tertulia-desk", "agents")
    assert not line.is_first_responder
    assert settings(target="next").line.next_responder == ""


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("webhook_secret", " ", "empty"),
        ("key_secret", "", "empty"),
        ("app_id", "a b", "characters"),
        ("subdomain", "a/b", "zendesk.com"),
        ("api_url", "ftp://x", "address"),
        ("target", "a b", "switchboard"),
        ("bot_avatar_url", "http://x/y.png", "https"),
        ("media_hosts", ["a b"], "hosts"),
        ("fields", {"name": "app"}, "numbers"),
        ("fields", {"36": "colour"}, "colour"),
        ("tags_from", ["slot:"], "slot:"),
        ("hands_over", "throw", "pass"),
        ("rates", {"per_s": -1}, "greater"),
        ("colour", "red", "Extra"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(key: str, value: object, word: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**{key: value})
    assert raised.value.errors()[0]["loc"][0] == key
    assert word in str(raised.value)


def test_an_app_without_address_or_a_target_that_is_ourselves_is_refused() -> None:
    with pytest.raises(ValidationError, match="set subdomain"):
        settings(subdomain="")
    with pytest.raises(ValidationError, match="to ourselves"):
        settings(target="tertulia-desk")


def test_what_would_travel_in_the_open_and_keys_that_can_too_little_are_found() -> None:
    kind = load("sunshine")
    findings = kind.check(settings(api_url="http://sunco.example/sc", key_id="int_1"))
    assert [(one.level, one.what) for one in findings] == [("bad", "api_url"), ("warn", "key_id")]
    assert kind.check(settings(api_url="http://127.0.0.1:1/sc")) == []


def test_secrets_are_in_no_representation() -> None:
    assert "s" * 40 not in repr(settings())
    assert "current-secret" not in repr(settings())


def test_it_is_named_in_the_settings_as_every_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch
    loaded = Settings.model_construct(
        desks={"sunshine": {"main": GOOD}}, router=type("Router", (), {"desk": "sunshine.main"})()
    )
    found = read_desks(loaded)
    assert "sunshine.main" in found.names()
    assert found.problems == ()


class Proof:
    """A desk of which only ``verify`` is tried."""

    def __init__(self, **more: object) -> None:
        from handoff.desks.sunshine.messaging import SunshineDesk

        self._desk = SunshineDesk.__new__(SunshineDesk)
        self._desk._settings = settings(**more)

    def takes(self, given: str | None) -> bool:
        headers = {} if given is None else {"x-api-key": given}
        try:
            self._desk.verify(WebhookRequest("POST", "", headers, {}, b"{}"))
        except BadSignature:
            return False
        return True


def test_only_the_current_and_the_previous_secret_prove_a_webhook() -> None:
    proof = Proof()
    assert proof.takes("current-secret")
    assert proof.takes("previous-secret")
    assert not any(proof.takes(given) for given in (None, "", "current-secre", "Current-secret", "\udcff"))
    assert not Proof(webhook_secret_previous="").takes("")
