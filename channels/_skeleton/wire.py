"""The provider's payloads as they come, as far as we read them. Unknown fields are ignored, missing ones are faults."""

from __future__ import annotations

import msgspec


class WireText(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class WirePress(msgspec.Struct, frozen=True, tag_field="type", tag="press"):
    """A button was pressed; ``of`` is the message that offered it."""

    value: str
    label: str = ""
    of: str = ""


class WireFile(msgspec.Struct, frozen=True, tag_field="type", tag="file"):
    url: str
    mime: str = ""
    name: str = ""
    size: int = 0


class WireReceipt(msgspec.Struct, frozen=True, tag_field="type", tag="receipt"):
    """``of`` is our message; ``state`` is ``delivered``, ``read`` or ``failed``."""

    of: str
    state: str
    reason: str = ""


class WireTyping(msgspec.Struct, frozen=True, tag_field="type", tag="typing"):
    pass


class WirePerson(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    language: str = ""


class WireEvent(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One thing that happened; ``at`` is in milliseconds since 1970."""

    id: str
    at: int
    from_: WirePerson
    content: WireText | WirePress | WireFile | WireReceipt | WireTyping


class WireEnvelope(msgspec.Struct, frozen=True):
    """A webhook: several events, each still raw, so that a bad one does not take its neighbours along."""

    events: tuple[msgspec.Raw, ...]


class WireSent(msgspec.Struct, frozen=True):
    id: str


class WireProblem(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


decode_envelope = msgspec.json.Decoder(WireEnvelope).decode
decode_event = msgspec.json.Decoder(WireEvent).decode
decode_sent = msgspec.json.Decoder(WireSent).decode
decode_problem = msgspec.json.Decoder(WireProblem).decode
