"""What desks say, from the database into effect: any process, side by side, in order within a case."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.desks import DeskEvent, DeskPort, KeepsCursor, NotYet
from gateway.core.errors import GiveUp, Retry, TertuliaError, Unavailable
from gateway.core.fence import fenced
from gateway.core.metrics import Metrics
from gateway.router.desk_holding import DeskHolding
from gateway.router.wakes import DESK_EVENTS, Wakes
from gateway.store import desk_events, desk_leases
from gateway.store.database import Database
from gateway.store.desk_cases import Held
from gateway.store.desk_events import TakenEvent

log = structlog.get_logger(__name__)

SURE = 2 / 3
"""So much of a claim's time is counted on; the rest is for a slow answer and for clocks that differ."""

UNEXPECTED_TRIES = 8
"""An event that makes our own code fail goes to the dead letters after so many tries: it blocks its case."""


class InboxSettings(msgspec.Struct, frozen=True):
    """``claim_s``: how long an event stays with the process that has it in hand, unless it renews (database time).

    ``keep_keys_s``: how long an applied event is remembered, so that a repetition is recognised.
    """

    call_timeout_s: float
    backoff_base_s: float
    backoff_cap_s: float
    give_up_after_s: float
    reconcile_every_s: float
    claim_s: float = 15.0
    keep_keys_s: float = 30 * 86_400
    concurrency: int = 16


class _Hand(msgspec.Struct):
    """An event that is being applied here. ``sure_until``, on the monotonic clock: nobody else has it before."""

    taken: TakenEvent
    sure_until: float


