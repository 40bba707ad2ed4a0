"""Proves that a webhook is Zendesk's: it signs its time and its bytes with the secret of the webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime

from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature

SIGNATURE = "x-zendesk-webhook-signature"
TIMESTAMP = "x-zendesk-webhook-signature-timestamp"
INVOCATION = "x-zendesk-webhook-invocation-id"


def verify(request: WebhookRequest, secrets: Iterable[str], now: datetime, window_s: float) -> None:
    """Raise ``BadSignature`` unless one of *secrets* made the signature, at most *window_s* from *now*.

    All secrets are tried, in constant time, whatever the first comparison said. Empty ones prove nothing.
    """
    stamp = request.headers.get(TIMESTAMP, "")
    given = request.headers.get(SIGNATURE, "").encode("utf-8", "surrogateescape")
    signed = stamp.encode("utf-8", "surrogateescape") + request.body
    matches = [hmac.compare_digest(given, signature(secret, signed)) for secret in secrets if secret]
    if not any(matches):
        raise BadSignature("the webhook's signature is missing or wrong")
    at = moment(stamp)
    if at is None or abs((now - at).total_seconds()) > window_s:
        raise BadSignature("the webhook's signature is too old, or of a time to come")


def signature(secret: str, signed: bytes) -> bytes:
    """What Zendesk puts into the header, for the time's characters followed by the body."""
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))


def moment(written: str) -> datetime | None:
    """An ISO time, with any number of digits after the second, as an aware time; ``None`` when it is none."""
    head, dot, tail = written.strip().partition(".")
    if dot:
        digits = tail.rstrip("Zz")
        zone = "" if digits == tail else "Z"
        if "+" in digits:
            digits, _, offset = digits.partition("+")
            zone = f"+{offset}"
        head = f"{head}.{digits[:6].ljust(6, '0')}{zone}"
    try:
        found = datetime.fromisoformat(head)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
