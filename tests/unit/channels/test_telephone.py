"""Numbers are known under one form, whoever writes them; and what is none is refused before anybody is made known."""

from __future__ import annotations

import pytest

from channels.telephone import international
from channels.twilio import channel as twilio
from channels.whatsapp import channel as whatsapp
from gateway.core.channel import AccountSpec, Rates, ReadsAddresses
from gateway.core.errors import BadPayload
from gateway.core.inbound import AddressKey


@pytest.mark.parametrize("written", ["+34600112233", "34600112233", "+34 600 11 22 33", "0034 (600) 112-233"])
def test_a_number_has_one_form(written: str) -> None:
    assert international(written) == "+34600112233"


@pytest.mark.parametrize("written", ["", "+", "ana", "+34", "+0600112233", "+34600112233x", "+34600112233445566"])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(BadPayload):
        international(written)


def spec(app: str) -> AccountSpec:
    return AccountSpec("support", "", app, Rates())


def test_each_channel_calls_a_number_as_its_webhooks_do() -> None:
    assert isinstance(twilio, ReadsAddresses)
    assert isinstance(whatsapp, ReadsAddresses)
    number = AddressKey("phone", "34 600 112233")
    assert whatsapp.address_of(spec("whatsapp"), number) == AddressKey("phone", "+34600112233")
    assert twilio.address_of(spec("sms"), number) == AddressKey("phone", "+34600112233")
    assert twilio.address_of(spec("whatsapp"), number) == AddressKey("phone", "whatsapp:+34600112233")
    prefixed = AddressKey("phone", "whatsapp:+34600112233")
    assert twilio.address_of(spec("whatsapp"), prefixed) == prefixed


def test_lasting_names_stay_as_they_are_and_other_kinds_are_refused() -> None:
    lasting = AddressKey("bsuid", "ES.123456789")
    assert whatsapp.address_of(spec("whatsapp"), lasting) == lasting
    assert twilio.address_of(spec("whatsapp"), lasting) == lasting
    for channel, app in ((whatsapp, "whatsapp"), (twilio, "whatsapp"), (twilio, "sms")):
        with pytest.raises(BadPayload):
            channel.address_of(spec(app), AddressKey("chat", "12"))
    with pytest.raises(BadPayload):
        twilio.address_of(spec("sms"), lasting)
