"""How fast Sunshine is called: our own limit, and the pauses that it asks for."""

from __future__ import annotations

import random

from gateway.core.clock import Clock
from gateway.core.desks import NotYet

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
AMPLE_S = 0.25
"""Whoever waits no longer than this takes nothing from others."""


class Pace:
    """One app's line in one process: calls leave *per_s* apart, and none while Sunshine wants a pause."""

    def __init__(self, per_s: float, longest_wait_s: float, clock: Clock) -> None:
        self._gap_s = 1.0 / per_s if per_s else 0.0
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._next = 0.0
        self._refusals = 0

    async def turn(self) -> None:
        """Return when it is our turn. Raises ``NotYet`` at once when that would take too long."""
        wait_s = self.wait_s
        if wait_s > self._longest_wait_s:
            raise NotYet("the line to Zendesk is taken", after_s=wait_s * _jitter())
        self._next = self._clock.monotonic() + wait_s + self._gap_s
        if wait_s:
            await self._clock.sleep(wait_s)

    @property
    def wait_s(self) -> float:
        """How long the next call would wait."""
        return max(0.0, self._next - self._clock.monotonic())

    @property
    def is_ample(self) -> bool:
        """Whether there is room for calls that could be done without."""
        return self.wait_s <= AMPLE_S

    def refused(self, after_s: float | None) -> NotYet:
        """Sunshine takes no more for now: nobody calls for so long, longer with each refusal."""
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._refusals, 10)) * _jitter()
        pause_s = max(pause_s, (after_s or 0.0) * (1.0 + random.random() / 4))  # noqa: S311  spreading, not secrecy
        self._refusals += 1
        self._next = max(self._next, self._clock.monotonic() + pause_s)
        return NotYet("Zendesk takes no more for now", after_s=pause_s)

    def worked(self) -> None:
        """Sunshine takes calls again."""
        self._refusals = 0


def _jitter() -> float:
    return random.uniform(0.75, 1.25)  # noqa: S311  spreading, not secrecy
