"""Nobody waits unseen: cases that their desk does not take over, that nobody takes, or whose agent fell silent.

The desk is told again and again by the pump. Here the customer is told honestly, once; somebody of the operator's is
alerted; the case goes to the built-in desk where the settings say so; and the bot goes on when an agent fell silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.control import Control
from gateway.core.handoff_reasons import Ended
from gateway.core.ids import MessageId, new_id
from gateway.core.messages import Author, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import AnnouncementPort
from gateway.router.agents import Agents
from gateway.router.wakes import DELIVER, DESKS, Wakes
from gateway.store import desk_watch, handoffs
from gateway.store.database import Database
from gateway.store.desk_watch import Watched
from gateway.store.handoffs import Locked
from gateway.store.outgoing import append_message

log = structlog.get_logger(__name__)

DELAYED = "utter_handoff_delayed"
WAITING = "utter_handoff_waiting"

QUIET = Ended.AGENT_QUIET
"""The reason of a handoff's end whose agent left the customer without an answer."""

LIMIT = 100

Act = Literal["told_delayed", "told_waiting", "alerted", "fell_back", "gave_back"]


class WatchTimes(msgspec.Struct, frozen=True):
    """The settings ``[handoff]``, in seconds; 0: never, where a comment there says so."""

    acknowledge_within_s: float
    alert_after_s: float
    fall_back_after_s: float
    nobody_after_s: float
    agent_quiet_s: float
    fall_back_to: str = "builtin.main"
    provider_desks: tuple[str, ...] = ("provider", "provider.main")


class Judgement(msgspec.Struct, frozen=True):
    """What is to be done now, and when to look again, in seconds; ``None``: when something changes."""

    acts: tuple[Act, ...] = ()
    look_again_s: float | None = None


def judge(case: Watched, times: WatchTimes) -> Judgement:
    """Pure. A change of control and a desk that acknowledges make a case due by themselves."""
    match case.control:
        case Control.QUEUED if case.acknowledged_at is None:
            return _of_steps(case, _unacknowledged(case, times))
        case Control.QUEUED:
            return _of_steps(case, [("told_waiting", times.nobody_after_s, case.told_waiting_at)])
        case Control.AGENT if case.desk not in times.provider_desks:
            return _of_agent(case, times)
        case _:
            return Judgement()


def _unacknowledged(case: Watched, times: WatchTimes) -> list[tuple[Act, float, datetime | None]]:
    falls_back = case.desk not in (times.fall_back_to, times.fall_back_to.removesuffix(".main"))
    return [
        ("told_delayed", times.acknowledge_within_s, case.told_customer_at),
        ("alerted", times.alert_after_s, case.alerted_at),
        ("fell_back", times.fall_back_after_s if falls_back else 0.0, None),
    ]


def _of_steps(case: Watched, steps: Sequence[tuple[Act, float, datetime | None]]) -> Judgement:
    """Each step when the case is old enough for it, and never again."""
    age_s = (case.now - case.asked_at).total_seconds()
    open_steps = [(act, after_s) for act, after_s, done_at in steps if after_s > 0 and done_at is None]
    later = [after_s - age_s for _, after_s in open_steps if after_s > age_s]
    return Judgement(tuple(act for act, after_s in open_steps if after_s <= age_s), min(later, default=None))


def _of_agent(case: Watched, times: WatchTimes) -> Judgement:
    if times.agent_quiet_s <= 0:
        return Judgement()
    if case.waiting_since is None:
        return Judgement(look_again_s=times.agent_quiet_s)
    left_s = times.agent_quiet_s - (case.now - case.waiting_since).total_seconds()
    return Judgement(("gave_back",)) if left_s <= 0 else Judgement(look_again_s=left_s)


