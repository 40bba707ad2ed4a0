"""What the desk tells its pages: nothing is lost on the way into JSON, and nothing that strangers wrote does harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import ConversationId, HandoffId, MessageId, TurnId, new_id
from gateway.core.messages import (
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Option,
    Parts,
    Selection,
    Text,
    Unsupported,
)
from gateway.store.desk import Case, Message, Page, Turn
from gateway.web.desk.media import SHOWN_TYPES, headers_for
from gateway.web.desk.shapes import _what_the_bot_knows, case_line, json_parts, message_lines

AT = datetime(2026, 1, 1, tzinfo=UTC)
HELLO: Parts = (Text("hola"),)


def case(parts: Parts = HELLO, **changed: object) -> Case:
    plain = Case(
        handoff_id=HandoffId(new_id()),
        conversation_id=ConversationId(new_id()),
        reason="asked",
        asked_at=AT,
        accepted_at=None,
        ended_at=None,
        end_reason="",
        control="queued",
        agent="",
        last_agent="",
        epoch=1,
        language="es",
        position=3,
        contact_name="Marta",
        app="Web chat",
        account="site",
        last_author="customer",
        last_parts=parts,
        last_at=AT,
        unanswered=1,
        unanswered_since=AT + timedelta(minutes=1),
    )
    return msgspec.structs.replace(plain, **changed)


def message(position: int, author: str, turn: TurnId | None = None, **changed: object) -> Message:
    plain = Message(
        message_id=MessageId(new_id()),
        position=position,
        author=author,
        agent="",
        status="sent",
        parts=(Text(f"{position}"),),
        at=AT,
        turn_id=turn,
        edited_at=None,
        deleted_at=None,
        problem="",
    )
    return msgspec.structs.replace(plain, **changed)


def turn(turn_id: TurnId) -> Turn:
    return Turn(
        turn_id=turn_id,
        at=AT,
        outcome="answered",
        link="intents",
        intent="balance",
        confidence=0.5,
        language="es",
        duration_us=1500,
        bot_version="b",
        resolution=None,
    )


def test_a_customer_waits_from_the_asking_and_later_from_the_first_words_that_nobody_answered() -> None:
    assert case_line(case()).waiting_since == AT
    taken = case(agent="Ana", control="agent", accepted_at=AT)
    assert case_line(taken).waiting_since == AT + timedelta(minutes=1)
    answered = msgspec.structs.replace(taken, unanswered=0, unanswered_since=None)
    assert case_line(answered).waiting_since is None
    over = msgspec.structs.replace(taken, ended_at=AT, agent="", last_agent="Ana")
    assert (case_line(over).waiting_since, case_line(over).agent) == (None, "Ana")


def test_last_words_are_short_and_one_line_and_a_file_is_named_by_its_kind() -> None:
    assert case_line(case((Text("a\nb\nc"),))).last.text == "a b c"
    assert case_line(case((Text("x" * 1000),))).last.text == "x" * 140 + "…"
    for parts, kind in (
        ((Media(kind="voice"),), "voice"),
        ((Location(1, 2),), "location"),
        ((Unsupported("dice"),), "unsupported"),
        ((), "deleted"),
    ):
        last = case_line(case(parts)).last
        assert (last.text, last.kind) == ("", kind)


def test_a_turn_is_told_with_its_last_message_only() -> None:
    one, other = TurnId(new_id()), TurnId(new_id())
    page = Page(
        (
            message(1, "customer", status="received"),
            message(2, "bot", one),
            message(3, "bot", one),
            message(4, "bot", other),
            message(5, "agent", agent="Ana", key="k", status="queued"),
        ),
        {one: turn(one)},
        is_first=True,
    )
    lines = message_lines(page, "Marta", "/m")
    assert [line.turn is not None for line in lines] == [False, False, True, False, False]
    assert [line.status for line in lines] == ["", "sent", "sent", "sent", "sending"]
    assert [line.name for line in lines] == ["Marta", "", "", "", "Ana"]
    assert lines[4].client_id == "k"
    assert lines[2].turn.duration_ms == 1.5


def test_parts_keep_their_words_and_files_get_an_address_of_ours() -> None:
    parts: Parts = (
        Media(kind="image", blob="ab/cd", name="a.png", provider_ref="secret-handle"),
        Media(kind="image", url="https://example.com/a.png"),
        Media(kind="image", provider_ref="secret-handle"),
        Selection("v", "Sí"),
        Choice("?", (Option("a", "b"),)),
        ContactCard("Marta", "+57"),
        Cards(()),
    )
    told = json_parts(parts, "/m/7")
    assert [part["type"] for part in told] == ["media", "media", "media", "selection", "choice", "contact", "cards"]
    assert [part.get("url") for part in told[:3]] == ["/m/7/0", "https://example.com/a.png", ""]
    assert told[3] == {"type": "selection", "choice": "v", "label": "Sí"}
    assert b"secret-handle" not in msgspec.json.encode(told)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(msgspec.json.encode))
def test_a_state_that_is_not_understood_tells_nothing_and_breaks_nothing(state: bytes) -> None:
    slots, flow = _what_the_bot_knows(state)
    assert all(isinstance(value, str) for value in slots.values())
    assert isinstance(flow, str)


@given(mime=st.text(max_size=60), name=st.text(max_size=200), blob=st.from_regex(r"\A[0-9a-f]{2}/[0-9a-f]{62}\Z"))
def test_whatever_a_stranger_calls_a_file_no_browser_runs_it(mime: str, name: str, blob: str) -> None:
    headers = headers_for(Media(kind="document", blob=blob, mime=mime, name=name))
    for value in headers.values():
        assert value.isascii()
        assert not set(value) & set("\r\n\x00")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] in SHOWN_TYPES | {"application/octet-stream"}
    if headers["Content-Type"] not in SHOWN_TYPES:
        assert headers["Content-Disposition"].startswith("attachment;")


def test_nothing_that_can_hold_a_script_is_shown_in_place() -> None:
    for mime in (
        "image/svg+xml",
        "text/html",
        "application/xhtml+xml",
        "application/pdf",
        "text/xml",
        "image/png;x=\r\n",
    ):
        headers = headers_for(Media(kind="document", blob="00/11", mime=mime))
        is_shown = headers["Content-Disposition"].startswith("inline")
        assert is_shown == (mime.partition(";")[0] == "image/png")
