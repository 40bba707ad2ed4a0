"""What Sunshine's webhooks become, beyond what the recordings show."""

import json
from datetime import UTC, datetime

import pytest

from channels.sunshine import channel
from channels.sunshine.events import IGNORED_KINDS
from channels.sunshine.settings import TRIGGERS, SunshineSettings
from channels.sunshine.specimen import specimen
from gateway.core.errors import BadPayload
from gateway.core.inbound import ControlMoved, Echoed, Ignored, Receipt, Received, Unparsed
from gateway.core.messages import Media, Selection, Text

BOT = {"id": "seat-bot", "name": "bot", "integrationType": "custom"}
AGENTS = {"id": "seat-agents", "name": "agents", "integrationType": "zd:agentWorkspace"}


def settings(**more):
    return SunshineSettings.model_validate({**specimen.settings_values, **more})


def webhook(kind, payload, event_id="e1"):
    event = {"id": event_id, "type": kind, "createdAt": "2026-01-01T18:06:37.600Z", "payload": payload}
    return json.dumps({"app": {"id": specimen.settings_values["app_id"]}, "events": [event]}).encode()


def conversation(active=BOT):
    return {"id": "c1", **({"activeSwitchboardIntegration": active} if active else {})}


def parse(body, **more):
    return channel.parse(settings(**more), specimen.authentic(body))


def message(content, active=BOT, author=None, **more):
    author = author or {"type": "user", "userId": "u1"}
    return webhook(
        "conversation:message",
        {"conversation": conversation(active), "message": {"id": "m1", "author": author, "content": content, **more}},
    )


def test_every_trigger_of_sunshine_is_subscribed_to_or_ignored_by_name():
    known = {
        *("client:add", "client:remove", "client:update", "conversation:create", "conversation:join"),
        *("conversation:leave", "conversation:remove", "conversation:message", "conversation:message:delivery:channel"),
        *("conversation:message:delivery:failure", "conversation:message:delivery:user", "conversation:postback"),
        *("conversation:read", "conversation:referral", "conversation:typing", "passthrough:messaging"),
        *("switchboard:acceptControl", "switchboard:acceptControl:failure", "switchboard:offerControl"),
        *("switchboard:offerControl:failure", "switchboard:passControl", "switchboard:passControl:failure"),
        *("switchboard:releaseControl", "user:merge", "user:remove", "user:update"),
    }
    assert set(TRIGGERS) | IGNORED_KINDS == known
    assert not set(TRIGGERS) & IGNORED_KINDS


@pytest.mark.parametrize("kind", sorted(IGNORED_KINDS))
@pytest.mark.parametrize("payload", [{}, {"conversation": 5}, {"message": "raw"}, {"user": None, "client": {}}])
def test_an_ignored_trigger_is_ignored_whatever_it_carries(kind, payload):
    assert parse(webhook(kind, payload)) == [Ignored(kind)]


def test_a_message_without_a_time_of_its_own_is_dated_by_its_event():
    [heard] = parse(message({"type": "text", "text": "hola"}))
    assert heard.at == datetime(2026, 1, 1, 18, 6, 37, 600_000, UTC)
    assert heard.person == "u1"


def test_the_same_message_told_by_two_webhooks_is_one_event():
    payload = json.loads(message({"type": "text", "text": "hola"}))["events"][0]["payload"]
    first, second = (parse(webhook("conversation:message", payload, event_id))[0] for event_id in ("e1", "e2"))
    assert first.event_key == second.event_key == "m:m1"


def test_our_place_on_the_switchboard_is_known_by_its_name_or_its_id():
    for name in ("bot", "seat-bot"):
        [heard] = parse(message({"type": "text", "text": "hola"}), switchboard_name=name)
        assert heard.acknowledge == "c1"
    moved, heard = parse(message({"type": "text", "text": "hola"}), switchboard_name="other")
    assert (type(moved), moved.to, moved.name, moved.event_key) == (ControlMoved, "elsewhere", "bot", "standby:m:m1")
    assert (type(heard), heard.acknowledge) == (Received, "")


def test_where_nobody_has_control_the_first_responder_has_it():
    body = message({"type": "text", "text": "hola"}, active=None)
    assert [type(event) for event in parse(body)] == [Received]
    assert [type(event) for event in parse(body, is_first_responder=False)] == [ControlMoved, Received]
    released = webhook("switchboard:releaseControl", {"conversation": conversation(None), "reason": "ticketClosed"})
    assert [(event.to, event.reason) for event in parse(released)] == [("us", "ticketClosed")]
    assert [event.to for event in parse(released, is_first_responder=False)] == ["elsewhere"]


def test_nothing_is_marked_as_read_where_the_settings_say_so():
    [heard] = parse(message({"type": "text", "text": "hola"}), marks_read=False)
    assert heard.acknowledge == ""


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"tertulia_message": 5}, {"tertulia_message": ""}, "text", [1], {"other": {"deep": 1}}],
)
def test_metadata_that_is_not_ours_makes_no_message_ours(metadata):
    body = message({"type": "text", "text": "x"}, author={"type": "business"}, metadata=metadata)
    [echo] = parse(body)
    assert (type(echo), echo.by, echo.our_ref) == (Echoed, "app", "")


