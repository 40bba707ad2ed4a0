"""The table in the docs is the machine, all of it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from gateway.core.control import (
    Accept,
    AskForPerson,
    Control,
    ControlEvent,
    ControlState,
    GiveBack,
    TakeOver,
    transition,
)
from gateway.core.ids import HandoffId

DOCS = Path(__file__).parents[3] / "docs" / "handoff.md"

THIS, OTHER, NEW = (HandoffId(UUID(int=number)) for number in (1, 2, 3))

STATES = {
    "now `bot`": ControlState(),
    "now `queued`": ControlState(Control.QUEUED, 1, THIS),
    "now `agent` Ana": ControlState(Control.AGENT, 2, THIS, "Ana"),
}

EVENTS: dict[str, ControlEvent] = {
    "a person is asked for": AskForPerson(NEW, "asked"),
    "Ana takes the case": Accept(THIS, "Ana"),
    "Berta takes the case": Accept(THIS, "Berta"),
    "Berta takes another case": Accept(OTHER, "Berta"),
    "Ana steps in": TakeOver(NEW, "Ana"),
    "Berta steps in": TakeOver(NEW, "Berta"),
    "the case is given back": GiveBack(THIS, "solved"),
    "another case is given back": GiveBack(OTHER, "solved"),
    "somebody without a name takes it": Accept(THIS, ""),
}


def cell(state: ControlState, event: ControlEvent) -> str:
    change = transition(state, event)
    if change is None:
        return ""
    after = change.state
    speaker = f"`{after.control.value}` {after.agent}".strip()
    return speaker + (", a case begins" if change.begins else "") + (", the case ends" if change.ends else "")


def row(cells: list[str]) -> str:
    return "|" + "|".join(f" {text} " if text else " " for text in cells) + "|"


def test_the_docs_show_what_the_machine_does() -> None:
    lines = [row(["", *STATES]), "|" + "---|" * (len(STATES) + 1)]
    lines += [row([name, *(cell(state, event) for state in STATES.values())]) for name, event in EVENTS.items()]
    assert "\n".join(lines) in DOCS.read_text(encoding="utf-8")
