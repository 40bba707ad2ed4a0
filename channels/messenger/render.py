"""Turns a message of ours into calls for Messenger; the limits stand in ``dialect.py``."""

from __future__ import annotations

from channels._meta.messaging.render import render as render_messaging
from channels._meta.messaging.settings import MessagingSettings
from channels.messenger.dialect import MESSENGER
from gateway.core.channel import Call
from gateway.core.messages import Outgoing


def render(settings: MessagingSettings, message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    return render_messaging(MESSENGER, settings, message)
