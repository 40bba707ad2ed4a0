"""What a webhook's body really is: inflated when it is compressed, and free of what no database takes."""

from __future__ import annotations

import json
import zlib

import msgspec

from channels.formatting import without_lone_surrogates
from gateway.core.errors import BadPayload

MAX_BODY_BYTES = 2_000_000
"""Longest body after inflating: the longest text that is stored has 1.2 million bytes with every character escaped."""

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


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


def require_object(raw: bytes) -> None:
    """Raises ``BadPayload`` unless *raw* is a JSON object."""
    try:
        _decode_fields(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        mended(raw)


def mended(raw: bytes) -> bytes:
    """The same JSON object with U+FFFD for NUL characters and halves of surrogate pairs. Raises ``BadPayload``."""
    try:
        loaded: object = json.loads(raw.decode(), parse_constant=_refuse_constant)
        if not isinstance(loaded, dict):
            raise BadPayload("not a JSON object")
        return json.dumps(_clean(loaded), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"not a JSON object ({type(error).__name__})") from None


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return without_lone_surrogates(value.replace("\0", "\ufffd"))
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
