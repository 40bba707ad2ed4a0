"""Names that an author's files use of one another, with the place of each, so that a dangling one can be shown."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec
import yaml

from config.bot_model import GoTo
from config.bot_problems import Problem
from config.bot_templates import BUILT_IN, CALLER, BadTemplate, Engine
from config.bot_yaml import Source, line_of

UseKind = Literal["reply", "flow", "intent", "action"]
_KINDS: dict[str, UseKind] = {"reply": "reply", "flow": "flow", "intent": "intent"}
_ADVICE: dict[UseKind, str] = {
    "reply": "add it under responses: in replies/, or correct the name",
    "flow": "add it under flows: in flows/, or correct the name",
    "intent": "add examples for it in nlu/, or correct the name",
    "action": "add it under actions: in actions.yml, or correct the name",
}


class Use(msgspec.Struct, frozen=True):
    kind: UseKind
    name: str
    file: str
    line: int


class Uses:
    """Gathers what is used while the files are read, and compiles templates and conditions to check them."""

    def __init__(self, engine: Engine) -> None:
        self.found: list[Use] = []
        self._engine = engine
        self._slots: list[tuple[str, Source, int]] = []

    def add(self, kind: UseKind, name: str, source: Source, line: int) -> None:
        """Somewhere, *name* is used."""
        if name:
            self.found.append(Use(kind, name, source.name, line))

    def names(self, kind: UseKind) -> set[str]:
        """All names of one kind that are used."""
        return {use.name for use in self.found if use.kind == kind}

    def reply(self, source: Source, node: yaml.Node, where: str) -> str:
        """A reply's key."""
        key = source.text(node, where)
        self.add("reply", key, source, line_of(node))
        return key

    def template(self, source: Source, node: yaml.Node, text: str, *, is_markdown: bool) -> None:
        """A text that may have blanks: it must compile, and its names must be known."""
        try:
            self._engine.template(text, is_markdown=is_markdown)
        except BadTemplate as error:
            source.wrong(node, f"the template does not compile: {error}")
        self._slots += [(name, source, line_of(node)) for name in self._engine.names(text)]

    def condition(self, source: Source, node: yaml.Node, text: str) -> str:
        """A condition: it must compile, and its names must be known."""
        try:
            self._engine.condition(text)
        except BadTemplate as error:
            source.wrong(node, f"the condition does not compile: {error}")
            return ""
        self._slots += [(name, source, line_of(node)) for name in self._engine.names(text, is_condition=True)]
        return text

    def blanks(self, source: Source, node: yaml.Node, names: set[str]) -> None:
        """What an action sends: slots, the names that are always there, and who asks."""
        self._slots += [(name, source, line_of(node)) for name in names if name not in CALLER]

    def go_to(self, source: Source, node: yaml.Node, where: str) -> GoTo | None:
        """A place to go to: a reply's key, ``flow:name``, ``intent:name`` or ``handoff``."""
        target = parse_go_to(source.text(node, where))
        if target is None:
            source.wrong(node, f"{where} must be a reply's key (utter_…), flow:name, intent:name or handoff")
            return None
        self.target(source, line_of(node), target)
        return target

    def target(self, source: Source, line: int, target: GoTo) -> None:
        """A place to go to that was already understood."""
        kind = _KINDS.get(target.kind)
        if kind is not None:
            self.add(kind, target.name, source, line)

    def dangling(
        self, replies: Collection[str], flows: Collection[str], intents: Collection[str], actions: Collection[str]
    ) -> list[Problem]:
        """One problem for each use of something that does not exist."""
        defined: dict[UseKind, Collection[str]] = {
            "reply": replies,
            "flow": flows,
            "intent": intents,
            "action": actions,
        }
        return [
            Problem(use.file, use.line, f"uses {use.kind} '{use.name}', which does not exist: {_ADVICE[use.kind]}")
            for use in self.found
            if use.name not in defined[use.kind]
        ]

    def note_unknown_slots(self, slots: Collection[str]) -> None:
        """Templates and conditions may use only slots that a flow fills, and the names that are always there."""
        for name, source, line in self._slots:
            if name not in slots and name not in BUILT_IN:
                source.note(line, f"uses '{name}', which no flow fills: collect it in a flow, or correct the name")


def parse_go_to(text: str) -> GoTo | None:
    """``utter_x``, ``reply:x``, ``flow:x``, ``intent:x`` or ``handoff``."""
    kind, colon, name = text.partition(":")
    if text == "handoff":
        return GoTo("handoff", "")
    if not colon and text.startswith("utter_"):
        return GoTo("reply", text)
    match kind:
        case "reply" | "flow" | "intent" if colon and name.strip():
            return GoTo(kind, name.strip())
        case _:
            return None
