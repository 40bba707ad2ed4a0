"""What reading webhooks shares: texts that any database takes, and the place where an entry is not as agreed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec

from channels.formatting import without_lone_surrogates
from gateway.core.errors import BadPayload
from gateway.core.inbound import Unparsed

STAND_IN = "\ufffd"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, or nested without end."""

_Found = TypeVar("_Found")

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_clean(body: bytes, read: Callable[[bytes], _Found]) -> _Found:
    """*body* read, once no text in it has a character that no database takes. Raises ``BadPayload`` or as *read*."""
    if b"\\u0000" in body:
        return read(mended(body))
    try:
        return read(body)
    except msgspec.ValidationError:
        _require_object(body)
        raise
    except UNREADABLE:
        return read(mended(body))


def mended(body: bytes) -> bytes:
    """The same JSON object with U+FFFD for NUL characters and halves of surrogate pairs. Raises ``BadPayload``."""
    try:
        loaded: object = json.loads(body.decode(), parse_constant=_refuse_constant)
        if not isinstance(loaded, dict):
            raise BadPayload("not a JSON object")
        return json.dumps(_clean(loaded), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"not a JSON object ({type(error).__name__})") from None


def _require_object(body: bytes) -> None:
    """What has the wrong shape may also be cut off, or no object: that is refused, not kept."""
    try:
        _decode_fields(body)
    except UNREADABLE:
        mended(body)


def clean_text(text: str) -> str:
    """*text* with U+FFFD for NUL characters and halves of surrogate pairs."""
    return without_lone_surrogates(text.replace("\0", STAND_IN))


def unparsed(raw: bytes, error: msgspec.ValidationError, *, below: str = "$") -> Unparsed:
    """What is kept of *raw*. *below*: where in *raw* the value lies that did not fit."""
    reason, path = misfit_of(error)
    return Unparsed(raw=raw, reason=reason, path=below + path.removeprefix("$"))


def misfit_of(error: msgspec.ValidationError) -> tuple[str, str]:
    """What did not fit, and where (``$.message.chat.id``)."""
    reason, _, path = str(error).rpartition(" - at `")
    return (reason, path.rstrip("`")) if reason else (str(error), "$")


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
