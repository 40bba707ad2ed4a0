"""WhatsApp and text messages, through Twilio."""

from channels.twilio.channel import channel

__all__ = ["channel"]
