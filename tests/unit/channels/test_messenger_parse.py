"""Messenger's webhooks: what the recordings do not say."""

import json
from datetime import UTC, datetime

import pytest

from channels._meta.messaging.wire import IGNORED_KINDS
from channels._meta.verify import SIGNATURE_HEADER, signature
from channels.discovery import read_settings
from channels.messenger import channel
from channels.messenger.specimen import specimen
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload
from gateway.core.inbound import (
    AccountNoticed,
    AddressKey,
    ControlMoved,
    Echoed,
    Ignored,
    Receipt,
    Received,
    SeenUpTo,
    Unparsed,
)
from gateway.core.messages import Selection, Text, Unsupported

PAGE, PERSON, AT = "102030405060708", "7000000000000001", 1_767_225_600_000
SETTINGS = read_settings(channel, "main", specimen.settings_values)


def webhook(*items, array="messaging", page=PAGE, kind="page", time_ms=AT + 100):
    return {"object": kind, "entry": [{"id": page, "time": time_ms, array: list(items)}]}


def item(**about):
    return {"sender": {"id": PERSON}, "recipient": {"id": PAGE}, "timestamp": AT, **about}


def parsed(body, **changed):
    settings = SETTINGS.model_copy(update=changed)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return channel.parse(settings, specimen.authentic(raw))


def test_the_documented_body_under_the_documented_signature_is_read():
    body = (
        b'{"object":"page","entry":[{"id":"1","time":1767225600123,"messaging":[{"sender":{"id":"2"},'
        b'"recipient":{"id":"1"},"timestamp":1767225600000,"message":{"mid":"m_1","text":"ol\\u00e1"}}]}]}'
    )
    header = "sha256=f6547d6e7467d1a1c8173153663fabbc536da1884e525748f1d27ed50269c76c"
    request = WebhookRequest("POST", "https://example.org/", {SIGNATURE_HEADER: header}, {}, body)
    channel.verify(SETTINGS, request)
    [event] = channel.parse(SETTINGS, request)
    assert event == Received(
        account="1",
        event_key="m:m_1",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        address=AddressKey("psid", "2"),
        provider_message_id="m_1",
        parts=(Text("olá"),),
        acknowledge="2",
    )


def test_a_thousand_events_of_several_pages_are_read_in_order_and_only_the_bad_ones_are_kept():
    entries = []
    for number in range(1000):
        about = {"message": {"mid": f"m_{number}", "text": f"no. {number}" if number % 250 != 9 else 9}}
        entries.append({"id": str(100 + number % 3), "time": AT, "messaging": [item(**about)]})
    events = parsed({"object": "page", "entry": entries})
    assert len(events) == 1000
    bad = [number for number, event in enumerate(events) if isinstance(event, Unparsed)]
    assert bad == [9, 259, 509, 759]
    for number, event in enumerate(events):
        if number not in bad:
            assert (event.account, event.parts) == (str(100 + number % 3), (Text(f"no. {number}"),))
    for number in bad:
        assert json.loads(events[number].raw)["entry"] == [entries[number]]
        assert events[number].path == "$.entry[0].messaging[0].message.text"


@pytest.mark.parametrize("kind", IGNORED_KINDS)
@pytest.mark.parametrize("value", [{}, None, [1], "x"])
def test_what_is_of_no_use_is_ignored_by_its_name(kind, value):
    assert parsed(webhook(item(**{kind: value}))) == [Ignored(kind)]


def test_an_unknown_kind_is_kept_with_its_name():
    for array in ("messaging", "standby"):
        [kept] = parsed(webhook(item(hologram={"id": 1}), array=array))
        assert (kept.reason, kept.path) == ("an event of an unknown kind", f"$.entry[0].{array}[0].hologram")


@pytest.mark.parametrize("kind", ["instagram", "whatsapp_business_account", "hologram"])
def test_the_webhook_of_another_platform_is_kept(kind):
    [kept] = parsed(webhook(item(message={"mid": "m_1", "text": "x"}), kind=kind))
    assert isinstance(kept, Unparsed)
    assert kept.path == "$.object"


