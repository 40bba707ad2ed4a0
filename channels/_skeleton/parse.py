"""What a webhook says, in our words.

Event keys: ``m:<id>`` for what customers send, ``r:<of>:<state>`` for receipts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, cast

import msgspec

from channels._skeleton.wire import (
    WireEvent,
    WireFile,
    WirePress,
    WireReceipt,
    WireText,
    WireTyping,
    decode_envelope,
    decode_event,
)
from channels.mending import clean_text, unparsed
from gateway.core.errors import BadPayload
from gateway.core.inbound import AddressKey, Ignored, Parsed, Profile, Receipt, Received, Unparsed
from gateway.core.messages import MAX_TEXT_CHARS, AnyPart, Media, Selection, Text

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STATES = frozenset({"delivered", "read", "failed"})


def parse(body: bytes) -> list[Parsed]:
    """All events of a webhook, in order. Raises ``BadPayload`` when it is no JSON at all."""
    try:
        envelope = decode_envelope(body)
    except msgspec.ValidationError as error:
        return [unparsed(body, error)]
    except _UNREADABLE:
        raise BadPayload("the body is no JSON") from None
    return [_event(bytes(raw)) for raw in envelope.events] or [Ignored("empty")]


def replay(raw: bytes) -> list[Parsed]:
    """One kept entry again: an event, or a whole webhook that was not understood as one."""
    parsed = _event(raw)
    if not isinstance(parsed, Unparsed):
        return [parsed]
    again = parse(raw)
    return [parsed] if all(isinstance(event, Unparsed) for event in again) else again


def _event(raw: bytes) -> Parsed:
    try:
        event = decode_event(raw)
        return _in_our_words(event, raw)
    except msgspec.ValidationError as error:
        return unparsed(raw, error)
    except (*_UNREADABLE, ValueError, OverflowError, OSError) as error:
        return Unparsed(raw=raw, reason=type(error).__name__)


def _in_our_words(event: WireEvent, raw: bytes) -> Parsed:
    at = datetime.fromtimestamp(event.at / 1000, UTC)
    match event.content:
        case WireTyping():
            return Ignored("typing")
        case WireReceipt() as receipt:
            if receipt.state not in _STATES:
                return Unparsed(raw=raw, reason=f"unknown state {receipt.state[:40]!r}", path="$.content.state")
            status = cast("Literal['delivered', 'read', 'failed']", receipt.state)
            return Receipt(
                event_key=f"r:{receipt.of}:{status}",
                at=at,
                provider_message_id=receipt.of,
                status=status,
                reason=clean_text(receipt.reason),
            )
        case WireText(text=text) if len(text) > MAX_TEXT_CHARS:
            return Unparsed(raw=raw, reason=f"a text of more than {MAX_TEXT_CHARS} characters", path="$.content.text")
        case WireText() | WirePress() | WireFile() as content:
            return Received(
                event_key=f"m:{event.id}",
                at=at,
                address=AddressKey("user", clean_text(event.from_.id)),
                provider_message_id=event.id,
                parts=(_part(content),),
                profile=Profile(name=clean_text(event.from_.name), language=clean_text(event.from_.language)),
                acknowledge=event.id,
            )


def _part(content: WireText | WirePress | WireFile) -> AnyPart:
    match content:
        case WireText():
            return Text(clean_text(content.text))
        case WirePress():
            return Selection(clean_text(content.value), clean_text(content.label), clean_text(content.of))
        case WireFile():
            kind: Literal["image", "document"] = "image" if content.mime.startswith("image/") else "document"
            return Media(
                kind,
                provider_ref=content.url,
                name=clean_text(content.name),
                mime=clean_text(content.mime),
                size_bytes=max(0, content.size),
            )
