"""A turn's outcome while it is being made: the links write into it, and it is closed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from config.bot_handoff import OFFER_REPLY
from config.bot_model import Bot, SlotValue
from config.bot_templates import Values
from gateway.core.handoff_reasons import Asked
from gateway.core.messages import Cards, Choice, Option
from gateway.core.turns import (
    Candidate,
    HandOff,
    Link,
    Reply,
    Resolution,
    SolvedCase,
    TimerSet,
    TurnInput,
    TurnOutcome,
)
from gateway.core.zones import zone_named
from gateway.dialogue.answering import Moment
from gateway.dialogue.filling import MAX_RECORDED, FindEntities, no_entities, recorded
from gateway.dialogue.hearing import Heard
from gateway.dialogue.speaking import Speaker
from gateway.dialogue.state import (
    MAX_LABEL_CHARS,
    MAX_OFFERED,
    MAX_SLOT_CHARS,
    HeldBack,
    Leaving,
    Offered,
    OpenFlow,
    State,
    write_state,
)
from nlp.entities import Entity
from nlp.intents import Prediction
from nlp.models.serving import ServedPrediction

FLOW_TIMER = "flow"
"""The kind of the timer that ends a flow whose question stays without an answer."""

REOPEN_TIMER = "reopen"
"""The kind of the timer after which the bot reads what it held back to ask whether a case goes on."""

_NEVER_WAITS = frozenset({Asked.BOT_FAILED, Asked.REOPENED})
"""Reasons for which the case is opened at once, whether somebody is there or not."""


class Calling(msgspec.Struct, frozen=True):
    """A flow that waits for the answer to a call of its own."""

    flow: str
    step: str


MAX_REPLIES = 8
"""More than these in one turn is an author's mistake, and would be a flood."""

_SECONDS_A_DAY = 86_400


