"""The built-in desk: the gateway's own tables are its record; the page `/desk` and `tertulia desk` are its counters.

There is nobody outside to tell, so every call succeeds at once: what is in the database is known here.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.ids import HandoffId
from gateway.core.ports import DeskMessage, DeskPort, HandoffOpened


class BuiltinDesk:
    """Fits ``DeskPort``; the reference of a case is its own id."""

    name = "builtin"

    async def open(self, handoff: HandoffOpened) -> str:
        return str(handoff.handoff_id)

    async def customer_said(self, handoff_id: HandoffId, reference: str, messages: Sequence[DeskMessage]) -> None:
        """Nothing to do: whoever looks reads the conversation itself."""

    async def ended(self, handoff_id: HandoffId, reference: str, reason: str) -> None:
        """Nothing to do: the end is in the same row that the desk lists."""


def desk() -> DeskPort:
    """The built-in desk."""
    return BuiltinDesk()
