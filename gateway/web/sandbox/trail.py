"""The pipeline panel's data: for each message what became of it, step by step, with the time that each step took.

Read from the database after the news, kept for as many lines as a page can show, and dropped then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
import structlog

from gateway.core.errors import TertuliaError
from gateway.core.events import EventKind
from gateway.core.ids import ConversationId
from gateway.core.messages import (
    AnyPart,
    ContactCard,
    Location,
    Media,
    Parts,
    Reaction,
    Selection,
    Template,
    Unsupported,
    plain_text,
)
from gateway.core.news import News
from gateway.core.turns import Candidate, Entity
from gateway.store.database import Database, Lane
from gateway.store.trail import (
    TrailCursor,
    TrailEnd,
    TrailEvent,
    TrailMessage,
    TrailTurn,
    read_ends,
    read_events,
    read_newest_events,
)

log = structlog.get_logger(__name__)

KEPT_LINES = 300
KEPT_TIMES = 3_000
CONVERSATIONS_AT_ONCE = 50
EVENTS_AT_ONCE = 500
FIRST_EVENTS = 800
END_LENGTH = 40
TEXT_CHARS = 400

POLL_S = 1.0
"""How often to look without news: another process may not have told of what it did."""

_TIMED = frozenset({
    EventKind.MESSAGE_SENT,
    EventKind.MESSAGE_DELIVERED,
    EventKind.MESSAGE_READ,
    EventKind.MESSAGE_FAILED,
    EventKind.MESSAGE_WITHDRAWN,
})  # fmt: skip

StepName = Literal["received", "turn", "sent", "delivered", "read", "failed", "withdrawn"]


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """``ms`` since the step before; ``None`` when it is still to come, or nobody wrote down when it was."""

    name: StepName
    ms: float | None = None
    is_done: bool = True


class SentReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of ours; ``tries`` only while it waits or after it was given up.

    ``losses``: what the app could not show of it.
    """

    text: str
    status: str
    key: str = ""
    tries: int = 0
    reason: str = ""
    losses: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a turn decided and why."""

    outcome: str
    link: str
    duration_ms: float
    intent: str = ""
    confidence: float = 0.0
    language: str = ""
    sentiment: str = ""
    reason: str = ""
    source: str = ""
    candidates: tuple[Candidate, ...] = ()
    entities: tuple[Entity, ...] = ()
    citations: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    read_messages: int = 1
    epoch: int = 0
    bot_version: str = ""
    model: str = ""


class TrailLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One row of the panel. ``kind`` names who or what set it off."""

    id: str
    conversation: str
    app: str
    contact: str
    kind: Literal["customer", "agent", "system", "bot", "timer", "desk", "action", "event"]
    at: datetime
    text: str = ""
    who: str = ""
    steps: tuple[Step, ...] = ()
    decision: Decision | None = None
    replies: tuple[SentReply, ...] = ()


class TrailPage(msgspec.Struct, frozen=True):
    """What is new since a revision, newest first."""

    revision: int
    lines: tuple[TrailLine, ...]


Times = dict[str, datetime]
"""When each thing happened to one message, by the kind of the event."""


