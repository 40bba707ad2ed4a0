"""Notices an account that is silent against its own habit: a token that died, a webhook that was switched off.

Each hour of the past four weeks either had a message or not. The share of such hours at the same time of a working
day, or of a weekend, is how likely this hour is to have one. An account is silent when so many whole hours passed
without any that less than one quiet time in a thousand would be chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.ids import AccountId
from gateway.router.endpoints import Endpoints
from gateway.store import health
from gateway.store.database import Database
from gateway.store.health import AccountState

log = structlog.get_logger(__name__)

HABIT = timedelta(weeks=4)
SHORTEST_HABIT = timedelta(days=3)
CHANCE = 0.001
HOUR = timedelta(hours=1)


class Vital(msgspec.Struct, frozen=True):
    """An account as operators see it. ``name`` is channel.endpoint.account. ``is_silent``: against its own habit."""

    name: str
    state: AccountState
    is_silent: bool

    @property
    def is_well(self) -> bool:
        return not self.is_silent and self.state.unhealthy_since is None


class Pulse:
    """Counts what is received in this process, and looks at all accounts now and then."""

    def __init__(
        self, database: Database, endpoints: Endpoints, clock: Clock, told: Callable[[list[Vital]], None]
    ) -> None:
        self._lane = database.lane()
        self._endpoints = endpoints
        self._clock = clock
        self._told = told
        self._heard: Counter[AccountId] = Counter()
        self._silent: set[str] = set()

    def heard(self, accounts: Iterable[AccountId]) -> None:
        """Customers wrote to these accounts, once for each mention."""
        self._heard.update(accounts)

    async def flush(self) -> bool:
        """Write down what was counted; what a killed process did not write is missing from the habit, nowhere else."""
        heard, self._heard = self._heard, Counter()
        if heard:
            try:
                async with self._lane.transaction() as connection:
                    await health.count(connection, heard, self._clock.now())
            except BaseException:
                self._heard.update(heard)
                raise
        return False

    async def look(self) -> bool:
        """Tell how all accounts are, and log an error for each that has fallen silent."""
        vitals = await self.vitals()
        silent = {vital.name for vital in vitals if vital.is_silent}
        for vital in vitals:
            if vital.name in silent - self._silent:
                log.error("account_silent", account=vital.name, last_heard=str(vital.state.heard_at))
        for name in self._silent - silent:
            log.info("account_heard_again", account=name)
        self._silent = silent
        self._told(vitals)
        return False

    async def vitals(self) -> list[Vital]:
        """How all accounts that are served stand now. Raises ``Unavailable``."""
        named = {
            entry.account.id: f"{entry.account.channel}.{entry.account.endpoint}.{entry.account.name}"
            for entry in self._endpoints.all()
        }
        now = self._clock.now()
        async with self._lane.transaction() as connection:
            states = await health.states(connection, list(named))
            hours = await health.busy_hours(connection, list(named), now - HABIT)
        return [
            Vital(named[state.account_id], state, is_silent(state.heard_at, *hours[state.account_id], now))
            if state.account_id in hours
            else Vital(named[state.account_id], state, is_silent=False)
            for state in states
        ]


def is_silent(heard_at: datetime | None, first_hour: datetime, busy: set[datetime], now: datetime) -> bool:
    """Whether the time since *heard_at* is too long for chance. *busy* are the hours with messages, UTC."""
    if heard_at is None or now - first_hour < SHORTEST_HABIT:
        return False
    quiet = heard_at.replace(minute=0, second=0, microsecond=0) + HOUR
    shares = _shares(first_hour, busy, quiet)
    chance = 1.0
    while quiet + HOUR <= now:
        chance *= 1.0 - shares[_kind(quiet)]
        if chance < CHANCE:
            return True
        quiet += HOUR
    return False


def _shares(first_hour: datetime, busy: set[datetime], until: datetime) -> dict[tuple[bool, int], float]:
    """For each kind of hour, how likely it has a message; half an hour of either is added, so that none is certain."""
    seen: Counter[tuple[bool, int]] = Counter()
    hit: Counter[tuple[bool, int]] = Counter()
    hour = first_hour
    while hour < until:
        seen[_kind(hour)] += 1
        hit[_kind(hour)] += hour in busy
        hour += HOUR
    kinds = [(is_weekend, of_day) for is_weekend in (False, True) for of_day in range(24)]
    return {kind: (hit[kind] + 0.5) / (seen[kind] + 1) if seen[kind] else 0.0 for kind in kinds}


def _kind(hour: datetime) -> tuple[bool, int]:
    return hour.weekday() >= 5, hour.hour
