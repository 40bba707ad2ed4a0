"""Tells Zendesk: makes a case's ticket, shows what the customer says, says when it is over.

A ticket is made under a key of idempotency that comes from the case, with words that are the same at every try, and is
looked for by the case's id before a second one. Everything after that goes through :mod:`updates`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.desks import Case, CaseRef, DeskMessage, NotYet, Told
from gateway.core.errors import Ambiguous, Retry, TertuliaError
from gateway.core.handoff_reasons import ended_in_words
from gateway.core.ids import HandoffId
from gateway.core.messages import Author, Media
from gateway.core.ports import AgentPort
from gateway.store import zendesk_heard
from gateway.store.database import Database
from gateway.store.zendesk import ZendeskCase, ZendeskTables
from handoff.desks.zendesk import ticket as wording
from handoff.desks.zendesk.client import NewComment, NewTicket, ZendeskClient
from handoff.desks.zendesk.failures import Gone, Invalid, SameKey
from handoff.desks.zendesk.files import Files
from handoff.desks.zendesk.joining import Piece, pieces
from handoff.desks.zendesk.markup import one_line
from handoff.desks.zendesk.people import People
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.updates import Update, Updates, case_external_id
from handoff.desks.zendesk.verify import moment
from handoff.desks.zendesk.wire import WireTicket

log = structlog.get_logger(__name__)

OVER = frozenset({"solved", "closed", "deleted"})
DELETED = "deleted"


class Telling:
    """The three calls of a desk's port that write. One call at a time for one case."""

    def __init__(
        self,
        desk: str,
        settings: ZendeskSettings,
        client: ZendeskClient,
        database: Database,
        tables: ZendeskTables,
        people: People,
        files: Files,
        updates: Updates,
        agents: AgentPort,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._client = client
        self._database = database
        self._lane = database.lane()
        self._tables = tables
        self._people = people
        self._files = files
        self._updates = updates
        self._agents = agents
        self._clock = clock

    # ------------------------------------------------------------ the three calls

    async def open(self, case: Case) -> Told:
        """The ticket of a case: gone on with, found, or made. All of the transcript is in it then."""
        known = await self._known(case)
        if known is None and case.reopens:
            known = await self._adopted(case)
        if known is None or known.ticket_id is None:
            known = await self._made(case)
        try:
            return Told(known.reference, await self._brought_up(case, known))
        except Gone:
            await self._is_gone(known)
            return Told(known.reference)

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        """Show what came since, as far as the limits let it; raises ``NotYet`` with the rest."""
        if await self._is_only_theirs(case.handoff_id, messages):
            return
        known = await self._case(case.handoff_id)
        try:
            await self._updates.settle(known)
            await self._show(known, messages, is_urgent=case.is_urgent, name=case.contact.name)
        except Gone:
            await self._is_gone(known)

    async def ended(self, case: CaseRef, reason: str) -> None:
        """Solve the ticket, unless that is why it ended; a ticket that other cases go on in is left alone."""
        async with self._database.begin() as connection:
            known = await self._tables.case(connection, case.handoff_id)
            newest = await self._tables.case_on(connection, known.ticket_id) if known and known.ticket_id else None
        if known is None or newest is None or newest.handoff_id != known.handoff_id or known.status in OVER:
            return
        try:
            await self._updates.settle(known)
            await self._close(known, reason)
        except Gone:
            return

    async def _is_only_theirs(self, handoff_id: HandoffId, messages: Sequence[DeskMessage]) -> bool:
        """Whether the ticket needs nothing, as its own agents wrote all of it there: so it is with most answers."""
        if any(message.author is not Author.AGENT for message in messages):
            return False
        async with self._lane.statement() as connection:
            ids = [message.message_id for message in messages]
            return await zendesk_heard.are_theirs(connection, self._desk, handoff_id, ids)

    # ------------------------------------------------------------ making

    async def _known(self, case: Case) -> ZendeskCase | None:
        """What was begun before; or the ticket on which an agent speaks on after an earlier case had ended."""
        async with self._database.begin() as connection:
            known = await self._tables.case(connection, case.handoff_id)
            earlier = None if known else await self._tables.going_on(connection, case.conversation_id)
            if earlier is None:
                return known
            position = max(earlier.made_position, await self._tables.told_position(connection, earlier.handoff_id))
            return await self._tables.adopt(connection, case.handoff_id, earlier.handoff_id, position)

    async def _made(self, case: Case) -> ZendeskCase:
        requester_id = await self._people.requester(case)
        last = case.transcript[-1].position if case.transcript else 0
        _require_files(case.transcript, self._clock, self._settings.file_wait_s)
        async with self._database.begin() as connection:
            begun, is_new = await self._tables.begin_case(
                connection, case.handoff_id, case.conversation_id, requester_id, last
            )
        found = None if is_new else await self._found(case.handoff_id)
        try:
            made = found or await self._make(case, begun, await self._followed(case))
        except Ambiguous:
            raise
        except TertuliaError:  # surely nothing was made: the next try need not look for it
            if is_new:
                await self._abandon(case.handoff_id)
            raise
        return await self._keep(case.handoff_id, made)

    async def _abandon(self, handoff_id: HandoffId) -> None:
        async with self._database.begin() as connection:
            await self._tables.abandon_case(connection, handoff_id)

    async def _found(self, handoff_id: HandoffId) -> WireTicket | None:
        """The ticket that an earlier try made, if it did."""
        tickets = await self._client.find_tickets(case_external_id(handoff_id))
        return max(tickets, key=lambda ticket: ticket.id, default=None)

    async def _followed(self, case: Case) -> int:
        """The closed ticket that a case which goes on must follow; 0: none."""
        if not case.reopens:
            return 0
        earlier = await self._named(case.reopens)
        try:
            found = await self._client.ticket(earlier.ticket_id) if earlier and earlier.ticket_id else None
        except Gone:
            return 0
        return found.id if found is not None and found.status == "closed" else 0

    async def _make(self, case: Case, begun: ZendeskCase, follows: int) -> WireTicket:
        """With the messages that the first try would have put in, so that every try says the same."""
        messages = [message for message in case.transcript if message.position <= begun.made_position]
        files = wording.transcript(case, messages).files
        wanted = files[-self._settings.transcript_files :] if self._settings.transcript_files else ()
        uploads = await self._files.bring(case.handoff_id, "open", wanted)
        left_out = [f"file {name}" for name in uploads.failed]
        wished = self._wished(case, begun, messages, uploads.tokens, left_out, follows)
        try:
            return await self._make_once(case, wished, f"{begun.generation}")
        except Invalid as error:
            log.warning("zendesk_ticket_refused", desk=self._desk, handoff_id=str(case.handoff_id), places=error.places)
            if any("requester" in place for place in error.places):
                await self._people.forget(case.contact.contact_id)
                raise Retry("Zendesk does not know the requester any more") from None
            left_out += [f"{place} (see the settings of the desk)" for place in error.places]
            plain = _plain(wished, wording.transcript(case, messages, left_out).text)
            return await self._make_once(case, plain, f"{begun.generation}-plain")

    async def _make_once(self, case: Case, wished: NewTicket, attempt: str) -> WireTicket:
        try:
            return (await self._client.make_ticket(wished, f"{self._desk}-{case.handoff_id}-{attempt}")).ticket
        except SameKey:
            return await self._after_same_key(case.handoff_id)

    async def _after_same_key(self, handoff_id: HandoffId) -> WireTicket:
        """The words changed since an earlier try: either that one made the ticket, or the next try has a new key."""
        found = await self._found(handoff_id)
        if found is not None:
            return found
        async with self._database.begin() as connection:
            await self._tables.next_generation(connection, handoff_id)
        raise Ambiguous("an earlier try may still be under way", after_s=max(0.5, self._settings.broken_wait_s))

    def _wished(
        self,
        case: Case,
        begun: ZendeskCase,
        messages: Sequence[DeskMessage],
        tokens: tuple[str, ...],
        left_out: Sequence[str],
        follows: int,
    ) -> NewTicket:
        settings = self._settings
        note = wording.transcript(case, messages, left_out).text
        return NewTicket(
            subject=wording.subject(case, settings.subject),
            requester_id=begun.requester_id,
            external_id=case_external_id(case.handoff_id),
            comment=NewComment(body=note, is_public=False, uploads=tokens, marker=_marker(case.handoff_id, "open")),
            tags=wording.tags(case, settings),
            priority=wording.priority(case, settings),
            form=settings.form or 0,
            brand=settings.brand or 0,
            group=wording.group(case, settings),
            fields=wording.fields(case, settings),
            follows=follows,
        )

    async def _keep(self, handoff_id: HandoffId, made: WireTicket) -> ZendeskCase:
        at = moment(made.created_at or "") or self._clock.now()
        async with self._database.begin() as connection:
            await self._tables.made(connection, handoff_id, made.id, made.status, at)
        log.info("zendesk_ticket_made", desk=self._desk, handoff_id=str(handoff_id), ticket_id=made.id)
        return await self._case(handoff_id)

    # ------------------------------------------------------------ going on

    async def _adopted(self, case: Case) -> ZendeskCase | None:
        """The earlier ticket, if it can be opened again; ``None`` when it is closed or gone."""
        earlier = await self._named(case.reopens)
        if earlier is None or earlier.ticket_id is None:
            return None
        try:
            found = await self._client.ticket(earlier.ticket_id)
        except Gone:
            return None
        if found.status in {"closed", DELETED}:
            return None
        async with self._database.begin() as connection:
            position = max(earlier.made_position, await self._tables.told_position(connection, earlier.handoff_id))
            return await self._tables.adopt(connection, case.handoff_id, earlier.handoff_id, position)

    async def _open_again(self, case: Case, known: ZendeskCase) -> str:
        """Open the ticket with a note of what was said meanwhile; returns whose it is."""
        new = [message for message in case.transcript if message.position > known.made_position]
        between = _up_to_the_last_other(new)
        note = "The customer goes on with this case."
        if between:
            note = f"{note}\n\n{wording.transcript(case, between).text}"
        comment = NewComment(body=note, is_public=False, status="open", marker=_marker(case.handoff_id, "reopen"))
        to_position = between[-1].position if between else known.made_position
        await self._updates.put(known, Update(comment=comment, to_position=to_position, is_urgent=True))
        found = await self._client.ticket(known.ticket_id or 0)
        return await self._people.agent_name(found.assignee_id) if found.assignee_id else ""

    async def _brought_up(self, case: Case, known: ZendeskCase) -> str:
        """Whatever the ticket lacks; returns who has it already."""
        await self._updates.settle(known)
        agent = ""
        if case.reopens and known.reference == case.reopens:
            agent = await self._open_again(case, known)
        await self._show(known, case.transcript, is_urgent=case.is_urgent, name=case.contact.name)
        return agent

    async def _show(self, known: ZendeskCase, messages: Sequence[DeskMessage], *, is_urgent: bool, name: str) -> None:
        """Write what is not in the ticket yet, piece by piece."""
        async with self._database.begin() as connection:
            told = await self._tables.told_position(connection, known.handoff_id)
            standing = await self._tables.standing(connection, known.handoff_id)
            by_agents = [message.message_id for message in messages if message.author is Author.AGENT]
            theirs = await self._tables.our_sayings(connection, known.handoff_id, by_agents) if by_agents else ()
        position = max(known.made_position, told)
        fresh = [m for m in messages if m.position > position and m.message_id not in theirs]
        is_over = standing is not None and standing.ended_at is not None
        for piece in pieces(fresh, position):
            _require_files(piece.messages, self._clock, self._settings.file_wait_s)
            await self._put(await self._case(known.handoff_id), piece, name, is_urgent=is_urgent, is_over=is_over)

    async def _put(self, known: ZendeskCase, piece: Piece, name: str, *, is_urgent: bool, is_over: bool) -> None:
        uploads = await self._files.bring(known.handoff_id, piece.name, piece.files)
        text = piece.text
        if uploads.failed:
            text += f"\n(could not be attached: {one_line(', '.join(uploads.failed), 500)})"
        marker = _marker(known.handoff_id, piece.name)
        if piece.is_customers and not is_over:
            comment = NewComment(
                body=text,
                is_public=True,
                author_id=known.requester_id,
                uploads=uploads.tokens,
                status="" if known.status == "new" else "open",
                marker=marker,
            )
        else:
            body = f"The customer, after the end:\n{text}" if piece.is_customers else text
            comment = NewComment(body=body, is_public=False, uploads=uploads.tokens, marker=marker)
        update = Update(
            comment=comment,
            first=piece.first,
            to_position=piece.to_position,
            is_urgent=is_urgent,
            subject=one_line(name, 150),
        )
        try:
            await self._updates.put(known, update)
        except Invalid as error:
            await self._put_as_note(known, update, error)

    async def _put_as_note(self, known: ZendeskCase, update: Update, error: Invalid) -> None:
        """Words that Zendesk does not take from the requester (a suspended one, a file too many) come as a note."""
        log.warning("zendesk_comment_refused", handoff_id=str(known.handoff_id), places=error.places)
        if any("upload" in place for place in error.places):
            await self._files.forget(known.handoff_id)
            raise Retry("Zendesk does not have the files any more")
        said = update.comment
        comment = NewComment(
            body=f"The customer:\n{said.body}", is_public=False, uploads=said.uploads, marker=said.marker
        )
        await self._updates.put(known, msgspec.structs.replace(update, comment=comment))

    # ------------------------------------------------------------ ending

    async def _close(self, known: ZendeskCase, reason: str) -> None:
        note = f"The conversation is over here: it is with the bot again ({one_line(ended_in_words(reason), 60)})."
        status = "solved" if self._settings.solves_when_ended else ""
        comment = NewComment(body=note, is_public=False, status=status, marker=_marker(known.handoff_id, "end"))
        try:
            await self._updates.put(known, Update(comment=comment))
        except Invalid:  # a form with fields that must be filled in before solving
            await self._updates.put(known, Update(comment=msgspec.structs.replace(comment, status="")))

    async def _is_gone(self, known: ZendeskCase) -> None:
        """Nobody will answer on a ticket that was deleted: the bot goes on."""
        async with self._database.begin() as connection:
            await self._tables.stands(connection, known.ticket_id or 0, DELETED, self._clock.now())
        await self._agents.give_back(known.handoff_id, DELETED)

    # ------------------------------------------------------------ finding

    async def _case(self, handoff_id: HandoffId) -> ZendeskCase:
        async with self._database.begin() as connection:
            known = await self._tables.case(connection, handoff_id)
        if known is None or known.ticket_id is None:
            raise Retry("there is no ticket yet")
        return known

    async def _named(self, reference: str) -> ZendeskCase | None:
        async with self._database.begin() as connection:
            return await self._tables.case_named(connection, reference)


def _marker(handoff_id: HandoffId, what: str) -> str:
    return f"{handoff_id}:{what}"


def _plain(wished: NewTicket, note: str) -> NewTicket:
    """A ticket without what the settings add to it: a person must come, even if a field is wrong."""
    comment = msgspec.structs.replace(wished.comment, body=note)
    return msgspec.structs.replace(wished, comment=comment, priority="", form=0, brand=0, group=0, fields={})


def _up_to_the_last_other(messages: Sequence[DeskMessage]) -> list[DeskMessage]:
    """Without the customer's words at the end, which come in their own name."""
    end = len(messages)
    while end and messages[end - 1].author is Author.CUSTOMER:
        end -= 1
    return list(messages[:end])


def _require_files(messages: Sequence[DeskMessage], clock: Clock, wait_s: float) -> None:
    """Raise ``NotYet`` while a file that a customer just sent is still being fetched."""
    for message in messages:
        age_s = (clock.now() - message.at).total_seconds()
        waits = [part for part in message.parts if isinstance(part, Media) and not (part.blob or part.url)]
        if waits and age_s < wait_s:
            raise NotYet("a file is still being fetched", after_s=min(2.0, max(0.2, wait_s - age_s)))
