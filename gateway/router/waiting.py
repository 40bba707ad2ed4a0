"""Customers of open cases: told how long they wait, reminded that an agent waits for them, and let go in the end.

Told is only what can be kept: how long people lately waited at that desk at such an hour, and the place in a line that
is ours. Nobody is reminded whom an agent owes an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.clock import Clock
from gateway.core.control import Control
from gateway.core.errors import SendRefused
from gateway.core.handoff_reasons import Asked, Ended
from gateway.core.ids import MessageId, new_id
from gateway.core.messages import Author, Parts, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.router.agents import Agents
from gateway.router.policy_guard import PolicyGuard
from gateway.router.wakes import DELIVER, DESKS, Wakes
from gateway.store import handoffs, waiting
from gateway.store.database import Database
from gateway.store.handoffs import Locked
from gateway.store.outgoing import append_message
from gateway.store.waiting import LONGEST_LINE, Cared, Waited

log = structlog.get_logger(__name__)

EXPECTED = "utter_handoff_expected"
STILL_THERE = "utter_handoff_still_there"
CLOSED_QUIET = "utter_handoff_closed_quiet"

QUIET = Ended.CUSTOMER_QUIET
"""The reason of a handoff's end whose customer did not answer the agent."""

LIMIT = 100
LOOK_S = 60.0
"""A case whose next moment is not known is looked at so often."""

MOST_TOLD = 6
"""So often at most one customer is told how long the wait is; each time after a longer pause."""

REMEMBERED_S = 60.0
FEWEST = 5
"""With fewer cases to go by, nothing is said."""

NEWEST = 20
KEPT_SHARE = 0.75
"""The time told is one within which so many were served."""

LONGEST_TOLD_MIN = 120

_NEVER_TOLD: frozenset[str] = frozenset({Asked.LEFT_MESSAGE})
_NOT_WAITED: frozenset[str] = frozenset({Asked.LEFT_MESSAGE, Asked.TAKEN_OVER, Asked.REOPENED})

Act = Literal["tell_expected", "remind", "close"]


class WaitingWords(Protocol):
    """The author's words, with facts of the moment in their blanks."""

    def announcement(
        self, key: str, language: str, *, agent: str = "", facts: Mapping[str, object] | None = None
    ) -> Parts | None: ...


class Hours(Protocol):
    """When people answer."""

    def is_open(self, at: datetime) -> bool: ...

    def local(self, at: datetime) -> datetime:
        """The same moment by the company's own clock."""
        ...


class WaitingTimes(msgspec.Struct, frozen=True, kw_only=True):
    """In seconds; 0: never. ``lines`` are the desks whose line is ours to count."""

    tell_every_s: float
    remind_s: float
    close_s: float
    lines: frozenset[str] = frozenset({"builtin.main", "builtin"})
    provider_desks: frozenset[str] = frozenset({"provider", "provider.main"})


class Judgement(msgspec.Struct, frozen=True):
    """What is to be done now, and when to look again, in seconds."""

    act: Act | None
    look_again_s: float


def judge(case: Cared, times: WaitingTimes) -> Judgement:
    """Pure. A case whose control is neither is looked at again: it is about to end, or begins."""
    longest = min([LOOK_S, *(s for s in (times.tell_every_s, times.remind_s, times.close_s) if s > 0)])
    match case.control:
        case Control.QUEUED if times.tell_every_s > 0 and case.reason not in _NEVER_TOLD:
            return _of_waiting(case, times, longest)
        case Control.AGENT if case.desk not in times.provider_desks:
            return _of_silence(case, times, longest)
        case _:
            return Judgement(None, longest)


def _of_waiting(case: Cared, times: WaitingTimes, longest: float) -> Judgement:
    """At once, then each time after a longer pause."""
    if case.told_expected >= MOST_TOLD:
        return Judgement(None, longest)
    if case.told_at is None:
        return Judgement("tell_expected", longest)
    left_s = times.tell_every_s * max(1, case.told_expected) - (case.now - case.told_at).total_seconds()
    return Judgement("tell_expected", longest) if left_s <= 0 else Judgement(None, min(left_s, longest))


