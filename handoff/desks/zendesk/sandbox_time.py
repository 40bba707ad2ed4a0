"""The sandbox's pace: its minutes may be shorter than ours, so that an hour of limits passes within a test."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from gateway.core.clock import Clock

MINUTE_S = 60.0


class QuickClock:
    """A clock on which a minute takes *minute_s* seconds of *clock*; what time of day it is, both agree on.

    Seconds are those of this clock unless said otherwise: 600 of them are ten minutes of limits.
    """

    def __init__(self, clock: Clock, minute_s: float = MINUTE_S) -> None:
        if minute_s <= 0:
            raise ValueError("minute_s must be positive")
        self._clock = clock
        self._speed = MINUTE_S / minute_s

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds / self._speed)

    def lasting(self, seconds: float) -> timedelta:
        """How long that is by the time of day."""
        return timedelta(seconds=seconds / self._speed)

    def waiting_s(self, seconds: float) -> int:
        """Whole seconds of the caller's that they must wait; at least one."""
        return max(1, math.ceil(seconds / self._speed))

    def lived_s(self, seconds: float) -> float:
        """Seconds of this clock that pass while a caller waits *seconds* of theirs."""
        return seconds * self._speed


def stamp(at: datetime) -> str:
    """A time as the API writes it: whole seconds, UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def fine_stamp(at: datetime) -> str:
    """A time as events write it: nanoseconds, of which a computer's clock knows the first six digits."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z"
