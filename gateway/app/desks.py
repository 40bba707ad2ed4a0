"""The desks of one process: opened in order, told and heard by loops of their own, closed in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack

import msgspec
import structlog
from aiohttp import web

from config.settings import BadSettings, Settings
from gateway.core.clock import Clock
from gateway.core.desks import DeskParts, DeskPort, Forgets
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import AnnouncementPort
from gateway.router.agents import Agents
from gateway.router.desk_holding import DeskHolding
from gateway.router.desk_inbox import DeskInbox, InboxSettings
from gateway.router.desk_typing import CustomerTyping
from gateway.router.desk_watchdog import Watchdog, WatchTimes
from gateway.router.desks import DeskPump, PumpSettings
from gateway.router.loops import poll
from gateway.router.wakes import DESK_EVENTS, DESKS, Wakes
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from gateway.web.desk_webhooks import DeskWebhookDoor
from handoff.desks import BUILTIN, DeskConfig, needed_problems, read_desks

log = structlog.get_logger(__name__)

COUNT_S = 10.0
PRUNE_S = 600.0

LAST_CALLS_S = 4.0
"""How long a stopping process waits for calls of desks that run; well below the time of a desk's lease."""


class DeskNeeds(msgspec.Struct, frozen=True):
    """What the desks of a process are made with."""

    database: Database
    blobs: Blobs
    agents: Agents
    words: AnnouncementPort | None
    clock: Clock
    metrics: Metrics
    wakes: Wakes
    news: News
    node: int


class DeskSide:
    """All that a process does for its desks."""

    def __init__(
        self, settings: Settings, needs: DeskNeeds, desks: Mapping[str, DeskPort], not_served: Sequence[str] = ()
    ) -> None:
        self._not_served = list(not_served)
        self._settings = settings
        self._needs = needs
        self._desks = desks
        database, clock, metrics = needs.database, needs.clock, needs.metrics
        handoff = settings.handoff
        self._holding = DeskHolding(database, list(desks), clock, node=needs.node, lease_s=handoff.desk_lease_s)
        pump = PumpSettings(
            call_timeout_s=handoff.call_timeout_s,
            backoff_base_s=handoff.backoff_base_s,
            backoff_cap_s=handoff.backoff_cap_s,
            transcript_messages=handoff.transcript_messages,
            public_url=settings.server.public_url.rstrip("/"),
        )
        self._pump = DeskPump(pump, database, desks, self._holding, needs.agents, clock, metrics, needs.wakes)
        inbox = InboxSettings(
            call_timeout_s=handoff.call_timeout_s,
            backoff_base_s=handoff.backoff_base_s,
            backoff_cap_s=handoff.backoff_cap_s,
            give_up_after_s=handoff.give_up_after_h * 3600,
            reconcile_every_s=handoff.reconcile_every_s,
            claim_s=handoff.desk_lease_s,
            keep_keys_s=settings.router.keep_keys_days * 86_400,
        )
        self._inbox = DeskInbox(inbox, database, desks, self._holding, clock, metrics, needs.wakes)

        self._watchdog = _watchdog(settings, needs)
        self._typed = asyncio.Event()
        self._typing = CustomerTyping(database, desks, self._holding, needs.news, self._typed)

    def routes(self) -> list[web.AbstractRouteDef]:
        """The doors at which desks knock."""
        server, metrics = self._settings.server, self._needs.metrics
        doors = [DeskWebhookDoor(desk, server, self._inbox, metrics) for desk in self._desks.values()]
        return [route for door in doors for route in door.routes()]

    def loops(self, no_more: asyncio.Event) -> list[Coroutine[None, None, None]]:
        """What tells the desks and applies what they say; nothing in a process that only receives."""
        if not self._settings.router.respond:
            return []
        wakes, holding, pump, inbox = self._needs.wakes, self._holding, self._pump, self._inbox
        every_s = self._settings.router.poll_ms / 1000
        renew_s = self._settings.handoff.desk_lease_s / 5
        ask_s = min(1.0, self._settings.handoff.reconcile_every_s)
        return [
            poll("desk leases", holding.step, every_s=renew_s, wake=None, stop=no_more),
            poll("desks", pump.step, every_s=1.0, wake=wakes.event(DESKS), stop=no_more),
            poll("desk backlog", pump.count, every_s=COUNT_S, wake=None, stop=no_more),
            poll("desk events", inbox.step, every_s=every_s, wake=wakes.event(DESK_EVENTS), stop=no_more),
            poll("desk reconciling", inbox.reconcile, every_s=ask_s, wake=None, stop=no_more),
            poll("customers typing", self._typing.step, every_s=1.0, wake=self._typed, stop=no_more),
            poll("watchdog", self._watchdog.step, every_s=1.0, wake=None, stop=no_more),
            poll("stuck cases", self._watchdog.count, every_s=COUNT_S, wake=None, stop=no_more),
            poll("desk events kept", inbox.prune, every_s=PRUNE_S, wake=None, stop=no_more),
            poll("desk cases kept", self.forget, every_s=PRUNE_S, wake=None, stop=no_more),
        ]

    async def forget(self) -> bool:
        """What desks need no longer know of cases that are over; true when there may be more."""
        keep_s = self._settings.handoff.keep_cases_days * 86_400
        return any([await desk.forget(keep_s) for desk in self._desks.values() if isinstance(desk, Forgets)])

    def details(self) -> dict[str, object]:
        """For whoever may see more of ``/readyz``."""
        return {**self._watchdog.details(), **({"desks_not_served": self._not_served} if self._not_served else {})}

    async def close(self) -> None:
        """Finish the calls that run, then let other processes go on."""
        self._typing.close()
        await asyncio.gather(self._pump.close(LAST_CALLS_S), self._inbox.close(LAST_CALLS_S))
        await self._holding.close()


