"""Pages of the incremental export, of which Zendesk gives few a minute: counted for all processes, as updates are."""

from __future__ import annotations

from gateway.core.desks import NotYet
from gateway.store.database import Database
from gateway.store.zendesk import ZendeskTables
from handoff.desks.zendesk.budget import MARGIN, SHORTEST_S, allowed
from handoff.desks.zendesk.client import ZendeskClient
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.wire import Export

NO_TICKET = 0

LEAST = 2
"""Whose cursor is refused must be able to begin anew at once."""


class Exporting:
    """Reads one page at a time."""

    def __init__(self, desk: str, settings: ZendeskSettings, client: ZendeskClient, database: Database) -> None:
        self._settings = settings
        self._client = client
        self._database = database
        self._counted = ZendeskTables(f"{desk} exports")  # beside the desk's own, whose updates have their own limits

    async def page(self, cursor: str, start_time: int) -> Export:
        """As the client's ``export``. Raises ``NotYet``, without asking, while there is no room for a page."""
        number = await self._reserve()
        try:
            return await self._client.export(cursor, start_time)
        finally:
            async with self._database.begin() as connection:
                await self._counted.answered(connection, number, 2 * self._settings.rates.minute_s)

    async def _reserve(self) -> int:
        rates = self._settings.rates
        window_s = rates.minute_s * MARGIN
        async with self._database.begin() as connection:
            await self._counted.lock_spending(connection)
            spent = await self._counted.spent(connection, NO_TICKET, window_s, window_s)
            if spent.desk_count >= max(LEAST, allowed(rates.exports, rates.reserve)):
                after_s = max(SHORTEST_S, window_s - spent.desk_oldest_s)
                raise NotYet("the export's pages of this minute are used up", after_s=after_s)
            lead_s = self._settings.connect_timeout_s + self._settings.read_timeout_s
            return await self._counted.spend(connection, NO_TICKET, lead_s)
