"""Proves that a webhook is the provider's: it signs the raw body with a secret that only we share."""

from __future__ import annotations

import hmac

from channels._skeleton.settings import SkeletonSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature

HEADER = "x-signature"


def verify(settings: SkeletonSettings, request: WebhookRequest) -> None:
    """Raise ``BadSignature`` unless the body is signed with the current or the previous secret, in constant time."""
    given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
    is_current = _is_signed(given, settings.secret.get_secret_value(), request.body)
    is_previous = _is_signed(given, settings.secret_previous.get_secret_value(), request.body)
    if not (is_current or is_previous):
        raise BadSignature("the signature is missing or wrong")


def signature_of(secret: str, body: bytes) -> str:
    """What the provider writes into the header."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def _is_signed(given: bytes, secret: str, body: bytes) -> bool:
    return hmac.compare_digest(given, signature_of(secret, body).encode()) and secret != ""
