"""What a webhook says, in our words. Pure.

Keys: ``m:<message>`` for what somebody wrote, which the desk's own looking uses too; ``e:<event>`` for everything else;
``u:<digest>`` for an event of no shape that is known, which goes to the dead letters without harm to its neighbours.
The data of an event is what Sunshine sent. Whatever is not used gives no event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from channels.mending import UNREADABLE, read_clean
from channels.sunshine.wire import (
    Event,
    Message,
    RawWebhook,
    decode_app,
    decode_event,
    decode_event_kind,
    decode_raw_webhook,
)
from gateway.core.channel import WebhookRequest
from gateway.core.desks import DeskEvent
from gateway.core.errors import BadPayload
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.wire import decode_merge, decode_user_event, post_reference

SAID = "said"
TYPING = "typing"
CONTROL = "control"
REFUSED = "refused"
MERGED = "merged"
REMOVED = "removed"
PERSON_REMOVED = "person_removed"
UNREADABLE_KIND = "unreadable"

_KINDS = {
    "conversation:message": SAID,
    "conversation:typing": TYPING,
    "conversation:remove": REMOVED,
    "switchboard:passControl": CONTROL,
    "switchboard:acceptControl": CONTROL,
    "switchboard:releaseControl": CONTROL,
    "switchboard:passControl:failure": REFUSED,
    "switchboard:acceptControl:failure": REFUSED,
    "switchboard:offerControl:failure": REFUSED,
    "user:merge": MERGED,
    "user:remove": PERSON_REMOVED,
}

TRIGGERS = tuple(_KINDS)
"""The triggers that become events; the only ones that are subscribed to."""

NOBODYS_TIME = datetime.fromtimestamp(0, UTC)


def parse(settings: SunshineDeskSettings, request: WebhookRequest) -> Sequence[DeskEvent]:
    """All events of a webhook, in its order. Raises ``BadPayload`` for what is no webhook of this app."""
    try:
        webhook = read_clean(request.body, decode_raw_webhook)
        app_id = decode_app(webhook.app).id
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `")
        raise BadPayload(detail, path=path.rstrip("`") or "$") from None
    if app_id != settings.app_id:
        raise BadPayload("a webhook of another app", path="$.app.id")
    return _events(settings, webhook)


def _events(settings: SunshineDeskSettings, webhook: RawWebhook) -> list[DeskEvent]:
    found = (event_of(settings, bytes(raw)) for raw in webhook.events)
    return [event for event in found if event is not None]


def event_of(settings: SunshineDeskSettings, raw: bytes) -> DeskEvent | None:
    """One event of Sunshine's; ``None`` when it is nothing to us."""
    try:
        kind = _KINDS.get(decode_event_kind(raw).type)
        if kind is None:
            return None
        return _READERS[kind](settings, decode_event(raw), raw)
    except UNREADABLE:
        return DeskEvent(f"u:{hashlib.sha256(raw).hexdigest()[:40]}", UNREADABLE_KIND, NOBODYS_TIME, "", raw)


def _said(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    message, reference = event.payload.message, _talk_of(event)
    if message is None:
        raise msgspec.ValidationError("a message event without a message")
    if not is_agents(message, settings):
        return None
    return DeskEvent(f"m:{message.id}", SAID, message.received or event.created_at, reference, raw)


def is_agents(message: Message, settings: SunshineDeskSettings) -> bool:
    """Whether a person at Zendesk wrote it: neither we, nor the customer, nor the workspace's own notes."""
    author, source = message.author, message.source
    if author is None or author.type != "business" or message.content is None or message.deleted:
        return False
    is_note = "activity" in author.subtypes
    is_theirs = source is not None and source.type in settings.agent_sources
    return is_theirs and not is_note and not post_reference(message.metadata).tertulia_post


def _typing(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    """Only of agents, and only of those that are no integration of the customer's."""
    del settings
    activity = event.payload.activity
    if activity is None or activity.author is None or activity.author.type != "business":
        return None
    return _event(event, TYPING, raw)


def _control(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    del settings
    return _event(event, CONTROL, raw)


def _refused(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    del settings
    return _event(event, REFUSED, raw)


def _removed(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    del settings
    return _event(event, REMOVED, raw)


def _merged(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    """In line with what happened in the conversation that is given up."""
    del settings
    merged = decode_merge(raw).payload.merged_conversations
    gone = merged.discarded.id if merged is not None and merged.discarded is not None else ""
    return DeskEvent(f"e:{event.id}", MERGED, event.created_at, gone, raw)


def _person_removed(settings: SunshineDeskSettings, event: Event, raw: bytes) -> DeskEvent | None:
    del settings
    decode_user_event(raw)
    return DeskEvent(f"e:{event.id}", PERSON_REMOVED, event.created_at, "", raw)


def _event(event: Event, kind: str, raw: bytes) -> DeskEvent:
    return DeskEvent(f"e:{event.id}", kind, event.created_at, _talk_of(event), raw)


def _talk_of(event: Event) -> str:
    if event.payload.conversation is None:
        raise msgspec.ValidationError("an event of no conversation")
    return event.payload.conversation.id


_READERS: dict[str, Callable[[SunshineDeskSettings, Event, bytes], DeskEvent | None]] = {
    SAID: _said,
    TYPING: _typing,
    CONTROL: _control,
    REFUSED: _refused,
    REMOVED: _removed,
    MERGED: _merged,
    PERSON_REMOVED: _person_removed,
}
