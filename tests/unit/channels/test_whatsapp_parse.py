"""What WhatsApp's webhooks become: names of people, batches, times, and proof."""

import json
from datetime import UTC, datetime

import pytest

from channels._meta.verify import SIGNATURE_HEADER
from channels.whatsapp import channel
from channels.whatsapp.parse import UNUSED_FIELDS, parse
from channels.whatsapp.settings import WhatsAppSettings
from channels.whatsapp.specimen import PHONE_NUMBER_ID, SECOND_NUMBER_ID, WABA_ID, specimen
from channels.whatsapp.wire import decode_webhook
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload, BadSignature
from gateway.core.inbound import (
    AccountNoticed,
    AddressKey,
    ConsentChanged,
    Ignored,
    Receipt,
    Received,
    Unparsed,
)
from gateway.core.messages import ContactCard, Selection, Text, Unsupported

SETTINGS = WhatsAppSettings.model_validate(dict(specimen.settings_values))
NOW = datetime(2026, 5, 28, 12, tzinfo=UTC)


def webhook(value, field="messages", number=PHONE_NUMBER_ID, **entry):
    metadata = {"display_phone_number": "15550783881", "phone_number_id": number}
    whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    entries = [{"id": WABA_ID, **entry, "changes": [{"value": whole, "field": field}]}]
    return json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()


def message(kind="text", number=1, **content):
    return {"id": f"wamid.{number}", "timestamp": "1780000000", "type": kind, "from": "34600111222", **content}


def read(value, **where):
    return parse(SETTINGS, webhook(value, **where), NOW)


def one(value, **where):
    [event] = read(value, **where)
    return event


def status(**more):
    return {"id": "wamid.out", "status": "failed", "timestamp": "1780000000", "recipient_id": "34600111222", **more}


# ---------------------------------------------------------------- proof


def test_a_signature_of_the_documentation_passes_and_one_sign_more_in_the_body_does_not():
    body = (
        rb'{"object":"page","entry":[{"id":"1","time":1767225600123,"messaging":[{"sender":{"id":"2"},'
        rb'"recipient":{"id":"1"},"timestamp":1767225600000,"message":{"mid":"m_1","text":"ol\u00e1"}}]}]}'
    )
    given = "sha256=f6547d6e7467d1a1c8173153663fabbc536da1884e525748f1d27ed50269c76c"
    request = WebhookRequest("POST", "https://example.org/", {SIGNATURE_HEADER: given}, {}, body)
    channel.verify(SETTINGS, request)
    with pytest.raises(BadSignature):
        channel.verify(SETTINGS, WebhookRequest("POST", request.url, request.headers, {}, body + b"\n"))


def test_the_handshake_is_answered_to_who_knows_the_token_only():
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify_token_1"}
    asked = WebhookRequest("GET", "https://example.org/", {}, query, b"")
    assert channel.handshake(SETTINGS, asked).body == b"1158201444"
    wrong = WebhookRequest("GET", asked.url, {}, {**query, "hub.verify_token": "verify_token_2"}, b"")
    with pytest.raises(BadSignature):
        channel.handshake(SETTINGS, wrong)


# ---------------------------------------------------------------- who it is


def test_the_user_id_is_the_address_and_the_number_its_alias():
    event = one({"messages": [message(text={"body": "hola"}, from_user_id="ES.1")]})
    assert event.address == AddressKey("bsuid", "ES.1")
    assert event.aliases == (AddressKey("phone", "+34600111222"),)


def test_the_user_id_is_taken_from_the_contact_when_the_message_has_none():
    contacts = [{"wa_id": "351", "user_id": "PT.9"}, {"wa_id": "34600111222", "user_id": "ES.1"}]
    event = one({"contacts": contacts, "messages": [message(text={"body": "hola"})]})
    assert event.address == AddressKey("bsuid", "ES.1")


def test_the_number_is_found_in_the_contact_of_somebody_who_is_named_by_user_id():
    said = message(text={"body": "hola"}, from_user_id="ES.1")
    del said["from"]
    contacts = [{"profile": {"name": "Ana"}, "wa_id": "34600111222", "user_id": "ES.1"}]
    event = one({"contacts": contacts, "messages": [said]})
    assert (event.address.kind, event.aliases) == ("bsuid", (AddressKey("phone", "+34600111222"),))
    assert event.profile.name == "Ana"


