"""Proves that a webhook is Meta's: a keyed hash over its bytes, checked by ``hmac.compare_digest``."""

from __future__ import annotations

from channels._meta.verify import require_signature
from channels.whatsapp.settings import WhatsAppSettings
from gateway.core.channel import WebhookRequest


def verify(settings: WhatsAppSettings, request: WebhookRequest) -> None:
    """Raise ``BadSignature`` unless the current or the previous app secret signed the body."""
    require_signature(request, settings.app_secret, settings.app_secret_previous)
