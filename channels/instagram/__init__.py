"""Instagram's direct messages, through Meta's Messenger Platform."""

from channels.instagram.channel import channel

__all__ = ["channel"]
