"""The people, accounts and windows of the sandbox, and the webhooks in which Meta tells of them."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta

import msgspec

from channels._meta.messaging.dialect import DAY_S
from channels._meta.messaging.sandbox_rules import Json, Rules, refusal
from channels.sandbox_kit import Refused

AGENT_DAYS = 7
AD_DAYS = 7
INBOX_APP = "263902037430900"


class Account(msgspec.Struct):
    """A page or a profile. ``fields``: what the app is subscribed to."""

    id: str
    token: str
    fields: set[str]
    is_subscribed: bool = True
    is_token_valid: bool = True


class Standing(msgspec.Struct):
    """How a person stands with an account. ``owner`` is the app that has the thread."""

    heard_at: datetime | None = None
    ad_at: datetime | None = None
    is_blocked: bool = False
    owner: str = ""


def entry(kind: str, account: str, item: Json, at: datetime, array: str = "messaging") -> bytes:
    """One event as a webhook: Meta escapes whatever is not ASCII, and slashes."""
    body = {"object": kind, "entry": [{"id": account, "time": milliseconds(at), array: [item]}]}
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()


def join_entries(bodies: list[bytes]) -> bytes:
    """Several webhooks as Meta joins them: one object, all entries."""
    loaded = [json.loads(body) for body in bodies]
    joined = {"object": loaded[0]["object"], "entry": [one for body in loaded for one in body["entry"]]}
    return json.dumps(joined, separators=(",", ":")).replace("/", "\\/").encode()


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def new_mid(prefix: str) -> str:
    """A message id of the form that the app gives."""
    return f"{prefix}{secrets.token_urlsafe(48)}"


def require_open(rules: Rules, standing: Standing, body: Json, now: datetime, own_app: str) -> None:
    """Raise ``Refused`` unless the person may be written to now. A sender's action needs no window."""
    if standing.is_blocked:
        raise Refused(refusal(551, "(#551) This person isn't available right now.", 1545041))
    if standing.owner not in {"", own_app}:
        raise Refused(refusal(10, "(#10) The thread is owned by another app", 2018300))
    if "sender_action" in body:
        return
    days = AGENT_DAYS if body.get("tag") == "HUMAN_AGENT" else 1
    until = standing.heard_at + timedelta(seconds=days * DAY_S) if standing.heard_at is not None else None
    if standing.ad_at is not None:
        until = max(until or standing.ad_at, standing.ad_at + timedelta(days=AD_DAYS))
    if until is None or now >= until:
        words = "(#10) This message is sent outside of allowed window."
        raise Refused(refusal(10, words, rules.window_subcode))
