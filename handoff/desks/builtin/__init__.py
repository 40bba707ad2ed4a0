"""The built-in desk: the gateway's own tables are its record; the page `/desk` and `tertulia desk` are its counters.

There is nobody outside to tell, so every call succeeds at once: what is in the database is known here.
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
from handoff.desks.builtin.settings import BuiltinSettings


class BuiltinDesk:
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
        """Nothing to do: whoever looks reads the conversation itself."""

    async def ended(self, case: CaseRef, reason: str) -> None:
        """Nothing to do: the end is in the same row that the desk lists."""

    def verify(self, request: WebhookRequest) -> None:  # noqa: ARG002  the protocol's
        """Nobody outside has anything to tell. Raises ``BadSignature``."""
        raise BadSignature

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:  # noqa: ARG002  the protocol's
        return ()

    async def apply(self, event: DeskEvent) -> None:
        """There are no events."""

    async def reconcile(self) -> Sequence[DeskEvent]:
        return ()

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
        """Nothing to do: the page hears the same news."""


class Builtin:
    """Fits ``DeskKind``."""

    name = "builtin"
    settings: type[DeskSettings] = BuiltinSettings

    def read_settings(self, raw: Mapping[str, object]) -> DeskSettings:
        return BuiltinSettings.model_validate(raw)

    def check(self, settings: BuiltinSettings) -> Sequence[Finding]:  # noqa: ARG002  nothing can be wrong
        return ()

    def open(self, parts: DeskParts) -> DeskPort:
        return BuiltinDesk(parts.name)


def desk() -> DeskKind:
    """The built-in desk."""
    return Builtin()
