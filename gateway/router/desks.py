"""Tells desks what they must know: each case, each message in it, its end. Repeated until the desk has heard.

One process at a time tells a desk; cases go side by side, and what belongs to one case goes in its order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.desks import Case, CaseRef, DeskMessage, DeskPort, NotYet, Told
from gateway.core.errors import Retry, TertuliaError, Unavailable
from gateway.core.fence import fenced
from gateway.core.ids import HandoffId
from gateway.core.metrics import Metrics
from gateway.core.ports import AgentPort
from gateway.router.desk_holding import DeskHolding
from gateway.router.wakes import DESKS, Wakes
from gateway.store import desk_cases
from gateway.store.database import Database
from gateway.store.desk_cases import Held, Lines, PendingCase

log = structlog.get_logger(__name__)

MESSAGES_AT_ONCE = 100
"""So many messages are told in one call at most."""

MEDIA_LOOK_S = 1.0
"""How long until a case is looked at again whose next message has files that are still being fetched."""


class PumpSettings(msgspec.Struct, frozen=True):
    """``media_wait_s``: a customer's file that could not be fetched for so long is told of without it."""

    call_timeout_s: float
    backoff_base_s: float
    backoff_cap_s: float
    transcript_messages: int
    public_url: str = ""
    media_wait_s: float = 30.0


