"""The provider's own inbox as a desk: people who answer there, or programs that took a thread over.

There is nobody to tell: they see what the customer writes where they sit. The case is listed with all others, and ends
when the provider gives the thread back or somebody at the built-in desk ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.core.channel import Finding, WebhookRequest
from gateway.core.desks import (
    Case,
    CaseRef,
    DeskEvent,
    DeskKind,
    DeskMessage,
    DeskParts,
    DeskPort,
    DeskSettings,
    Told,
)
from gateway.core.errors import BadSignature
from handoff.desks.provider.settings import ProviderSettings


class ProviderDesk:
    """Fits ``DeskPort``; the reference of a case is its own id."""

    concurrency = 16

    def __init__(self, name: str) -> None:
        self.name = name

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def open(self, case: Case) -> Told:
        return Told(str(case.handoff_id))

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        """Nothing to do: the provider shows it."""

    async def ended(self, case: CaseRef, reason: str) -> None:
        """Nothing to do: the provider's inbox has no cases."""

    def verify(self, request: WebhookRequest) -> None:  # noqa: ARG002  the protocol's
        """What they say comes by the channel's own webhooks. Raises ``BadSignature``."""
        raise BadSignature

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:  # noqa: ARG002  the protocol's
        return ()

    async def apply(self, event: DeskEvent) -> None:
        """There are no events."""

    async def reconcile(self) -> Sequence[DeskEvent]:
        return ()

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
        """Nothing to do: the provider shows it."""


class Provider:
    """Fits ``DeskKind``."""

    name = "provider"
    settings: type[DeskSettings] = ProviderSettings

    def read_settings(self, raw: Mapping[str, object]) -> DeskSettings:
        return ProviderSettings.model_validate(raw)

    def check(self, settings: ProviderSettings) -> Sequence[Finding]:  # noqa: ARG002  nothing can be wrong
        return ()

    def open(self, parts: DeskParts) -> DeskPort:
        return ProviderDesk(parts.name)


def desk() -> DeskKind:
    """The provider's inbox."""
    return Provider()
