"""Looks through what happened for what can be learnt, and whether customers' words drift away; beside all requests.

Every process may look; a row's lock lets one at a time, and the cursor in it makes each event count once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

import asyncpg
import msgspec
import structlog

from config.settings import LearningSettings, Settings
from gateway.app.bots import BotFiles
from gateway.app.drift_training import ShadowTrainer
from gateway.core.clock import Clock
from gateway.core.ids import ConversationId
from gateway.core.metrics import Metrics
from gateway.router.loops import poll
from gateway.store import learning
from gateway.store.database import Database
from gateway.store.learning import AgentAnswered, Chosen, DayCount, HeardTurn, NewText, Reason
from nlp.learning.drift import Day, Limits, Reading, read_drift
from nlp.learning.redaction import is_worth_keeping, redact
from nlp.learning.vocabulary import Vocabulary
from nlp.models.versions import place_of
from nlp.text import for_intents
from nlp.training_data import load_training_data

log = structlog.get_logger(__name__)

EVENTS_AT_ONCE = 250
"""So few that the requests of the same process never wait long: 20 to 40 ms where all are turns in vain."""

TIDY_S = 3_600.0
"""How often old texts are forgotten where drift is not looked at."""

LOOK_S = 60.0
CALM = timedelta(days=1)
_OUT_OF_SCOPE = "out of scope"
_NOT_UNDERSTOOD = frozenset({_OUT_OF_SCOPE, "not understood"})

_encoder = msgspec.json.Encoder()


class Trainer(Protocol):
    """Trains a candidate from the bot's examples of today and lets it run in the live model's shadow."""

    async def train_and_shadow(self, why: str) -> None:
        """Never promotes. A candidate that is being trained or in the shadow already is enough."""
        ...


class Collector:
    """Reads new events: keeps texts that were not understood, redacted, and adds up each day's turns."""

    def __init__(
        self,
        settings: LearningSettings,
        database: Database,
        vocabulary: Callable[[], Vocabulary],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._lane = database.lane()
        self._vocabulary = vocabulary
        self._known: Vocabulary | None = None
        self._clock = clock
        self._metrics = metrics

    async def step(self) -> bool:
        """Read the next events; true when there are more."""
        if self._known is None:
            self._known = await asyncio.to_thread(self._vocabulary)
        async with self._lane.transaction() as connection:
            cursor = await learning.take(connection)
            if cursor is None:
                return False
            events = await learning.events_after(connection, cursor, limit=EVENTS_AT_ONCE)
            if not events.read:
                return False
            turns = await learning.heard(connection, events.turns)
            texts = [*self._unresolved(turns), *await self._answered(connection, events.sent)]
            await learning.add(connection, texts)
            await learning.chose(connection, list(_chosen(turns)))
            await learning.forget_people(connection, await learning.withdrawn(connection, events.withdrawn))
            await learning.count(connection, day_counts(turns, self._known))
            await learning.move(connection, events.cursor)
        for text in texts:
            self._metrics.learning_texts.labels(text.reason).inc()
        return events.read == EVENTS_AT_ONCE

    def _unresolved(self, turns: Iterable[HeardTurn]) -> Iterable[NewText]:
        for turn in turns:
            reason = reason_to_keep(turn)
            if reason is not None and self._may_keep(turn):
                yield from _kept(turn, turn.from_seq, " ".join(turn.texts), reason, turn.language)

    async def _answered(
        self, connection: asyncpg.Connection, sent: Sequence[tuple[ConversationId, UUID]]
    ) -> list[NewText]:
        found = await learning.answered_by_agents(connection, sent)
        allowed = [each for each in found if self._may_keep(each)]
        return [
            text for each in allowed for text in _kept(each, each.seq, each.text, "agent", each.language, each.answer)
        ]

    def _may_keep(self, said: HeardTurn | AgentAnswered) -> bool:
        """Whether this person's words may be kept, and are not older than what is kept."""
        oldest = self._clock.now() - timedelta(days=self._settings.keep_days)
        return may_learn(self._settings.collect, said.agreed, is_opted_out=said.is_opted_out) and said.at >= oldest


def may_learn(collect: str, agreed: bool | None, *, is_opted_out: bool) -> bool:
    """The rule of consent. Whoever asked for silence, or said no, is never learnt from; silence is no consent.

    *agreed*: the person's newest word in the ledger's scope ``learning``; ``None``: they never said anything.
    """
    match collect:
        case "consented":
            return agreed is True and not is_opted_out
        case "all":
            return agreed is not False and not is_opted_out
        case _:
            return False


def reason_to_keep(turn: HeardTurn) -> Reason | None:
    """Why a turn's texts are worth a review; ``None``: they were understood, or a flow asked for them."""
    resolution = turn.resolution
    if resolution is None or not turn.texts or not learning.is_unresolved(turn.link, turn.intent):
        return None
    if turn.link == "clarify":
        return "unclear"
    return "unresolved" if resolution.reason in _NOT_UNDERSTOOD else None


def _kept(
    said: HeardTurn | AgentAnswered, seq: int, words: str, reason: Reason, language: str, answer: str = ""
) -> Iterable[NewText]:
    text = redact(words, said.names)
    if is_worth_keeping(text):
        yield NewText(
            conversation_id=said.conversation_id,
            seq=seq,
            normal=" ".join(for_intents(text).split()),
            text=text,
            language=language,
            reason=reason,
            at=said.at,
            answer=redact(answer, said.names),
        )


def _chosen(turns: Iterable[HeardTurn]) -> Iterable[Chosen]:
    """Turns in which a customer chose what the turn before had meant."""
    for turn in turns:
        if turn.link == "clarify" and turn.intent and turn.before_seq is not None:
            yield Chosen(turn.conversation_id, turn.before_seq, turn.intent)


def day_counts(turns: Iterable[HeardTurn], vocabulary: Vocabulary) -> list[DayCount]:
    """Sums of the turns that the classifier was asked about, one of each day and intent (empty: out of scope)."""
    sums: dict[tuple[date, str], DayCount] = {}
    for turn in turns:
        resolution = turn.resolution
        if resolution is None or not resolution.candidates or not turn.texts:
            continue
        best = resolution.candidates[0]
        is_outside = resolution.reason == _OUT_OF_SCOPE or any(_OUT_OF_SCOPE in step for step in resolution.steps)
        intent = "" if is_outside else best.intent
        words, unseen = vocabulary.count(" ".join(turn.texts))
        one = DayCount(
            day=turn.at.date(), intent=intent, turns=1, confidence=best.confidence, words=words, unseen=unseen
        )
        key = (one.day, intent)
        sums[key] = one if key not in sums else _plus(sums[key], one)
    return [sums[key] for key in sorted(sums)]


def _plus(one: DayCount, other: DayCount) -> DayCount:
    return DayCount(
        day=one.day,
        intent=one.intent,
        turns=one.turns + other.turns,
        confidence=one.confidence + other.confidence,
        words=one.words + other.words,
        unseen=one.unseen + other.unseen,
    )


class DriftWatch:
    """Once in a while, in whichever process comes first: reads drift, tells of it, and forgets what is too old."""

    def __init__(
        self,
        settings: LearningSettings,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        trainer: Trainer | None = None,
    ) -> None:
        self._settings = settings
        self._lane = database.lane()
        self._clock = clock
        self._metrics = metrics
        self._trainer = trainer

    async def step(self) -> bool:
        """Look when it is time. A measure over its limit raises the event; not again before it was calm for a day."""
        settings = self._settings
        now = self._clock.now()
        async with self._lane.transaction() as connection:
            if not await learning.take_look(connection, settings.drift_every_min * 60 or TIDY_S):
                return False
            await learning.expire(connection, now, keep=timedelta(days=settings.keep_days), most=settings.max_texts)
            if not settings.drift_every_min:
                return False
            reading = await look(connection, settings, self._clock)
            calm = max(CALM, timedelta(minutes=2 * settings.drift_every_min))
            known = await learning.lately_drifted(connection, calm)
            new = tuple(name for name in reading.drifted if name not in known)
            await learning.put_reading(connection, reading.drifted, _encoder.encode(reading), tells=bool(new))
        for measure in reading.measures:
            self._metrics.understanding_drift.labels(measure.name).set(measure.change)
        if new:
            log.warning("understanding_drifted", measures=list(new), turns=reading.now.turns)
            await self._train(new)
        return False

    async def _train(self, drifted: Sequence[str]) -> None:
        if self._settings.train_on_drift and self._trainer is not None:
            await self._trainer.train_and_shadow("drift: " + ", ".join(drifted))


async def look(connection: asyncpg.Connection, settings: LearningSettings, clock: Clock) -> Reading:
    """Compare the newest days with those before them."""
    now = clock.now()
    since = now.date() - timedelta(days=settings.drift_days + settings.drift_baseline_days)
    counted = await learning.days(connection, since)
    return read_drift(
        [
            Day(
                day=each.day,
                intent=each.intent,
                turns=each.turns,
                confidence=each.confidence,
                words=each.words,
                unseen=each.unseen,
            )
            for each in counted
        ],
        now,
        window_days=settings.drift_days,
        baseline_days=settings.drift_baseline_days,
        fewest_turns=settings.drift_fewest_turns,
        limits=Limits(
            settings.drift_stability,
            settings.drift_out_of_scope,
            settings.drift_confidence,
            settings.drift_unseen_words,
        ),
    )


def learning_loops(
    settings: Settings, files: BotFiles, database: Database, clock: Clock, metrics: Metrics, stop: asyncio.Event
) -> list[Coroutine[None, None, None]]:
    """What looks through the events beside the requests, until *stop*; of a process that answers."""
    if not settings.router.respond:
        return []
    ours = settings.learning
    collector = Collector(
        ours, database, lambda: Vocabulary(example.text for example in files.data.examples), clock, metrics
    )

    def fingerprint() -> str:
        return load_training_data(files.bot.folder, files.bot.languages).fingerprint

    trainer = ShadowTrainer(settings, database, place_of(files.bot.name), fingerprint) if ours.train_on_drift else None
    watch = DriftWatch(ours, database, clock, metrics, trainer)
    return [
        poll("learning", collector.step, every_s=ours.sweep_every_s, wake=None, stop=stop),
        poll("drift", watch.step, every_s=LOOK_S, wake=None, stop=stop),
    ]