def test_our_own_reference_is_found_whatever_else_stands_beside_it():
    metadata = {"tertulia_message": "019b7a50-0000-7000-8000-000000000001", "tertulia_call": 1, "order": 7}
    author = {"type": "business", "displayName": "Cumbre"}
    [echo] = parse(message({"type": "text", "text": "x"}, author=author, metadata=metadata))
    assert (echo.by, echo.our_ref) == ("us", "019b7a50-0000-7000-8000-000000000001")


def test_a_formatted_message_without_a_plain_form_is_read_without_its_tags():
    author = {"type": "business", "displayName": "Luis"}
    content = {"type": "text", "htmlText": "<b>Hola</b> &amp; <a href='x'>adiós</a>"}
    [echo] = parse(message(content, author=author, source={"type": "zd:agentWorkspace"}))
    assert (echo.by, echo.name, echo.parts) == ("agent", "Luis", (Text("Hola & adiós"),))


def test_a_press_tells_its_label_where_the_wire_does():
    body = webhook("conversation:postback", {"conversation": conversation(), "postback": {"payload": "p", "text": "P"}})
    [heard] = parse(body)
    assert heard.parts == (Selection("p", "P"),)
    assert heard.person == ""


@pytest.mark.parametrize(
    ("address", "alt", "name"),
    [
        ("https://x.zendesk.com/sc/a/factura%20enero.pdf", "", "factura enero.pdf"),
        ("https://x.zendesk.com/sc/a/1", "factura.pdf", "factura.pdf"),
        ("https://x.zendesk.com/sc/a/1", "La factura de enero", "La factura de enero"),
        ("https://[broken", "", ""),
    ],
)
def test_a_file_is_called_by_its_description_or_its_address(address, alt, name):
    [heard] = parse(message({"type": "file", "mediaUrl": address, "altText": alt}))
    assert [(part.kind, part.name) for part in heard.parts if isinstance(part, Media)] == [("document", name)]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("user_blocked", "opted_out"),
        ("recipient_unsubscribed", "opted_out"),
        ("MESSAGING_WINDOW_CLOSED", "window_closed"),
        ("user_not_found", "unreachable"),
        ("unauthorized", ""),
        (131047, ""),
    ],
)
def test_a_failed_delivery_tells_what_it_means_for_the_person(code, meaning):
    payload = {"conversation": conversation(), "message": {"id": "m9"}, "error": {"code": code, "message": "why"}}
    [receipt] = parse(webhook("conversation:message:delivery:failure", payload))
    assert (type(receipt), receipt.status, receipt.meaning, receipt.reason) == (Receipt, "failed", meaning, "why")
    assert receipt.code == str(code)


def test_a_failed_switch_leaves_control_where_it_is():
    for active, to in ((BOT, "us"), (AGENTS, "elsewhere")):
        payload = {"conversation": conversation(active), "error": {"code": "not_found"}}
        [moved] = parse(webhook("switchboard:passControl:failure", payload))
        assert (moved.to, moved.reason) == (to, "passControl:failure: not_found")


def test_what_is_kept_can_be_parsed_alone_and_holds_no_neighbour():
    good = json.loads(message({"type": "text", "text": "hola"}))
    bad = json.loads(webhook("conversation:dreamt", {"conversation": conversation()}, "e2"))
    body = json.dumps({**good, "events": [*good["events"], *bad["events"]]}).encode()
    heard, kept = parse(body)
    assert isinstance(heard, Received)
    assert isinstance(kept, Unparsed)
    assert b"hola" not in kept.raw
    assert channel.replay(settings(), kept.raw) == [kept]


@pytest.mark.parametrize("body", [b"", b"5", b"[]", b'"x"', b"{", b"\xff", b"a=b", b'{"app": NaN}', b"[" * 9_000])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(BadPayload):
        parse(body)


def test_a_webhook_of_another_app_goes_to_the_quarantine_whole():
    body = specimen.text_message(1, "hola").replace(str(specimen.settings_values["app_id"]).encode(), b"another")
    [kept] = parse(body)
    assert (type(kept), kept.raw, kept.path) == (Unparsed, body, "$.app.id")


def test_half_a_character_in_one_event_and_a_fault_in_another_harm_nobody():
    good = json.loads(message({"type": "text", "text": "a\ud83d b"}))
    bad = json.loads(message({"type": "text", "text": 5}))
    body = json.dumps({**good, "events": [*bad["events"], *good["events"]]}).encode()
    kept, heard = parse(body)
    assert isinstance(kept, Unparsed)
    assert heard.parts == (Text("a\ufffd b"),)


def test_numbers_beyond_all_measure_beside_half_a_character_are_refused():
    body = b'{"app": {"id": "x"}, "events": [], "far": 1e999, "text": "\\ud83d"}'
    with pytest.raises(BadPayload):
        parse(body)
