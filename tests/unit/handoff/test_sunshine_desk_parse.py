"""What a webhook of Sunshine's becomes at the desk: agents' words and moves, nothing else, whatever comes."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sunshine_desk_settings import settings

from gateway.core.channel import WebhookRequest
from gateway.core.desks import DeskEvent
from gateway.core.errors import BadPayload
from handoff.desks.sunshine.parse import parse

AT = "2026-01-01T18:06:37.547Z"


def body_of(*events: object, app: str = "5698") -> bytes:
    return json.dumps({"app": {"id": app}, "webhook": {"id": "w"}, "events": list(events)}).encode()


def event(kind: str, payload: dict[str, Any], event_id: str = "e1") -> dict[str, Any]:
    return {"id": event_id, "type": kind, "createdAt": AT, "payload": {"conversation": {"id": "c1"}, **payload}}


def message(**more: Any) -> dict[str, Any]:
    return {
        "id": "m1",
        "received": "2026-01-01T18:06:30.000Z",
        "author": {"type": "business", "displayName": "Luis"},
        "content": {"type": "text", "text": "hi"},
        "source": {"type": "zd:agentWorkspace"},
        **more,
    }


def parsed(body: bytes) -> list[DeskEvent]:
    return list(parse(settings(), WebhookRequest("POST", "", {}, {}, body)))


def test_an_agents_message_is_known_by_its_id_and_stands_at_the_time_it_was_received() -> None:
    (found,) = parsed(body_of(event("conversation:message", {"message": message()})))
    assert (found.key, found.kind, found.reference) == ("m:m1", "said", "c1")
    assert found.at.isoformat() == "2026-01-01T18:06:30+00:00"


@pytest.mark.parametrize(
    "other",
    [
        {"author": {"type": "user", "userId": "u"}},
        {"source": {"type": "api:conversations"}},
        {"source": {"type": "zd:answerBot"}},
        {"source": None},
        {"metadata": {"tertulia_post": "x"}},
        {"author": {"type": "business", "subtypes": ["activity"]}},
        {"deleted": True},
        {"content": None},
    ],
)
def test_nobody_elses_words_are_for_the_customer(other: dict[str, Any]) -> None:
    assert parsed(body_of(event("conversation:message", {"message": message(**other)}))) == []


def test_several_events_come_in_one_body_and_a_bad_one_harms_no_other() -> None:
    found = parsed(
        body_of(
            event("switchboard:passControl", {"reason": "ticketClosed"}, "e1"),
            {"id": "e2", "type": "conversation:message", "createdAt": AT, "payload": {"conversation": 7}},
            {"id": "e3", "type": "conversation:message", "createdAt": AT, "payload": {"message": message()}},
            event("conversation:read", {}, "e4"),
            event("something:new", {}, "e5"),
            event("conversation:message", {"message": message(id="m2")}, "e6"),
        )
    )
    assert [one.kind for one in found] == ["control", "unreadable", "unreadable", "said"]
    assert found[0].key == "e:e1"
    assert found[-1].key == "m:m2"
    assert len({one.key for one in found}) == 4


def test_a_redelivery_has_the_same_keys() -> None:
    body = body_of(event("switchboard:releaseControl", {}), {"type": "user:merge"})
    assert [one.key for one in parsed(body)] == [one.key for one in parsed(body)]


def test_a_merge_stands_in_line_with_the_conversation_that_is_given_up() -> None:
    merged = {"surviving": {"id": "c2"}, "discarded": {"id": "c1"}}
    users = {"surviving": {"id": "u2"}, "discarded": {"id": "u1"}}
    (both,) = parsed(body_of(event("user:merge", {"mergedConversations": merged, "mergedUsers": users})))
    (people,) = parsed(body_of(event("user:merge", {"mergedUsers": users})))
    assert (both.kind, both.reference, people.reference) == ("merged", "c1", "")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"app":', b"\xff", b"[" * 5000, body_of(app="other")])
def test_what_is_no_webhook_of_this_app_is_kept_raw(body: bytes) -> None:
    with pytest.raises(BadPayload):
        parsed(body)


def test_characters_that_no_database_takes_are_replaced() -> None:
    said = message(content={"type": "text", "text": "a\0b\ud800"})
    (found,) = parsed(body_of(event("conversation:message", {"message": said})))
    assert b"\\u0000" not in found.data
    assert "a\ufffdb\ufffd" in found.data.decode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["conversation:message", "switchboard:passControl", "user:merge", "user:remove", "x", "typing"])


@given(st.lists(JSON | st.fixed_dictionaries({"id": JSON, "type": TYPES | JSON, "createdAt": JSON, "payload": JSON})))
def test_any_events_at_all_become_events_or_nothing(events: list[Any]) -> None:
    for found in parsed(body_of(*events)):
        assert found.key
        assert found.data


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_kept_raw(body: bytes) -> None:
    with contextlib.suppress(BadPayload):
        assert parsed(body) == []
