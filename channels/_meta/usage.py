"""Slows an account down while Meta says that its allowance runs out, before Meta refuses."""

from __future__ import annotations

from channels._meta.failures import Usage
from gateway.core.clock import Clock
from gateway.core.errors import Retry

LONGEST_WAIT_S = 5.0
"""A longer wait is handed on to whoever plans the sending."""

SLOWEST_GAP_S = 4.0
EXHAUSTED_S = 60.0


class Pace:
    """The pace of one account. Below *from_percent* of every allowance it does nothing.

    From there to the whole allowance the pause between two sends grows to ``SLOWEST_GAP_S``; at the whole one, or when
    Meta names a time, nothing is sent until then.
    """

    def __init__(self, clock: Clock, from_percent: float) -> None:
        self._clock = clock
        self._from_percent = from_percent
        self._gap_s = 0.0
        self._next_at = 0.0
        self._closed_until = 0.0

    @property
    def is_slowed(self) -> bool:
        """Whether the allowance runs out: what need not be sent is better left."""
        return bool(self._gap_s) or self._clock.monotonic() < self._closed_until

    async def wait(self) -> None:
        """Return when the next send may leave. Raises ``Retry`` for the whole account when that takes long."""
        now = self._clock.monotonic()
        if now < self._closed_until:
            raise Retry("Meta's allowance is used up", after_s=self._closed_until - now, whole_account=True)
        if not self._gap_s:
            return
        turn_at = max(now, self._next_at)
        if turn_at - now > LONGEST_WAIT_S:
            raise Retry("Meta's allowance runs out", after_s=turn_at - now, whole_account=True)
        self._next_at = turn_at + self._gap_s
        if turn_at > now:
            await self._clock.sleep(turn_at - now)

    def heed(self, usage: Usage) -> None:
        """Take what an answer said about the allowances; one that says nothing changes nothing."""
        if usage.regain_s or usage.percent >= 100:
            self._closed_until = self._clock.monotonic() + (usage.regain_s or EXHAUSTED_S)
        if usage.percent:
            share = (usage.percent - self._from_percent) / max(1.0, 100.0 - self._from_percent)
            self._gap_s = SLOWEST_GAP_S * min(1.0, share) if share >= 0 else 0.0