def test_a_webhook_without_an_event_is_kept():
    for body in ({"object": "page", "entry": []}, {"object": "page", "entry": [{"id": "1", "time": 1}]}, {"a": 1}):
        [kept] = parsed(body)
        assert json.loads(kept.raw) == body


def test_what_is_no_json_is_refused():
    for body in (b"", b"a=b", b"[1]", b'{"object":'):
        with pytest.raises(BadPayload):
            parsed(body)


def test_an_event_without_a_time_has_that_of_its_batch_also_in_seconds():
    about = {"sender": {"id": PERSON}, "message": {"mid": "m_1", "text": "x"}}
    for time_ms in (AT + 100, AT // 1000):
        [event] = parsed(webhook(about, time_ms=time_ms))
        assert event.at.year == 2026
    [kept] = parsed(webhook(about, time_ms=0))
    assert kept.reason == "no time"


def test_a_message_of_nobody_is_kept():
    [kept] = parsed(webhook({"timestamp": AT, "message": {"mid": "m_1", "text": "x"}}))
    assert kept.reason == "nobody is named"


def test_a_message_is_not_marked_as_seen_when_that_is_switched_off_or_in_standby():
    body = webhook(item(message={"mid": "m_1", "text": "x"}))
    assert parsed(body)[0].acknowledge == PERSON
    assert parsed(body, marks_seen=False)[0].acknowledge == ""
    assert parsed(webhook(item(message={"mid": "m_1", "text": "x"}), array="standby"))[1].acknowledge == ""


def test_standby_tells_first_that_somebody_else_has_the_thread():
    moved, received = parsed(webhook(item(message={"mid": "m_1", "text": "x"}), array="standby"))
    assert moved == ControlMoved(
        account=PAGE,
        event_key="standby:m:m_1",
        at=received.at,
        address=received.address,
        to="elsewhere",
        reason="standby",
    )
    [again] = parsed(webhook(item(message={"mid": "m_1", "text": "x"})))
    assert again.event_key == received.event_key


def test_a_press_in_standby_has_no_payload_and_stands_for_its_title():
    _, received = parsed(webhook(item(postback={"title": "Sí", "mid": "m_2"}), array="standby"))
    assert received.parts == (Selection("Sí", "Sí"),)


def test_two_presses_without_a_mid_at_the_same_time_have_keys_of_their_own():
    keys = {parsed(webhook(item(postback={"title": "x", "payload": p})))[0].event_key for p in ("A", "B", "A")}
    assert len(keys) == 2


def echo(app_id=None, metadata=None):
    about = {"mid": "m_e", "text": "x", "is_echo": True, "app_id": app_id, "metadata": metadata}
    return webhook({"sender": {"id": PAGE}, "recipient": {"id": PERSON}, "timestamp": AT, "message": about})


OURS = "0197e3a4-5b6c-7d8e-9f01-23456789abcd"


@pytest.mark.parametrize(
    ("app_id", "metadata", "own_app", "by", "our_ref"),
    [
        (111, f"tertulia:{OURS}", "111", "us", OURS),
        (111, f"tertulia:{OURS}#3", "111", "us", OURS),
        (111, f"tertulia:{OURS}", "", "us", OURS),
        (None, f"tertulia:{OURS}", "111", "us", OURS),
        (222, f"tertulia:{OURS}", "111", "app", ""),
        (111, "tertulia:nonsense", "111", "us", ""),
        (111, None, "111", "us", ""),
        (111, OURS, "", "app", ""),
        (None, None, "111", "agent", ""),
        (0, None, "111", "agent", ""),
        (263902037430900, None, "111", "agent", ""),
        ("1217981644879628", None, "111", "agent", ""),
        (222, "job", "111", "app", ""),
    ],
)
def test_an_echo_tells_who_spoke(app_id, metadata, own_app, by, our_ref):
    [event] = parsed(echo(app_id, metadata), app_id=own_app)
    assert isinstance(event, Echoed)
    assert (event.by, event.our_ref, event.address.value) == (by, our_ref, PERSON)


def test_what_the_page_itself_says_is_an_echo_also_without_its_mark():
    about = {
        "sender": {"id": PAGE},
        "recipient": {"id": PERSON},
        "timestamp": AT,
        "message": {"mid": "m_1", "text": "x"},
    }
    assert isinstance(parsed(webhook(about))[0], Echoed)


@pytest.mark.parametrize(
    ("kind", "owner", "own_app", "to"),
    [
        ("pass_thread_control", "111", "111", "us"),
        ("pass_thread_control", "222", "111", "elsewhere"),
        ("pass_thread_control", "222", "", "us"),
        ("take_thread_control", "111", "111", "us"),
        ("take_thread_control", "222", "111", "elsewhere"),
        ("take_thread_control", None, "111", "elsewhere"),
        ("take_thread_control", "222", "", "elsewhere"),
    ],
)
def test_control_moves_to_whom_the_new_owner_is(kind, owner, own_app, to):
    [event] = parsed(webhook(item(**{kind: {"new_owner_app_id": owner}})), app_id=own_app)
    assert isinstance(event, ControlMoved)
    assert event.to == to


def test_a_delivery_tells_of_each_message_and_of_all_before():
    events = parsed(webhook(item(delivery={"mids": ["m_1", "m_2"], "watermark": AT - 5})))
    assert [type(event) for event in events] == [Receipt, Receipt, SeenUpTo]
    assert {event.status for event in events} == {"delivered"}
    assert events[2].up_to.timestamp() == (AT - 5) / 1000


def test_a_delivery_or_a_reading_of_nothing_is_kept():
    for about in ({"delivery": {}}, {"delivery": {"mids": []}}, {"read": {}}):
        assert isinstance(parsed(webhook(item(**about)))[0], Unparsed)


def test_a_policy_that_nobody_knew_is_bad_news():
    [event] = parsed(webhook({"timestamp": AT, "policy-enforcement": {"action": "exile"}}))
    assert isinstance(event, AccountNoticed)
    assert (event.kind, event.is_bad) == ("exile", True)


def test_a_kind_of_attachment_that_nobody_knew_is_named_and_takes_no_words_along():
    [event] = parsed(webhook(item(message={"mid": "m_1", "text": "x", "attachments": [{"type": "hologram"}]})))
    assert event.parts == (Text("x"), Unsupported("hologram"))


def test_a_link_that_is_in_the_text_already_is_not_told_twice():
    link = {"type": "fallback", "title": "T", "url": "https://example.org/", "payload": None}
    [event] = parsed(webhook(item(message={"mid": "m_1", "text": "see https://example.org/", "attachments": [link]})))
    assert event.parts == (Text("see https://example.org/"),)


def test_too_long_a_text_is_kept_wherever_it_stands():
    long = "x" * 100_001
    for about in (
        {"message": {"mid": "m_1", "text": long}},
        {"message": {"mid": "m_1", "text": "x", "quick_reply": {"payload": long}}},
        {"postback": {"mid": "m_1", "title": long, "payload": "x"}},
        {"message_edit": {"mid": "m_1", "text": long, "num_edit": 1}},
        {"message": {"mid": "m_1", "attachments": [{"type": "image", "payload": {"url": long}}]}},
    ):
        assert isinstance(parsed(webhook(item(**about)))[0], Unparsed)


def test_a_signature_over_other_spelling_of_the_same_json_does_not_pass():
    body = json.dumps(webhook(item(message={"mid": "m_1", "text": "á"}))).encode()
    other = json.dumps(json.loads(body), ensure_ascii=False).encode()
    assert signature(body, "app_secret_1") != signature(other, "app_secret_1")
