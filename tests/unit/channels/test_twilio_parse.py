"""What Twilio's webhooks mean to us, beyond the recorded payloads."""

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.twilio.failures import VERDICTS, meaning_of
from channels.twilio.parse import parse, replay
from channels.twilio.settings import TwilioSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload
from gateway.core.inbound import AddressKey, ConsentChanged, Ignored, Receipt, Received, Unparsed
from gateway.core.messages import Location, Media, Selection, Text, Unsupported

NOW = datetime(2026, 5, 28, 10, 45, tzinfo=UTC)
SERVICE = "MG" + "1" * 32
SETTINGS = TwilioSettings.model_validate(
    {
        "account_sid": "AC" + "0" * 32,
        "auth_token": "t",
        "accounts": {
            "wa": {"address": "whatsapp:+15005550010"},
            "sms": {"address": "+15005550020", "messaging_service_sid": SERVICE},
        },
    }
)
SID = "SM" + "a" * 32


def read(url="https://x.example/hook", **fields):
    body = urlencode(fields).encode()
    query = {"ref": url.partition("ref=")[2]} if "ref=" in url else {}
    return parse(SETTINGS, WebhookRequest("POST", url, {}, query, body), NOW)


def message(**fields):
    usual = {"MessageSid": SID, "From": "whatsapp:+34600000002", "To": "whatsapp:+15005550010", "SmsStatus": "received"}
    return read(**{**usual, "Body": "hola", "NumMedia": "0", **fields})


def status(**fields):
    usual = {"MessageSid": SID, "From": "+15005550020", "To": "+34600000003", "MessageStatus": "delivered"}
    return read(**{**usual, **fields})


# ---------------------------------------------------------------- who


def test_the_lasting_id_is_the_address_and_the_number_its_alias_and_the_way_back():
    [event] = message(ExternalUserId="whatsapp:ID.7")
    assert event.address == AddressKey("bsuid", "whatsapp:ID.7")
    assert event.aliases == (AddressKey("phone", "whatsapp:+34600000002"),)
    assert event.traits == "whatsapp:+34600000002"


def test_the_way_back_is_never_untold_because_an_earlier_one_would_stay():
    [event] = message(From="whatsapp:ID.7", ExternalUserId="whatsapp:ID.7")
    assert (event.address, event.aliases) == (AddressKey("bsuid", "whatsapp:ID.7"), ())
    assert event.traits == "whatsapp:ID.7"
    [texted] = message(From="+34600000003", To="+15005550020")
    assert texted.traits == "+34600000003"


def test_what_another_number_of_the_service_receives_is_its_accounts_and_answered_from_there():
    [event] = message(From="+34600000003", To="+15005550029", MessagingServiceSid=SERVICE)
    assert event.account == "+15005550020"
    assert event.traits == "+34600000003 +15005550029"
    [other] = message(From="+34600000003", To="+15005550029", MessagingServiceSid="MG" + "2" * 32)
    assert other.account == "+15005550029"
    [on_whatsapp] = message(To="whatsapp:+15005550029", MessagingServiceSid=SERVICE)
    assert on_whatsapp.account == "whatsapp:+15005550029"


@pytest.mark.parametrize("field", ["From", "To"])
@pytest.mark.parametrize("value", ["", "a b", "x" * 200, "tab\t"])
def test_an_address_that_is_none_goes_to_the_quarantine(field, value):
    [kept] = message(**{field: value})
    assert isinstance(kept, Unparsed)
    assert kept.path == f"$.{field}"


@pytest.mark.parametrize("sid", ["", "SM1", "SM" + "a" * 33, "SM" + "a" * 31 + "é", SID + "NumMedia0"])
def test_an_id_has_exactly_34_characters_so_that_no_copy_of_a_webhook_gets_another(sid):
    [kept] = message(MessageSid=sid, SmsSid="", SmsMessageSid="")
    assert isinstance(kept, Unparsed)
    assert kept.path == "$.MessageSid"


