"""Nothing of a web chat comes by webhook: its visitors prove who they are on their own connections."""

from __future__ import annotations

from gateway.core.channel import EndpointSettings, WebhookRequest
from gateway.core.errors import BadSignature


def verify(settings: EndpointSettings, request: WebhookRequest) -> None:
    """Always raises ``BadSignature``."""
    del settings, request
    raise BadSignature("a web chat has no webhooks")
