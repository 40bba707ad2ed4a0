"""Writes into tickets exactly once: written down before, struck out after, looked for when the outcome is unclear.

Zendesk's two limits on updates are counted here too, in the same transaction, under a lock of the desk's own: whoever
writes, in whichever process, none is exceeded.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.clock import Clock
from gateway.core.desks import NotYet
from gateway.core.errors import Ambiguous, GiveUp, Retry
from gateway.core.ids import HandoffId
from gateway.store.database import Database
from gateway.store.zendesk import Unfinished, ZendeskCase, ZendeskTables
from handoff.desks.zendesk.budget import MARGIN, pause_s
from handoff.desks.zendesk.client import NewComment, NewTicket, ZendeskClient
from handoff.desks.zendesk.failures import Closed, Gone, Invalid
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.verify import moment
from handoff.desks.zendesk.wire import WireComment, WireTicket

log = structlog.get_logger(__name__)

SKEW = timedelta(minutes=2)
"""How far Zendesk's clock may be from ours."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(NewComment).decode


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written into a case's ticket. ``to_position``: the conversation is there up to then.

    ``first``: the position of the first message in it; 0 where it holds none.
    """

    comment: NewComment
    first: int = 0
    to_position: int = 0
    is_urgent: bool = False
    subject: str = ""

    @property
    def marker(self) -> str:
        return self.comment.marker


class Updates:
    """One update at a time for one case."""

    def __init__(
        self,
        desk: str,
        settings: ZendeskSettings,
        client: ZendeskClient,
        database: Database,
        tables: ZendeskTables,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._client = client
        self._database = database
        self._tables = tables
        self._clock = clock

    async def put(self, case: ZendeskCase, update: Update) -> None:
        """Write it, unless that was done before. Raises ``NotYet`` while the limits leave no room for it.

        ``Gone``: the ticket is not there any more. A closed one is followed up by a new one, which the case goes on in.
        """
        await self._send(case, update, None)

    async def settle(self, case: ZendeskCase) -> None:
        """Make sure that what was begun before has arrived. Raises as :meth:`put`."""
        async with self._database.begin() as connection:
            unfinished = await self._tables.unfinished(connection, case.handoff_id)
        if unfinished is None:
            return
        early_s = self._settings.unclear_wait_s - unfinished.age_s
        if early_s > 0:
            raise NotYet("an update may still be under way", after_s=early_s)
        update = Update(comment=_decode(unfinished.content), to_position=unfinished.to_position, is_urgent=True)
        if await self._has_arrived(case, update, unfinished):
            await self._done(case, update.marker, 0)
        else:
            await self._send(case, update, unfinished)

    # ------------------------------------------------------------ sending

    async def _send(self, case: ZendeskCase, update: Update, again: Unfinished | None) -> None:
        """Write it, as a repetition of *again* or for the first time."""
        ticket_id = _ticket(case)
        number = await self._reserve(case, ticket_id, update, again)
        if number is None:
            return
        try:
            changed = await self._client.write(ticket_id, update.comment)
        except Closed:
            await self._answered(number)
            await self._follow(case, ticket_id, update)
        except (Invalid, Gone):
            await self._withdraw(case, update, number)
            raise
        except Ambiguous:
            await self._answered(number)
            await self._broke_off(case, update)
            raise
        except (NotYet, Retry, GiveUp):
            await self._withdraw(case, update, number)
            raise
        else:
            await self._answered(number)
            await self._done(case, update.marker, changed.comment_id, changed.ticket)

    async def _reserve(self, case: ZendeskCase, ticket_id: int, update: Update, again: Unfinished | None) -> int | None:
        """Write down and count what leaves now; ``None`` when the ticket has it already.

        Raises ``NotYet`` when it must wait, or another process is at it; then nothing is written.
        """
        rates = self._settings.rates
        async with self._database.begin() as connection:
            await self._tables.lock_spending(connection)
            if await self._is_there(connection, case, update):
                return None
            await self._require_nothing_else(connection, case, again)
            spent = await self._tables.spent(connection, ticket_id, rates.ticket_s * MARGIN, rates.minute_s * MARGIN)
            wait_s = pause_s(spent, rates, is_urgent=update.is_urgent)
            if wait_s > 0:
                raise NotYet("joined with what comes next", after_s=wait_s)
            lead_s = self._settings.connect_timeout_s + self._settings.read_timeout_s
            number = await self._tables.spend(connection, ticket_id, lead_s)
            await self._tables.begin_update(
                connection, case.handoff_id, update.marker, update.to_position, _encode(update.comment)
            )
        return number

    async def _is_there(self, connection: AsyncConnection, case: ZendeskCase, update: Update) -> bool:
        """Whether it was written before. Raises ``NotYet`` when only some of it was: the rest is joined anew."""
        told = await self._tables.told_position(connection, case.handoff_id) if update.first else 0
        if not 0 < update.first <= told:
            return await self._tables.is_done(connection, case.handoff_id, update.marker)
        if update.to_position > told:
            raise NotYet("another process wrote some of it", after_s=0.05)
        return True

    async def _require_nothing_else(
        self, connection: AsyncConnection, case: ZendeskCase, again: Unfinished | None
    ) -> None:
        """A process whose lease ran out may not know it yet: what it has begun is settled first."""
        found = await self._tables.unfinished(connection, case.handoff_id)
        seen = None if again is None else (again.marker, again.begun_at)
        if found is not None and seen != (found.marker, found.begun_at):
            raise NotYet("another update of this ticket is under way", after_s=1.0)

    async def _answered(self, number: int) -> None:
        keep_s = 2 * max(self._settings.rates.ticket_s, self._settings.rates.minute_s)
        async with self._database.begin() as connection:
            await self._tables.answered(connection, number, keep_s)

    async def _broke_off(self, case: ZendeskCase, update: Update) -> None:
        """Our own call is over: only what Zendesk may still do with it is waited for."""
        back_s = max(0.0, self._settings.unclear_wait_s - self._settings.broken_wait_s)
        async with self._database.begin() as connection:
            await self._tables.broke_off(connection, case.handoff_id, update.marker, back_s)

    async def _withdraw(self, case: ZendeskCase, update: Update, number: int) -> None:
        async with self._database.begin() as connection:
            await self._tables.withdraw_update(connection, case.handoff_id, update.marker, number)

    async def _done(self, case: ZendeskCase, marker: str, comment_id: int, ticket: WireTicket | None = None) -> None:
        async with self._database.begin() as connection:
            await self._tables.end_update(connection, case.handoff_id, marker)
            if comment_id:
                await self._tables.settle_comment(connection, _ticket(case), comment_id, None)
            if ticket is not None:
                at = max(moment(ticket.updated_at or "") or self._clock.now(), case.updated_at)
                await self._tables.stands(connection, ticket.id, ticket.status, at)

    # ------------------------------------------------------------ when the outcome is unclear

    async def _has_arrived(self, case: ZendeskCase, update: Update, unfinished: Unfinished) -> bool:
        """Whether the ticket holds it: by its mark, or word by word among the comments that are not accounted for."""
        ticket_id = _ticket(case)
        since = self._clock.now() - timedelta(seconds=unfinished.age_s) - SKEW
        comments = await self._client.comments(ticket_id, lambda comment: _is_before(comment, since))
        fresh = [comment for comment in comments if not _is_before(comment, since)]
        async with self._database.begin() as connection:
            settled = await self._tables.settled(connection, ticket_id, [comment.id for comment in fresh])
            for comment in fresh:
                if comment.id not in settled and is_same(comment, update.comment):
                    await self._tables.settle_comment(connection, ticket_id, comment.id, None)
                    return True
        return False

    # ------------------------------------------------------------ when the ticket is closed

    async def _follow(self, case: ZendeskCase, closed_id: int, update: Update) -> None:
        """Go on in a new ticket that follows the closed one: found when an earlier try made it, else made."""
        external_id = case_external_id(case.handoff_id)
        found = await self._client.find_tickets(external_id)
        newer = max((one for one in found if one.id > closed_id), key=lambda one: one.id, default=None)
        if newer is None:
            wished = NewTicket(
                subject=update.subject or "Goes on",
                requester_id=case.requester_id,
                external_id=external_id,
                comment=msgspec.structs.replace(update.comment, status=""),
                follows=closed_id,
            )
            key = f"{self._desk}-{case.handoff_id}-after-{closed_id}"
            newer = (await self._client.make_ticket(wished, key)).ticket
        at = moment(newer.created_at or "") or self._clock.now()
        async with self._database.begin() as connection:
            await self._tables.move(connection, case.handoff_id, newer.id, newer.status, at)
            await self._tables.end_update(connection, case.handoff_id, update.marker)
        log.info("zendesk_ticket_followed_up", desk=self._desk, handoff_id=str(case.handoff_id), ticket_id=newer.id)


def case_external_id(handoff_id: HandoffId) -> str:
    """Our name of a case at Zendesk."""
    return str(handoff_id)


def is_same(found: WireComment, meant: NewComment) -> bool:
    """Whether a comment is what we meant to write."""
    if found.marker:
        return found.marker == meant.marker
    is_author = not meant.author_id or found.author_id == meant.author_id
    bodies = [_words(body) for body in (found.plain_body, found.body) if body]
    return is_author and found.public == meant.is_public and _words(meant.body) in bodies


def _words(text: str) -> list[str]:
    """What is compared: Zendesk may change white space and what nobody sees."""
    return text.replace("\u2060", "").replace("\u200b", "").replace("\xa0", " ").split()


def _is_before(comment: WireComment, since: datetime) -> bool:
    return comment.at is not None and comment.at < since


def _ticket(case: ZendeskCase) -> int:
    if case.ticket_id is None:
        raise Retry("the ticket is being made")
    return case.ticket_id
