"""What a bot is: the author's folder as frozen values, checked as a whole before anything starts.

The folder: ``bot.yaml``, ``nlu/*.yml``, ``replies/*.yml``, ``flows/*.yml``; ``docs/bots.md`` is the author's page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from config.bot_canned import CannedReply
from config.bot_handoff import NO_TALK, HandoffTalk
from config.bot_hours import OpeningHours
from config.bot_localised import Localised
from config.bot_outside import NOTHING_OUTSIDE, OutsideWindow

LinkName = Literal["commands", "flow", "intents", "clarify", "handoff"]
AnswerKind = Literal["text", "number", "integer", "email", "phone", "date", "yes_no", "choice"]
SlotValue = str | int | float | bool | None

END = "END"
"""The step that ends a flow."""


class Button(msgspec.Struct, frozen=True):
    """``payload`` is what comes back when it is pressed; ``url`` opens a page instead."""

    title: Localised
    payload: str = ""
    url: str = ""
    asks_for: Literal["", "phone", "location"] = ""


class CardSpec(msgspec.Struct, frozen=True):
    title: Localised
    subtitle: Localised
    image: str = ""
    buttons: tuple[Button, ...] = ()


class Variation(msgspec.Struct, frozen=True, kw_only=True):
    """One way to say a reply. ``channels`` empty: all; ``condition`` empty: always."""

    text: Localised
    buttons: tuple[Button, ...] = ()
    image: Localised
    cards: tuple[CardSpec, ...] = ()
    channels: tuple[str, ...] = ()
    condition: str = ""
    markup: Literal["plain", "markdown"] = "plain"
    style: Literal["buttons", "quick_replies", "list"] = "buttons"


class GoTo(msgspec.Struct, frozen=True):
    """What an intent, a word or a button leads to."""

    kind: Literal["reply", "flow", "intent", "handoff"]
    name: str


class Branch(msgspec.Struct, frozen=True):
    """Where a flow goes on; an empty condition always holds."""

    condition: str
    target: str


class ChoiceSpec(msgspec.Struct, frozen=True):
    """One of the answers to a question; ``also`` are further words for it, in any language."""

    value: str
    label: Localised
    also: tuple[str, ...] = ()


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What is a good answer. ``low`` and ``high`` bound a number, a text's length, or a date's days from today."""

    kind: AnswerKind = "text"
    regex: str = ""
    choices: tuple[ChoiceSpec, ...] = ()
    low: float | None = None
    high: float | None = None


class EntityUse(msgspec.Struct, frozen=True):
    """An entity that fills a slot; an empty ``role`` or ``group`` is any."""

    kind: str
    role: str = ""
    group: str = ""


class Collect(msgspec.Struct, frozen=True, kw_only=True, tag="collect"):
    """Ask until ``slot`` has a good answer; after ``max_tries`` bad ones give the flow up (0: the bot's setting).

    ``entity`` is what fills the slot where it is found in the customer's words.
    """

    id: str
    slot: str
    ask: str
    retry: str
    validation: Validation
    max_tries: int
    asks_again: bool
    next: tuple[Branch, ...]
    entity: EntityUse | None = None


class SetSlots(msgspec.Struct, frozen=True, kw_only=True, tag="set_slots"):
    id: str
    values: Mapping[str, SlotValue]
    next: tuple[Branch, ...]


class Say(msgspec.Struct, frozen=True, kw_only=True, tag="say"):
    id: str
    reply: str
    next: tuple[Branch, ...]


class Decide(msgspec.Struct, frozen=True, kw_only=True, tag="decide"):
    """Says nothing, only chooses where to go on."""

    id: str
    next: tuple[Branch, ...]


class LinkTo(msgspec.Struct, frozen=True, kw_only=True, tag="link"):
    """Another flow takes over; this one is over."""

    id: str
    flow: str
    next: tuple[Branch, ...] = ()


class HandOff(msgspec.Struct, frozen=True, kw_only=True, tag="handoff"):
    id: str
    reason: str
    next: tuple[Branch, ...] = ()


class Rate(msgspec.Struct, frozen=True, kw_only=True, tag="rate"):
    """Record ``slot``, a number from 1 to 5, as the customer's rating of the case."""

    id: str
    slot: str
    next: tuple[Branch, ...]


class CallAction(msgspec.Struct, frozen=True, kw_only=True, tag="action"):
    """Call the company's systems; the answer fills the slots ``fills``. ``on_error`` empty: apologise, ask a person."""

    id: str
    action: str
    fills: tuple[str, ...]
    on_error: str
    next: tuple[Branch, ...]


