"""Natural batching in one small class: callers await one item each, the work is done for many at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gateway.core.errors import Overloaded

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Joins whatever callers wait at this moment into one call of *run*.

    The promise: the next batch gathers while the current one runs, so there is no timer and no added delay when
    idle. At most *limit* members a batch, in the order of submission. ``run`` returns one result a member, in
    order; an exception among the results is raised to that member alone. When ``run`` raises, the batch is split
    and run again until the culprit stands alone, unless *is_systemic* says that the error is everybody's (the
    database is away): then every member gets it. A single member's *is_passing* error (a deadlock) is tried again
    *tries* times. A cancelled caller harms nobody: it is left out if its batch has not begun. A cancelled
    ``run`` cancels all who wait. ``close`` drains.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        limit: int,
        queue_limit: int = 100_000,
        is_systemic: Callable[[BaseException], bool] = lambda _: False,
        is_passing: Callable[[BaseException], bool] = lambda _: False,
        tries: int = 5,
    ) -> None:
        self._run = run
        self._limit = limit
        self._queue_limit = queue_limit
        self._is_systemic = is_systemic
        self._is_passing = is_passing
        self._tries = tries
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._is_closed = False
        self.batches = 0
        self.members = 0

    def __len__(self) -> int:
        """How many items wait for their batch to begin."""
        return len(self._waiting)

    async def __call__(self, item: T) -> R:
        """The result for *item*. Raises what ``run`` raised for it, or ``Overloaded`` when the queue is full."""
        return await self.submit(item)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Queue *item* now; the future holds its result."""
        if self._is_closed or len(self._waiting) >= self._queue_limit:
            raise Overloaded("closing" if self._is_closed else "too much is waiting")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = loop.create_task(self._drain())
        return future

    async def close(self) -> None:
        """Take nothing more, and return when all that was taken is done."""
        self._is_closed = True
        while self._runner is not None:
            await asyncio.wait([self._runner])

    async def _drain(self) -> None:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        try:
            while self._waiting:
                batch = self._take()
                if batch:
                    self.batches += 1
                    self.members += len(batch)
                    await self._settle(batch, self._tries)
        except BaseException:
            # Only a cancellation comes here: whoever is still without a result would wait for ever.
            for _, future in (*batch, *self._waiting):
                future.cancel()
            self._waiting.clear()
            raise
        finally:
            self._runner = None

    def _take(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        while self._waiting and len(batch) < self._limit:
            member = self._waiting.popleft()
            if not member[1].done():
                batch.append(member)
        return batch

    async def _settle(self, batch: list[tuple[T, asyncio.Future[R]]], tries: int) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  whatever it is belongs to the members, who are waiting for it
            await self._split(batch, error, tries)
            return
        if len(results) != len(batch):
            results = [RuntimeError(f"{len(batch)} items in, {len(results)} results out")] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            _resolve(future, result)

    async def _split(self, batch: list[tuple[T, asyncio.Future[R]]], error: Exception, tries: int) -> None:
        if self._is_systemic(error):
            for _, future in batch:
                _resolve(future, error)
        elif len(batch) > 1:
            middle = len(batch) // 2
            await self._settle(batch[:middle], tries)
            await self._settle(batch[middle:], tries)
        elif tries > 1 and self._is_passing(error):
            await asyncio.sleep(0.01 * (self._tries - tries))
            await self._settle(batch, tries - 1)
        else:
            _resolve(batch[0][1], error)


def _resolve(future: asyncio.Future[R], result: R | BaseException) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
