"""A button's value may be longer than a provider carries; this makes a short one that still says which it was.

A short value is the beginning of the long one, a ``~`` and 16 characters of its hash. It is the same on every
machine and at every time, so nothing is stored: whoever offered the button compares with :func:`stands_for`.
"""

from __future__ import annotations

import base64
import hashlib

_MARK = "~"
_DIGEST_BYTES = 12
_DIGEST_CHARS = 16


def shortened_value(value: str, limit_bytes: int) -> str:
    """*value* itself if its UTF-8 form has at most *limit_bytes* (at least 24), else its short form."""
    raw = value.encode()
    if len(raw) <= limit_bytes:
        return value
    beginning = raw[: limit_bytes - _DIGEST_CHARS - len(_MARK)].decode(errors="ignore")
    return f"{beginning}{_MARK}{_digest(value)}"


def stands_for(received: str, value: str) -> bool:
    """Whether *received*, the value of a pressed button, is *value* or its short form at any limit."""
    if received == value:
        return True
    beginning, mark, digest = received[: -_DIGEST_CHARS - 1], received[-_DIGEST_CHARS - 1 :][:1], received[-16:]
    return mark == _MARK and value.startswith(beginning) and digest == _digest(value)


def _digest(value: str) -> str:
    return base64.urlsafe_b64encode(hashlib.blake2b(value.encode(), digest_size=_DIGEST_BYTES).digest()).decode()
