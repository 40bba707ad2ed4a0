"""The desk itself: what the pump and the inbox call, joined from the modules beside it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from channels.sunshine.verify import HEADER
from gateway.core.channel import Finding, WebhookRequest
from gateway.core.desks import Case, CaseRef, DeskEvent, DeskMessage, DeskParts, Told
from gateway.core.errors import BadSignature
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.sunshine import SunshineTables
from gateway.store.sunshine_pruning import is_forgotten, prune
from handoff.desks.sunshine.client import SunshineCalls
from handoff.desks.sunshine.files import Files
from handoff.desks.sunshine.hearing import Hearing
from handoff.desks.sunshine.parse import SAID, parse
from handoff.desks.sunshine.posting import Posting
from handoff.desks.sunshine.reconciling import Reconciling
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.telling import Telling

REMEMBERED_FOR = timedelta(days=1)
"""What is younger was surely not forgotten: nobody needs to look."""


class SunshineDesk:
    """Fits ``DeskPort``, ``Forgets`` and ``ConnectsDesk``.

    The reference of a case is the conversation's id at Zendesk.
    """

    def __init__(self, parts: DeskParts) -> None:
        settings = cast("SunshineDeskSettings", parts.settings)
        database = cast("Database", parts.database)
        self.name = parts.name
        self.concurrency = settings.concurrency
        self._settings = settings
        self._database = database
        self._clock = parts.clock
        self._calls = SunshineCalls(settings, parts.clock)
        self._files = Files(settings, cast("Blobs | None", parts.blobs))
        self._tables = SunshineTables(parts.name)
        posting = Posting(settings, self._calls, database, self._tables, parts.read_blob)
        self._telling = Telling(parts.name, settings, self._calls, database, self._tables, posting, parts.clock)
        self._hearing = Hearing(
            parts.name,
            settings,
            self._calls,
            database,
            self._tables,
            self._files,
            self._telling,
            parts.agents,
            parts.clock,
        )
        self._reconciling = Reconciling(
            parts.name, settings, self._calls, database, self._tables, self._telling, parts.clock
        )

    async def start(self) -> None:
        """Open the sessions; no request is made."""
        await self._calls.open()
        await self._files.open()

    async def close(self) -> None:
        await self._files.close()
        await self._calls.close()

    # ------------------------------------------------------------ outgoing

    async def open(self, case: Case) -> Told:
        return await self._telling.open(case)

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        await self._telling.customer_said(case, messages)

    async def ended(self, case: CaseRef, reason: str) -> None:
        await self._telling.ended(case, reason)

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
        await self._telling.customer_typing(case, is_typing)

    # ------------------------------------------------------------ incoming

    def verify(self, request: WebhookRequest) -> None:
        """Raise ``BadSignature`` unless the request repeats the webhook's secret, which is all the proof there is."""
        given = request.headers.get(HEADER, "").encode("utf-8", "surrogateescape")
        secrets = (self._settings.webhook_secret, self._settings.webhook_secret_previous)
        known = [secret.get_secret_value().encode() for secret in secrets]
        matches = [hmac.compare_digest(given, secret) and secret != b"" for secret in known]
        if not any(matches):
            raise BadSignature("the webhook's secret is missing or wrong")

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:
        return parse(self._settings, request)

    async def apply(self, event: DeskEvent) -> None:
        if not await self._is_forgotten(event):
            await self._hearing.apply(event)

    async def _is_forgotten(self, event: DeskEvent) -> bool:
        """Whether it repeats what was said so long ago that nobody remembers it."""
        if event.kind != SAID or self._clock.now() - event.at < REMEMBERED_FOR:
            return False
        async with self._database.begin() as connection:
            return await is_forgotten(connection, self.name, event.reference, event.at)

    async def reconcile(self) -> Sequence[DeskEvent]:
        return await self._reconciling.reconcile()

    # ------------------------------------------------------------ upkeep

    async def forget(self, keep_s: float) -> bool:
        async with self._database.begin() as connection:
            return await prune(connection, self.name, timedelta(seconds=keep_s))

    # ------------------------------------------------------------ connecting

    async def connect(self, webhook_url: str) -> Sequence[Finding]:
        """Register the webhook and our place on the switchboard, where they are not as they should be."""
        return await self._calls.registration(webhook_url).establish()

    async def doctor(self, webhook_url: str) -> Sequence[Finding]:
        """Look at the key, the webhook and the switchboard. Raises nothing but bugs."""
        return await self._calls.registration(webhook_url).examine()