Step = Collect | SetSlots | Say | Decide | LinkTo | HandOff | Rate | CallAction


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in steps. ``timeout_s`` 0: it waits for ever; then ``timeout_reply`` (empty: silence).

    ``keeps`` are slots whose answers from before still count when it begins. An *optional* flow only offers its
    questions: it is dropped as soon as the customer speaks of anything else.
    """

    name: str
    steps: Mapping[str, Step]
    first: str
    triggers: tuple[str, ...] = ()
    timeout_s: float = 0.0
    timeout_reply: str = ""
    keeps: frozenset[str] = frozenset()
    is_optional: bool = False

    @property
    def collects(self) -> tuple[Collect, ...]:
        """The questions, in the order written."""
        return tuple(step for step in self.steps.values() if isinstance(step, Collect))

    @property
    def is_instant(self) -> bool:
        """Whether it answers without asking anything, so that an open question of another flow may stand."""
        return not any(isinstance(step, Collect | LinkTo) for step in self.steps.values())


Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class Sample(msgspec.Struct, frozen=True):
    """What an action answers where no backend is configured, when the condition holds (empty: always)."""

    condition: str
    answer: Mapping[str, Json]


class ActionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One call. ``path``, ``params`` and ``json`` have blanks (``{slot}``); ``fill`` says which slot takes what.

    The values of ``fill`` are paths into the answer (``bill.amount``).
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    params: Mapping[str, str] = {}
    json: Json = None
    timeout_s: float
    fill: Mapping[str, str] = {}
    samples: tuple[Sample, ...] = ()


class Actions(msgspec.Struct, frozen=True):
    """The company's systems. ``backend`` and ``headers`` may name environment variables, which are not read here."""

    backend: str = ""
    headers: Mapping[str, str] = {}
    specs: Mapping[str, ActionSpec] = {}


class Words(msgspec.Struct, frozen=True):
    """Fixed words that flows understand, in every language, folded."""

    cancel: frozenset[str]
    back: frozenset[str]
    yes: frozenset[str]
    no: frozenset[str]
    unsure: frozenset[str] = frozenset()
    person: frozenset[str] = frozenset()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``bot.yaml`` says about the chain's links.

    ``confidence``: answer from this probability on. ``scope``: turn away texts whose in-scope score is lower
    (``None``: the model's own threshold). ``interrupt``: leave an open question from this probability on.
    ``clarify_from``: offer candidates from this probability on. ``after_unresolved``: ask for a person then (0: never).
    ``sentiment``: read how each message sounds. ``after_negative``: ask for a person after so many negative messages
    (0: never). ``strongly_negative``: and at once from this probability on (0: never).
    """

    confidence: float = 0.5
    scope: float | None = None
    interrupt: float = 0.8
    clarify_from: float = 0.15
    after_unresolved: int = 3
    max_tries: int = 3
    forget_after_days: int = 30
    sentiment: bool = False
    after_negative: int = 0
    strongly_negative: float = 0.0


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """A whole bot. ``version`` is the hash of its folder; ``labels`` name the intents that may be offered."""

    folder: Path
    name: str
    version: str
    languages: tuple[str, ...]
    time_zone: ZoneInfo
    country: str
    chain: tuple[LinkName, ...]
    settings: Settings
    commands: Mapping[str, GoTo]
    answers: Mapping[str, GoTo]
    labels: Mapping[str, Localised]
    small_talk: frozenset[str]
    solved_by: frozenset[str]
    handoff_intents: frozenset[str]
    after_handoff: GoTo | None
    hours: OpeningHours
    words: Words
    replies: Mapping[str, tuple[Variation, ...]]
    flows: Mapping[str, Flow]
    actions: Actions
    intents: frozenset[str]
    outside: OutsideWindow = NOTHING_OUTSIDE
    handoff: HandoffTalk = NO_TALK
    canned: tuple[CannedReply, ...] = ()

    @property
    def slots(self) -> frozenset[str]:
        """All slots that any flow fills."""
        return frozenset(slot for flow in self.flows.values() for slot in flow_slots(flow))


def flow_slots(flow: Flow) -> frozenset[str]:
    """The slots that a flow fills."""
    found: set[str] = set()
    for step in flow.steps.values():
        if isinstance(step, Collect):
            found.add(step.slot)
        elif isinstance(step, SetSlots):
            found.update(step.values)
        elif isinstance(step, CallAction):
            found.update(step.fills)
    return frozenset(found)
