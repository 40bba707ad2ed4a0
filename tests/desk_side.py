"""Processes that tell and hear a played desk, several of them over one database if a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from desk_world import Case, Words, World
from played_desk import PlayedDesk

from gateway.core.clock import SystemClock
from gateway.core.desks import DeskPort
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import AnnouncementPort
from gateway.router.agents import Agents
from gateway.router.desk_holding import DeskHolding
from gateway.router.desk_inbox import DeskInbox, InboxSettings
from gateway.router.desks import DeskPump, PumpSettings
from gateway.router.wakes import Wakes
from gateway.store.database import Database


class Side:
    """One process: its lease, its pump and its inbox, stepped by the test."""

    def __init__(
        self,
        dsn: str,
        desks: Mapping[str, DeskPort],
        node: int,
        words: AnnouncementPort | None = None,
        lease_s: float = 30.0,
        claim_s: float = 15.0,
    ) -> None:
        clock, self.metrics, self.wakes = SystemClock(), Metrics(), Wakes()
        self.database = Database(dsn)
        self.agents = Agents(self.database, self.wakes, News(), next(iter(desks)), words)
        self.holding = DeskHolding(self.database, list(desks), clock, node=node, lease_s=lease_s)
        pump = PumpSettings(
            call_timeout_s=5,
            backoff_base_s=0.01,
            backoff_cap_s=0.02,
            transcript_messages=5,
            public_url="https://bot.example",
            media_wait_s=30,
        )
        self.pump = DeskPump(pump, self.database, desks, self.holding, self.agents, clock, self.metrics, self.wakes)
        inbox = InboxSettings(
            call_timeout_s=5,
            backoff_base_s=0.01,
            backoff_cap_s=0.02,
            give_up_after_s=60,
            reconcile_every_s=60,
            claim_s=claim_s,
        )
        self.inbox = DeskInbox(inbox, self.database, desks, self.holding, clock, self.metrics, self.wakes)

    async def tells(self, until: Callable[[], object], within_s: float = 5.0) -> None:
        """Step the pump until a claim holds."""
        await _stepping(self.pump.step, until, within_s)

    async def applies(self, until: Callable[[], object], within_s: float = 5.0) -> None:
        """Step the inbox until a claim holds."""
        await _stepping(self.inbox.step, until, within_s)

    async def settle(self) -> None:
        """Step both some more, for what should not happen."""
        for _ in range(6):
            await self.pump.step()
            await self.inbox.step()
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.pump.close(1)
        await self.inbox.close(1)
        await self.holding.close()
        await self.database.close()

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def _stepping(step: Callable[[], Awaitable[bool]], until: Callable[[], object], within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not until():
            await step()
            await asyncio.sleep(0.005)


@asynccontextmanager
async def side_of(
    dsn: str,
    *desks: PlayedDesk,
    node: int = 1,
    words: AnnouncementPort | None = None,
    lease_s: float = 30.0,
    claim_s: float = 15.0,
) -> AsyncIterator[Side]:
    """A process that holds what it can get."""
    side = Side(dsn, {desk.name: desk for desk in desks}, node, words or Words(), lease_s, claim_s)
    await side.holding.step()
    try:
        yield side
    finally:
        await side.close()


async def at_desk(world: World, desk: str = "played.main", **facts: object) -> Case:
    """A conversation that waits for somebody at *desk*."""
    case = await world.conversation(**facts)  # type: ignore[arg-type]
    await world.connection.execute("UPDATE handoff SET desk = $2 WHERE id = $1", case.handoff, desk)
    return case


async def the_handoff(connection: asyncpg.Connection, handoff: UUID | None) -> asyncpg.Record:
    return await connection.fetchrow("SELECT * FROM handoff WHERE id = $1", handoff)
