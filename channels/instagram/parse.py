"""Turns Instagram's webhooks into our words; how, and how events are keyed, is told in the shared reader."""

from __future__ import annotations

from channels._meta.messaging.parse import parse as parse_messaging
from channels._meta.messaging.settings import MessagingSettings
from channels.instagram.dialect import INSTAGRAM
from gateway.core.inbound import Parsed


def parse(settings: MessagingSettings, body: bytes) -> list[Parsed]:
    """All events of a webhook, in its order. Raises ``BadPayload`` only when it is no JSON object."""
    return parse_messaging(INSTAGRAM, settings, body)
