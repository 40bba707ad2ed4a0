"""What a visitor is told of who has the conversation, in their language."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.control import Control

TEXTS: Mapping[str, Mapping[Control, str]] = {
    "en": {
        Control.BOT: "The assistant is with you again",
        Control.QUEUED: "You are waiting for a person",
        Control.AGENT: "{agent} is with you",
    },
    "es": {
        Control.BOT: "Te atiende de nuevo el asistente",
        Control.QUEUED: "Esperas a una persona",
        Control.AGENT: "Te atiende {agent}",
    },
    "pt": {
        Control.BOT: "O assistente está de volta com você",
        Control.QUEUED: "Você está esperando uma pessoa",
        Control.AGENT: "{agent} está com você",
    },
}


def control_text(control: Control, agent: str, language: str) -> str:
    """One short line; English where the language is not spoken here."""
    texts = TEXTS.get(language.partition("-")[0].lower(), TEXTS["en"])
    return texts[control].format(agent=agent)
