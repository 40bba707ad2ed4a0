"""How much an account may ask for: counted over moving windows on the sandbox's clock, told in headers, refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Literal

import msgspec

from handoff.desks.zendesk.sandbox_time import QuickClock

Plan = Literal["team", "growth", "professional", "enterprise", "high_volume"]

PER_MINUTE: dict[Plan, int] = {
    "team": 200,
    "growth": 400,
    "professional": 400,
    "enterprise": 700,
    "high_volume": 2_500,
}
UPDATES_PER_MINUTE = 100
UPDATES_PER_TICKET = 30
EXPORTS_PER_MINUTE = 10
HOOK_CALLS_PER_MINUTE = 100
MINUTE_S = 60.0
TICKET_WINDOW_S = 600.0
FORGET_EVERY = 1_000


class Limit(msgspec.Struct, frozen=True):
    """At most ``count`` calls in any ``window_s`` seconds, for each key apart."""

    name: str
    count: int
    window_s: float


class Left(msgspec.Struct, frozen=True):
    """What is left of a limit. ``resets_s``: until the oldest call leaves the window, 0 when there is none."""

    limit: Limit
    remaining: int
    resets_s: float


class Window:
    """The calls that one limit counts. They are counted by *clock*, exactly."""

    def __init__(self, limit: Limit, clock: QuickClock) -> None:
        self.limit = limit
        self._clock = clock
        self._calls: dict[Hashable, deque[float]] = {}
        self._taken = 0

    def left(self, key: Hashable = "") -> Left:
        calls, now = self._fresh(key), self._clock.monotonic()
        resets_s = calls[0] + self.limit.window_s - now if calls else 0.0
        return Left(self.limit, max(0, self.limit.count - len(calls)), max(0.0, resets_s))

    def take(self, key: Hashable = "") -> Left | None:
        """Count one call; ``None`` when there is no room, and then nothing is counted."""
        calls = self._fresh(key)
        if len(calls) >= self.limit.count:
            return None
        calls.append(self._clock.monotonic())
        self._calls[key] = calls
        self._taken += 1
        if self._taken % FORGET_EVERY == 0:
            self._forget()
        return self.left(key)

    def _fresh(self, key: Hashable) -> deque[float]:
        calls = self._calls.get(key, deque())
        edge = self._clock.monotonic() - self.limit.window_s
        while calls and calls[0] <= edge:
            calls.popleft()
        return calls

    def _forget(self) -> None:
        self._calls = {key: self._calls[key] for key in list(self._calls) if self._fresh(key)}


class Rates:
    """The limits of one account."""

    def __init__(self, plan: Plan, clock: QuickClock) -> None:
        self.account = Window(Limit("account", PER_MINUTE[plan], MINUTE_S), clock)
        self.updates = Window(Limit("tickets-update", UPDATES_PER_MINUTE, MINUTE_S), clock)
        self.ticket = Window(Limit("ticket", UPDATES_PER_TICKET, TICKET_WINDOW_S), clock)
        self.exports = Window(Limit("incremental-tickets-cursor", EXPORTS_PER_MINUTE, MINUTE_S), clock)
        self.hooks = Window(Limit("webhooks", HOOK_CALLS_PER_MINUTE, MINUTE_S), clock)
