"""Opens the desks that the settings name: one client each, started in order and closed by the worker's stack."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec
import structlog

from config.settings import BadSettings, Settings
from gateway.core.clock import Clock
from gateway.core.desks import DeskParts, DeskPort
from gateway.core.metrics import Metrics
from gateway.core.ports import AgentPort
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from handoff.desks import DeskConfig, discover, needed_problems, read_desks

log = structlog.get_logger(__name__)


class OpenDesks(msgspec.Struct, frozen=True):
    """The desks of this process, and the names of those whose settings do not let them start."""

    desks: tuple[DeskPort, ...]
    not_served: tuple[str, ...]

    def by_name(self) -> Mapping[str, DeskPort]:
        return {desk.name: desk for desk in self.desks}


async def open_desks(
    settings: Settings,
    database: Database,
    blobs: Blobs,
    agents: AgentPort,
    clock: Clock,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> OpenDesks:
    """Open every desk that can be opened. Raises ``BadSettings`` when the one that cases go to is not among them."""
    configured = read_desks(settings, discover())
    if needed := needed_problems(settings, configured):
        raise BadSettings(needed)
    for problem in configured.problems:
        log.error("desk_not_served", key=problem.key, advice=problem.advice)
    desks = []
    for desk in configured.served:
        port = desk.kind.open(_parts(desk, settings, database, blobs, agents, clock, metrics))
        await port.start()
        stack.push_async_callback(port.close)
        desks.append(port)
    not_served = {".".join(problem.key.split(".")[:3]) for problem in configured.problems}
    return OpenDesks(tuple(desks), tuple(sorted(not_served)))


def _parts(
    desk: DeskConfig,
    settings: Settings,
    database: Database,
    blobs: Blobs,
    agents: AgentPort,
    clock: Clock,
    metrics: Metrics,
) -> DeskParts:
    return DeskParts(
        name=desk.full_name,
        settings=desk.settings,
        database=database,
        read_blob=blobs.read,
        agents=agents,
        clock=clock,
        metrics=metrics,
        public_url=settings.server.public_url.rstrip("/"),
        kept=KeptValues(database, f"desks.{desk.full_name}"),
        blobs=blobs,
    )
