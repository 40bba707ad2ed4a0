"""What a channel brings so that one suite can try every channel: a ``specimen.py`` in its folder fits this."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from gateway.core.channel import Call, EndpointSettings, WebhookRequest
from gateway.core.errors import GiveUpReason


class ProviderAnswer(msgspec.Struct, frozen=True):
    """How the provider answers a call that it refuses."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Refusal(msgspec.Struct, frozen=True):
    """One error of the provider's, and what we must make of it.

    ``becomes`` names the error of ``gateway.core.errors`` (``sent``: as good as done); ``reason`` is that of
    ``GiveUp``; ``after_s`` the wait that ``Retry`` must carry, ``None`` when any will do.
    """

    answer: ProviderAnswer
    becomes: Literal["Retry", "Ambiguous", "GiveUp", "Misconfigured", "Moved", "sent"]
    reason: GiveUpReason | Literal[""] = ""
    after_s: float | None = None


class Stage(Protocol):
    """A running sandbox with one person who may be written to."""

    settings: EndpointSettings
    account: str
    """The provider's name of the account that writes."""
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

    def answer_next_call(self, answer: ProviderAnswer) -> None:
        """The next call that sends a message is answered so, and does nothing."""
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

    account: str
    """The provider's name of an account in ``settings_values`` (empty: the only one), to which examples are sent."""
    recipients: Sequence[str]
    """Whom a message may be for, one of each form (a person by each kind of name, a group)."""

    def authentic(self, body: bytes) -> WebhookRequest:
        """A webhook that the provider could have sent, under ``settings_values``."""
        ...

    def rotated(self, body: bytes) -> WebhookRequest:
        """The same, signed with the secret that is being replaced (``…_previous`` in ``settings_values``)."""
        ...

    def stale(self, body: bytes) -> WebhookRequest | None:
        """The same, signed long ago; ``None`` where the provider's proof holds no time."""
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

    def together(self, bodies: Sequence[bytes]) -> bytes | None:
        """Several webhooks as the provider joins them in one; ``None`` where it never does."""
        ...

    def faults_of(self, call: Call) -> list[str]:
        """What the provider would refuse in a rendered call, by its documented limits; empty when it takes it."""
        ...

    def text_of(self, call: Call) -> str:
        """The words that the customer would read in it."""
        ...

    def refusals(self) -> Mapping[str, Refusal]:
        """Every error of the provider's documentation that a send can meet, by a name for the test."""
        ...

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """Asked for only where there is a provider."""
        ...


def specimen_of(channel_name: str) -> Specimen:
    """The specimen of a channel, found beside it."""
    found: Specimen = importlib.import_module(f"channels.{channel_name}.specimen").specimen
    return found
