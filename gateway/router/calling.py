"""What must stand before a turn calls anything outside: its entries are fixed, its time runs, typing is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

SHOW_AFTER_S = 0.4
"""A shorter wait is none: nobody needs to see that somebody types."""

SHOW_EVERY_S = 4.5
"""Providers show typing for five seconds or more."""


class BeforeCalling:
    """One turn's readiness to call; only a turn that calls pays for it, and only once.

    *plan* fixes the entries, *show* shows typing (and, told false, no longer), *within_s* bounds the calls together.
    ``failure`` is what kept it from calling: that ends the turn, and is not the bot's fault.
    """

    def __init__(self, plan: Callable[[], Awaitable[None]], show: Callable[[bool], None], within_s: float) -> None:
        self._plan = plan
        self._show = show
        self._within_s = within_s
        self._is_ready = False
        self._is_shown = False
        self._limit = asyncio.timeout(None)
        self._typing: asyncio.TimerHandle | None = None
        self.failure: Exception | None = None

    @property
    def is_ready(self) -> bool:
        """Whether something outside may have been called."""
        return self._is_ready

    async def __call__(self) -> None:
        if self._is_ready:
            return
        try:
            await self._plan()
        except Exception as error:
            self.failure = error
            raise
        self._is_ready = True
        loop = asyncio.get_running_loop()
        self._limit.reschedule(loop.time() + self._within_s)
        self._typing = loop.call_later(SHOW_AFTER_S, self._show_typing)

    async def __aenter__(self) -> Self:
        """Around the turn: its time begins with its first call; a turn that calls nothing has all that it needs."""
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._typing is not None:
            self._typing.cancel()
        if self._is_shown:
            self._show(False)
        await self._limit.__aexit__(kind, error, trace)

    def _show_typing(self) -> None:
        self._is_shown = True
        self._show(True)
        self._typing = asyncio.get_running_loop().call_later(SHOW_EVERY_S, self._show_typing)
