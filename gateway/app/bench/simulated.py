"""Time that stands still until everybody waits for it: the real deliver and a real PostgreSQL in simulated time.

PostgreSQL takes part: in a database made ready here ``now()`` is what the clock of the simulation says.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import asyncpg

STEP_S = 0.004
"""How far PostgreSQL's time may stay behind."""

PREPARE = """
    CREATE SCHEMA simulated;
    CREATE TABLE simulated.clock (at timestamptz NOT NULL);
    INSERT INTO simulated.clock VALUES (pg_catalog.now());
    CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM simulated.clock';
"""


class SimulatedClock:
    """Fits ``Clock``. :meth:`run` moves time on as soon as every task sleeps on it that was begun after it."""

    def __init__(self, database: asyncpg.Connection, start: datetime) -> None:
        self._database = database
        self._start = start
        self._elapsed_s = 0.0
        self._told_s = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._asleep: dict[asyncio.Task[object] | None, asyncio.Future[None]] = {}
        self._outside = asyncio.all_tasks()

    @classmethod
    async def open(cls, database: asyncpg.Connection) -> SimulatedClock:
        """A clock that begins now. Connections that are opened from now on live in its time."""
        await database.execute(PREPARE)
        name = await database.fetchval("SELECT current_database()")
        await database.execute(f'ALTER DATABASE "{name}" SET search_path = simulated, pg_catalog, public')
        # Real time does not count here, so nobody waits for the disk.
        await database.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        await database.execute("SET synchronous_commit = off")
        return cls(database, await database.fetchval("SELECT at FROM simulated.clock"))

    def now(self) -> datetime:
        return self._start.astimezone(UTC) + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        await self.wait(asyncio.get_running_loop().create_future(), seconds)

    async def wait(self, wake: asyncio.Future[None], seconds: float) -> None:
        """Sleep until *wake* is done, and no longer than *seconds*."""
        if seconds <= 0 and not wake.done():
            await asyncio.sleep(0)
            return
        task = asyncio.current_task()
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, next(self._order), wake))
        self._asleep[task] = wake
        try:
            await wake
        finally:
            del self._asleep[task]

    async def run(self, is_done: Callable[[], bool]) -> None:
        """Let time pass until *is_done*; asked whenever everybody sleeps."""
        while True:
            await self._settle()
            if is_done():
                return
            await self._pass()

    async def _settle(self) -> None:
        turns = 0
        while any(not self._sleeps(task) for task in asyncio.all_tasks()):
            turns += 1
            await asyncio.sleep(0 if turns % 8 else 0.0002)

    def _sleeps(self, task: asyncio.Task[object]) -> bool:
        wake = self._asleep.get(task)
        return (wake is not None and not wake.done()) or task in self._outside

    async def _pass(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            raise RuntimeError("nobody waits for anything any more")
        self._elapsed_s = max(self._elapsed_s, self._sleepers[0][0])
        if self._elapsed_s - self._told_s >= STEP_S:
            self._told_s = self._elapsed_s
            await self._database.execute("UPDATE simulated.clock SET at = $1", self.now())
        while self._sleepers and self._sleepers[0][0] <= self._elapsed_s:
            wake = heapq.heappop(self._sleepers)[2]
            if not wake.done():
                wake.set_result(None)