class Watchdog:
    """Looks at what is due, in every process; the conversation's lock keeps two of them from acting twice."""

    def __init__(
        self,
        times: WatchTimes,
        database: Database,
        agents: Agents,
        metrics: Metrics,
        wakes: Wakes,
        news: News,
        words: AnnouncementPort | None = None,
    ) -> None:
        self._times = times
        self._database = database
        self._agents = agents
        self._metrics = metrics
        self._wakes = wakes
        self._news = news
        self._words = words
        self._stuck: tuple[desk_watch.Stuck, ...] = ()

    async def step(self) -> bool:
        """Look at what is due; true when there may be more."""
        async with self._database.begin() as connection:
            due = await desk_watch.due(connection, limit=LIMIT)
        judged = [(case, judge(case, self._times)) for case in due]
        quiet = [(case, judgement.look_again_s) for case, judgement in judged if not judgement.acts]
        if quiet:
            async with self._database.begin() as connection:
                await desk_watch.look_again(connection, quiet)
        for case, judgement in judged:
            if judgement.acts:
                await self._act(case, judgement)
        return len(due) == LIMIT

    async def count(self) -> bool:
        """What is stuck now, for the metric and for ``/readyz``."""
        async with self._database.begin() as connection:
            found = await desk_watch.stuck(connection)
        for gone in {one.desk for one in self._stuck} - {one.desk for one in found}:
            self._metrics.handoffs_stuck.labels(gone).set(0)
        for one in found:
            self._metrics.handoffs_stuck.labels(one.desk).set(one.cases)
        self._stuck = tuple(found)
        return False

    def details(self) -> dict[str, object]:
        """For whoever has the token: desks that do not take cases over, with how many wait and since when."""
        stuck = {one.desk: {"waiting": one.cases, "since": one.since.isoformat()} for one in self._stuck}
        return {"handoffs_stuck": stuck}

    async def _act(self, case: Watched, judgement: Judgement) -> None:
        if judgement.acts == ("gave_back",):
            acts: tuple[Act, ...] = judgement.acts if await self._give_back(case) else ()
        else:
            acts = await self._act_on_waiting(case)
        for act in acts:
            self._metrics.handoff_watch.labels(case.desk, act).inc()
            say = log.error if act == "alerted" else log.warning
            waited_s = round((case.now - case.asked_at).total_seconds())
            event = "handoff_stuck" if act == "alerted" else "handoff_watched"
            say(event, act=act, desk=case.desk, handoff_id=str(case.id), waited_s=waited_s, problem=case.problem)

    async def _give_back(self, case: Watched) -> bool:
        async def is_still_quiet(connection: AsyncConnection) -> bool:
            now = await desk_watch.again(connection, case.id)
            return now is not None and judge(now, self._times).acts == ("gave_back",)

        return await self._agents.give_back(case.id, QUIET, when=is_still_quiet)

    async def _act_on_waiting(self, seen: Watched) -> tuple[Act, ...]:
        async with self._database.begin() as connection:
            locked = await handoffs.lock(connection, seen.conversation_id)
            case = await desk_watch.again(connection, seen.id)
            if case is None:
                return ()
            judgement = judge(case, self._times)
            for act in judgement.acts:
                await self._do(connection, locked, case, act)
            await desk_watch.set_next(connection, case, judgement.look_again_s)
        self._wakes.wake(DELIVER)
        self._wakes.wake(DESKS)
        self._news.changed((seen.conversation_id,))
        return judgement.acts

    async def _do(self, connection: AsyncConnection, locked: Locked, case: Watched, act: Act) -> None:
        match act:
            case "told_delayed":
                await self._announce(connection, locked, DELAYED)
                await desk_watch.mark(connection, case, act)
            case "told_waiting":
                await self._announce(connection, locked, WAITING)
                await desk_watch.mark(connection, case, act)
            case "alerted":
                await desk_watch.tell_stuck(connection, locked, case)
                await desk_watch.mark(connection, case, act)
            case "fell_back":
                await desk_watch.fall_back(connection, case, self._times.fall_back_to)
            case "gave_back":  # an agent's silence is dealt with before, by whoever may end a handoff
                raise AssertionError(act)

    async def _announce(self, connection: AsyncConnection, locked: Locked, key: str) -> None:
        parts = self._words.announcement(key, locked.language) if self._words is not None else None
        if parts:
            await append_message(
                connection,
                locked.conversation_id,
                MessageId(new_id()),
                author=Author.SYSTEM.value,
                parts=encode_parts(parts).decode(),
                key=key,
            )
