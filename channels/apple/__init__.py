"""Apple Messages for Business, through Apple's gateway for messaging platforms."""

from channels.apple.channel import channel

__all__ = ["channel"]
