"""What a channel brings so that one suite can try every channel: a ``specimen.py`` in its folder fits this."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.core.channel import EndpointSettings, WebhookRequest


class Stage(Protocol):
    """A running sandbox with one person who may be written to."""

    settings: EndpointSettings
    recipient: str

    def texts(self) -> list[str]:
        """The texts that the provider took so far, in order."""
        ...

    def break_next_call(self, *, takes_effect: bool) -> None:
        """The connection of the next call breaks, after the provider acted on it or before."""
        ...

    def refuse_next_call(self, retry_after_s: int) -> None:
        """The next call is answered with *too many requests*."""
        ...


class Specimen(Protocol):
    """Examples of a channel's wire, for the contract suite."""

    settings_values: Mapping[str, object]
    """A complete section of settings."""
    needed_key: str
    """The name of the setting without which nobody can prove who they are."""
    secret_key: str
    """The name of a setting that is a secret."""
    has_provider: bool
    """Whether somebody else's cloud stands between us and the customer: it sends webhooks and takes calls."""

    def authentic(self, body: bytes) -> WebhookRequest:
        """A webhook that the provider could have sent, under ``settings_values``."""
        ...

    def forged(self, body: bytes) -> Mapping[str, WebhookRequest]:
        """Webhooks that it could not have sent, by what is wrong with them."""
        ...

    def text_message(self, number: int, text: str) -> bytes:
        """A customer's text; every *number* is another message."""
        ...

    def unknown_event(self) -> bytes:
        """Authentic, and of no shape that the channel knows."""
        ...

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """Asked for only where there is a provider."""
        ...


def specimen_of(channel_name: str) -> Specimen:
    """The specimen of a channel, found beside it."""
    found: Specimen = importlib.import_module(f"channels.{channel_name}.specimen").specimen
    return found
