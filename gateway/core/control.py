"""Who may speak: a small pure machine. Every change raises the epoch, and what was decided before is stale.

    bot ──ask──► queued ──accept──► agent
     ▲             │                  │
     └──give back──┴────give back─────┘        take over: bot or queued ──► agent, at once

An event that names a handoff which is not the current one is late and changes nothing; so do repeated ones, and
an agent without a name, who is nobody.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import msgspec

from gateway.core.ids import HandoffId


class Control(StrEnum):
    BOT = "bot"
    QUEUED = "queued"
    AGENT = "agent"


class ControlState(msgspec.Struct, frozen=True):
    """``handoff_id`` is set exactly when control is not with the bot; ``agent`` exactly when it is with an agent."""

    control: Control = Control.BOT
    epoch: int = 0
    handoff_id: HandoffId | None = None
    agent: str = ""

    def is_valid(self) -> bool:
        """Whether the fields agree with one another."""
        has_handoff = self.handoff_id is not None
        return has_handoff == (self.control is not Control.BOT) and bool(self.agent) == (self.control is Control.AGENT)


class AskForPerson(msgspec.Struct, frozen=True):
    """The customer, a rule or a failure wants a person. ``handoff_id`` is the new handoff's."""

    handoff_id: HandoffId
    reason: str


class Accept(msgspec.Struct, frozen=True):
    """The desk says that an agent has it."""

    handoff_id: HandoffId
    agent: str


class TakeOver(msgspec.Struct, frozen=True):
    """An agent speaks up unasked. ``handoff_id`` is used when there is no handoff yet."""

    handoff_id: HandoffId
    agent: str


class GiveBack(msgspec.Struct, frozen=True):
    """The handoff ends: solved, closed, released, out of time."""

    handoff_id: HandoffId
    reason: str


ControlEvent = AskForPerson | Accept | TakeOver | GiveBack


class Change(msgspec.Struct, frozen=True):
    """The new state, and which handoffs begin and end with it."""

    state: ControlState
    begins: HandoffId | None = None
    ends: HandoffId | None = None


def transition(state: ControlState, event: ControlEvent) -> Change | None:
    """What *event* makes of *state*; ``None`` when it changes nothing (late, repeated, or already so)."""
    match event:
        case AskForPerson():
            if state.control is not Control.BOT:
                return None
            queued = ControlState(Control.QUEUED, state.epoch + 1, event.handoff_id)
            return Change(queued, begins=event.handoff_id)
        case Accept():
            if not event.agent or state.handoff_id != event.handoff_id or state.agent == event.agent:
                return None
            return Change(ControlState(Control.AGENT, state.epoch + 1, state.handoff_id, event.agent))
        case TakeOver():
            if not event.agent or state.agent == event.agent:
                return None
            handoff_id = state.handoff_id or event.handoff_id
            begins = None if state.handoff_id else handoff_id
            return Change(ControlState(Control.AGENT, state.epoch + 1, handoff_id, event.agent), begins=begins)
        case GiveBack():
            if state.handoff_id is None or state.handoff_id != event.handoff_id:
                return None
            return Change(ControlState(Control.BOT, state.epoch + 1), ends=event.handoff_id)
        case _:
            assert_never(event)
