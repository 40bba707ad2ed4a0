"""The frames of a web chat: whatever a client sends is understood, refused by name, or no JSON; nothing else."""

import contextlib
import json
import uuid
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.webchat import frames
from channels.webchat.frames import BadFrame, MessageIn, NotJson, ReadIn, TypingIn
from gateway.core.messages import Author, Choice, Media, Option, Reaction, Selection, Status, Template, Text
from gateway.store.lines import Line

T = datetime(2026, 1, 1, tzinfo=UTC)


HOLA = (Text("hola"),)


def line(author=Author.BOT, status=Status.SENT, parts=HOLA, position=1, ref="m_1"):
    return Line(position, uuid.uuid4(), author, status, parts, T, "", ref)


def no_upload(_upload):
    return None


def sent(text):
    return {"type": "message", "id": "c-1", "parts": [{"type": "text", "text": text}]}


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_a_frame_or_an_error_with_a_name(data):
    with contextlib.suppress(NotJson, BadFrame):
        frame = frames.read_frame(data)
        assert frame is None or isinstance(frame, MessageIn | TypingIn | ReadIn)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(
    st.sampled_from(["message", "typing", "read", "wave"]),
    st.dictionaries(st.sampled_from(["id", "parts", "on", "seq"]), JSON),
)
@settings(max_examples=300, deadline=None)
def test_any_json_with_a_known_type_is_a_frame_or_refused_by_name(kind, fields):
    with contextlib.suppress(BadFrame):
        frame = frames.read_frame(json.dumps({**fields, "type": kind}))
        assert (frame is None) == (kind == "wave")


@pytest.mark.parametrize("data", [b"", b"hello", b"[1]", b'"message"', b"\xff\xfe", b"{", b"null", b"1"])
def test_what_is_no_object_in_json_ends_the_connection(data):
    with pytest.raises(NotJson):
        frames.read_frame(data)


def test_a_type_that_is_not_known_is_left_alone_for_newer_clients():
    assert frames.read_frame('{"type":"wave","on":true}') is None


def test_a_refused_frame_names_the_clients_own_id():
    with pytest.raises(BadFrame) as raised:
        frames.read_frame('{"type":"message","id":"c-7","parts":[]}')
    assert raised.value.client_id == "c-7"
    assert raised.value.reason == "bad_frame"


@pytest.mark.parametrize(("text", "reason"), [("x" * 10_001, "too_long"), ("", "empty"), (" \n\t", "empty")])
def test_a_text_that_cannot_be_taken_says_why(text, reason):
    with pytest.raises(BadFrame) as raised:
        frames.parts_of(frames.read_frame(json.dumps(sent(text))), no_upload)
    assert raised.value.reason == reason
    assert raised.value.client_id == "c-1"


def test_an_unknown_upload_is_refused_and_a_known_one_carries_its_caption():
    frame = frames.read_frame(
        '{"type":"message","id":"c-1","parts":[{"type":"media","upload":"u_1","caption":"mi factura"}]}'
    )
    with pytest.raises(BadFrame) as raised:
        frames.parts_of(frame, no_upload)
    assert raised.value.reason == "bad_upload"
    [media] = frames.parts_of(frame, lambda upload: Media("image", blob="ab/cd", name=upload))
    assert (media.caption, media.name, media.blob) == ("mi factura", "u_1", "ab/cd")


def test_a_press_keeps_its_value_and_its_label():
    frame = frames.read_frame(
        '{"type":"message","id":"c-1","parts":[{"type":"selection","choice":"/yes","label":"Sí"}]}'
    )
    assert frames.parts_of(frame, no_upload) == (Selection("/yes", "Sí"),)


def test_a_zero_character_does_not_reach_the_database():
    assert frames.parts_of(frames.read_frame(json.dumps(sent("a\0b"))), no_upload) == (Text("a\ufffdb"),)


def test_a_message_tells_all_that_the_sheet_promises():
    shown = json.loads(frames.message(line(Author.AGENT, Status.READ, position=43), "Berta", "read", str))
    assert shown["type"] == "message"
    assert shown["seq"] == 43
    assert shown["id"].startswith("m_")
    assert (shown["author"], shown["name"], shown["at"]) == ("agent", "Berta", "2026-01-01T00:00:00.000Z")
    assert shown["parts"] == [{"type": "text", "text": "hola"}]
    assert "client_id" not in shown


def test_a_message_of_the_visitor_carries_the_id_that_their_client_gave_it():
    own = line(Author.CUSTOMER, Status.RECEIVED, ref=frames.provider_id("v_ana/0", "c:7"))
    assert json.loads(frames.message(own, "", "read", str))["client_id"] == "c:7"


@pytest.mark.parametrize("status", [Status.WITHDRAWN, Status.FAILED])
def test_what_was_never_sent_leaves_its_number_and_nothing_else(status):
    shown = json.loads(frames.message(line(status=status, position=9), "Bot", "sent", str))
    assert (shown["seq"], shown["parts"], shown["author"]) == (9, [], "system")
    assert "hola" not in json.dumps(shown)


def test_files_are_told_by_address_and_never_by_where_they_are_kept():
    media = Media("image", blob="ab/secret", name="a.png", mime="image/png", size_bytes=3)
    [shown] = json.loads(frames.message(line(parts=(media,)), "", "sent", lambda _: "/chat/s/media/x"))["parts"]
    assert shown == {
        "type": "media",
        "kind": "image",
        "url": "/chat/s/media/x",
        "name": "a.png",
        "mime": "image/png",
        "size_bytes": 3,
    }


def test_choices_travel_whole_and_what_cannot_be_shown_stays_behind():
    choice = Choice("¿Seguro?", (Option("Sí", "/yes"), Option("Web", url="https://example.org")), style="list")
    parts = (choice, Template("t", "es"), Reaction("m", ("x",)))
    [shown] = json.loads(frames.message(line(parts=parts), "", "sent", str))["parts"]
    assert shown["type"] == "choice"
    assert [option["label"] for option in shown["options"]] == ["Sí", "Web"]
    assert msgspec.convert(shown, type=Choice) == choice
