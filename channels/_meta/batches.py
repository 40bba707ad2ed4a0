"""Reads a webhook that holds many events of several accounts: at once when all is well, else one by one.

What a platform gives is ``read``, which turns a whole body into events and raises ``Misfit`` (or lets msgspec's
``ValidationError`` through) at the first thing that it does not understand. Then the body is split into bodies of
one event each: those that still cannot be read are kept as they are, for a replay, and all the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from channels.mending import UNREADABLE, read_clean, unparsed
from gateway.core.inbound import Parsed, Unparsed
from gateway.core.messages import MAX_TEXT_CHARS

Levels = Sequence[frozenset[str]]
"""The names under which a body's events lie, from the outside in; each holds an array, or an object to step through."""


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Misfit(Exception):
    """Something authentic of no shape that we know, at *path* of the body."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def parse_batch(body: bytes, read: Callable[[bytes], list[Parsed]], levels: Levels) -> list[Parsed]:
    """All events of a webhook, in its order. Raises ``BadPayload`` when it is no JSON object.

    The raw of an ``Unparsed`` is the webhook with nothing but that event in it, so it can be parsed by itself; its
    ``path`` leads into that raw. NUL characters and halves of surrogate pairs become U+FFFD.
    """
    try:
        return read_clean(body, read)
    except (Misfit, msgspec.ValidationError):
        pieces = split_batch(body, levels)
    return [event for piece in pieces for event in _read_alone(piece, read)]


def _read_alone(piece: bytes, read: Callable[[bytes], list[Parsed]]) -> list[Parsed]:
    try:
        return read_clean(piece, read)
    except msgspec.ValidationError as error:
        return [unparsed(piece, error)]
    except Misfit as misfit:
        return [Unparsed(raw=piece, reason=misfit.reason, path=misfit.path)]


def require_storable(text: str, path: str) -> str:
    """*text* itself. Raises ``Misfit`` when it is longer than what is stored."""
    if len(text) > MAX_TEXT_CHARS:
        raise Misfit(f"a text of {len(text)} characters", path)
    return text


# ---------------------------------------------------------------- splitting


def split_batch(body: bytes, levels: Levels) -> list[bytes]:
    """Bodies of the same shape with one event each; splitting one of them again gives itself."""
    return list(_split(body, levels))


def _split(raw: bytes, levels: Levels) -> Iterator[bytes]:
    fields = _fields(raw) if levels else None
    found = [name for name in fields or () if name in levels[0]]
    if fields is None or not found:
        yield raw
        return
    for name in found:
        rest = {other: value for other, value in fields.items() if other == name or other not in found}
        for inner in _inside(bytes(fields[name]), levels[1:]):
            yield _object({**rest, name: inner})


def _inside(value: bytes, levels: Levels) -> Iterator[bytes]:
    try:
        items = _decode_items(value)
    except UNREADABLE:
        yield from _split(value, levels)
        return
    if not items:
        yield value
    for item in items:
        for piece in _split(bytes(item), levels):
            yield b"[" + piece + b"]"


def _fields(raw: bytes) -> dict[str, bytes] | None:
    try:
        return {name: bytes(value) for name, value in _decode_fields(raw).items()}
    except UNREADABLE:
        return None


def _object(fields: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in fields.items()) + b"}"