class Draft:
    """Mutable for the length of one decision; nobody else sees it."""

    def __init__(
        self,
        bot: Bot,
        speaker: Speaker,
        turn: TurnInput,
        heard: Heard,
        state: State,
        language: str,
        find: FindEntities = no_entities,
    ) -> None:
        self.bot = bot
        self.turn = turn
        self.heard = heard
        self.before = state
        self.language = language
        self.slots: dict[str, SlotValue] = dict(state.slots)
        self.flow = state.flow
        self.paused = state.paused
        self.clarifying: tuple[str, ...] = ()
        self.unresolved = state.unresolved
        self.negative = state.negative
        self.sentiment = ""
        self.replies: list[Reply] = []
        self.steps: list[str] = []
        self.hand_off = ""
        self.handing: HandOff | None = None
        self.topic = state.topic
        self.leaving: Leaving | None = state.leaving
        self.held: HeldBack | None = state.held
        self.asked_case = state.asked_case
        self.contact: Mapping[str, str] | None = None
        self.rating: int | None = None
        self.rated_case = state.rated_case
        self.case_to_rate = ""
        self.calling: Calling | None = None
        self.asks_again = False
        self.ends_solved = False
        self.resolution: Resolution | None = None
        self.prediction: Prediction | None = None
        self._speaker = speaker
        self._timer: TimerSet | None = None
        self._timers: dict[str, TimerSet] = {}
        self._values: Values | None = None
        self._moment: Moment | None = None
        self._zone: ZoneInfo | None = None
        self._find = find
        self._entities: Sequence[Entity] | None = None
        self._pick = turn.turn_id.int

    def note(self, step: str) -> None:
        """Write down what a link did, for whoever asks why."""
        self.steps.append(step)

    def knows(self, key: str) -> bool:
        """Whether the author wrote this reply."""
        return bool(key) and self._speaker.knows(self.language, key)

    def say(self, key: str, extra: Sequence[Option] = ()) -> bool:
        """Add a reply. False: there is none for this key, channel and state."""
        if len(self.replies) >= MAX_REPLIES or not self.turn.may_speak:
            return False
        reply = self._speaker.say(key, self.language, self.turn.channel, self._pick, self.values, extra)
        if reply is None:
            return False
        self.replies.append(reply)
        return True

    def values(self) -> Values:
        """What templates and conditions see. Slots cannot hide the names that are always there."""
        if self._values is None:
            self._values = {
                **self.slots,
                **self._speaker.opening(self.language, self.turn.now),
                "slots": self.slots,
                "labels": self._speaker.labels(self.slots, self.language),
                "language": self.language,
                "channel": self.turn.channel,
                "app": self.turn.app,
                "name": self.turn.name,
                "bot_name": self.bot.name,
                "agent": self.turn.solved.agent if self.turn.solved is not None else "",
            }
        return self._values

    @property
    def moment(self) -> Moment:
        """Today where the customer is, and their language."""
        if self._moment is None:
            self._moment = Moment(self.turn.now.astimezone(self.zone).date(), self.language)
        return self._moment

    @property
    def zone(self) -> ZoneInfo:
        """The customer's own time zone where it is known, else the bot's."""
        if self._zone is None:
            self._zone = zone_named(self.turn.time_zone) or self.bot.time_zone
        return self._zone

    @property
    def entities(self) -> Sequence[Entity]:
        """What was found in the turn's texts, joined by blanks."""
        if self._entities is None:
            spoken = " ".join(self.heard.spoken)
            found = self._find(spoken, self.language, self.turn.now, self.zone.key) if spoken else ()
            self._entities = found[:MAX_RECORDED]
        return self._entities

    def set_slot(self, slot: str, value: SlotValue) -> None:
        """Fill a slot; ``None`` empties it. Texts are cut to what a state may hold."""
        self._values = None
        if value is None:
            self.slots.pop(slot, None)
        else:
            self.slots[slot] = value[:MAX_SLOT_CHARS] if isinstance(value, str) else value

    def open_question(self, flow: OpenFlow, timeout_s: float) -> None:
        """Wait for an answer; its time begins anew."""
        self.flow = flow
        self._timer = TimerSet(FLOW_TIMER, timeout_s, flow.name) if timeout_s else self._without_timer()

    def close_flow(self) -> None:
        """Wait for nothing any more."""
        if self.flow is not None:
            self.flow = None
            self._timer = self._without_timer()

    def begin_anew(self) -> None:
        """Somebody else spoke in between: no question is open, and nothing that was offered stands."""
        self.close_flow()
        self.paused = None
        self.leaving = None
        self.drop_held()
        self.unresolved = 0
        self.negative = 0
        self.before = msgspec.structs.replace(self.before, offered=(), clarifying=())

    def _without_timer(self) -> TimerSet | None:
        """Take the timer away where an earlier turn may have set it."""
        was_open = self.before.flow
        known = self.bot.flows.get(was_open.name) if was_open is not None else None
        return TimerSet(FLOW_TIMER, None) if known is not None and known.timeout_s else None

    @property
    def is_closed(self) -> bool:
        """Whether nobody answers now, by the author's opening hours."""
        return bool(self.bot.hours.week) and not self.values()["is_open"]

    def set_timer(self, kind: str, after_s: float | None, payload: str = "") -> None:
        """Set a timer that is no flow's; ``None`` takes it away."""
        self._timers[kind] = TimerSet(kind, after_s, payload)

    def hear_anew(self, heard: Heard) -> None:
        """The turn says this instead; what was found in the words before does not count."""
        self.heard = heard
        self.prediction = None
        self._entities = None

    def drop_held(self) -> None:
        """What was held back is read now, or by a person."""
        if self.held is not None:
            self.held = None
            self.set_timer(REOPEN_TIMER, None)

    def ask_for_person(
        self, reason: Asked, detail: str = "", *, is_urgent: bool = False, reopens: SolvedCase | None = None
    ) -> None:
        """Hand over, and say honestly what happens now; where nobody is there, offer to leave a message first.

        *reason* is a word of the closed list, *detail* what made it so.
        """
        may_wait = self.bot.handoff.leaves_messages and self.is_closed and not is_urgent
        if may_wait and reason not in _NEVER_WAITS and self.say(OFFER_REPLY):
            self._stop()
            self.leaving = Leaving(reason, detail[:MAX_SLOT_CHARS])
            self.note("handoff: nobody is there, a message may be left")
            return
        self.hand_over(reason, detail, is_urgent=is_urgent, reopens=reopens)

    def hand_over(
        self,
        reason: Asked,
        detail: str = "",
        *,
        is_urgent: bool = False,
        reopens: SolvedCase | None = None,
        says: str = "",
    ) -> None:
        """Hand over at once. *says* is the reply about it, where the author wrote it."""
        self._stop()
        self.hand_off = reason
        self.handing = HandOff(
            detail=detail,
            slots={slot: str(value) for slot, value in self.slots.items()},
            is_urgent=is_urgent,
            reopens=reopens.handoff_id if reopens is not None else None,
        )
        if says and self.say(says):
            return
        if not (self.is_closed and self.say("utter_handoff_closed")):
            _ = (reopens is not None and self.say("utter_handoff_reopened")) or self.say("utter_handoff")

    def _stop(self) -> None:
        """No question is open and nothing is counted any more."""
        self.close_flow()
        self.paused = None
        self.leaving = None
        self.drop_held()
        self.unresolved = 0
        self.negative = 0

    def resolve(
        self, link: Link, intent: str = "", *, confidence: float = 1.0, source: str = "", reason: str = ""
    ) -> None:
        """Conclude. The last call holds."""
        self.topic = intent or (self.before.topic if self.before.flow is not None and link == "flow" else "")
        self.resolution = Resolution(
            link=link, intent=intent, confidence=confidence, source=source, reason=reason, language=self.language
        )

    def outcome(self) -> TurnOutcome:
        """Close the draft."""
        resolution = self.resolution or Resolution(link="none", language=self.language, reason="nothing to answer")
        candidates: tuple[Candidate, ...] = self.prediction.candidates if self.prediction is not None else ()
        model = self.prediction.model if isinstance(self.prediction, ServedPrediction) else ""
        resolution = msgspec.structs.replace(
            resolution,
            candidates=candidates,
            entities=tuple(map(recorded, self.entities)) if self.heard.is_from_customer else (),
            sentiment=self.sentiment,
            steps=tuple(self.steps),
            model=model,
        )
        return TurnOutcome(
            resolution=resolution,
            replies=tuple(self.replies),
            state=write_state(self._state(), self.turn.state),
            language=self.language,
            hand_off=self.hand_off,
            handing=self.handing,
            timers=(*((self._timer,) if self._timer is not None else ()), *self._timers.values()),
            ends_episode="solved" if self.ends_solved else "",
            rating=self.rating,
            rating_of=self.rated_case if self.rating is not None else "",
        )

    def _leaves_something(self) -> bool:
        is_waiting = self.flow is not None or self.leaving is not None or self.held is not None
        return bool(self.slots) or is_waiting or self.negative > 0 or bool(self.asked_case or self.rated_case)

    def _state(self) -> State:
        """The state after this turn. Without a new reply the options offered before still stand."""
        day = int(self.turn.now.timestamp()) // _SECONDS_A_DAY if self._leaves_something() else 0
        return State(
            version=self.before.version,
            bot_version=self.before.bot_version,
            language=self.language
            if len(self.bot.languages) > 1 and self.heard.is_from_customer
            else self.before.language,
            slots=self.slots,
            flow=self.flow,
            paused=self.paused,
            offered=offered_by(self.replies) if self.replies else self.before.offered,
            clarifying=self.clarifying if self.replies else self.before.clarifying,
            unresolved=self.unresolved,
            negative=self.negative,
            topic=self.topic if self.flow is not None or self.paused is not None else "",
            leaving=self.leaving,
            held=self.held,
            asked_case=self.asked_case,
            rated_case=self.rated_case,
            day=day,
        )


def offered_by(replies: Sequence[Reply]) -> tuple[Offered, ...]:
    """The options of the last reply that has any, which may then be named by number or label."""
    for reply in reversed(replies):
        options: list[Option] = []
        for part in reply.parts:
            if isinstance(part, Choice):
                options.extend(part.options)
            elif isinstance(part, Cards):
                options.extend(option for card in part.cards for option in card.options)
        found = [
            Offered(option.label[:MAX_LABEL_CHARS], option.value or option.label)
            for option in options
            if option.value or not (option.url or option.asks_for)
        ]
        if found:
            return tuple(found[:MAX_OFFERED])
    return ()