# ---------------------------------------------------------------- content


def test_words_that_an_operator_could_trim_stay_as_they_are():
    [event] = message(Body="  hola \n")
    assert event.parts == (Text("  hola \n"),)


@pytest.mark.parametrize(
    ("mime", "kind", "expected"),
    [
        ("image/jpeg", "image", "image"),
        ("audio/ogg; codecs=opus", "audio", "voice"),
        ("audio/amr", "audio", "audio"),
        ("video/3gpp", "video", "video"),
        ("application/pdf", "document", "document"),
        ("text/x-vcard", "contacts", "document"),
        ("image/webp", "sticker", "sticker"),
        ("", "image", "document"),
    ],
)
def test_a_file_is_of_the_kind_that_its_type_says(mime, kind, expected):
    [event] = message(NumMedia="1", MediaUrl0="https://api.twilio.com/m/ME1", MediaContentType0=mime, MessageType=kind)
    [file] = event.parts
    assert isinstance(file, Media)
    assert (file.kind, file.caption, file.unique_ref) == (expected, "hola", "ME1")


def test_ten_files_are_the_most_and_share_a_group():
    files = {f"MediaUrl{n}": f"https://api.twilio.com/ME{n}" for n in range(12)}
    [event] = message(NumMedia="12", **files)
    assert [part.unique_ref for part in event.parts] == [f"ME{n}" for n in range(10)]
    assert {part.group for part in event.parts} == {SID}
    assert [part.caption for part in event.parts] == ["hola", *[""] * 9]


@pytest.mark.parametrize("count", ["x", "-1", "1000", "²"])
def test_a_number_of_files_that_is_none_goes_to_the_quarantine(count):
    [kept] = message(NumMedia=count, MediaUrl0="https://api.twilio.com/ME0")
    assert kept.path == "$.NumMedia"


def test_a_file_that_is_announced_and_not_there_goes_to_the_quarantine():
    [kept] = message(NumMedia="2", MediaUrl0="https://api.twilio.com/ME0")
    assert kept.path == "$.MediaUrl1"


@pytest.mark.parametrize("place", [("nan", "1"), ("inf", "1"), ("91", "1"), ("1", "181"), ("x", "1"), ("1", "")])
def test_degrees_that_are_none_go_to_the_quarantine(place):
    [kept] = message(Latitude=place[0], Longitude=place[1])
    assert isinstance(kept, Unparsed)


def test_a_place_whose_words_repeat_its_name_is_one_part():
    [event] = message(Latitude="1", Longitude="2", Label="Tienda", Body="Tienda")
    assert event.parts == (Location(1.0, 2.0, "Tienda"),)


def test_a_press_is_its_value_with_or_without_a_label():
    [event] = message(ButtonPayload="yes", ButtonText="Sí", Body="Sí", OriginalRepliedMessageSid="MM1")
    assert event.parts == (Selection("yes", "Sí", "MM1"),)
    [chosen] = message(ListId="p1", Body="Plan")
    assert chosen.parts == (Selection("p1", "Plan"),)


def test_a_template_button_without_a_value_is_its_words():
    [event] = message(ButtonText="Sí", Body="Sí", MessageType="button")
    assert event.parts == (Text("Sí"),)


def test_a_content_that_nobody_knew_is_named_to_the_agent():
    [event] = message(Body="", MessageType="hologram")
    assert event.parts == (Unsupported("hologram"),)


@pytest.mark.parametrize(("word", "expected"), [("STOP", False), ("start", True)])
def test_consent_stands_behind_the_message_that_changed_it(word, expected):
    received, consent = message(OptOutType=word, Body="quiero parar")
    assert isinstance(received, Received)
    assert isinstance(consent, ConsentChanged)
    assert consent.is_opted_in is expected
    assert consent.address == received.address
    assert consent.event_key != received.event_key


