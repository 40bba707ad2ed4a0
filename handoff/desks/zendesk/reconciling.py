"""Finds what webhooks lost: asks Zendesk for every ticket that changed since the last time, and reads those of ours.

The cursor is moved when what it brought is durable. What is found has the keys that its webhooks would have had.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from gateway.core.channel import Kept
from gateway.core.clock import Clock
from gateway.core.desks import DeskEvent, NotYet
from gateway.core.errors import GiveUp, TertuliaError
from gateway.store.database import Database
from gateway.store.zendesk import ZendeskCase, ZendeskTables
from handoff.desks.zendesk.client import ZendeskClient
from handoff.desks.zendesk.exporting import Exporting
from handoff.desks.zendesk.failures import Gone
from handoff.desks.zendesk.hearing import OVERLAP
from handoff.desks.zendesk.parse import LOOK, Heard, event, event_of_comment, event_of_ticket
from handoff.desks.zendesk.verify import moment
from handoff.desks.zendesk.wire import Export, WireTicket

log = structlog.get_logger(__name__)

CURSOR = "export_cursor"
FIRST_LOOK_BACK = timedelta(hours=1)
LOST_CURSOR_LOOK_BACK = timedelta(days=1)
MAX_PAGES = 3
MAX_READS = 60
"""Tickets that are read at once; the others are read when their events are applied."""


class Reconciling:
    """One process at a time."""

    def __init__(
        self,
        desk: str,
        client: ZendeskClient,
        exporting: Exporting,
        database: Database,
        tables: ZendeskTables,
        kept: Kept,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._client = client
        self._exporting = exporting
        self._database = database
        self._tables = tables
        self._kept = kept
        self._clock = clock
        self._next_cursor = ""

    async def reconcile(self) -> Sequence[DeskEvent]:
        """Events of all that changed. Raises ``Retry`` or ``NotYet``; then the next call begins at the same place."""
        cursor = await self._kept.get(CURSOR)
        events: list[DeskEvent] = []
        self._next_cursor = ""
        reads = 0
        for _ in range(MAX_PAGES):
            try:
                page = await self._page(cursor)
            except NotYet:
                if not self._next_cursor:
                    raise
                break  # what was found is kept, and the rest found next time
            ours = await self._ours(page)
            for ticket, case in ours:
                events += await self._events_of(ticket, case, may_read=reads < MAX_READS)
                reads += 1
            cursor = page.after_cursor or cursor
            self._next_cursor = cursor
            if page.end_of_stream:
                break
        if events:
            log.info("zendesk_reconciled", desk=self._desk, events=len(events))
        return events

    async def reconciled(self) -> None:
        """What the last call found is durable."""
        if self._next_cursor:
            await self._kept.put(CURSOR, self._next_cursor)

    async def _page(self, cursor: str) -> Export:
        try:
            return await self._exporting.page(cursor, self._since(FIRST_LOOK_BACK))
        except GiveUp:
            if not cursor:
                raise
            log.warning("zendesk_cursor_refused", desk=self._desk)
            return await self._exporting.page("", self._since(LOST_CURSOR_LOOK_BACK))

    def _since(self, back: timedelta) -> int:
        return int((self._clock.now() - back).timestamp())

    async def _ours(self, page: Export) -> list[tuple[WireTicket, ZendeskCase]]:
        if not page.tickets:
            return []
        async with self._database.begin() as connection:
            cases = await self._tables.cases_on(connection, [ticket.id for ticket in page.tickets])
        return [(ticket, cases[ticket.id]) for ticket in page.tickets if ticket.id in cases]

    async def _events_of(self, ticket: WireTicket, case: ZendeskCase, *, may_read: bool) -> list[DeskEvent]:
        """The comments since we last read all, then how the ticket stands; without budget only that there is something.

        Whoever applies the latter reads the ticket as soon as there is budget again. Where something is new it is read
        in any case: of a comment whose words came by a webhook, the files may still be missing.
        """
        at = moment(ticket.updated_at or "") or self._clock.now()
        unread = event(Heard(kind=LOOK, ticket_id=ticket.id, at=at), f"read:{ticket.id}:{ticket.updated_at}")
        if not may_read:
            return [unread]
        since = case.heard_until - OVERLAP
        try:
            comments = await self._client.comments(
                ticket.id, lambda comment: comment.at is not None and comment.at < since
            )
        except Gone:
            return [unread]
        except (NotYet, TertuliaError):
            return [unread]
        fresh = [comment for comment in comments if comment.at is None or comment.at >= since]
        async with self._database.begin() as connection:
            settled = await self._tables.settled(connection, ticket.id, [comment.id for comment in fresh])
        new = [comment for comment in fresh if comment.public and not comment.marker and comment.id not in settled]
        told = [event_of_comment(ticket, comment, at) for comment in new if comment.author_id != case.requester_id]
        return [*told, *([unread] if told else ()), event_of_ticket(ticket, at)]