class DeskInbox:
    """Fits ``DeskEventPort``: ``accept`` stores, ``step`` applies, ``reconcile`` asks for what webhooks lost."""

    def __init__(
        self,
        settings: InboxSettings,
        database: Database,
        desks: Mapping[str, DeskPort],
        holding: DeskHolding,
        clock: Clock,
        metrics: Metrics,
        wakes: Wakes,
    ) -> None:
        self._settings = settings
        self._door_lane = database.lane()
        self._lane = database.lane()
        self._desks = desks
        self._holding = holding
        self._clock = clock
        self._metrics = metrics
        self._wakes = wakes
        self._running: dict[str, dict[asyncio.Task[None], _Hand]] = {name: {} for name in desks}
        self._renew_at = 0.0
        self._failures = dict.fromkeys(desks, 0)
        self._is_stopping = False

    async def accept(self, desk: str, events: Sequence[DeskEvent]) -> None:
        """Return once all of it is durable. Raises ``Unavailable``; then nothing is stored."""
        if not events:
            return
        async with self._door_lane.statement() as connection:
            stored = await desk_events.store(connection, desk, events)
        self._metrics.desk_events.labels(desk, "stored").inc(stored)
        self._metrics.desk_events.labels(desk, "duplicate").inc(len(events) - stored)
        if stored:
            self._wakes.wake(DESK_EVENTS)

    async def quarantine(self, desk: str, *, reason: str, path: str, raw: bytes) -> None:
        """Keep an authentic webhook that was not understood. Raises ``Unavailable``."""
        async with self._door_lane.statement() as connection:
            await desk_events.quarantine(connection, desk, reason=reason, path=path, raw=raw)
        self._metrics.quarantined.labels(f"desks.{desk.partition('.')[0]}").inc()

    async def step(self) -> bool:
        """Hold on to what is in hand, and begin to apply what waits, as far as there is room for each desk."""
        await self._renew()
        for name in self._desks:
            room = self._settings.concurrency - len(self._running[name])
            if room > 0 and not self._is_stopping:
                await self._begin(name, room)
        return False

    async def reconcile(self) -> bool:
        """Ask the desks that this process holds for what their webhooks may have lost, when it is time."""
        for name, desk in self._desks.items():
            held = self._holding.held(name)
            if held is None:
                continue
            async with self._lane.statement() as connection:
                is_due = await desk_leases.is_due_to_reconcile(connection, name, held.token)
            if is_due:
                after_s = await self._reconcile(held, desk)
                async with self._lane.statement() as connection:
                    await desk_leases.reconcile_later(connection, name, held.token, after_s)
        return False

    async def prune(self) -> bool:
        """Forget events that no desk will repeat."""
        async with self._lane.statement() as connection:
            return await desk_events.prune(connection, timedelta(seconds=self._settings.keep_keys_s))

    async def close(self, within_s: float) -> None:
        """Finish what runs, for so long; what is cut off is another process' at once."""
        self._is_stopping = True
        tasks = [task for running in self._running.values() for task in running]
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew(self) -> None:
        """Hold on to what takes long; what another process has by now is let go."""
        asked_at = self._clock.monotonic()
        hands = [(task, hand) for running in self._running.values() for task, hand in running.items()]
        if not hands or asked_at < self._renew_at:
            return
        async with self._lane.statement() as connection:
            kept = await desk_events.renew(connection, [hand.taken for _, hand in hands], self._settings.claim_s)
        self._renew_at = asked_at + self._settings.claim_s / 5
        for (task, hand), is_ours in zip(hands, kept, strict=True):
            if is_ours:
                hand.sure_until = asked_at + self._settings.claim_s * SURE
            elif not task.done():
                log.warning("desk_event_lost", desk=hand.taken.desk, kind=hand.taken.event.kind)
                task.cancel()

    async def _begin(self, name: str, room: int) -> None:
        claim_s, asked_at = self._settings.claim_s, self._clock.monotonic()
        async with self._lane.statement() as connection:
            taken = await desk_events.take(connection, name, limit=room, node=self._holding.node, claim_s=claim_s)
        for one in taken:
            hand = _Hand(one, asked_at + claim_s * SURE)
            task = asyncio.get_running_loop().create_task(self._apply_in_hand(self._desks[name], hand))
            self._running[name][task] = hand
            task.add_done_callback(partial(self._finished, name))

    def _finished(self, name: str, task: asyncio.Task[None]) -> None:
        del self._running[name][task]
        if not self._is_stopping:
            self._wakes.heard(DESK_EVENTS)

    async def _apply_in_hand(self, desk: DeskPort, hand: _Hand) -> None:
        """As long as nobody else can have it: a process that froze must not write beside the next one."""
        with fenced(lambda: self._clock.monotonic() < hand.sure_until):
            await self._apply_despite(desk, hand.taken)

    async def _apply_despite(self, desk: DeskPort, taken: TakenEvent) -> None:
        """Apply, put off, or give up. Never raises, but by being cancelled."""
        try:
            outcome = await self._apply(desk, taken)
            self._metrics.desk_events.labels(desk.name, outcome).inc()
        except asyncio.CancelledError:
            await self._free(taken)
            raise
        except Unavailable as error:  # it is due again when the claim has run out
            log.warning("desk_event_postponed", desk=desk.name, kind=taken.event.kind, reason=str(error))
        except Exception:
            log.exception("desk_event_failed", desk=desk.name, kind=taken.event.kind)

    async def _apply(self, desk: DeskPort, taken: TakenEvent) -> str:
        """What became of it, in a word of the metric's."""
        try:
            async with asyncio.timeout(self._settings.call_timeout_s):
                await desk.apply(taken.event)
        except NotYet as later:
            return await self._later(taken, later.after_s, problem="", is_failure=False)
        except GiveUp as error:
            return await self._give_up(taken, error)
        except (TertuliaError, TimeoutError) as error:
            if taken.age_s > self._settings.give_up_after_s:
                return await self._give_up(taken, error)
            return await self._retry(taken, error)
        except Exception as error:
            log.exception("desk_event_failed", desk=desk.name, kind=taken.event.kind)
            if taken.tries + 1 >= UNEXPECTED_TRIES:
                return await self._give_up(taken, error)
            return await self._retry(taken, error)
        async with self._lane.statement() as connection:
            await desk_events.applied(connection, taken)
        self._metrics.desk_event_seconds.labels(desk.name).observe(taken.age_s)
        return "applied"

    async def _retry(self, taken: TakenEvent, error: Exception) -> str:
        wished = error.after_s if isinstance(error, Retry | Unavailable) else None
        longest = min(self._settings.backoff_cap_s, self._settings.backoff_base_s * 2.0 ** min(taken.tries, 30))
        after_s = max(wished or 0.0, longest * random.uniform(0.5, 1.0))  # noqa: S311  spreading, not secrecy
        problem = str(error) or type(error).__name__
        log.warning(
            "desk_event_not_applied",
            desk=taken.desk,
            kind=taken.event.kind,
            reason=problem,
            tries=taken.tries + 1,
            after_s=round(after_s, 1),
        )
        return await self._later(taken, after_s, problem=problem, is_failure=True)

    async def _later(self, taken: TakenEvent, after_s: float, *, problem: str, is_failure: bool) -> str:
        async with self._lane.statement() as connection:
            await desk_events.put_off(connection, taken, after_s, problem=problem, is_failure=is_failure)
        return "retried"

    async def _give_up(self, taken: TakenEvent, error: Exception) -> str:
        problem = f"{type(error).__name__}: {error}".removesuffix(": ")
        log.error("desk_event_dead", desk=taken.desk, kind=taken.event.kind, reason=problem, tries=taken.tries + 1)
        async with self._lane.statement() as connection:
            await desk_events.give_up(connection, taken, problem=problem)
        return "dead"

    async def _free(self, taken: TakenEvent) -> None:
        try:
            async with self._lane.statement() as connection:
                await desk_events.free(connection, taken)
        except Unavailable as error:
            log.warning("desk_event_not_freed", desk=taken.desk, reason=str(error))

    async def _reconcile(self, held: Held, desk: DeskPort) -> float:
        """Ask one desk, and answer when to ask it again, in seconds."""
        name, every_s = held.desk, self._settings.reconcile_every_s
        try:
            with fenced(lambda: self._holding.is_held(held)):
                await self._ask(name, desk)
        except NotYet as later:
            return later.after_s
        except (TertuliaError, TimeoutError) as error:
            log.warning("desk_not_reconciled", desk=name, reason=str(error) or type(error).__name__)
        except Exception:
            log.exception("desk_not_reconciled", desk=name)
        else:
            self._failures[name] = 0
            return every_s
        self._failures[name] += 1
        self._metrics.desk_failures.labels(name, "reconcile").inc()
        return min(every_s, self._settings.backoff_base_s * 2.0 ** min(self._failures[name], 10))

    async def _ask(self, name: str, desk: DeskPort) -> None:
        async with asyncio.timeout(self._settings.call_timeout_s):
            events = await desk.reconcile()
        await self.accept(name, events)
        if isinstance(desk, KeepsCursor):
            await desk.reconciled()
