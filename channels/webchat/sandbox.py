"""A site of the demo's own: web chat has no provider to stand in for, only a page that embeds the widget."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from channels.sandboxes import Embed, Stage

WELCOME = {
    "es": "Hola, soy el asistente de {name}. Pregúntame lo que quieras; si hace falta, te paso con una persona.",
    "en": "Hello, I am the assistant of {name}. Ask me anything; if need be, I bring in a person.",
}
SHOWN_STARTERS = 3


class WebchatSandbox:
    """The settings of one site that only the demo's own pages may speak with, and the tag that they hold."""

    app = "web_chat"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace  # there is nothing to close

    @property
    def settings_values(self) -> dict[str, object]:
        stage = self._stage
        return {
            "origins": [stage.origin, stage.origin.replace("127.0.0.1", "localhost")],
            "title": stage.bot_name,
            "welcome": {
                language: WELCOME[language].format(name=stage.bot_name)
                for language in stage.languages
                if language in WELCOME
            },
            "starters": [{"label": labels, "value": next(iter(labels.values()))} for labels in self._starters()],
            "accent": stage.accent,
        }

    def _starters(self) -> list[dict[str, str]]:
        """The first starters, each with its wording in every language that has as many."""
        count = min(SHOWN_STARTERS, *(len(starters) for starters in self._stage.starters.values()))
        return [
            {language: starters[number] for language, starters in self._stage.starters.items()}
            for number in range(count)
        ]

    def embed(self, language: str, *, is_open: bool) -> Embed:
        attributes = {"data-site": self._stage.endpoint, "data-language": language}
        return Embed("/widget.js", attributes | ({"data-open": ""} if is_open else {}))


def open_sandbox(stage: Stage) -> WebchatSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return WebchatSandbox(stage)
