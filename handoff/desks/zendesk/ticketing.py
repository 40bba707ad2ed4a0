"""One Zendesk account as a desk: puts the parts together and keeps one call at a time for each case."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from math import nan
from typing import Any, TypeVar, cast

import structlog

from gateway.core.channel import Finding, WebhookRequest
from gateway.core.desks import Case, CaseRef, DeskEvent, DeskMessage, DeskParts, NotYet, Told
from gateway.core.errors import TertuliaError
from gateway.core.ids import HandoffId
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.zendesk import ZendeskTables
from gateway.store.zendesk_pruning import is_forgotten, prune
from handoff.desks.zendesk.budget import MARGIN, allowed
from handoff.desks.zendesk.client import ZendeskClient
from handoff.desks.zendesk.connecting import Connecting, known_secrets, token_words
from handoff.desks.zendesk.exporting import Exporting
from handoff.desks.zendesk.files import Files
from handoff.desks.zendesk.hearing import Hearing
from handoff.desks.zendesk.parse import ATTACHMENT, COMMENT, heard_in, parse
from handoff.desks.zendesk.people import People
from handoff.desks.zendesk.reconciling import Reconciling
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.telling import Telling
from handoff.desks.zendesk.updates import Updates
from handoff.desks.zendesk.verify import verify

log = structlog.get_logger(__name__)

SECRETS_EVERY_S = 20.0
UPDATES_EVERY_S = 5.0
REMEMBERED_FOR = timedelta(days=1)
"""What is younger was surely not forgotten: nobody needs to look."""

CLOSE_WITHIN_S = 10.0

T = TypeVar("T")


class ZendeskDesk:
    """Fits ``DeskPort``, ``KeepsCursor``, ``Forgets`` and ``ConnectsDesk``.

    The reference of a case is its ticket's number.
    """

    def __init__(self, parts: DeskParts) -> None:
        settings = cast("ZendeskSettings", parts.settings)
        database = cast("Database", parts.database)
        self.name = parts.name
        self._database = database
        self.concurrency = settings.concurrency
        self._settings = settings
        self._kept = parts.kept
        self._clock = parts.clock
        self._client = client = ZendeskClient(settings, parts.clock.monotonic)
        tables = ZendeskTables(parts.name)
        people = People(settings, client, database, tables, parts.kept)
        blobs = cast("Blobs | None", parts.blobs)
        self._files = files = Files(settings, client, database, tables, parts.read_blob, blobs, parts.clock)
        updates = Updates(parts.name, settings, client, database, tables, parts.clock)
        shared = (parts.name, settings, client, database, tables, people, files, updates, parts.agents, parts.clock)
        self._telling = Telling(*shared)
        self._hearing = Hearing(*shared)
        self._reconciling = Reconciling(
            parts.name,
            client,
            Exporting(parts.name, settings, client, database),
            database,
            tables,
            parts.kept,
            parts.clock,
        )
        self._connecting = Connecting(parts.name, settings, client, parts.kept, parts.clock)
        self._secrets: tuple[str, ...] = ()
        self._under_way: dict[HandoffId, asyncio.Task[Any]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._tables = tables
        self._updates_left = parts.metrics.desk_updates_left
        parts.metrics.desk_requests_left.labels(parts.name).set_function(self._requests_left)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Raises ``Misconfigured`` where zenpy is not installed. Zendesk itself is not asked."""
        await self._client.open()
        await self._files.open()
        with contextlib.suppress(TertuliaError):
            self._secrets = await known_secrets(self._settings, self._kept)
        if not self._settings.has_oauth:
            log.warning("zendesk_api_token", desk=self.name, advice=token_words(self._clock.now().date()))
        if not self._secrets:
            log.warning("zendesk_webhook_secret_missing", desk=self.name, advice="run `tertulia desk connect`")
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._remember_secrets()), loop.create_task(self._tell_updates_left())]

    async def close(self) -> None:
        """Let what is under way end, within bounds."""
        for running in self._loops:
            running.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if tasks := list(self._under_way.values()):
            _, late = await asyncio.wait(tasks, timeout=CLOSE_WITHIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._files.close()
        await self._client.close()

    # ------------------------------------------------------------ outgoing

    async def open(self, case: Case) -> Told:
        return await self._alone(case.handoff_id, lambda: self._telling.open(case))

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        await self._alone(case.handoff_id, lambda: self._telling.customer_said(case, messages))

    async def ended(self, case: CaseRef, reason: str) -> None:
        await self._alone(case.handoff_id, lambda: self._telling.ended(case, reason))

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
        """Tickets show nobody typing."""

    async def _alone(self, handoff_id: HandoffId, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Whoever gives up waiting does not stop the work, and nobody begins anew before it has ended.

        A call that was cancelled on its way would arrive beside its own repetition.
        """
        if handoff_id in self._under_way:
            raise NotYet("an earlier call is still under way", after_s=1.0)
        task = asyncio.get_running_loop().create_task(work())
        self._under_way[handoff_id] = task
        task.add_done_callback(lambda _: self._ended_alone(handoff_id, task))
        return await asyncio.shield(task)

    def _ended_alone(self, handoff_id: HandoffId, task: asyncio.Task[Any]) -> None:
        self._under_way.pop(handoff_id, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may have

    # ------------------------------------------------------------ incoming

    def verify(self, request: WebhookRequest) -> None:
        verify(request, self._secrets, datetime.now(UTC), self._settings.signature_window_s)

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:
        return parse(request)

    async def apply(self, event: DeskEvent) -> None:
        if not await self._is_forgotten(event):
            await self._hearing.apply(heard_in(event))

    async def _is_forgotten(self, event: DeskEvent) -> bool:
        """Whether it repeats what was said so long ago that nobody remembers it."""
        if event.kind not in {COMMENT, ATTACHMENT} or self._clock.now() - event.at < REMEMBERED_FOR:
            return False
        async with self._database.begin() as connection:
            return await is_forgotten(connection, self.name, int(event.reference), event.at)

    async def reconcile(self) -> Sequence[DeskEvent]:
        return await self._reconciling.reconcile()

    async def reconciled(self) -> None:
        await self._reconciling.reconciled()

    # ------------------------------------------------------------ upkeep

    async def forget(self, keep_s: float) -> bool:
        async with self._database.begin() as connection:
            return await prune(connection, self.name, timedelta(seconds=keep_s))

    # ------------------------------------------------------------ set-up

    async def connect(self, webhook_url: str) -> Sequence[Finding]:
        findings = await self._connecting.connect(webhook_url)
        self._secrets = await known_secrets(self._settings, self._kept)
        return findings

    async def doctor(self, webhook_url: str) -> Sequence[Finding]:
        return await self._connecting.doctor(webhook_url)

    async def _remember_secrets(self) -> None:
        """`tertulia desk connect` runs in another process: what it keeps is known here soon after."""
        while True:
            await self._clock.sleep(SECRETS_EVERY_S)
            with contextlib.suppress(TertuliaError):
                self._secrets = await known_secrets(self._settings, self._kept)

    async def _tell_updates_left(self) -> None:
        """What all processes together left of the limits, for the metrics."""
        rates = self._settings.rates
        while True:
            spent = (nan, nan)
            with contextlib.suppress(TertuliaError):
                async with self._database.begin() as connection:
                    spent = await self._tables.most_spent(connection, rates.ticket_s * MARGIN, rates.minute_s * MARGIN)
            limits = (rates.updates, rates.updates_per_ticket)
            for of, limit, used in zip(("account", "ticket"), limits, spent, strict=True):
                self._updates_left.labels(self.name, of).set(max(0, allowed(limit, rates.reserve) - used))
            await self._clock.sleep(UPDATES_EVERY_S)

    def _requests_left(self) -> float:
        room = self._client.budget.room
        return room.left if room is not None else float("nan")