class DeskPump:
    """One step begins to tell the desks that this process holds; what fails is tried again, ever later."""

    def __init__(
        self,
        settings: PumpSettings,
        database: Database,
        desks: Mapping[str, DeskPort],
        holding: DeskHolding,
        agents: AgentPort,
        clock: Clock,
        metrics: Metrics,
        wakes: Wakes,
    ) -> None:
        self._settings = settings
        self._lane = database.lane()
        self._desks = desks
        self._holding = holding
        self._agents = agents
        self._clock = clock
        self._metrics = metrics
        self._wakes = wakes
        self._running: dict[str, dict[HandoffId, asyncio.Task[None]]] = {name: {} for name in desks}
        self._is_stopping = False
        holding.on_loss(self._stop_telling)

    async def step(self) -> bool:
        """Begin what is due, as far as each desk has room. What ends wakes the loop for the next."""
        for name, desk in self._desks.items():
            await self._begin(name, desk)
        return False

    async def count(self) -> bool:
        """How much each desk has still to hear, for the metric; nothing where another process tells it."""
        for name in self._desks:
            waiting = 0
            if self._holding.held(name) is not None:
                async with self._lane.statement() as connection:
                    waiting = await desk_cases.backlog(connection, name)
            self._metrics.desk_pending.labels(name).set(waiting)
        return False

    async def close(self, within_s: float) -> None:
        """Finish the calls that run, for so long; the rest is told by whoever goes on."""
        self._is_stopping = True
        tasks = [task for running in self._running.values() for task in running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self, name: str, desk: DeskPort) -> None:
        held, running = self._holding.held(name), self._running[name]
        room = desk.concurrency - len(running)
        if held is None or room <= 0 or self._is_stopping:
            return
        async with self._lane.statement() as connection:
            cases = await desk_cases.pending(connection, held, besides=list(running), limit=room)
        for case in cases:
            task = asyncio.get_running_loop().create_task(self._tell_despite(desk, held, case))
            running[case.id] = task
            task.add_done_callback(partial(self._finished, name, case.id))

    def _finished(self, name: str, case_id: HandoffId, _task: asyncio.Task[None]) -> None:
        del self._running[name][case_id]
        if not self._is_stopping:
            self._wakes.heard(DESKS)

    def _stop_telling(self, name: str) -> None:
        """Another process may tell the desk from now on: what runs here would come in between."""
        for task in self._running.get(name, {}).values():
            task.cancel()

    async def _tell_despite(self, desk: DeskPort, held: Held, case: PendingCase) -> None:
        """Tell, or put off. Never raises, but by being cancelled."""
        try:
            with fenced(lambda: self._holding.is_held(held)):
                await self._tell(desk, held, case)
        except NotYet as later:
            await self._put_off(held, case, later.after_s, problem="", is_failure=False)
        except (TertuliaError, TimeoutError) as error:
            await self._put_off_after(held, case, error)
        except Exception as error:
            log.exception("desk_failed", desk=held.desk, handoff_id=str(case.id))
            await self._put_off_after(held, case, error)

    async def _tell(self, desk: DeskPort, held: Held, case: PendingCase) -> None:
        reference = case.reference
        if case.acknowledged_at is None:
            lines = await self._lines(case, is_new=True)
            told = await self._open(desk, case, lines.messages)
            reference = told.reference
            if not await self._write(held, case, reference, lines):
                return
            if told.agent:
                await self._agents.accept(case.id, told.agent, instead_of="")
            return
        lines = await self._lines(case, is_new=False)
        if lines.messages:
            await self._say(desk, case, lines.messages)
            await self._write(held, case, reference, lines)
        elif lines.waits:
            await self._put_off(held, case, MEDIA_LOOK_S, problem="", is_failure=False)
        else:
            await self._end(desk, held, case)

    async def _open(self, desk: DeskPort, case: PendingCase, messages: Sequence[DeskMessage]) -> Told:
        async with asyncio.timeout(self._settings.call_timeout_s):
            told = await desk.open(self._case(desk.name, case, messages))
        self._observe(desk.name, "open", case.asked_at.timestamp())
        return told

    async def _say(self, desk: DeskPort, case: PendingCase, messages: Sequence[DeskMessage]) -> None:
        async with asyncio.timeout(self._settings.call_timeout_s):
            await desk.customer_said(_ref(case), messages)
        self._observe(desk.name, "said", messages[0].at.timestamp())

    async def _end(self, desk: DeskPort, held: Held, case: PendingCase) -> None:
        if case.ended_at is not None:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await desk.ended(_ref(case), case.end_reason)
            self._observe(desk.name, "ended", case.ended_at.timestamp())
        await self._write(held, case, case.reference, Lines((), waits=False), told_end=case.ended_at is not None)

    async def _lines(self, case: PendingCase, *, is_new: bool) -> Lines:
        read = desk_cases.newest if is_new else desk_cases.following
        limit = self._settings.transcript_messages if is_new else MESSAGES_AT_ONCE
        async with self._lane.statement() as connection:
            return await read(connection, case, limit=limit, media_wait_s=self._settings.media_wait_s)

    async def _write(
        self, held: Held, case: PendingCase, reference: str, lines: Lines, *, told_end: bool = False
    ) -> bool:
        """Note what the desk has by now; false when that is not ours to note any more."""
        position = lines.messages[-1].position if lines.messages else case.told_position
        async with self._lane.statement() as connection:
            has_more = await desk_cases.told(
                connection, held, case, reference=reference, position=position, told_end=told_end
            )
        return has_more is not None

    async def _put_off_after(self, held: Held, case: PendingCase, error: Exception) -> None:
        wished = error.after_s if isinstance(error, Retry | Unavailable) else None
        self._metrics.desk_failures.labels(held.desk, type(error).__name__).inc()
        after_s = max(wished or 0.0, self._backoff_s(case.tries))
        log.warning(
            "desk_not_told",
            desk=held.desk,
            handoff_id=str(case.id),
            reason=str(error) or type(error).__name__,
            tries=case.tries + 1,
            after_s=round(after_s, 1),
        )
        await self._put_off(held, case, after_s, problem=type(error).__name__, is_failure=True)

    async def _put_off(self, held: Held, case: PendingCase, after_s: float, *, problem: str, is_failure: bool) -> None:
        try:
            async with self._lane.statement() as connection:
                await desk_cases.put_off(connection, held, case, after_s, problem=problem, is_failure=is_failure)
        except Unavailable as error:  # the case stays due: the loop itself pauses while the database is away
            log.warning("desk_case_not_put_off", handoff_id=str(case.id), reason=str(error))
            await self._clock.sleep(1.0)

    def _backoff_s(self, tries: int) -> float:
        settings = self._settings
        longest = min(settings.backoff_cap_s, settings.backoff_base_s * 2.0 ** min(tries, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  spreading, not secrecy

    def _observe(self, desk: str, call: str, since: float) -> None:
        delay_s = max(0.0, self._clock.now().timestamp() - since)
        self._metrics.desk_delay_seconds.labels(desk, call).observe(delay_s)

    def _case(self, desk: str, case: PendingCase, messages: Sequence[DeskMessage]) -> Case:
        reason, _, made_so = case.reason.partition(": ")
        link = f"{self._settings.public_url}/desk#{case.conversation_id}" if self._settings.public_url else ""
        return Case(
            handoff_id=case.id,
            conversation_id=case.conversation_id,
            account_id=case.account_id,
            desk=desk,
            contact=case.contact,
            app=case.app,
            account=case.account,
            reason=reason,
            detail=case.detail or made_so,
            asked_at=case.asked_at,
            language=case.language,
            is_urgent=case.is_urgent,
            intent=case.intent,
            confidence=case.confidence,
            slots=case.slots,
            sentiment=case.sentiment,
            link=link,
            reopens=case.reopens,
            reopened_agent=case.reopened_agent,
            transcript=tuple(messages),
        )


def _ref(case: PendingCase) -> CaseRef:
    return CaseRef(
        handoff_id=case.id,
        conversation_id=case.conversation_id,
        reference=case.reference,
        is_urgent=case.is_urgent,
        contact=case.contact,
    )
