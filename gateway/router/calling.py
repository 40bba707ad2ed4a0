"""What must stand before a turn calls anything outside: its entries are fixed, its time runs, typing is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class BeforeCalling:
    """One turn's readiness to call; only a turn that calls pays for it, and only once.

    ``failure`` is what kept it from calling: that ends the turn, and is not the bot's fault.
    """

    def __init__(self, plan: Callable[[], Awaitable[None]], show: Callable[[], None], within_s: float) -> None:
        self._plan = plan
        self._show = show
        self._within_s = within_s
        self._is_ready = False
        self._limit: asyncio.Timeout | None = None
        self.failure: Exception | None = None

    async def __call__(self) -> None:
        if self._is_ready:
            return
        try:
            await self._plan()
        except Exception as error:
            self.failure = error
            raise
        self._is_ready = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._within_s)
        self._show()

    def limit(self) -> asyncio.Timeout:
        """The turn's time, which begins with its first call; a turn that calls nothing has all the time it needs."""
        self._limit = asyncio.timeout(None)
        return self._limit