class Trail:
    """Follows the events while it is open. ``listen`` tells of new lines, ``page`` hands them out."""

    def __init__(self, database: Database, news: News) -> None:
        self._lane: Lane = database.lane()
        self._news = news
        self._cursor = TrailCursor()
        self._times: OrderedDict[UUID, Times] = OrderedDict()
        self._lines: dict[str, tuple[int, TrailLine]] = {}
        self._revision = 0
        self._waiting: OrderedDict[ConversationId, None] = OrderedDict()
        self._stir = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._stop_listening: Callable[[], None] = lambda: None

    async def open(self) -> None:
        self._stop_listening = self._news.listen(self._heard, lambda _passing: None)
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        self._stop_listening()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Hear that there is something new until the answer is called."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    def page(self, after: int) -> TrailPage:
        """Lines that are new or different since that revision, newest first; all that is kept after 0."""
        lines = [line for revision, line in self._lines.values() if revision > after]
        return TrailPage(self._revision, tuple(sorted(lines, key=_place, reverse=True)))

    def _heard(self, conversation_id: ConversationId) -> None:
        self._waiting[conversation_id] = None
        while len(self._waiting) > KEPT_LINES:
            self._waiting.popitem(last=False)
        self._stir.set()

    async def _follow(self) -> None:
        is_begun = False
        while True:
            try:
                has_more = await self._step() if is_begun else await self._begin()
                is_begun = True
            except TertuliaError as error:
                log.warning("trail_postponed", reason=str(error))
                has_more = False
            if not has_more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stir.wait(), POLL_S)

    async def _begin(self) -> bool:
        async with self._lane.transaction() as connection:
            self._note(await read_newest_events(connection, limit=FIRST_EVENTS))
        return True

    async def _step(self) -> bool:
        """Read on; true when there is more to read at once."""
        self._stir.clear()
        async with self._lane.transaction() as connection:
            events = await read_events(connection, self._cursor, limit=EVENTS_AT_ONCE)
            self._note(events)
            newest = list(self._waiting)[-CONVERSATIONS_AT_ONCE:]
            if newest:
                ends = await read_ends(connection, newest, length=END_LENGTH)
                for conversation_id in newest:
                    self._waiting.pop(conversation_id, None)
                self._put([line for end in ends for line in lines_of(end, self._times)])
        return len(events) == EVENTS_AT_ONCE or bool(self._waiting)

    def _note(self, events: Sequence[TrailEvent]) -> None:
        for event in events:
            if event.kind in _TIMED:
                self._times.setdefault(event.subject, {})[event.kind] = event.at
            if event.conversation_id is not None:
                self._waiting[event.conversation_id] = None
                self._waiting.move_to_end(event.conversation_id)
        while len(self._times) > KEPT_TIMES:
            self._times.popitem(last=False)
        if events:
            self._cursor = events[-1].cursor

    def _put(self, lines: Sequence[TrailLine]) -> None:
        fresh = [line for line in lines if self._lines.get(line.id, (0, None))[1] != line]
        if not fresh:
            return
        self._revision += 1
        for line in fresh:
            self._lines[line.id] = (self._revision, line)
        if len(self._lines) > KEPT_LINES:
            newest = sorted(self._lines.values(), key=lambda kept: _place(kept[1]), reverse=True)[:KEPT_LINES]
            self._lines = {line.id: (revision, line) for revision, line in newest}
        for listener in tuple(self._listeners):
            listener()


def _place(line: TrailLine) -> tuple[datetime, str]:
    return line.at, line.id


def lines_of(end: TrailEnd, times: OrderedDict[UUID, Times] | dict[UUID, Times]) -> list[TrailLine]:
    """The rows of one conversation's end: one for each message of the customer, for each turn that began without
    one, and for each message of ours that no turn made.
    """
    turn_of = {turn.id: turn for turn in end.turns}
    replies: dict[UUID, list[TrailMessage]] = {}
    for message in end.messages:
        if message.turn_id is not None and message.author != "customer":
            replies.setdefault(message.turn_id, []).append(message)
    lines: list[TrailLine] = []
    told: set[UUID] = set()
    for message in end.messages:
        if message.author == "customer":
            turn = _turn_that_read(end.turns, message.seq)
            if turn is not None:
                told.add(turn.id)
            lines.append(_customer_line(end, message, turn, replies.get(turn.id, []) if turn else [], times))
        elif message.turn_id is None or message.turn_id not in turn_of:
            lines.append(_own_line(end, message, times))
    return lines + [
        _event_line(end, turn, replies.get(turn.id, []), times)
        for turn in end.turns
        if turn.id not in told and turn.entry_kind and (turn.id in replies or turn.outcome != "silent")
    ]


def _turn_that_read(turns: Sequence[TrailTurn], seq: int | None) -> TrailTurn | None:
    return next((turn for turn in turns if seq is not None and turn.from_seq <= seq <= turn.to_seq), None)


def _customer_line(
    end: TrailEnd,
    message: TrailMessage,
    turn: TrailTurn | None,
    replies: Sequence[TrailMessage],
    times: dict[UUID, Times] | OrderedDict[UUID, Times],
) -> TrailLine:
    steps = [Step("received", 0.0)]
    if turn is None:
        steps.append(Step("turn", is_done=False))
    else:
        steps += [Step("turn", _ms(message.at, turn.at)), *_sending(turn.at, replies, times)]
    return TrailLine(
        id=str(message.id),
        conversation=str(end.conversation_id),
        app=end.app,
        contact=end.contact_name,
        kind="customer",
        at=message.at,
        text=said(message.parts),
        who=end.contact_name,
        steps=tuple(steps),
        decision=None if turn is None else _decision(turn),
        replies=tuple(_reply(reply) for reply in replies),
    )


