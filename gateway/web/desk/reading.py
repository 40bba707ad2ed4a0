"""Reads what the desk shows out of the database, each answer in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from gateway.core.channel import ApprovedTemplate
from gateway.core.clock import Clock
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.messages import Parts
from gateway.store import canned, consent, desk, notes
from gateway.store.database import Database
from gateway.store.desk import CaseMark, Page
from gateway.web.desk.shapes import (
    CaseLine,
    Conversation,
    Earlier,
    LiveLine,
    ReplyLine,
    case_line,
    conversation,
    live_line,
    message_lines,
    note_line,
    saved_line,
)
from gateway.web.desk.surface import NoSurfaces, Recipient, Surfaces

PAGE_MESSAGES = 40
MOST_MESSAGES = 100
SHOWN_HISTORY = 8
SHOWN_STEPS = 6
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

    def __init__(
        self,
        database: Database,
        clock: Clock,
        surfaces: Surfaces | None = None,
        ready: Sequence[ReplyLine] = (),
    ) -> None:
        self._database = database
        self._clock = clock
        self._surfaces = surfaces or NoSurfaces()
        self._ready = tuple(ready)

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
            standing = await consent.standing(connection, conversation_id)
            asked = next((stay.asked_at for stay in stays if stay.handoff_id == head.handoff_id), None)
            steps = [] if asked is None else await desk.led_there(connection, conversation_id, asked, limit=SHOWN_STEPS)
            recent = [stay.handoff_id for stay in stays]
            page = await desk.page(connection, conversation_id, before=NEWEST, limit=PAGE_MESSAGES, handoffs=recent)
            shown = await notes.read(connection, conversation_id, first=_first(page), before=NEWEST)
        return conversation(
            head,
            page,
            stays,
            visits,
            shown,
            steps,
            now=self._clock.now(),
            media=media_address(conversation_id),
            speaking=self._surfaces.speaking(standing),
            shows=self._surfaces.media(head.account_id),
            template_text=partial(self._surfaces.template_text, head.account_id),
        )

    async def earlier(self, conversation_id: ConversationId, before: int, limit: int) -> Earlier:
        """The messages before a position."""
        async with self._database.begin() as connection:
            head = await desk.head(connection, conversation_id)
            recent = [stay.handoff_id for stay in await desk.stays(connection, conversation_id, limit=SHOWN_HISTORY)]
            page = await desk.page(connection, conversation_id, before=before, limit=limit, handoffs=recent)
            shown = await notes.read(connection, conversation_id, first=_first(page), before=before)
        template_text = partial(self._surfaces.template_text, head.account_id)
        lines = message_lines(page, head.contact_name, media_address(conversation_id), template_text)
        return Earlier(lines, page.is_first, tuple(note_line(note) for note in shown))

    async def canned(self) -> list[ReplyLine]:
        """Replies that are ready: the author's in their order, then those that agents saved, by name."""
        async with self._database.begin() as connection:
            saved = await canned.read(connection)
        return [*self._ready, *(saved_line(reply) for reply in saved)]

    async def templates(self, conversation_id: ConversationId) -> Sequence[ApprovedTemplate]:
        """What the account of a conversation may send at any time. Raises ``Retry`` or ``GiveUp``."""
        async with self._database.begin() as connection:
            head = await desk.head(connection, conversation_id)
        return await self._surfaces.templates(head.account_id)

    async def losses(self, conversation_id: ConversationId, parts: Parts) -> tuple[str, ...]:
        """What the customer's app would lose of these parts. Raises ``GiveUp`` when it can show nothing of them."""
        async with self._database.begin() as connection:
            head = await desk.head(connection, conversation_id)
        recipient = Recipient(
            conversation_id=conversation_id,
            account_id=head.account_id,
            recipient=head.recipient,
            language=head.language,
            agent=head.agent,
        )
        return self._surfaces.losses(recipient, parts)

    async def marks(
        self, watched: Iterable[ConversationId]
    ) -> tuple[dict[HandoffId, CaseMark], dict[ConversationId, str]]:
        """What changes with the queue, and with each conversation that is looked at."""
        async with self._database.begin() as connection:
            cases = await desk.marks(connection, limit=MOST_CASES)
            looked_at = await desk.watched_marks(connection, watched)
        return cases, looked_at


def _first(page: Page) -> int:
    """Notes behind this message and later ones stand on the page; on the oldest one, all before it too."""
    return 0 if page.is_first or not page.messages else page.messages[0].position
