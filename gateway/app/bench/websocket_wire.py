"""WebSocket frames as cheap as they get (RFC 6455), for the loader: five thousand clients fit into one small process.

Only what our own server sends to a client that offers no extensions: whole, unmasked frames, cut anywhere by TCP.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gateway.core.errors import BadPayload

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

MAX_FRAME_BYTES = 1 << 20

_FINAL = 0x80
_MASKED = 0x80
_NO_MASK = bytes(4)
"""A client must mask; a mask of zeros leaves the payload as it is."""


def client_frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame, masked as a client's must be."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", _FINAL | opcode, _MASKED | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", _FINAL | opcode, _MASKED | 126, length)
    else:
        head = struct.pack("!BBQ", _FINAL | opcode, _MASKED | 127, length)
    return head + _NO_MASK + payload


class FrameSplitter:
    """Cuts what a server sends into frames. Feeding it a byte at a time gives the same frames as feeding it all."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that *data* completes, as opcode and payload. Raises ``BadPayload``."""
        buffer = self._rest + data if self._rest else data
        start = 0
        while (body := _body(buffer, start)) is not None:
            first, end = body
            if end > len(buffer):
                break
            yield buffer[start] & 0x0F, buffer[first:end]
            start = end
        self._rest = buffer[start:]


def _body(buffer: bytes, start: int) -> tuple[int, int] | None:
    """Where the body of the frame at *start* begins and ends; ``None`` when not even its head is there."""
    if len(buffer) < start + 2:
        return None
    if not buffer[start] & _FINAL or buffer[start + 1] & _MASKED:
        raise BadPayload("a fragment, or a masked frame from a server", path="frame")
    length, first = buffer[start + 1], start + 2
    if length > 125:
        form, size = ("!H", 2) if length == 126 else ("!Q", 8)
        if len(buffer) < first + size:
            return None
        (length,) = struct.unpack_from(form, buffer, first)
        first += size
    if length > MAX_FRAME_BYTES:
        raise BadPayload(f"a frame of {length} bytes", path="frame.length")
    return first, first + length
