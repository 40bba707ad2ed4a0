"""HTTP/1.1 as cheap as it gets, for the loader and the fake provider: what they cost, the gateway cannot have.

Only what keep-alive peers send to one another: ``Content-Length`` bodies, pipelining, messages cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.core.errors import BadPayload

MAX_HEAD_BYTES = 16_384
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Piece(msgspec.Struct, frozen=True):
    """One request or response: its first line, and its body. ``is_last``: the peer wants to close after it."""

    first_line: bytes
    body: bytes
    is_last: bool


class Splitter:
    """Cuts a byte stream into HTTP messages. Feeding it a byte at a time gives the same messages as feeding it all."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The messages that *data* completes. Raises ``BadPayload`` for what is not HTTP with a known length."""
        buffer = self._rest + data if self._rest else data
        start = 0
        while (head_end := buffer.find(_END_OF_HEAD, start)) >= 0:
            head = buffer[start:head_end]
            first_line, _, headers = head.partition(b"\r\n")
            fields = headers.lower()
            body_start = head_end + 4
            end = body_start + _body_length(fields)
            if end > len(buffer):
                break
            yield Piece(first_line, buffer[body_start:end], b"connection: close" in fields)
            start = end
        self._rest = buffer[start:]
        if head_end < 0 and len(self._rest) > MAX_HEAD_BYTES:
            raise BadPayload("a head without an end", path="head")


def _body_length(lower_headers: bytes) -> int:
    """Bytes of the body; a message without a length has none."""
    at = lower_headers.find(_LENGTH)
    if at < 0:
        if b"transfer-encoding:" in lower_headers:
            raise BadPayload("a chunked body", path="head.transfer-encoding")
        return 0
    end = lower_headers.find(b"\r\n", at)
    value = lower_headers[at + len(_LENGTH) : end if end >= 0 else len(lower_headers)].strip()
    if not value.isdigit():
        raise BadPayload("not a length", path="head.content-length")
    return int(value)


def post_request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A complete POST, as the provider's own sender writes it."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def json_response(body: bytes, *, status: str = "200 OK", extra: str = "") -> bytes:
    """A complete response; *extra* is further header lines, each ending in CRLF."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
