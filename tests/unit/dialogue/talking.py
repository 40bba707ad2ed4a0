"""A customer who talks to a bot: keeps what respond would keep between turns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from gateway.core.ids import ContactId, ConversationId, HandoffId, MessageId, TurnId, new_id
from gateway.core.messages import AnyPart, Choice, Option, Selection, Text, plain_text
from gateway.core.turns import Candidate, CustomerSaid, DeskSaid, Entry, SolvedCase, TimerFired, TurnInput, TurnOutcome
from gateway.dialogue import Dialogue
from nlp.intents import Prediction

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # Friday, 10:00 in Bogotá
CLOSED = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)  # Sunday


class Customer:
    """One conversation with a dialogue."""

    def __init__(
        self,
        dialogue: Dialogue,
        *,
        profile: str = "es",
        now: datetime = OPEN,
        channel: str = "telegram",
        time_zone: str = "",
    ) -> None:
        self.dialogue = dialogue
        self.state = b""
        self.language = profile
        self.now = now
        self.channel = channel
        self.time_zone = time_zone
        self.name = "Ana"
        self.contact_id: ContactId | None = None
        self.solved: SolvedCase | None = None
        self.may_speak = True
        self.last: TurnOutcome | None = None
        self.calls = 0
        self._seq = 0

    async def before_calling(self) -> None:
        """What respond does before a call; counted."""
        self.calls += 1

    async def says(self, *texts: str) -> TurnOutcome:
        """Several texts are a burst."""
        return await self.sends(*([Text(text)] for text in texts))

    async def presses(self, value: str, label: str = "") -> TurnOutcome:
        return await self.sends([Selection(value, label)])

    async def sends(self, *messages: list[AnyPart]) -> TurnOutcome:
        return await self.turn(*(self.message(*parts) for parts in messages))

    def message(self, *parts: AnyPart) -> CustomerSaid:
        return CustomerSaid(self._next(), self.now, MessageId(new_id()), tuple(parts))

    def timer(self, kind: str, payload: str) -> TimerFired:
        return TimerFired(self._next(), self.now, kind, payload)

    def desk(
        self, kind: str, agent: str = "", reason: str = "", *, was_answered: bool = True, case: str = ""
    ) -> DeskSaid:
        return DeskSaid(self._next(), self.now, kind, reason, agent, was_answered, case)

    async def has_solved(self, agent: str = "Marta") -> SolvedCase:
        """A person solved the case and gave control back; respond says so in every turn from then on."""
        case = SolvedCase(
            handoff_id=HandoffId(new_id()), solved_at=self.now, desk="builtin.main", reference="A-1", agent=agent
        )
        await self.turn(self.desk("given_back", agent, "solved"))
        self.solved = case
        return case

    async def turn(self, *entries: Entry, turn_id: UUID | None = None) -> TurnOutcome:
        outcome = await self.dialogue.decide(self.input(*entries, turn_id=turn_id), self.before_calling)
        self.state, self.language, self.last = outcome.state, outcome.language, outcome
        return outcome

    def input(self, *entries: Entry, turn_id: UUID | None = None) -> TurnInput:
        return TurnInput(
            turn_id=TurnId(turn_id or new_id()),
            conversation_id=ConversationId(new_id()),
            channel=self.channel,
            app=self.channel,
            entries=entries,
            state=self.state,
            language=self.language,
            name=self.name,
            now=self.now,
            time_zone=self.time_zone,
            contact_id=self.contact_id,
            solved=self.solved,
            may_speak=self.may_speak,
        )

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def waits(self, **span: float) -> None:
        self.now += timedelta(**span)


def keys(outcome: TurnOutcome) -> list[str]:
    return [reply.key for reply in outcome.replies]


def detail(outcome: TurnOutcome) -> str:
    """What made it so that a person was asked for."""
    return outcome.handing.detail if outcome.handing is not None else ""


def words(outcome: TurnOutcome) -> str:
    return "\n".join(plain_text(reply.parts) for reply in outcome.replies)


def options(outcome: TurnOutcome) -> dict[str, str]:
    return {
        option.label: option.value
        for reply in outcome.replies
        for part in reply.parts
        if isinstance(part, Choice)
        for option in part.options
        if isinstance(option, Option)
    }


class Oracle:
    """A classifier whose judgement the test decides; what it was not told is out of scope. Counts its calls."""

    def __init__(self, known: Mapping[str, Mapping[str, float]]) -> None:
        self.known = known
        self.asked: list[str] = []

    async def __call__(self, text: str) -> Prediction:
        self.asked.append(text)
        ranked = sorted(self.known.get(text, {}).items(), key=lambda pair: -pair[1])
        candidates = tuple(Candidate(intent, confidence) for intent, confidence in ranked)
        return Prediction(candidates or (Candidate("greet", 0.1),), 0.5 if ranked else 0.0, bool(ranked))
