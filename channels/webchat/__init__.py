"""Web chat: our own protocol for browsers and apps, and the widget that speaks it."""

from channels.webchat.channel import channel

__all__ = ["channel"]
