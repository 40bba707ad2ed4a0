"""What must happen now and then: timers fire, parked changes find their message, old keys go, life is shown."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from gateway.core.clock import Clock
from gateway.core.news import News
from gateway.router.wakes import DELIVER, DESKS, RESPOND, Wakes
from gateway.store import elsewhere, held, housekeeping, parking, timers
from gateway.store.database import Database

HELD_DAYS = 30
"""How long a message waits for its customer to write again; then it is given up."""


class UpkeepSettings(msgspec.Struct, frozen=True):
    node: int
    abandon_after_s: float
    keep_keys_days: int
    batch_limit: int
    provider_quiet_s: float


class Upkeep:
    """Each method is one step of a loop; true means that there may be more at once."""

    def __init__(self, settings: UpkeepSettings, database: Database, clock: Clock, wakes: Wakes, news: News) -> None:
        self._settings = settings
        self._clock = clock
        self._wakes = wakes
        self._news = news
        self._lane = database.lane()

    async def fire_timers(self) -> bool:
        limit = self._settings.batch_limit
        async with self._lane.transaction() as connection:
            fired = await timers.fire_due(connection, limit=limit, abandon_after_s=self._settings.abandon_after_s)
        if fired:
            self._wakes.wake(RESPOND)
        return fired == limit

    async def retry_parked(self) -> bool:
        limit = self._settings.batch_limit
        async with self._lane.transaction() as connection:
            retried = await parking.retry_parked(connection, limit=limit)
        self._news.changed(retried.marked, "marked")
        self._news.changed(retried.written_to)
        return retried.done == limit

    async def release_held(self) -> bool:
        """Messages that waited for their customer's next act leave, where no turn of the bot let them go."""
        limit = self._settings.batch_limit
        async with self._lane.transaction() as connection:
            released = await held.release_heard(connection, limit=limit)
        if released:
            self._wakes.wake(DELIVER)
        return released >= limit

    async def tidy(self) -> bool:
        keep = timedelta(days=self._settings.keep_keys_days)
        async with self._lane.transaction() as connection:
            await housekeeping.tidy(connection, self._clock.now(), keep_keys=keep)
            await held.expire(connection, timedelta(days=HELD_DAYS))
        return False

    async def end_quiet_cases(self) -> bool:
        """The bot goes on where a person at the provider took over and fell silent for good."""
        if self._settings.provider_quiet_s <= 0:
            return False
        after, limit = timedelta(seconds=self._settings.provider_quiet_s), self._settings.batch_limit
        async with self._lane.transaction() as connection:
            ended = await elsewhere.end_quiet(connection, after, limit=limit)
        if ended:
            self._wakes.wake(DESKS)
            self._wakes.wake(RESPOND)
            self._news.changed(ended)
        return len(ended) == limit

    async def alive(self) -> bool:
        async with self._lane.transaction() as connection:
            await housekeeping.alive(connection, self._settings.node)
        return False
