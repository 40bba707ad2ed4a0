"""What a turn reads and what it concludes: the contract between respond and the dialogue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from gateway.core.ids import ContactId, ConversationId, HandoffId, MessageId, TurnId
from gateway.core.messages import Parts


class CustomerSaid(msgspec.Struct, frozen=True, tag="message"):
    """A message of the customer.

    ``consent``: it is nothing but the word that asks for silence (``out``) or takes that back (``in``), and was
    confirmed: there is nothing to answer.
    """

    seq: int
    at: datetime
    message_id: MessageId
    parts: Parts
    provider_message_id: str = ""
    referral: str = ""
    consent: Literal["", "out", "in"] = ""


class TimerFired(msgspec.Struct, frozen=True, tag="timer"):
    """A timer that the dialogue or the router set. ``payload`` is what it was set with."""

    seq: int
    at: datetime
    kind: str
    payload: str = ""


class DeskSaid(msgspec.Struct, frozen=True, tag="desk"):
    """Something happened at the desk that the bot may want to react to (control came back, for ``detail``).

    ``agent`` had the case; empty: nobody did. ``was_answered``: a person said something in it. ``case`` is the end of
    the handoff's id, as ``case_mark`` makes it.
    """

    seq: int
    at: datetime
    kind: str
    detail: str = ""
    agent: str = ""
    was_answered: bool = True
    case: str = ""


class ActionDone(msgspec.Struct, frozen=True, tag="action"):
    """The result of an action that ran on its own."""

    seq: int
    at: datetime
    action: str
    result: bytes = b"{}"


Entry = CustomerSaid | TimerFired | DeskSaid | ActionDone

Link = Literal["commands", "flow", "intents", "knowledge", "llm", "clarify", "handoff", "none"]


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """``value`` is canonical; ``start`` and ``end`` are offsets in characters of the turn's texts, joined by blanks.

    What tells who somebody is (a phone, a document) has no text here and dots as its value: it is kept with the
    message alone. ``source`` says what found it: ``annotated``, ``lookup``, ``regex`` or ``built-in``.
    """

    kind: str
    value: str
    text: str = ""
    start: int = 0
    end: int = 0
    confidence: float = 1.0
    role: str = ""
    group: str = ""
    source: str = ""


class Candidate(msgspec.Struct, frozen=True):
    intent: str
    confidence: float


class Resolution(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the chain concluded. ``intent`` empty means unresolved, and ``reason`` says why.

    ``confidence`` is a calibrated probability, 0 to 1. ``steps`` tells of each link what it answered
    (``"intents: 0.31 below 0.55"``). ``model`` is the version of the classifier that was asked, if one was.
    """

    link: Link
    intent: str = ""
    confidence: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    entities: tuple[Entity, ...] = ()
    language: str = ""
    sentiment: str = ""
    source: str = ""
    citations: tuple[str, ...] = ()
    reason: str = ""
    steps: tuple[str, ...] = ()
    model: str = ""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message to send. ``key`` is the response's key in the author's files."""

    parts: Parts
    key: str = ""


class TimerSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """Set, or move, the timer of this kind; ``after_s`` ``None`` takes it away."""

    kind: str
    after_s: float | None
    payload: str = ""


class SolvedCase(msgspec.Struct, frozen=True, kw_only=True):
    """The conversation's last case, solved by a person lately enough to go on with.

    ``reference`` is the desk's own name of it.
    """

    handoff_id: HandoffId
    solved_at: datetime
    desk: str
    reference: str
    agent: str


class TurnInput(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a decision may rest on; ``state`` is what the last turn left (empty: none).

    ``time_zone`` is the contact's own (``America/Bogota``) as others told it: unchecked, and empty where it is unknown.
    ``solved`` is the last case, within ``handoff.reopen_within_h`` of its end and unless another one was begun.
    ``may_speak`` false: the customer said nothing, and the app's window has closed, so that no reply would arrive.
    """

    turn_id: TurnId
    conversation_id: ConversationId
    channel: str
    app: str
    entries: tuple[Entry, ...]
    state: bytes
    language: str  # what the profile or an earlier turn says; empty: unknown
    name: str
    now: datetime
    contact_id: ContactId | None = None
    time_zone: str = ""
    solved: SolvedCase | None = None
    may_speak: bool = True


class HandOff(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the person who takes over should know, beside the reason in ``TurnOutcome.hand_off``.

    ``detail`` says what made it so (the rule's name, the slot). ``reopens``: the customer goes on with that case of
    ``TurnInput.solved``. Long values are cut, and so are many slots.
    """

    detail: str = ""
    slots: Mapping[str, str] = {}
    is_urgent: bool = False
    reopens: HandoffId | None = None


def case_mark(handoff_id: UUID) -> str:
    """The end of a handoff's id, which tells it from the others of its conversation: eight hexadecimal digits."""
    return handoff_id.hex[-8:]


class TurnOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What respond commits. ``state`` replaces the old one. ``hand_off`` is the reason to ask for a person.

    ``rating`` is what the customer thinks of the case, 1 (bad) to 5 (good), and ``rating_of`` which one that is
    (``case_mark``; empty: the newest). ``handing`` counts with ``hand_off`` only.
    """

    resolution: Resolution
    replies: tuple[Reply, ...] = ()
    state: bytes = b""
    language: str = ""
    hand_off: str = ""
    timers: tuple[TimerSet, ...] = ()
    ends_episode: Literal["", "solved", "abandoned"] = ""
    rating: int | None = None
    rating_of: str = ""
    handing: HandOff | None = None
