"""Proves that a webhook is Zendesk's: it repeats the secret that Zendesk made for it and that only we know besides."""

from __future__ import annotations

import hmac

from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import WebhookRequest
from gateway.core.errors import BadSignature

HEADER = "x-api-key"


def verify(settings: SunshineSettings, request: WebhookRequest) -> None:
    """Raise ``BadSignature`` unless the request carries the current or the previous secret.

    Both are compared, in constant time, whatever the first comparison said. The header is all the proof there is:
    the body is not signed.
    """
    given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
    is_current = _is_same(given, settings.webhook_secret.get_secret_value())
    is_previous = _is_same(given, settings.webhook_secret_previous.get_secret_value())
    if not (is_current or is_previous):
        raise BadSignature("the webhook's secret is missing or wrong")


def _is_same(given: bytes, secret: str) -> bool:
    return hmac.compare_digest(given, secret.encode()) and secret != ""