def _of_silence(case: Cared, times: WaitingTimes, longest: float) -> Judgement:
    """Reminded once after each word of the agent's; closed after a longer silence, and never right after a reminder."""
    since = case.quiet_since
    if since is None or (times.remind_s <= 0 and times.close_s <= 0):
        return Judgement(None, longest)
    quiet_s = (case.now - since).total_seconds()
    is_reminded = case.reminded_at is not None and case.reminded_at >= since
    if times.remind_s > 0 and not is_reminded and (times.close_s <= 0 or times.remind_s < times.close_s):
        left_s = times.remind_s - quiet_s
        return Judgement("remind", longest) if left_s <= 0 else Judgement(None, min(left_s, longest))
    if times.close_s <= 0:
        return Judgement(None, longest)
    left_s = times.close_s - quiet_s
    if is_reminded and case.reminded_at is not None:
        after_reminder_s = times.close_s - times.remind_s - (case.now - case.reminded_at).total_seconds()
        left_s = max(left_s, after_reminder_s)
    return Judgement("close", longest) if left_s <= 0 else Judgement(None, min(left_s, longest))


def expected_minutes(samples: Sequence[Waited], now: datetime, asked_at: datetime, hours: Hours) -> int | None:
    """How many minutes more one probably waits, rounded up; ``None`` where nobody can know. Pure.

    By the newest cases of the same kind of hour: three quarters of those that waited as long as this one already has
    were served within it.
    """
    if not hours.is_open(now):
        return None
    wanted = _kind_of_hour(hours.local(now))
    alike = [
        sample.waited_s
        for sample in samples
        if sample.reason not in _NOT_WAITED
        and hours.is_open(sample.asked_at)
        and _kind_of_hour(hours.local(sample.asked_at)) == wanted
    ][:NEWEST]
    age_s = max(0.0, (now - asked_at).total_seconds())
    longer = sorted(waited_s - age_s for waited_s in alike if waited_s > age_s)
    if len(alike) < FEWEST or len(longer) < math.ceil(FEWEST / 2):
        return None
    left_s = longer[min(len(longer) - 1, math.ceil(len(longer) * KEPT_SHARE) - 1)]
    return _rounded(left_s / 60)


def _kind_of_hour(local: datetime) -> tuple[bool, int]:
    """Weekdays differ from weekends, mornings from afternoons."""
    return local.weekday() >= 5, local.hour // 4


def _rounded(minutes: float) -> int | None:
    """As one says it: 2, 3, … 10, then in fives, then in tens; longer waits are no number that one can keep."""
    if minutes > LONGEST_TOLD_MIN:
        return None
    step = 1 if minutes <= 10 else 5 if minutes <= 30 else 10
    return max(2, math.ceil(minutes / step) * step)


