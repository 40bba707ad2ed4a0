"""WhatsApp, through Meta's Cloud API."""

from channels.whatsapp.channel import channel

__all__ = ["channel"]
