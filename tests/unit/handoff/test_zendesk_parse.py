"""Zendesk's webhooks: proven, read field by field, and under keys that agree with the poll."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadPayload, BadSignature
from handoff.desks.zendesk.parse import (
    ASSIGNED,
    COMMENT,
    GONE,
    LOOK,
    MERGED,
    STATUS,
    event_of_comment,
    heard_in,
    parse,
)
from handoff.desks.zendesk.verify import moment, verify
from handoff.desks.zendesk.wire import WireComment, WireTicket

SECRET = "zd_secret_1"
STAMP = "2026-01-01T12:00:00Z"
AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def request(body: bytes, **headers: str) -> WebhookRequest:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest("POST", "https://bot.example/webhooks/desks/zendesk/main", given, {}, body)


def signed(body: bytes, signature: str, stamp: str = STAMP) -> WebhookRequest:
    return request(body, x_zendesk_webhook_signature=signature, x_zendesk_webhook_signature_timestamp=stamp)


def sign(body: bytes, stamp: str = STAMP, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()).decode()


# ---------------------------------------------------------------- verify


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (b'{"id":"e1","type":"zen:event-type:ticket.comment_added"}', "0mE53njD+oobKzEHg8nyy3TaOaBp8ffaiKdtkasEEsI="),
        (b"", "G9oWTWpUouhzw/qi1RiU7V94VUWLwK83Vfkl3Ykwyuw="),
    ],
)
def test_what_zendesk_signed_is_taken_with_the_current_or_the_previous_secret(body: bytes, signature: str) -> None:
    verify(signed(body, signature), [SECRET], AT, 300)
    verify(signed(body, signature), ["newer", SECRET], AT + timedelta(seconds=299), 300)


@pytest.mark.parametrize("secrets", [[], [""], ["another"]])
def test_without_the_right_secret_nothing_is_taken(secrets: list[str]) -> None:
    with pytest.raises(BadSignature):
        verify(signed(b"{}", sign(b"{}", secret=secrets[0] if secrets == [""] else SECRET)), secrets, AT, 300)


@pytest.mark.parametrize("off_s", [-301, 301, 86_400])
def test_what_was_signed_at_another_time_is_a_replay(off_s: int) -> None:
    with pytest.raises(BadSignature):
        verify(signed(b"{}", sign(b"{}")), [SECRET], AT + timedelta(seconds=off_s), 300)


@pytest.mark.parametrize("stamp", ["", "soon", "1767268800", "2026-13-01T00:00:00Z", "\udc80"])
def test_a_time_that_is_none_is_refused_even_when_signed(stamp: str) -> None:
    proof = base64.b64encode(
        hmac.new(SECRET.encode(), stamp.encode("utf-8", "surrogateescape") + b"{}", hashlib.sha256).digest()
    ).decode()
    with pytest.raises(BadSignature):
        verify(signed(b"{}", proof, stamp), [SECRET], AT, 300)


@given(st.binary(max_size=60), st.text(max_size=60))
def test_no_other_signature_is_taken(body: bytes, signature: str) -> None:
    if signature != sign(body):
        with pytest.raises(BadSignature):
            verify(signed(body, signature), [SECRET], AT, 300)


def test_times_have_any_number_of_digits() -> None:
    assert moment("2026-01-08T14:25:30.123456789Z") == datetime(2026, 1, 8, 14, 25, 30, 123456, UTC)
    assert moment("2026-01-08T14:25:30.5+02:00") == datetime(2026, 1, 8, 12, 25, 30, 500000, UTC)
    assert moment("2026-01-08T14:25:30") == datetime(2026, 1, 8, 14, 25, 30, tzinfo=UTC)
    assert moment("yesterday") is None


# ---------------------------------------------------------------- parse


def envelope(kind: str, event: dict[str, Any], **detail: Any) -> bytes:
    whole = {
        "account_id": 22129848,
        "id": "d4f5c389-8f4a-4c2e-a1b9-8e4f39c71d52",
        "type": f"zen:event-type:ticket.{kind}",
        "subject": "zen:ticket:5158",
        "time": "2026-01-08T14:25:30.123456789Z",
        "zendesk_event_version": "2022-11-06",
        "event": event,
        "detail": {"id": "5158", "status": "OPEN", "requester_id": "11", "assignee_id": "", "tags": ["a"], **detail},
    }
    return json.dumps(whole).encode()


COMMENT_EVENT = {
    "comment": {
        "id": "9876543210",
        "body": "We look into it.",
        "is_public": True,
        "author": {"id": "8447", "is_staff": True, "name": "Berta Gómez"},
    }
}


def test_a_comment_is_known_by_its_own_number_to_webhook_and_poll_alike() -> None:
    [event] = parse(request(envelope("comment_added", COMMENT_EVENT)))
    heard = heard_in(event)
    assert (event.key, event.kind, event.reference) == ("comment:9876543210", COMMENT, "5158")
    assert event.at == datetime(2026, 1, 8, 14, 25, 30, 123456, UTC)
    assert (heard.author_id, heard.is_staff, heard.is_public, heard.body) == (8447, True, True, "We look into it.")
    polled = event_of_comment(WireTicket(id=5158), WireComment(id=9876543210, author_id=8447), AT)
    assert polled.key == event.key


def test_notes_between_agents_are_no_events() -> None:
    hidden = {"comment": {**COMMENT_EVENT["comment"], "is_public": False}}
    assert parse(request(envelope("comment_added", hidden))) == ()


@pytest.mark.parametrize(
    ("kind", "event", "ours", "field", "value"),
    [
        ("status_changed", {"current": "SOLVED", "previous": "OPEN"}, STATUS, "status", "solved"),
        ("agent_assignment_changed", {"current": "12", "previous": None}, ASSIGNED, "assignee_id", 12),
        ("agent_assignment_changed", {"current": None, "previous": "12"}, ASSIGNED, "assignee_id", 0),
        ("merged", {"target_ticket_id": "77"}, MERGED, "target_id", 77),
        ("soft_deleted", {}, GONE, "ticket_id", 5158),
        ("marked_as_spam", {}, GONE, "requester_id", 11),
        ("undeleted", {}, LOOK, "ticket_id", 5158),
    ],
)
def test_each_kind_that_matters_is_read(kind: str, event: dict[str, Any], ours: str, field: str, value: object) -> None:
    [found] = parse(request(envelope(kind, event)))
    heard = heard_in(found)
    assert (found.kind, getattr(heard, field)) == (ours, value)
    assert found.key == "event:d4f5c389-8f4a-4c2e-a1b9-8e4f39c71d52"


@pytest.mark.parametrize(
    "kind", ["tags_changed", "created", "sla_policy_changed", "comment_redacted", "never_heard_of"]
)
def test_kinds_that_are_not_used_are_silent(kind: str) -> None:
    assert parse(request(envelope(kind, {}))) == ()
    assert parse(request(b'{"type":"zen:event-type:user.created","id":"1"}')) == ()


def test_a_trigger_says_only_that_there_is_something() -> None:
    body = b'{"ticket_id":"35","external_id":"0199f0c2-0000-7000-8000-000000000000","status":"Open"}'
    asked = request(body, x_zendesk_webhook_invocation_id="inv1", x_zendesk_webhook_signature_timestamp=STAMP)
    [event] = parse(asked)
    assert (event.key, event.kind, event.reference, event.at) == ("ping:inv1", LOOK, "35", AT)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"[]", "$"),
        (b"{}", "$"),
        (b"\xff", "$"),
        (b'{"ticket_id":"{{ticket.id}}"}', "$.ticket_id"),
        (b'{"type":"zen:event-type:ticket.merged","time":"2026-01-08T14:25:30Z","id":"1"}', "$.detail.id"),
        (b'{"type":"zen:event-type:ticket.merged","detail":{"id":"1"},"id":"1"}', "$.time"),
        (b'{"type":"zen:event-type:ticket.merged","detail":{"id":{}},"id":"1"}', "$.detail.id"),
        (b'{"type":' + b"[" * 5000, "$"),
    ],
)
def test_what_was_not_agreed_names_its_place(body: bytes, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        parse(request(body))
    assert caught.value.path == path


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_read_or_refused_by_name(tree: object) -> None:
    for body in (tree, {"type": "zen:event-type:ticket.comment_added", "event": tree}, {"ticket_id": tree}):
        try:
            parse(request(json.dumps(body).encode()))
        except BadPayload:
            continue
