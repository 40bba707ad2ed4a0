"""Telegram, through the Bot API."""

from channels.telegram.channel import channel

__all__ = ["channel"]
