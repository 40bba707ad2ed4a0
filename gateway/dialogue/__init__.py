"""Floor 3: what the bot says: flows, replies and the chain, behind ``gateway.core.ports.DialoguePort``."""

from __future__ import annotations

from gateway.dialogue.dialogue import Dialogue

__all__ = ["Dialogue"]
