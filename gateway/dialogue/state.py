"""What the bot remembers of a conversation between turns: small, versioned, and never a reason to fail.

A state that cannot be read, or that another version wrote, is brought over as far as it fits and else forgotten.
"""

from __future__ import annotations

import msgspec

from config.bot_model import Bot, Collect, SlotValue
from gateway.core.handoff_reasons import Asked

VERSION = 1
MAX_STATE_BYTES = 16_384
MAX_SLOT_CHARS = 500
MAX_OFFERED = 12
MAX_LABEL_CHARS = 80


class OpenFlow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A flow that waits for the answer to the question of ``step``, asked ``tries`` times in vain."""

    name: str
    step: str
    tries: int = 0


class Offered(msgspec.Struct, frozen=True, array_like=True):
    """An option of the last reply, so that its number or its label can be typed."""

    label: str
    value: str


class Leaving(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message may be left, or (``is_writing``, since that Unix time) is being written; why a person was wanted."""

    reason: Asked
    detail: str = ""
    is_writing: bool = False
    since: int = 0


class HeldBack(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the customer said before they were asked whether it is about that case (a handoff's id, in hex)."""

    case: str
    fragments: tuple[str, ...] = ()
    wordless: tuple[str, ...] = ()
    phone: str = ""


class State(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``day`` is the day (since 1970, UTC) of the last turn that left something to forget.

    ``paused`` waits until ``flow``, begun in between, is over. ``negative`` counts messages since the last glad one.
    ``topic`` is the intent that the open flow is about. ``asked_case`` is the last case about which was asked whether
    it goes on; ``rated_case`` marks the one about which was asked last how it was.
    """

    version: int = msgspec.field(name="v")
    bot_version: str = msgspec.field(name="bot")
    language: str = ""
    slots: dict[str, SlotValue] = {}
    flow: OpenFlow | None = None
    paused: OpenFlow | None = None
    offered: tuple[Offered, ...] = ()
    clarifying: tuple[str, ...] = ()
    unresolved: int = 0
    negative: int = 0
    topic: str = ""
    leaving: Leaving | None = None
    held: HeldBack | None = None
    asked_case: str = ""
    rated_case: str = ""
    day: int = 0


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(State)


def read_state(data: bytes, bot: Bot, today: int) -> tuple[State, str]:
    """The state for this bot and day, and what had to be forgotten (empty: nothing). Never raises."""
    fresh = State(version=VERSION, bot_version=bot.version)
    if not data:
        return fresh, ""
    if len(data) > MAX_STATE_BYTES:
        return fresh, "state: too large, forgotten"
    try:
        state = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return fresh, "state: not readable, forgotten"
    if state.version != VERSION:
        return fresh, f"state: of version {state.version}, forgotten"
    if state.day and today - state.day > bot.settings.forget_after_days:
        return msgspec.structs.replace(fresh, language=state.language), "state: too old, forgotten"
    return _fitted(state, bot)


def write_state(state: State, before: bytes) -> bytes:
    """The bytes to keep, at most ``MAX_STATE_BYTES``; *before* itself when nothing changed, empty when all is blank."""
    if state == State(version=state.version, bot_version=state.bot_version):
        return b""
    data = _encoder.encode(state)
    while len(data) > MAX_STATE_BYTES and state.slots:
        oldest = next(iter(state.slots))
        slots = {slot: value for slot, value in state.slots.items() if slot != oldest}
        state = msgspec.structs.replace(state, slots=slots)
        data = _encoder.encode(state)
    if len(data) > MAX_STATE_BYTES:
        data = _encoder.encode(State(version=state.version, bot_version=state.bot_version, language=state.language))
    return before if data == before else data


def _fitted(state: State, bot: Bot) -> tuple[State, str]:
    """Leave out what this bot does not know: it may have changed since, or the state was tampered with."""
    flow = state.flow
    if not _is_known(state.paused, bot):
        state = msgspec.structs.replace(state, paused=None)
    if flow is not None and not _is_known(flow, bot):
        state = msgspec.structs.replace(state, flow=None, paused=None)
        note = f"state: flow '{flow.name}' is not there any more"
    else:
        note = ""
    if state.bot_version != bot.version:
        slots = {slot: value for slot, value in state.slots.items() if slot in bot.slots}
        clarifying = tuple(intent for intent in state.clarifying if intent in bot.intents)
        state = msgspec.structs.replace(state, bot_version=bot.version, slots=slots, clarifying=clarifying)
        note = note or "state: of another version of the bot, brought over"
    return state, note


def _is_known(flow: OpenFlow | None, bot: Bot) -> bool:
    known = bot.flows.get(flow.name) if flow is not None else None
    return flow is None or (known is not None and isinstance(known.steps.get(flow.step), Collect))
