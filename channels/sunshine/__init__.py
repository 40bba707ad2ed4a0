"""Zendesk messaging, through Sunshine Conversations."""

from channels.sunshine.channel import channel

__all__ = ["channel"]
