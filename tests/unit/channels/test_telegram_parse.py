"""What Telegram's updates mean to us, beyond the recorded payloads."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.telegram import parse as parsing
from channels.telegram.parse import parse
from channels.telegram.settings import UPDATE_KINDS, USED_KINDS, TelegramSettings
from gateway.core.errors import BadPayload
from gateway.core.inbound import Edited, Ignored, Received, Unparsed
from gateway.core.messages import Location, Text, Unsupported

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SETTINGS = TelegramSettings(token="222222:ABC", secret_token="s", username="shop_bot")
ANA = {"id": 1, "is_bot": False, "first_name": "Ana"}
PRIVATE = {"id": 1, "type": "private", "first_name": "Ana"}
GROUP = {"id": -100, "type": "supergroup", "title": "G"}


def read(kind, content, update_id=7):
    return parse(SETTINGS, json.dumps({"update_id": update_id, kind: content}).encode(), NOW)[0]


def message(chat=PRIVATE, **content):
    return {"message_id": 5, "from": ANA, "chat": chat, "date": 1_767_225_600, **content}


@pytest.mark.parametrize("kind", sorted(set(UPDATE_KINDS) - set(USED_KINDS)))
def test_every_kind_that_is_not_used_is_ignored_by_its_name(kind):
    assert read(kind, {"anything": [1]}) == Ignored(kind)


@pytest.mark.parametrize("content", sorted(parsing.UNSUPPORTED_CONTENT))
def test_a_content_without_a_part_is_named_to_the_agent(content):
    assert read("message", message(**{content: {"x": 1}})).parts == (Unsupported(content),)


@pytest.mark.parametrize("content", sorted(parsing.SERVICE_CONTENT))
@pytest.mark.parametrize("chat", [PRIVATE, GROUP], ids=["private", "group"])
def test_what_the_app_notes_is_ignored_by_its_name(content, chat):
    assert read("message", message(chat, **{content: {"x": 1}})) == Ignored(f"service_{content}")


def test_a_press_is_dated_when_it_arrives():
    press = {"id": "9", "from": ANA, "message": message(text="?"), "chat_instance": "1", "data": "yes"}
    event = read("callback_query", press)
    assert event.at == NOW
    assert event.acknowledge == "9"
    assert event.provider_message_id == "cb:9"


def test_two_edits_within_a_second_are_two_events_and_a_redelivery_is_not():
    edit = message(edit_date=1_767_225_660, text="a")
    first, again, second = read("edited_message", edit), read("edited_message", edit), read("edited_message", edit, 8)
    assert first.event_key == again.event_key != second.event_key
    assert first.provider_message_id == second.provider_message_id == "1:5"


def test_an_update_number_used_again_after_a_silence_does_not_hide_a_new_message():
    old = read("message", message(text="a"), 7)
    new = read("message", {**message(text="b"), "message_id": 6}, 7)
    assert old.event_key != new.event_key


def test_the_same_message_number_in_another_chat_is_another_message():
    assert (
        read("message", message(text="a")).event_key
        != read("message", message({**PRIVATE, "id": 2}, text="a")).event_key
    )


def test_ids_of_52_bits_are_exact_and_larger_ones_go_to_the_quarantine():
    chat = {**PRIVATE, "id": 2**52 - 1}
    assert read("message", message(chat, text="a")).address.value == str(2**52 - 1)
    kept = read("message", message({**PRIVATE, "id": 2**60}, text="a"))
    assert isinstance(kept, Unparsed)
    assert kept.path == "$.message.chat.id"


@pytest.mark.parametrize("text", ["/startle", "start", "/start@other_bot x", " /start"])
def test_only_start_itself_is_an_opt_in(text):
    event = read("message", message(text=text))
    assert not event.is_opt_in
    assert event.parts == (Text(text),)


def test_a_contact_of_somebody_else_is_not_vouched_for():
    card = {"phone_number": "1", "first_name": "Eva", "user_id": 2}
    assert not read("message", message(contact=card)).parts[0].is_own
    assert read("message", message(contact={**card, "user_id": 1})).parts[0].is_own


def test_each_step_of_a_live_location_is_an_edit():
    event = read("edited_message", message(location={"latitude": 1.5, "longitude": 2.5, "live_period": 60}))
    assert isinstance(event, Edited)
    assert event.parts == (Location(1.5, 2.5, is_live=True),)


def entity(kind, offset, length, **more):
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("text", "entities", "heard"),
    [
        ("@shop_bot", [entity("mention", 0, 9)], "@shop_bot"),
        ("hi @SHOP_BOT there", [entity("mention", 3, 9)], "hi there"),
        ("hi there @shop_bot", [entity("mention", 9, 9)], "hi there"),
        ("Shop, help", [entity("text_mention", 0, 4, user={"id": 222222, "is_bot": True})], ", help"),
        ("please /bill@shop_bot now", [entity("bot_command", 7, 14)], "please /bill now"),
        ("@shop_bot @shop_bot x", [entity("mention", 0, 9), entity("mention", 10, 9)], "x"),
        ("@other hi", [entity("mention", 0, 6)], None),
        ("@shop_bot by hand, no entity", [], None),
        ("Eva, help", [entity("text_mention", 0, 3, user={"id": 5})], None),
        ("x", [entity("mention", 500, 9)], None),
        ("x", [entity("mention", -1, 9)], None),
    ],
)
def test_a_group_is_heard_when_it_calls_the_bot_and_the_call_is_taken_off(text, entities, heard):
    event = read("message", message(GROUP, text=text, entities=entities))
    if heard is None:
        assert event == Ignored("group_message_not_addressed")
    else:
        assert event.parts == (Text(heard),)
        assert event.address.value == "-100"


def test_a_caption_may_call_the_bot_too():
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
    event = read(
        "message", message(GROUP, photo=photo, caption="@shop_bot look", caption_entities=[entity("mention", 0, 9)])
    )
    assert event.parts[0].caption == "look"


def test_an_anonymous_administrator_is_heard_and_a_bot_is_not():
    bot = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    said = {**message(GROUP, text="/help", entities=[entity("bot_command", 0, 5)]), "from": bot}
    assert read("message", said) == Ignored("message_of_a_bot")
    assert isinstance(read("message", {**said, "sender_chat": GROUP}), Received)


def test_without_a_username_only_bare_commands_and_replies_are_heard():
    nameless = TelegramSettings(token="222222:ABC", secret_token="s")
    said = message(GROUP, text="@shop_bot hi", entities=[entity("mention", 0, 9)])
    body = json.dumps({"update_id": 1, "message": said}).encode()
    assert parse(nameless, body, NOW) == [Ignored("group_message_not_addressed")]


def test_halves_of_surrogate_pairs_and_nuls_become_the_replacement_character_anywhere():
    body = (
        rb'{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":1,"type":"private"},'
        rb'"from":{"id":1,"first_name":"A\u0000"},"text":"a\ud83d\u0000 \ud83d\ude00 \\u0000"}}'
    )
    [event] = parse(SETTINGS, body, NOW)
    assert event.parts == (Text("a\ufffd\ufffd 😀 \\u0000"),)
    assert event.profile.name == "A\ufffd"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b'{"update_id":1',
        b"\xff\xfe{}",
        b'{"update_id":1,"message":{"text":"\xff"}}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"update_id":NaN}',
        b"\xef\xbb\xbf{}",
        b'{"update_id":1}{}',
        b'{"update_id":1,"\xff":1}',
    ],
    ids=range(15),
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(BadPayload):
        parse(SETTINGS, body, NOW)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (message(chat={"id": "x", "type": "private"}, text="a"), "$.message.chat.id"),
        ({**message(text="a"), "date": 10**15}, "$.message.date"),
        ({**message(text="a"), "message_id": 1.5}, "$.message.message_id"),
        (message(photo=[{"width": 1}]), "$.message.photo[0]"),
        (message(text=5), "$.message.text"),
        (message(caption="x" * 100_001, photo=[{"file_id": "f"}]), "$.message.caption"),
        ({"message_id": 1}, "$.message"),
    ],
)
def test_a_fault_in_the_shape_is_named_by_its_place(content, path):
    kept = read("message", content)
    assert isinstance(kept, Unparsed)
    assert kept.path == path
    assert json.loads(kept.raw)["message"] == content


@given(st.text(max_size=200))
def test_a_text_arrives_as_it_was_written(text):
    event = read("message", message(text=text))
    clean = text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    expected = Text("/start") if clean.startswith("/start ") else Text(clean)
    assert event.parts == (expected,)
