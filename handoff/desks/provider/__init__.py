"""The provider's own inbox as a desk: people who answer there, or programs that took a thread over.

There is nobody to tell: they see what the customer writes where they sit. The case is listed with all others, and ends
when the provider gives the thread back or somebody at the built-in desk ends it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.ids import HandoffId
from gateway.core.ports import DeskMessage, DeskPort, HandoffOpened


class ProviderDesk:
    """Fits ``DeskPort``; the reference of a case is its own id."""

    name = "provider"

    async def open(self, handoff: HandoffOpened) -> str:
        return str(handoff.handoff_id)

    async def customer_said(self, handoff_id: HandoffId, reference: str, messages: Sequence[DeskMessage]) -> None:
        """Nothing to do: the provider shows it."""

    async def ended(self, handoff_id: HandoffId, reference: str, reason: str) -> None:
        """Nothing to do: the provider's inbox has no cases."""


def desk() -> DeskPort:
    """The provider's inbox."""
    return ProviderDesk()
