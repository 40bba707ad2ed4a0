"""The frames that a visitor and the server exchange, and how messages are written in them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from gateway.core.control import Control
from gateway.core.errors import TertuliaError
from gateway.core.messages import (
    Author,
    Location,
    Media,
    Part,
    Parts,
    Reaction,
    Selection,
    Status,
    Template,
    Text,
    Unsupported,
)
from gateway.store.lines import Line

MAX_FRAME_BYTES = 64 * 1024

MAX_TEXT_CHARS = 10_000
MAX_PARTS = 10

ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Label = Annotated[str, msgspec.Meta(max_length=1000)]


class TextIn(msgspec.Struct, frozen=True, tag="text"):
    text: str


class SelectionIn(msgspec.Struct, frozen=True, tag="selection"):
    choice: Label
    label: Label = ""


class MediaIn(msgspec.Struct, frozen=True, tag="media"):
    upload: Annotated[str, msgspec.Meta(max_length=2000)]
    caption: Label = ""


class LocationIn(msgspec.Struct, frozen=True, tag="location"):
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    name: Label = ""


PartIn = TextIn | SelectionIn | MediaIn | LocationIn


class MessageIn(msgspec.Struct, frozen=True, tag="message"):
    """Something that the visitor says. A repeated ``id`` is the same message."""

    id: ClientId
    parts: Annotated[tuple[PartIn, ...], msgspec.Meta(min_length=1, max_length=MAX_PARTS)]


class TypingIn(msgspec.Struct, frozen=True, tag="typing"):
    on: bool = True


class ReadIn(msgspec.Struct, frozen=True, tag="read"):
    """The visitor has seen everything up to ``seq``."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class PingIn(msgspec.Struct, frozen=True, tag="ping"):
    """Is anybody there? Scripts do not see the pings of WebSockets, and a dead network does not say that it is."""


FrameIn = MessageIn | TypingIn | ReadIn | PingIn

_decoder = msgspec.json.Decoder(FrameIn)
_loose = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


class NotJson(TertuliaError):
    """The bytes are no JSON object at all: the connection is closed."""


