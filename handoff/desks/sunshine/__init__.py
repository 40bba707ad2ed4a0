"""Zendesk messaging: conversations as Zendesk's agents see them in their workspace, through Sunshine Conversations."""

from __future__ import annotations

from gateway.core.desks import DeskKind


def desk() -> DeskKind:
    """Zendesk messaging; what talks is imported when a desk is opened."""
    from handoff.desks.sunshine.kind import SunshineKind

    return SunshineKind()