class Waiting:
    """One for each process; the conversation's lock keeps two of them from saying the same."""

    def __init__(
        self,
        times: WaitingTimes,
        database: Database,
        agents: Agents,
        guard: PolicyGuard,
        hours: Hours,
        words: WaitingWords,
        clock: Clock,
        metrics: Metrics,
        wakes: Wakes,
        news: News,
    ) -> None:
        self._times = times
        self._database = database
        self._agents = agents
        self._guard = guard
        self._hours = hours
        self._words = words
        self._clock = clock
        self._metrics = metrics
        self._wakes = wakes
        self._news = news
        self._lately: dict[str, tuple[float, Sequence[Waited]]] = {}

    async def step(self) -> bool:
        """Look at what is due; true when there may be more."""
        async with self._database.begin() as connection:
            due = await waiting.due(connection, limit=LIMIT)
        judged = [(case, await self._possible(case, judge(case, self._times))) for case in due]
        quiet = [(case, judgement.look_again_s) for case, judgement in judged if judgement.act is None]
        if quiet:
            async with self._database.begin() as connection:
                await waiting.look_again(connection, quiet)
        for case, judgement in judged:
            if judgement.act == "close":
                await self._close(case)
            elif judgement.act is not None:
                await self._say(case)
        return len(due) == LIMIT

    async def _possible(self, case: Cared, judgement: Judgement) -> Judgement:
        """Where nothing is known that could be told, the case need not be locked to find that out."""
        if judgement.act != "tell_expected" or case.desk in self._times.lines:
            return judgement
        async with self._database.begin() as connection:
            samples = await self._samples(connection, case.desk)
        minutes = expected_minutes(samples, case.now, case.asked_at, self._hours)
        return judgement if minutes is not None else Judgement(None, judgement.look_again_s)

    async def _close(self, case: Cared) -> None:
        """The last word is said in the transaction in which it is still true."""

        async def is_still_quiet(connection: AsyncConnection) -> bool:
            now = await waiting.again(connection, case.id)
            if now is None or judge(now, self._times).act != "close":
                return False
            locked = await handoffs.lock(connection, case.conversation_id)
            await self._announce(connection, locked, CLOSED_QUIET, {})
            return True

        if await self._agents.give_back(case.id, QUIET, when=is_still_quiet):
            self._note(case, "close")

    async def _say(self, seen: Cared) -> None:
        async with self._database.begin() as connection:
            locked = await handoffs.lock(connection, seen.conversation_id)
            case = await waiting.again(connection, seen.id)
            if case is None:
                return
            judgement = judge(case, self._times)
            is_said = False
            if judgement.act == "tell_expected":
                is_said = await self._tell_expected(connection, locked, case)
            elif judgement.act == "remind":
                is_said = await self._announce(connection, locked, STILL_THERE, {})
                await waiting.reminded(connection, case)
            await waiting.set_next(connection, case, judgement.look_again_s)
        if is_said:
            self._note(case, judgement.act or "")
            self._wakes.wake(DELIVER)
            self._wakes.wake(DESKS)
            self._news.changed((case.conversation_id,))

    def _note(self, case: Cared, act: str) -> None:
        self._metrics.handoff_care.labels(case.desk, act).inc()
        log.info("customer_cared_for", act=act, desk=case.desk, handoff_id=str(case.id))

    async def _tell_expected(self, connection: AsyncConnection, locked: Locked, case: Cared) -> bool:
        samples = await self._samples(connection, case.desk)
        minutes = expected_minutes(samples, case.now, case.asked_at, self._hours)
        ahead = await waiting.before(connection, case) if case.desk in self._times.lines else LONGEST_LINE
        position = ahead + 1 if 0 < ahead < LONGEST_LINE and self._hours.is_open(case.now) else None
        if minutes is None and position is None:
            return False
        is_said = await self._announce(connection, locked, EXPECTED, {"minutes": minutes, "position": position})
        if is_said:
            await waiting.told_expected(connection, case)
        return is_said

    async def _samples(self, connection: AsyncConnection, desk: str) -> Sequence[Waited]:
        """How long people waited lately; asked for once a minute."""
        known = self._lately.get(desk)
        if known is None or known[0] <= self._clock.monotonic():
            known = (self._clock.monotonic() + REMEMBERED_S, await waiting.waited(connection, desk))
            self._lately[desk] = known
        return known[1]

    async def _announce(
        self, connection: AsyncConnection, locked: Locked, key: str, facts: Mapping[str, object]
    ) -> bool:
        """Say it where the author wrote it and it may be said as it is: no template stands in for a reminder."""
        facts = {"minutes": None, "position": None} | dict(facts)
        parts = self._words.announcement(key, locked.language, agent=locked.state.agent, facts=facts)
        if not parts:
            return False
        try:
            judged = await self._guard.check(connection, locked.conversation_id, Author.BOT, parts)
        except SendRefused:
            return False
        if not judged.may_go:
            return False
        await append_message(
            connection,
            locked.conversation_id,
            MessageId(new_id()),
            author=Author.SYSTEM.value,
            parts=encode_parts(parts).decode(),
            key=key,
        )
        return True
