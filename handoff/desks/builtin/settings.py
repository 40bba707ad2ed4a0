"""What an operator sets for the built-in desk: nothing yet, so that any key is an error that names it."""

from __future__ import annotations

from gateway.core.desks import DeskSettings


class BuiltinSettings(DeskSettings):
    """``[desks.builtin.main]``"""
