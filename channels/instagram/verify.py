"""Proves that a webhook is Meta's: the app's secret signs the raw body, and ``hmac.compare_digest`` compares.

The computing and comparing are the same on all of Meta's platforms (``channels/_meta/verify.py``).
"""

from __future__ import annotations

from channels._meta.messaging.settings import MessagingSettings
from channels._meta.verify import require_signature
from gateway.core.channel import WebhookRequest


def verify(settings: MessagingSettings, request: WebhookRequest) -> None:
    """Raise ``BadSignature`` unless the body is signed with the app's secret, or the one before it."""
    require_signature(request, settings.app_secret, settings.app_secret_previous)
