"""What visitors carry and we believe when it comes back: sealed, so that nobody can read, change or make it.

AES-SIV (RFC 5297) seals: it needs no nonce that could be used twice, and a ticket in an address tells whoever reads
the log of a proxy nothing of the visitor. HMAC-SHA256 marks what may be read and must not be made.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import struct
from typing import Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from gateway.core.clock import Clock

Purpose = Literal["session", "ticket", "upload", "media"]

MAX_SEALED_CHARS = 6_000

_SEALED = re.compile(r"[A-Za-z0-9_-]+")
_UNTIL = struct.Struct(">Q")

Payload = TypeVar("Payload", bound=msgspec.Struct)


class Seals:
    """*secret* is the site's: what another site sealed does not open here. Characters are those of base64url."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._cipher = AESSIV(hmac.digest(secret, b"webchat seals 1", "sha512"))
        self._mark_key = hmac.digest(secret, b"webchat marks 1", "sha256")
        self._clock = clock

    def now_s(self) -> int:
        """Unix time, as seals count it."""
        return int(self._clock.now().timestamp())

    def seal(self, purpose: Purpose, payload: msgspec.Struct, until_s: int) -> str:
        """*payload*, believed until the Unix time *until_s*. The same arguments give the same seal."""
        plain = _UNTIL.pack(until_s) + msgspec.msgpack.encode(payload)
        return to_base64(self._cipher.encrypt(plain, [purpose.encode()]))

    def open(self, purpose: Purpose, kind: type[Payload], sealed: str) -> Payload | None:
        """What was sealed for this purpose; ``None`` when it was not here, was changed, or is too old."""
        raw = from_base64(sealed)
        if raw is None or len(raw) <= _UNTIL.size:
            return None
        try:
            plain = self._cipher.decrypt(raw, [purpose.encode()])
            (until_s,) = _UNTIL.unpack_from(plain)
            if until_s <= self.now_s():
                return None
            return msgspec.msgpack.decode(plain[_UNTIL.size :], type=kind)
        except (InvalidTag, ValueError, struct.error, msgspec.DecodeError):
            return None

    def mark(self, kind: str, subject: str, size: int) -> bytes:
        """*size* bytes that only this site can say of *subject*; always the same ones."""
        return hmac.digest(self._mark_key, f"{kind}\0{subject}".encode(), "sha256")[:size]


def to_base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes | None:
    """The inverse of :func:`to_base64`; ``None`` for what it does not make."""
    if len(text) > MAX_SEALED_CHARS or not _SEALED.fullmatch(text):
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if to_base64(raw) == text else None
