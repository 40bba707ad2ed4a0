"""Makes the token that tells Apple who calls, and keeps it as long as it may be used again."""

from __future__ import annotations

import base64

import msgspec
from pydantic import SecretStr

from channels.apple.settings import key_of
from channels.apple.verify import signature_of
from gateway.core.clock import Clock

LIFETIME_S = 50 * 60.0
"""Apple takes a token for about an hour; ours is renewed before."""

_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    iat: int


def made_token(msp_id: str, secret: SecretStr, now_s: float) -> str:
    """A JSON Web Token (RFC 7519) by HS256 that says who we are since *now_s*, in seconds since 1970."""
    claims = msgspec.json.encode(_Claims(msp_id, int(now_s)))
    signed = _HEADER + b"." + base64.urlsafe_b64encode(claims).rstrip(b"=")
    return (signed + b"." + signature_of(signed, key_of(secret))).decode()


class OwnToken:
    """The token of one endpoint, made again after ``LIFETIME_S`` or when the clock was put back."""

    def __init__(self, msp_id: str, secret: SecretStr, clock: Clock) -> None:
        self._msp_id = msp_id
        self._secret = secret
        self._clock = clock
        self._token = ""
        self._made_s = 0.0

    def __repr__(self) -> str:
        return "OwnToken(…)"

    def header(self) -> str:
        """The value of ``Authorization``."""
        now_s = self._clock.now().timestamp()
        if not self._token or not self._made_s <= now_s < self._made_s + LIFETIME_S:
            self._token, self._made_s = made_token(self._msp_id, self._secret, now_s), now_s
        return f"Bearer {self._token}"
