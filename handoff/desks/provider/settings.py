"""What an operator sets for the provider's inbox: nothing, so that any key is an error that names it."""

from __future__ import annotations

from gateway.core.desks import DeskSettings


class ProviderSettings(DeskSettings):
    """``[desks.provider.main]``"""