def test_a_contact_of_somebody_else_lends_its_name_to_nobody():
    contacts = [{"profile": {"name": "Somebody else"}, "wa_id": "351910000222", "user_id": "PT.9"}]
    event = one({"contacts": contacts, "messages": [message(text={"body": "hola"})]})
    assert event.profile.name == ""
    assert event.address == AddressKey("phone", "+34600111222")


def test_a_number_that_was_given_to_another_user_id_leaves_the_address_to_the_user_id():
    before = one({"messages": [message(text={"body": "a"}, from_user_id="ES.1")]})
    after = one({"messages": [message(number=2, text={"body": "b"}, from_user_id="ES.2")]})
    assert before.address != after.address
    assert before.aliases == after.aliases


def test_a_shared_card_is_one_s_own_with_the_sender_s_number_or_when_it_was_asked_for():
    card = {"name": {"formatted_name": "Ana"}, "phones": [{"phone": "+34 600 111 222", "wa_id": "34600111222"}]}
    other = {"name": {"formatted_name": "Leo"}, "phones": [{"phone": "+34 600 999 999", "wa_id": "34600999999"}]}
    event = one({"messages": [message("contacts", contacts=[card, other])]})
    assert event.parts == (ContactCard("Ana", "+34600111222", is_own=True), ContactCard("Leo", "+34600999999"))
    asked = one({"messages": [message("contacts", contacts=[other], origin="contact_request")]})
    assert asked.parts == (ContactCard("Leo", "+34600999999", is_own=True),)
    offered = one({"messages": [message("contacts", contacts=[{**other, "origin": "other"}])]})
    assert offered.parts == (ContactCard("Leo", "+34600999999"),)


@pytest.mark.parametrize(
    ("named", "note", "before", "after"),
    [
        ({"from": "351"}, {"type": "user_changed_number", "wa_id": "352"}, "+351", "+352"),
        ({"from": "351"}, {"type": "customer_changed_number", "new_wa_id": "352"}, "+351", "+352"),
        ({"from": ""}, {"type": "user_changed_number", "customer": "351", "wa_id": "352"}, "+351", "+352"),
        ({"from": "351"}, {"type": "user_changed_user_id", "user_id": "PT.2"}, "+351", "PT.2"),
        ({"from_user_id": "PT.1"}, {"type": "user_changed_user_id", "user_id": "PT.2"}, "PT.1", "PT.2"),
        ({"from": "351", "from_user_id": "PT.2"}, {"type": "user_changed_user_id", "user_id": "PT.2"}, "+351", "PT.2"),
    ],
)
def test_a_new_number_or_user_id_is_followed_from_the_old_name(named, note, before, after):
    event = one({"messages": [message("system", system=note) | named]})
    assert (event.address.value, event.alias.value) == (before, after)


# ---------------------------------------------------------------- what was said


@pytest.mark.parametrize("kind", ["button_reply", "button", "list_reply", "", "something new"])
def test_a_press_is_known_by_what_is_there_and_not_by_the_word_for_it(kind):
    pressed = {"type": kind, "button_reply": {"id": "yes", "title": "Sí"}}
    event = one({"messages": [message("interactive", interactive=pressed, context={"id": "wamid.q"})]})
    assert event.parts == (Selection("yes", "Sí", "wamid.q"),)
    assert event.reply_to == ""


def test_an_interactive_reply_without_content_is_shown_as_something_that_we_cannot_read():
    assert one({"messages": [message("interactive")]}).parts == (Unsupported("interactive"),)
    assert one({"messages": [message("interactive", interactive={})]}).parts == (Unsupported("interactive"),)


def test_an_order_tells_its_products_in_any_form_of_number():
    items = [{"product_retailer_id": 77, "quantity": "3", "item_price": "9.90", "currency": "EUR"}]
    event = one({"messages": [message("order", order={"catalog_id": 5, "product_items": items})]})
    assert event.parts == (Text("3 × 77 (9.90 EUR)"),)  # noqa: RUF001
    assert one({"messages": [message("order", order={})]}).parts == (Unsupported("order"),)


