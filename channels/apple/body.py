"""What a webhook's body really is: inflated when it is compressed."""

from __future__ import annotations

import zlib

from gateway.core.errors import BadPayload

MAX_BODY_BYTES = 2_000_000
"""Longest body after inflating: the longest text that is stored has 1.2 million bytes with every character escaped."""

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31


def inflated(body: bytes) -> bytes:
    """The JSON behind a body that may be compressed by gzip, whatever its header says. Raises ``BadPayload``.

    The first two bytes decide: no JSON begins so, and a proxy on the way may inflate a body and leave the header.
    """
    if not body.startswith(_GZIP):
        return body
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        raise BadPayload("not what gzip makes") from None
    if inflater.unconsumed_tail:
        raise BadPayload(f"inflates to more than {MAX_BODY_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise BadPayload("not one whole gzip stream")
    return plain
