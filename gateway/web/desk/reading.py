"""Reads what the desk shows out of the database, each answer in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.clock import Clock
from gateway.core.ids import ConversationId, HandoffId
from gateway.store import desk
from gateway.store.database import Database
from gateway.store.desk import CaseMark
from gateway.web.desk.shapes import (
    CaseLine,
    Conversation,
    Earlier,
    LiveLine,
    case_line,
    conversation,
    live_line,
    message_lines,
)

PAGE_MESSAGES = 40
MOST_MESSAGES = 100
SHOWN_HISTORY = 8
MOST_CASES = 5_000
SHOWN_CLOSED = 100
SHOWN_LIVE = 100
LIVE_WITHIN = 2_000

NEWEST = 2**62


def media_address(conversation_id: ConversationId) -> str:
    """Where the files of a conversation are found."""
    return f"/desk/api/conversations/{conversation_id}/media"


class Reading:
    """All that agents are shown. Raises ``Unavailable`` when the database is away, ``LookupError`` for unknown ids."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def queue(self) -> list[CaseLine]:
        async with self._database.begin() as connection:
            return [case_line(case) for case in await desk.open_cases(connection, limit=MOST_CASES)]

    async def cases_of(self, ids: Iterable[ConversationId]) -> list[CaseLine]:
        async with self._database.begin() as connection:
            return [case_line(case) for case in await desk.cases_of(connection, ids)]

    async def closed(self) -> list[CaseLine]:
        async with self._database.begin() as connection:
            return [case_line(case) for case in await desk.closed_cases(connection, limit=SHOWN_CLOSED)]

    async def live(self, words: str) -> list[LiveLine]:
        async with self._database.begin() as connection:
            found = await desk.with_the_bot(connection, words=words, limit=SHOWN_LIVE, within=LIVE_WITHIN)
        return [live_line(one) for one in found]

    async def conversation(self, conversation_id: ConversationId) -> Conversation:
        """As it stands, with its newest messages."""
        async with self._database.begin() as connection:
            head = await desk.head(connection, conversation_id)
            stays = await desk.stays(connection, conversation_id, limit=SHOWN_HISTORY)
            visits = await desk.visits(connection, conversation_id, limit=SHOWN_HISTORY)
            recent = [stay.handoff_id for stay in stays]
            page = await desk.page(connection, conversation_id, before=NEWEST, limit=PAGE_MESSAGES, handoffs=recent)
        address = media_address(conversation_id)
        return conversation(head, page, stays, visits, now=self._clock.now(), media=address)

    async def earlier(self, conversation_id: ConversationId, before: int, limit: int) -> Earlier:
        """The messages before a position."""
        async with self._database.begin() as connection:
            head = await desk.head(connection, conversation_id)
            recent = [stay.handoff_id for stay in await desk.stays(connection, conversation_id, limit=SHOWN_HISTORY)]
            page = await desk.page(connection, conversation_id, before=before, limit=limit, handoffs=recent)
        lines = message_lines(page, head.contact_name, media_address(conversation_id))
        return Earlier(lines, page.is_first)

    async def marks(
        self, watched: Iterable[ConversationId]
    ) -> tuple[dict[HandoffId, CaseMark], dict[ConversationId, str]]:
        """What changes with the queue, and with each conversation that is looked at."""
        async with self._database.begin() as connection:
            cases = await desk.marks(connection, limit=MOST_CASES)
            looked_at = await desk.watched_marks(connection, watched)
        return cases, looked_at
