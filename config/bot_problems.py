"""What is wrong with an author's files: file, line, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.core.errors import Misconfigured


class Problem(msgspec.Struct, frozen=True, order=True):
    """One finding. ``file`` is relative to the bot's folder, ``line`` counts from 1 (0: the file as a whole).

    An ``error`` keeps the bot from starting; a ``warning`` does not.
    """

    file: str
    line: int
    what: str
    level: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}" if self.level == "error" else f"{place}: warning: {self.what}"


class BadBot(Misconfigured):
    """The bot's folder cannot be used. ``problems`` holds all that was found, errors and warnings."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [str(problem) for problem in self.problems if problem.level == "error"]
        super().__init__("bot.path", "the bot's files have errors:\n" + "\n".join(errors))


def refuse_errors(problems: Sequence[Problem]) -> None:
    """Raise ``BadBot`` when there is an error among *problems*."""
    if any(problem.level == "error" for problem in problems):
        raise BadBot(problems)
