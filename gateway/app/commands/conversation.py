"""How a conversation looks in the terminal: who speaks is seen by the colour of the edge."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

MEASURE = 68
"""Characters of a line that reads well."""


class ConversationView:
    """Prints what is said, and keeps the prompt at the bottom while a terminal is there."""

    def __init__(self, console: Console, *, is_interactive: bool) -> None:
        self._console = console
        self._is_interactive = is_interactive
        self._has_prompt = False
        self._speaker = ""
        self.options: tuple[str, ...] = ()

    def prompt(self) -> None:
        """Invite the customer to write."""
        if self._is_interactive and not self._has_prompt:
            self._console.print("[accent]»[/] ", end="")
            self._has_prompt = True

    def typed(self, line: str) -> None:
        """The customer wrote; on a terminal it is on the screen already."""
        self._has_prompt = False
        self._speaker = ""
        if not self._is_interactive:
            self._console.print(Text.assemble(("» ", "accent"), line))

    def said(self, name: str, style: str, text: str, options: Sequence[str] = ()) -> None:
        """Somebody else speaks. Options are numbered: typing the number presses the button."""
        self._clear_prompt()
        edge = ("▌ ", style)
        if name != self._speaker:
            self._console.print(Text.assemble(edge, (name, f"{style}.name")))
            self._speaker = name
        width = min(self._console.width - 2, MEASURE)
        for line in Text(text).wrap(self._console, width):
            line.rstrip()
            self._console.print(Text.assemble(edge, line))
        for number, option in enumerate(options, 1):
            self._console.print(Text.assemble(edge, (f"{number} ", style), (f" {option} ", f"{style}.button")))
        if options:
            self.options = tuple(options)
        self._console.print()

    def earlier(self, name: str, style: str, text: str) -> None:
        """Something from before, in one quiet line."""
        room = min(self._console.width, MEASURE) - len(name) - 6
        words = " ".join(text.split())
        shown = words if len(words) <= room else words[: room - 1].rstrip() + "…"
        self._console.print(Text.assemble(("  ", ""), (name, style), (f"  {shown}", "soft")))

    def note(self, text: str, style: str = "soft") -> None:
        """A quiet line about what happened."""
        self._clear_prompt()
        self._console.print(Text(f"  {text}", style=style), soft_wrap=True)
        self._console.print()

    def chosen(self, line: str) -> str | None:
        """The label of the option that was typed by its number; ``None`` when the line is something else."""
        if line.isascii() and line.isdigit() and 1 <= int(line) <= len(self.options):
            return self.options[int(line) - 1]
        return None

    def _clear_prompt(self) -> None:
        if self._has_prompt:
            self._console.file.write("\r\x1b[2K")
            self._has_prompt = False
