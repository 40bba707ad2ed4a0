"""One timer for many waits: a timer of its own for each call to a provider costs more than all else in waiting."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """Ends waits that take too long, looked at every *tick_s*: a wait may last that much longer than it was given."""

    def __init__(self, tick_s: float = 0.25) -> None:
        self._tick_s = tick_s
        self._waits: set[_Wait] = set()
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> _Wait:
        """A context that raises ``TimeoutError`` when its block takes longer; like ``asyncio.timeout``."""
        return _Wait(self, seconds)

    def add(self, wait: _Wait) -> None:
        self._waits.add(wait)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def remove(self, wait: _Wait) -> None:
        self._waits.discard(wait)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for wait in [wait for wait in self._waits if wait.ends_at <= now]:
            self._waits.discard(wait)
            wait.expire()
        self._timer = loop.call_later(self._tick_s, self._tick) if self._waits else None


class _Wait:
    __slots__ = ("_cancelling", "_deadlines", "_is_expired", "_seconds", "_task", "ends_at")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self._is_expired = False
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.ends_at = 0.0

    def expire(self) -> None:
        if self._task is not None:
            self._is_expired = True
            self._task.cancel()

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("a deadline needs a task")
        self._cancelling = self._task.cancelling()
        self.ends_at = asyncio.get_running_loop().time() + self._seconds
        self._deadlines.add(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._deadlines.remove(self)
        if not self._is_expired or self._task is None:
            return
        if self._task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error