async def open_desks(settings: Settings, needs: DeskNeeds, stack: AsyncExitStack) -> DeskSide:
    """Open every desk that can be opened. Raises ``BadSettings`` when the one that cases go to is not among them."""
    configured = read_desks(settings)
    if needed := needed_problems(settings, configured):
        raise BadSettings(needed)
    for problem in configured.problems:
        log.error("desk_not_served", key=problem.key, advice=problem.advice)
    desks: dict[str, DeskPort] = {}
    for desk in configured.served:
        port = desk.kind.open(_parts(desk, settings, needs))
        await port.start()
        stack.push_async_callback(port.close)
        desks[port.name] = port
    not_served = sorted({".".join(problem.key.split(".")[:3]) for problem in configured.problems})
    side = DeskSide(settings, needs, desks, not_served)
    stack.push_async_callback(side.close)
    return side


def _watchdog(settings: Settings, needs: DeskNeeds) -> Watchdog:
    handoff = settings.handoff
    times = WatchTimes(
        acknowledge_within_s=handoff.acknowledge_within_s,
        alert_after_s=handoff.alert_after_s,
        fall_back_after_s=handoff.fall_back_after_s,
        nobody_after_s=handoff.nobody_after_s,
        agent_quiet_s=handoff.agent_quiet_h * 3600,
        fall_back_to=BUILTIN,
    )
    return Watchdog(times, needs.database, needs.agents, needs.metrics, needs.wakes, needs.news, needs.words)


def _parts(desk: DeskConfig, settings: Settings, needs: DeskNeeds) -> DeskParts:
    return DeskParts(
        name=desk.full_name,
        settings=desk.settings,
        database=needs.database,
        read_blob=needs.blobs.read,
        agents=needs.agents,
        clock=needs.clock,
        metrics=needs.metrics,
        public_url=settings.server.public_url.rstrip("/"),
        kept=KeptValues(needs.database, f"desks.{desk.full_name}"),
        blobs=needs.blobs,
    )
