"""What makes a comment ours, and what each refusal of Zendesk asks of the caller."""

from __future__ import annotations

import json

import pytest

from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry
from handoff.desks.zendesk.client import NewComment
from handoff.desks.zendesk.failures import Closed, Gone, Invalid, RateLimited, SameKey, named
from handoff.desks.zendesk.updates import is_same
from handoff.desks.zendesk.wire import MARKER, WireComment

MEANT = NewComment(body="hola\n\nqué {\u2060{tal", is_public=True, author_id=11, marker="h:say-2-0")


def test_a_comment_is_ours_by_its_mark_whatever_its_words() -> None:
    marked = {"custom": {MARKER: "h:say-2-0"}, "system": {}}
    assert is_same(WireComment(id=1, author_id=11, body="other", metadata=marked), MEANT)
    assert not is_same(WireComment(id=1, author_id=11, body=MEANT.body, metadata={"custom": {MARKER: "x"}}), MEANT)


@pytest.mark.parametrize("metadata", [None, {}, {"custom": None}, {"custom": {}}, "odd", {"custom": {MARKER: 7}}])
def test_without_marks_the_very_words_of_the_same_author_are_ours(metadata: object) -> None:
    found = WireComment(id=1, author_id=11, body="hola \n\n qué {{tal", public=True, metadata=metadata)
    assert is_same(found, MEANT)
    assert not is_same(WireComment(id=1, author_id=12, body=found.body, metadata=metadata), MEANT)
    assert not is_same(WireComment(id=1, author_id=11, body=found.body, public=False, metadata=metadata), MEANT)
    assert not is_same(WireComment(id=1, author_id=11, body="hola", metadata=metadata), MEANT)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "IdempotentRequestError"}, SameKey),
        (400, {"error": "InvalidRequest"}, GiveUp),
        (401, {"error": "Couldn't authenticate you"}, Misconfigured),
        (403, {"error": {"title": "Forbidden", "message": "no"}}, Misconfigured),
        (404, {"error": "RecordNotFound"}, Gone),
        (409, {"error": "DatabaseConflict"}, Retry),
        (422, {"details": {"status": [{"description": "Status: closed prevents ticket update"}]}}, Closed),
        (422, {"error": "RecordInvalid", "details": {"requester": [{"description": "x"}]}}, Invalid),
        (429, {"error": "APIRateLimitExceeded"}, RateLimited),
        (500, {}, Ambiguous),
        (503, {}, Ambiguous),
        (302, {}, Misconfigured),
    ],
)  # fmt: skip
def test_each_refusal_is_named_by_what_to_do(status: int, body: object, kind: type[Exception]) -> None:
    assert type(named(status, json.dumps(body).encode(), "7")) is kind


def test_waits_are_those_that_zendesk_asks_for_within_bounds() -> None:
    limited = named(429, b"", "93")
    assert isinstance(limited, Retry)
    assert limited.after_s == 93
    endless = named(429, b"not json", "99999999")
    assert isinstance(endless, Retry)
    assert endless.after_s == 600


def test_no_error_repeats_what_a_customer_wrote() -> None:
    secret = "my card is 4111"
    details = {"details": {"comment": [{"description": secret}]}, "description": secret, "error": "RecordInvalid"}
    assert secret not in str(named(422, json.dumps(details).encode(), ""))
