"""Zendesk Support: conversations as tickets, agents in the workspace that they know."""

from __future__ import annotations

from gateway.core.desks import DeskKind


def desk() -> DeskKind:
    """Zendesk Support; zenpy is imported when a desk starts."""
    from handoff.desks.zendesk.kind import Zendesk

    return Zendesk()