class BadFrame(TertuliaError):
    """A frame that is JSON and not what was agreed. ``client_id`` is its id as far as it has one."""

    def __init__(self, reason: str, message: str, client_id: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.client_id = client_id


Redeem = Callable[[str], Media | None]
"""Turns the id of an upload into what was uploaded; ``None`` when it is not this visitor's, or too old."""


def read_frame(data: str | bytes) -> FrameIn | None:
    """A client's frame; ``None`` for a type that is not known here. Raises ``NotJson`` or ``BadFrame``."""
    try:
        frame: FrameIn = _decoder.decode(data)
        return frame  # noqa: TRY300  the whole of what is tried
    except msgspec.ValidationError as error:
        loose = _as_object(data)
        if loose.get("type") not in ("message", "typing", "read"):
            return None
        named = loose.get("id")
        raise BadFrame("bad_frame", str(error), named if isinstance(named, str) else "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(str(error)) from None


def _as_object(data: str | bytes) -> dict[str, Any]:
    try:
        return _loose.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(str(error)) from None


def parts_of(frame: MessageIn, redeem: Redeem) -> Parts:
    """What a frame says, in our words. Raises ``BadFrame`` with a reason that a person can act on."""
    return tuple(_part(frame, part, redeem) for part in frame.parts)


def _part(frame: MessageIn, part: PartIn, redeem: Redeem) -> Text | Selection | Media | Location:
    match part:
        case TextIn():
            if len(part.text) > MAX_TEXT_CHARS:
                raise BadFrame("too_long", f"a text may have {MAX_TEXT_CHARS} characters", frame.id)
            if not part.text.strip():
                raise BadFrame("empty", "a text needs at least one character", frame.id)
            return Text(_clean(part.text))
        case SelectionIn():
            return Selection(_clean(part.choice), _clean(part.label))
        case LocationIn():
            return Location(part.latitude, part.longitude, _clean(part.name))
        case MediaIn():
            media = redeem(part.upload)
            if media is None:
                raise BadFrame("bad_upload", "this upload is not known, or too old; upload the file again", frame.id)
            return msgspec.structs.replace(media, caption=_clean(part.caption))


def _clean(text: str) -> str:
    """Without what the database cannot hold."""
    return text.replace("\0", "\ufffd")


def encode(frame: Mapping[str, object]) -> bytes:
    return _encoder.encode(frame)


def accepted(client_id: str, seq: int) -> bytes:
    return encode({"type": "accepted", "client_id": client_id, "seq": seq})


def refused(client_id: str, reason: str, message: str, *, retry_after_s: float | None = None) -> bytes:
    """``reason`` is for programs; with ``retry_after_s`` the same message may be sent again then."""
    frame: dict[str, object] = {"type": "refused", "client_id": client_id, "reason": reason, "message": message}
    if retry_after_s is not None:
        frame["retry_after_s"] = retry_after_s
    return encode(frame)


def pong() -> bytes:
    """The answer to a ping."""
    return encode({"type": "pong"})


def status(seq: int, reached: Literal["delivered", "read"]) -> bytes:
    return encode({"type": "status", "seq": seq, "status": reached})


def typing(author: str, name: str, *, is_on: bool) -> bytes:
    return encode({"type": "typing", "author": author, "name": name, "on": is_on})


def control(held_by: Control, agent: str, text: str) -> bytes:
    return encode({"type": "control", "control": held_by.value, "name": agent, "text": text})


def delta(message_id: str, text: str) -> bytes:
    return encode({"type": "delta", "id": message_id, "text": text})


def message_ref(message_id: object) -> str:
    """The public id of a message."""
    return f"m_{message_id}"


def client_id_of(line: Line) -> str:
    """The id that the visitor's own client gave the message; empty for what others said."""
    return line.provider_message_id.partition(":")[2] if line.author is Author.CUSTOMER else ""


def provider_id(address: str, client_id: str) -> str:
    """Unique on the account: nobody can take or repeat another visitor's."""
    return f"{address}:{client_id}"


def is_decided(line: Line) -> bool:
    """Whether it is known if the visitor sees this line; what follows has to wait until then."""
    return line.status is not Status.QUEUED


def is_shown(line: Line) -> bool:
    """A line that was withdrawn or failed leaves an empty message, so that the numbers stay dense."""
    return line.status not in (Status.WITHDRAWN, Status.FAILED)


def message(line: Line, name: str, reached: str, link: Callable[[Media], str]) -> bytes:
    """A line as the visitor's client gets it. ``reached`` is the status to show; ``link`` gives files an address."""
    frame: dict[str, object] = {
        "type": "message",
        "seq": line.position,
        "id": message_ref(line.id),
        "author": line.author.value if is_shown(line) else Author.SYSTEM.value,
        "name": name,
        "at": _time(line.at),
        "parts": [wire_part(part, link) for part in shown_parts(line.parts)] if is_shown(line) else [],
        "status": reached,
    }
    if line.avatar_url.startswith("https://") and line.author is Author.AGENT and is_shown(line):
        frame["avatar"] = line.avatar_url
    client_id = client_id_of(line)
    if client_id:
        frame["client_id"] = client_id
    return encode(frame)


def shown_parts(parts: Parts) -> Parts:
    """The parts that a visitor can be shown."""
    return tuple(part for part in parts if not isinstance(part, Template | Reaction | Unsupported))


def wire_part(part: Part, link: Callable[[Media], str]) -> dict[str, object]:
    """A part as clients know it: files by address, never by where we keep them."""
    match part:
        case Media():
            shown = {
                "type": "media",
                "kind": part.kind,
                "url": link(part) if part.blob else part.url,
                "caption": part.caption,
                "name": part.name,
                "mime": part.mime,
                "size_bytes": part.size_bytes,
            }
            return {key: value for key, value in shown.items() if value}
        case Selection():
            return {"type": "selection", "choice": part.value, "label": part.label or part.value}
        case _:
            plain: dict[str, object] = msgspec.to_builtins(part)
            return plain


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
