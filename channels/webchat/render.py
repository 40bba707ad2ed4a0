"""What a visitor can be shown of a message. Pure.

A web chat shows what is stored: its client reads the line itself once the send is written down. So there is one call a
message, and a message that was sent twice is seen once.
"""

from __future__ import annotations

from channels.webchat.frames import message_ref, shown_parts
from gateway.core.channel import Call
from gateway.core.errors import GiveUp
from gateway.core.messages import (
    AnyPart,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Outgoing,
    Selection,
    Text,
    plain_text,
)

TEXT_UNITS = 200_000

SHOW = "show"


def render(message: Outgoing) -> tuple[Call, ...]:
    """One call. Raises ``GiveUp`` when nothing of the message can be shown."""
    shown = tuple(part for part in shown_parts(message.parts) if _has_content(part))
    if not shown:
        raise GiveUp("not_supported", "nothing of this message can be shown in a web chat")
    losses = tuple(type(part).__name__.lower() for part in message.parts if part not in shown)
    return (Call(SHOW, {"ref": message_ref(message.message_id), "text": _text(shown)}, losses=losses),)


def _has_content(part: AnyPart) -> bool:
    match part:
        case Text():
            return bool(part.text.strip())
        case Media():
            return bool(part.url or part.blob or part.caption)
        case Choice():
            return bool(part.text.strip() or part.options)
        case Cards():
            return bool(part.cards)
        case ContactCard():
            return bool(part.name or part.phone)
        case Selection():
            return bool(part.value or part.label)
        case Location():
            return True
        case _:
            return False


def _text(parts: tuple[AnyPart, ...]) -> str:
    text = plain_text(parts).replace("\0", "\ufffd")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
