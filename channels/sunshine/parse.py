"""Reads Sunshine's webhooks, event by event, so that one that is not understood harms no other. Pure."""

from __future__ import annotations

import contextlib

import msgspec

from channels.mending import mended, unparsed
from channels.sunshine.content import Misfit
from channels.sunshine.events import IGNORED_KINDS, events_of
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.wire import (
    Webhook,
    decode_anything,
    decode_app,
    decode_event,
    decode_event_kind,
    decode_fields,
    decode_raw_webhook,
    decode_webhook,
)
from gateway.core.inbound import Ignored, Parsed, Unparsed


def parse(settings: SunshineSettings, body: bytes) -> list[Parsed]:
    """All events of a webhook. Raises ``BadPayload`` when *body* is not a JSON object at all.

    An event that is not understood is ``Unparsed``, in an envelope of its own, and its neighbours go on. A NUL
    character, which no database takes, and half a surrogate pair become U+FFFD.
    """
    try:
        webhook = _decode(body)
        if webhook.app.id == settings.app_id:
            return _events(settings, webhook)
        return [Unparsed(raw=body, reason="a webhook of another app", path="$.app.id")]
    except (msgspec.ValidationError, Misfit):
        return _one_by_one(settings, body)


def _decode(body: bytes) -> Webhook:
    if b"\\u0000" in body:
        body = mended(body)
    try:
        return decode_webhook(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_webhook(mended(body))


def _events(settings: SunshineSettings, webhook: Webhook) -> list[Parsed]:
    """Raises ``Misfit`` when one of them is of no shape that we know."""
    parsed: list[Parsed] = []
    for event in webhook.events:
        parsed.extend(events_of(settings, event))
    return parsed or [Ignored("no_events")]


def _one_by_one(settings: SunshineSettings, body: bytes) -> list[Parsed]:
    """The slow way, for a webhook in which something is not as agreed."""
    clean = _readable(body)
    try:
        webhook = decode_raw_webhook(clean)
        app = bytes(webhook.app)
        app_id = decode_app(app).id
    except msgspec.ValidationError as error:
        return [unparsed(body, error)]
    if app_id != settings.app_id:
        return [Unparsed(raw=body, reason="a webhook of another app", path="$.app.id")]
    parsed: list[Parsed] = []
    for raw in webhook.events:
        parsed.extend(_alone(settings, app, bytes(raw)))
    return parsed or [Ignored("no_events")]


def _alone(settings: SunshineSettings, app: bytes, raw: bytes) -> list[Parsed]:
    kept = b'{"app":' + app + b',"events":[' + raw + b"]}"
    try:
        if decode_event_kind(raw).type in IGNORED_KINDS:
            return [Ignored(decode_event_kind(raw).type)]
        return events_of(settings, decode_event(raw))
    except msgspec.ValidationError as error:
        return [unparsed(kept, error, below="$.events[0]")]
    except Misfit as misfit:
        return [Unparsed(raw=kept, reason=misfit.reason, path=f"$.events[0]{misfit.path}")]


def _readable(body: bytes) -> bytes:
    """The body with characters that can be read. Raises ``BadPayload`` when it is not a JSON object."""
    if b"\\u0000" not in body:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decode_anything(body)  # all of it, so that no event can be unreadable later
            decode_fields(body)
            return body
    return mended(body)