@pytest.mark.parametrize("stamp", [1780000000, "1780000000"])
def test_a_time_may_be_text_or_a_number(stamp):
    event = one({"messages": [message(text={"body": "x"}) | {"timestamp": stamp}]})
    assert event.at == datetime.fromtimestamp(1780000000, UTC)


@pytest.mark.parametrize("stamp", ["", "soon", "-1x", -1, 10**15, "99999999999999", None, 1.5])
def test_a_time_that_is_none_goes_to_the_quarantine(stamp):
    event = one({"messages": [message(text={"body": "x"}) | {"timestamp": stamp}]})
    assert isinstance(event, Unparsed)
    assert "timestamp" in event.path


# ---------------------------------------------------------------- what became of ours


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (131047, "window_closed"),
        (131026, "unreachable"),
        (131031, "misconfigured"),
        (131042, "misconfigured"),
        (131049, ""),
        (131053, ""),
        (132001, ""),
        (130429, ""),
        (999999, ""),
    ],
)
def test_a_failure_tells_what_it_means_for_the_person_or_for_us(code, meaning):
    event = one({"statuses": [status(errors=[{"code": code, "title": "T", "error_data": {"details": "D"}}])]})
    assert isinstance(event, Receipt)
    assert (event.status, event.meaning, event.code, event.reason) == ("failed", meaning, str(code), "T: D")


def test_a_stop_of_adverts_silences_adverts_and_nothing_else():
    receipt, consent = read({"statuses": [status(errors=[{"code": 131050}], recipient_user_id="ES.1")]})
    assert receipt.meaning == ""
    assert isinstance(consent, ConsentChanged)
    assert (consent.address, consent.scope, consent.is_opted_in) == (AddressKey("bsuid", "ES.1"), "marketing", False)


def test_a_stop_of_adverts_of_nobody_is_only_a_failure():
    nameless = status(errors=[{"code": 131050}])
    del nameless["recipient_id"]
    assert isinstance(one({"statuses": [nameless]}), Receipt)


@pytest.mark.parametrize("code", [131026, 131047, 131050])
def test_what_fails_for_one_of_a_group_says_nothing_about_the_group(code):
    failed = status(recipient_id="HBgLMTIz", recipient_type="group", errors=[{"code": code}])
    event = one({"statuses": [failed]})
    assert (event.status, event.meaning, event.code) == ("failed", "", str(code))


def test_each_status_of_a_message_is_an_event_of_its_own_and_gives_our_reference_back():
    kinds = ["sent", "delivered", "read", "played"]
    events = read({"statuses": [status(status=kind, biz_opaque_callback_data="ref-1") for kind in kinds]})
    assert [event.status for event in events] == ["sent", "delivered", "read", "read"]
    assert len({event.event_key for event in events}) == 4
    assert {event.our_ref for event in events} == {"ref-1"}


# ---------------------------------------------------------------- accounts


def test_a_message_names_its_number_and_an_unknown_one_is_handed_on_as_it_is():
    assert one({"messages": [message(text={"body": "x"})]}, number=SECOND_NUMBER_ID).account == SECOND_NUMBER_ID
    assert one({"messages": [message(text={"body": "x"})]}, number="123456123").account == "123456123"


def test_a_notice_goes_to_the_number_that_it_names_or_to_the_first_of_its_business():
    named = one({"display_phone_number": "15550783882", "event": "FLAGGED"}, field="phone_number_quality_update")
    assert (named.account, named.is_bad) == (SECOND_NUMBER_ID, True)
    unnamed = one({"decision": "APPROVED"}, field="account_review_update")
    assert (unnamed.account, unnamed.at) == (PHONE_NUMBER_ID, NOW)


def test_two_notices_that_differ_in_anything_have_different_keys():
    template = {"message_template_name": "t", "message_template_language": "es"}
    where = {"field": "message_template_status_update"}
    first = one({"event": "PAUSED", **template}, time=1780000000, **where)
    later = one({"event": "PAUSED", **template}, time=1780009000, **where)
    other = one({"event": "APPROVED", **template}, time=1780000000, **where)
    assert len({first.event_key, later.event_key, other.event_key}) == 3
    assert first == one({"event": "PAUSED", **template}, time=1780000000, **where)