# ---------------------------------------------------------------- receipts


def test_a_receipt_brings_back_our_own_reference():
    [event] = read("https://x.example/hook?ref=0190-7", MessageSid=SID, From="+1500", To="+346", MessageStatus="sent")
    assert (event.our_ref, event.status) == ("0190-7", "sent")


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ("2605281030", datetime(2026, 5, 28, 10, 30, tzinfo=UTC)),
        ("2605281245", NOW),  # a clock of another zone: never later than now
        ("2601010000", NOW),
        ("2699999999", NOW),
        ("soon", NOW),
        ("", NOW),
    ],
)
def test_a_delivery_bears_the_operators_minute_where_that_is_possible(done, expected):
    [event] = status(RawDlrDoneDate=done)
    assert event.at == expected


@pytest.mark.parametrize("code", sorted(VERDICTS))
def test_a_failure_says_of_the_person_what_its_code_means(code):
    [event] = status(MessageStatus="undelivered", ErrorCode=str(code))
    assert isinstance(event, Receipt)
    assert (event.status, event.code, event.meaning) == ("failed", str(code), meaning_of(code))


def test_the_codes_about_a_person_or_the_window_are_these():
    found = {code: meaning_of(code) for code in VERDICTS if meaning_of(code)}
    assert found == {
        21211: "unreachable",
        21614: "unreachable",
        21610: "opted_out",
        30004: "unreachable",
        30005: "unreachable",
        30006: "unreachable",
        63003: "unreachable",
        63015: "no_consent",
        63016: "window_closed",
        63024: "unreachable",
        63033: "opted_out",
    }


def test_each_status_of_a_message_is_an_event_of_its_own():
    keys = {status(MessageStatus=each)[0].event_key for each in ("sent", "delivered", "read", "failed")}
    assert len(keys) == 4
    assert status()[0].event_key == status(SmsStatus="delivered", Anything="new")[0].event_key


# ---------------------------------------------------------------- other bodies


def test_the_same_fields_come_as_json_too():
    fields = {"MessageSid": SID, "From": "+346", "To": "+15005550020", "Body": "hola", "SmsStatus": "received"}
    assert replay(SETTINGS, json.dumps(fields).encode(), NOW) == read(**fields)


def test_events_of_other_products_are_ignored_by_their_type():
    stream = [{"specversion": "1.0", "type": "com.twilio.messaging.message.sent", "data": {}}]
    assert replay(SETTINGS, json.dumps(stream).encode(), NOW) == [Ignored("stream_messaging.message.sent")]
    [kept] = replay(SETTINGS, b'[{"specversion": "1.0", "type": "com.other"}]', NOW)
    assert isinstance(kept, Unparsed)
    assert replay(SETTINGS, kept.raw, NOW) == [kept]


@pytest.mark.parametrize("body", [b"", b"{", b"[1", b"\xff\xfe", b"plain words"])
def test_what_is_neither_form_nor_json_is_refused(body):
    with pytest.raises(BadPayload):
        replay(SETTINGS, body, NOW)


def test_a_get_is_read_from_its_query():
    fields = {"MessageSid": SID, "From": "+346", "To": "+15005550020", "Body": "hola"}
    url = f"https://x.example/hook?{urlencode(fields)}"
    assert parse(SETTINGS, WebhookRequest("GET", url, {}, fields, b""), NOW) == read(**fields)


@given(st.dictionaries(st.sampled_from(["MessageSid", "From", "Body", "SmsStatus", "NumMedia", "To"]), st.text()))
def test_any_values_are_an_event_or_kept(fields):
    body = urlencode(fields, errors="surrogatepass").encode()
    try:
        events = replay(SETTINGS, body, NOW)
    except BadPayload:
        assert not fields
        return
    assert all(isinstance(event, Received | Receipt | Ignored | Unparsed | ConsentChanged) for event in events)
    assert events