def _own_line(end: TrailEnd, message: TrailMessage, times: dict[UUID, Times] | OrderedDict[UUID, Times]) -> TrailLine:
    kind: Literal["agent", "system", "bot"]
    kind = "agent" if message.author == "agent" else "system" if message.author == "system" else "bot"
    return TrailLine(
        id=str(message.id),
        conversation=str(end.conversation_id),
        app=end.app,
        contact=end.contact_name,
        kind=kind,
        at=message.at,
        text=said(message.parts),
        who=message.agent,
        steps=(Step("received", 0.0), *_sending(message.at, [message], times)),
        replies=(_reply(message),),
    )


def _event_line(
    end: TrailEnd,
    turn: TrailTurn,
    replies: Sequence[TrailMessage],
    times: dict[UUID, Times] | OrderedDict[UUID, Times],
) -> TrailLine:
    kinds: dict[str, Literal["timer", "desk", "action"]] = {"timer": "timer", "desk": "desk", "action": "action"}
    return TrailLine(
        id=str(turn.id),
        conversation=str(end.conversation_id),
        app=end.app,
        contact=end.contact_name,
        kind=kinds.get(turn.entry_kind, "event"),
        at=turn.at,
        steps=(Step("turn", turn.duration_us / 1000), *_sending(turn.at, replies, times)),
        decision=_decision(turn),
        replies=tuple(_reply(reply) for reply in replies),
    )


def _sending(
    since: datetime, replies: Sequence[TrailMessage], times: dict[UUID, Times] | OrderedDict[UUID, Times]
) -> list[Step]:
    """The steps after the decision, as far as the last of its messages has come."""
    if not replies:
        return []
    last = replies[-1]
    happened = times.get(last.id, {})
    if last.status == "queued":
        return [Step("sent", is_done=False)]
    if last.status in ("failed", "withdrawn"):
        name: StepName = "failed" if last.status == "failed" else "withdrawn"
        return [Step(name, _ms_or_none(since, happened.get(f"message_{last.status}")))]
    steps: list[Step] = []
    passed: tuple[StepName, ...] = ("sent", "delivered", "read")
    for name in passed[: passed.index(last.status) + 1] if last.status in passed else ():
        at = happened.get(f"message_{name}")
        if at is None and name == "delivered":
            continue  # read at once: nobody told of the delivery
        steps.append(Step(name, _ms_or_none(since, at)))
        since = at or since
    return steps


def _ms(start: datetime, end: datetime) -> float:
    return round(max(0.0, (end - start).total_seconds() * 1000), 1)


def _ms_or_none(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else _ms(start, end)


def _decision(turn: TrailTurn) -> Decision:
    resolution = turn.resolution
    facts = Decision(
        outcome=turn.outcome,
        link=turn.link,
        duration_ms=round(turn.duration_us / 1000, 1),
        intent=turn.intent,
        confidence=round(turn.confidence, 4),
        language=turn.language,
        read_messages=turn.to_seq - turn.from_seq + 1,
        epoch=turn.epoch,
        bot_version=turn.bot_version,
    )
    if resolution is None:
        return facts
    return msgspec.structs.replace(
        facts,
        sentiment=resolution.sentiment,
        reason=resolution.reason,
        source=resolution.source,
        candidates=resolution.candidates,
        entities=resolution.entities,
        citations=resolution.citations,
        steps=resolution.steps,
        model=resolution.model,
    )


def _reply(message: TrailMessage) -> SentReply:
    tries = message.failures or (message.claims if message.status == "queued" else 0)
    reason = ": ".join(word for word in (message.reason, message.detail) if word)
    return SentReply(said(message.parts), message.status, message.reply_key, tries, reason, message.losses)


def said(parts: Parts) -> str:
    """A message in one piece of text, for a list: what it says, else what it is in brackets."""
    words = plain_text(parts).strip()
    return words[:TEXT_CHARS] if words else " ".join(f"[{name}]" for name in map(_name, parts) if name)


def _name(part: AnyPart) -> str:
    match part:
        case Media():
            return part.kind
        case Unsupported():
            return part.kind
        case Location() | ContactCard() | Template() | Reaction() | Selection():
            return part.__struct_config__.tag if isinstance(part.__struct_config__.tag, str) else ""
        case _:
            return ""