@pytest.mark.parametrize(
    ("event", "is_bad"),
    [("APPROVED", False), ("PENDING", False), ("REJECTED", True), ("PAUSED", True), ("DISABLED", True)],
)
def test_a_template_that_may_not_be_sent_is_bad_news(event, is_bad):
    value = {"event": event, "message_template_name": "cita", "message_template_language": "es", "reason": "NONE"}
    notice = one(value, field="message_template_status_update")
    assert isinstance(notice, AccountNoticed)
    assert (notice.kind, notice.subject, notice.state, notice.detail, notice.is_bad) == (
        "template",
        "cita",
        event.lower(),
        "es",
        is_bad,
    )


def test_an_error_of_the_account_is_told_only_when_it_stands_alone():
    error = {"code": 130429, "title": "Rate limit hit"}
    assert isinstance(one({"errors": [error]}), AccountNoticed)
    assert isinstance(one({"errors": [error], "messages": [message(text={"body": "x"})]}), Received)


@pytest.mark.parametrize("field", sorted(UNUSED_FIELDS))
def test_a_known_kind_of_notice_is_ignored_by_its_name_whatever_it_holds(field):
    assert one({"x": [1, {"y": None}]}, field=field) == Ignored(field)


# ---------------------------------------------------------------- batches


def test_a_thousand_events_of_two_numbers_come_in_order_and_a_bad_one_harms_nobody():
    entries = []
    for number in range(1000):
        said = {"broken": True} if number == 500 else message(number=number, text={"body": str(number)})
        account = PHONE_NUMBER_ID if number % 2 else SECOND_NUMBER_ID
        entries.append(json.loads(webhook({"messages": [said]}, number=account))["entry"][0])
    body = json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode()
    events = parse(SETTINGS, body, NOW)
    assert len(events) == 1000
    good = [event for event in events if isinstance(event, Received)]
    assert [event.parts[0].text for event in good] == [str(n) for n in range(1000) if n != 500]
    assert {event.account for event in good} == {PHONE_NUMBER_ID, SECOND_NUMBER_ID}
    kept = events[500]
    assert isinstance(kept, Unparsed)
    assert parse(SETTINGS, kept.raw, NOW) == [kept]


def test_what_is_kept_holds_nothing_but_the_bad_event_and_all_that_it_needs():
    contacts = [{"profile": {"name": "Ana"}, "wa_id": "34600111222"}]
    said = [message(number=1, text={"body": "secret"}), message("hologram", number=2)]
    good, kept = read({"contacts": contacts, "messages": said, "statuses": [status()]})[:2]
    assert isinstance(good, Received)
    held = decode_webhook(kept.raw)
    value = json.loads(bytes(held.entry[0].changes[0].value))
    assert value["messages"] == [said[1]]
    assert value["contacts"] == contacts
    assert value["metadata"]["phone_number_id"] == PHONE_NUMBER_ID
    assert b"secret" not in kept.raw
    assert "statuses" not in value


def test_a_webhook_of_another_product_is_kept_and_not_lost():
    event = parse(SETTINGS, b'{"object":"instagram","entry":[{"id":"1","time":1,"changes":[]}]}', NOW)[0]
    assert isinstance(event, Unparsed)
    assert event.path == "$.object"


def test_what_is_no_json_object_is_refused():
    for body in (b"", b"[]", b'"x"', b"null", b"{", b"\xff\xfe", b"a=1&b=2"):
        with pytest.raises(BadPayload):
            parse(SETTINGS, body, NOW)


def test_a_name_of_endless_length_goes_to_the_quarantine():
    long = message(text={"body": "x"}, from_user_id="ES." + "1" * 300)
    assert isinstance(one({"messages": [long]}), Unparsed)
    long_id = message(text={"body": "x"}) | {"id": "w" * 256}
    assert isinstance(one({"messages": [long_id]}), Unparsed)
