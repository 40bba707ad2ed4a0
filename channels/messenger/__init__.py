"""Messenger, through Meta's Messenger Platform."""

from channels.messenger.channel import channel

__all__ = ["channel"]
