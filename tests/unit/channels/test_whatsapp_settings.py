"""What an operator sets for WhatsApp, and what is said when it is wrong."""

import pytest
from pydantic import ValidationError

from channels.whatsapp import channel
from channels.whatsapp.settings import WhatsAppSettings
from channels.whatsapp.specimen import specimen


def values(**changed):
    return {**specimen.settings_values, **changed}


def account(**changed):
    return {"phone_number_id": "1065", "waba_id": "1022", **changed}


def test_the_documented_rates_and_windows_are_the_defaults():
    first, second = channel.accounts(WhatsAppSettings.model_validate(values()))
    assert (first.name, second.name) == ("shop", "help")
    assert (first.rates.per_s, first.rates.recipient_burst) == (80, 45)
    assert first.rates.per_recipient_s == pytest.approx(1 / 6)
    assert first.rates.is_limited
    assert (first.window.free_s, first.window.ad_s, first.window.agent_s) == (86_400, 86_400, 86_400)
    assert first.window.has_templates
    assert first.window.may_begin
    assert first.app == "whatsapp"


def test_every_rate_can_be_set():
    rates = {"per_s": 20, "per_recipient_s": 1, "recipient_burst": 5, "concurrency": 3, "per_group_min": 9}
    [spec] = channel.accounts(WhatsAppSettings.model_validate(values(accounts={"a": account(rates=rates)})))
    assert (spec.rates.per_s, spec.rates.per_recipient_s, spec.rates.recipient_burst) == (20, 1, 5)
    assert (spec.rates.concurrency, spec.rates.per_group_min) == (3, 9)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"accounts": {}}, "accounts"),
        ({"accounts": {"a": account(), "b": account()}}, "same phone_number_id"),
        ({"accounts": {"a": account(phone_number_id="+34 600")}}, "phone_number_id"),
        ({"accounts": {"a": account(waba_id="")}}, "waba_id"),
        ({"accounts": {"a": account()}, "access_token": ""}, "accounts.a has no access_token"),
        ({"accounts": {"a": account(display_phone_number="my number")}}, "display_phone_number"),
        ({"verify_token": ""}, "verify_token"),
    ],
)
def test_a_wrong_setting_is_named(changed, said):
    with pytest.raises(ValidationError, match=said):
        WhatsAppSettings.model_validate(values(**changed))


def test_a_number_s_own_token_goes_before_the_endpoint_s():
    settings = WhatsAppSettings.model_validate(
        values(accounts={"a": account(access_token="EAAown"), "b": account(phone_number_id="7")})
    )
    first, second = settings.account("1065"), settings.account("7")
    assert settings.token_of(first).get_secret_value() == "EAAown"
    assert settings.token_of(second).get_secret_value() == specimen.settings_values["access_token"]
    assert settings.account("999") is None
    assert settings.account("") is None


def test_no_token_is_shown():
    shown = repr(WhatsAppSettings.model_validate(values(accounts={"a": account(access_token="EAAown")})))
    assert "EAA" not in shown
    assert "verify_token_1" not in shown
