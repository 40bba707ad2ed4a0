"""Proves that a webhook is Meta's: a keyed hash over its bytes as they came, under the app's secret."""

from __future__ import annotations

import hmac

from pydantic import SecretStr

from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature

SIGNATURE_HEADER = "x-hub-signature-256"
_PREFIX = b"sha256="


def require_signature(request: WebhookRequest, *secrets: SecretStr) -> None:
    """Raise ``BadSignature`` unless one of *secrets* signed the body; an empty one signs nothing.

    Every secret is tried, in constant time, whatever the ones before it said. Meta's older header with SHA-1 proves
    nothing here. There is no time in the proof: a webhook that is sent again passes again.
    """
    given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogateescape")
    is_proven = False
    for secret in secrets:
        if key := secret.get_secret_value():
            is_proven |= hmac.compare_digest(given, signature(request.body, key).encode())
    if not is_proven:
        raise BadSignature("the signature is missing or wrong")


def signature(body: bytes, secret: str) -> str:
    """The header's value for *body*, as Meta makes it."""
    return (_PREFIX + hmac.digest(secret.encode(), body, "sha256").hex().encode()).decode()


def appsecret_proof(token: str, secret: str) -> str:
    """What shows the Graph API that a token is used by the app that it was given to."""
    return hmac.digest(secret.encode(), token.encode(), "sha256").hex()
