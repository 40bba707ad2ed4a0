"""Proves that a webhook is Apple's: it carries a fresh token that was signed with the secret of our MSP id.

The token is a JSON Web Token (RFC 7519) of the one form that Apple sends: compact, HS256, with ``aud`` and ``iat``.
It is checked here, rather than by a library, because every webhook passes through; tests hold the verdicts equal to
PyJWT's.
"""

from __future__ import annotations

import binascii
import hmac

import msgspec
from pydantic import SecretStr

from channels.apple.settings import AppleSettings, key_of
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature

LEEWAY_S = 60.0
MAX_TOKEN_BYTES = 4096

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Header(msgspec.Struct, frozen=True, gc=False):
    """``crit`` names what must be understood; we understand nothing of the kind, so it must be absent."""

    alg: str
    crit: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class Claims(msgspec.Struct, frozen=True):
    """Times are seconds since 1970."""

    iat: float
    aud: str | tuple[str, ...]
    exp: float | None = None
    nbf: float | None = None


_decode_header = msgspec.json.Decoder(Header).decode
_decode_claims = msgspec.json.Decoder(Claims).decode


def verify(settings: AppleSettings, request: WebhookRequest, now_s: float) -> None:
    """Raise ``BadSignature`` unless the request's token was signed with the current or the previous secret, is meant
    for our MSP id, and is at most ``token_age_s`` old; clocks may differ by a minute.

    Whatever the token says of its algorithm, the signature is HMAC-SHA256 and is compared in constant time.
    """
    scheme, _, given = request.headers.get("authorization", "").strip().partition(" ")
    token = given.strip().encode("utf-8", "surrogatepass")
    if scheme.lower() != "bearer" or len(token) > MAX_TOKEN_BYTES:
        raise BadSignature("there is no token")
    signed, _, signature = token.rpartition(b".")
    is_current = _is_signed(signed, signature, settings.secret)
    is_previous = _is_signed(signed, signature, settings.secret_previous)
    if not (is_current or is_previous):
        raise BadSignature("the token's signature is missing or wrong")
    header, _, payload = signed.partition(b".")
    try:
        _require_plain(_decode_header(_decoded(header)))
        _require_ours(_decode_claims(_decoded(payload)), settings, now_s)
    except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError, RecursionError):
        raise BadSignature("the token cannot be read") from None


def signature_of(signed: bytes, key: bytes) -> bytes:
    """The third part of a token over its first two, in the alphabet of RFC 7515."""
    digest = hmac.digest(key, signed, "sha256")
    return binascii.b2a_base64(digest, newline=False).translate(_TO_URL).rstrip(b"=")


def _is_signed(signed: bytes, signature: bytes, secret: SecretStr) -> bool:
    key = key_of(secret)
    return key != b"" and hmac.compare_digest(signature, signature_of(signed, key))


def _require_plain(header: Header) -> None:
    if header.alg != "HS256" or header.crit is not msgspec.UNSET:
        raise BadSignature("the token is not of the kind that Apple sends")


def _require_ours(claims: Claims, settings: AppleSettings, now_s: float) -> None:
    audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if settings.msp_id not in audience:
        raise BadSignature("the token is meant for another MSP id")
    oldest_s, newest_s = now_s - settings.token_age_s - LEEWAY_S, now_s + LEEWAY_S
    is_over = claims.exp is not None and claims.exp <= now_s - LEEWAY_S
    is_early = claims.nbf is not None and claims.nbf > newest_s
    if is_over or is_early or not oldest_s <= claims.iat <= newest_s:
        raise BadSignature("the token is too old, or from the future")


def _decoded(part: bytes) -> bytes:
    return binascii.a2b_base64(part.translate(_FROM_URL) + b"=" * (-len(part) % 4))
