"""Hears Zendesk: what agents write goes to the customer, what happens to tickets decides who has the conversation.

An event says that there is something to look at: the ticket itself is read, so that nothing depends on the order in
which webhooks come or on none being lost. When the requests of a minute are used up, the event waits for the next ones:
a customer hears later then, and never in another order. Everything is repeatable: a comment is said under its own key,
and what a ticket's status means is decided anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.errors import GiveUp, Retry, SendRefused
from gateway.core.fence import is_still_ours
from gateway.core.handoff_reasons import Ended
from gateway.core.ids import HandoffId
from gateway.core.messages import Parts
from gateway.core.ports import AgentPort
from gateway.store import zendesk_heard
from gateway.store.database import Database
from gateway.store.zendesk import ZendeskCase, ZendeskTables
from handoff.desks.zendesk import parse
from handoff.desks.zendesk.client import NewComment, ZendeskClient
from handoff.desks.zendesk.failures import Gone
from handoff.desks.zendesk.files import Files
from handoff.desks.zendesk.markup import agent_text, one_line
from handoff.desks.zendesk.parse import Heard
from handoff.desks.zendesk.people import People
from handoff.desks.zendesk.settings import ZendeskSettings
from handoff.desks.zendesk.updates import Update, Updates
from handoff.desks.zendesk.verify import moment
from handoff.desks.zendesk.wire import Attached, WireComment, WireTicket, number

log = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=1)
"""Comments that are made at the same time are not there at the same time."""

SOLVED = Ended.SOLVED.value
CLOSED = "closed"
DELETED = Ended.DELETED.value
MERGED = "merged"
CLOSED_BY_MERGE = "closed_by_merge"
MERGE_KNOWN_WITHIN = timedelta(minutes=10)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A comment that may be for the customer. ``is_whole``: with all of its files."""

    comment_id: int
    author_id: int
    author_name: str
    html_body: str
    body: str
    attachments: tuple[Attached, ...]
    is_whole: bool


class Read(msgspec.Struct, frozen=True):
    """What was read of a ticket: the case that is on it now, and the comments about which nothing is left to do."""

    case: ZendeskCase
    comment_ids: frozenset[int]


class Hearing:
    """Applies events, each as often as it takes."""

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

    async def apply(self, heard: Heard) -> None:
        """Act on an event. Tickets that are not ours concern nobody. Raises ``Retry`` or ``NotYet`` for later."""
        found = await self._found(heard)
        if found is None:
            return
        case, is_settled = found
        match heard.kind:
            case parse.COMMENT | parse.ATTACHMENT:
                now = case if is_settled else await self._comment(case, heard)
                await self._see_whether_it_ends(now)
            case parse.ASSIGNED:
                await self._assigned(case, heard.assignee_id)
            case parse.STATUS:
                await self._status(case, heard.status, heard.at)
            case parse.MERGED:
                await self._merged(case, heard.target_id, heard.at)
            case parse.GONE:
                await self._gone(case)
            case _:
                await self._told_how_it_stands(case, heard)

    async def _found(self, heard: Heard) -> tuple[ZendeskCase, bool] | None:
        """The case that is on the ticket, and whether the comment needs nothing any more. ``None``: none of ours."""
        async with self._lane.statement() as connection:
            found = await zendesk_heard.newest_and_comment(connection, self._desk, heard.ticket_id, heard.comment_id)
        handoff_id = _handoff_in(heard.external_id)
        if found is not None or handoff_id is None:
            return found
        async with self._database.begin() as connection:
            begun = await self._tables.case(connection, handoff_id)
        if begun is not None and begun.ticket_id is None:
            raise Retry("the ticket is being made", after_s=0.5)
        return None

    # ------------------------------------------------------------ what agents write

    async def _comment(self, case: ZendeskCase, heard: Heard) -> ZendeskCase:
        """Say a comment, and before it what came before it; returns the case that is on the ticket then."""
        if await self._is_not_an_agents(case, heard.author_id, heard.is_staff):
            return case
        is_sure = heard.is_public is True and (heard.is_staff is True or heard.is_whole)
        try:
            read = await self._sync(case)
        except Gone:  # deleted since: what was written before is for the customer still, as the event tells it
            read = Read(case, frozenset())
        case = read.case
        if not is_sure or heard.comment_id in read.comment_ids:
            return case
        await self._hear(case, [_said(heard)])
        return await self._settled(case, [heard.comment_id] if heard.is_whole else [], None)

    async def _sync(self, case: ZendeskCase) -> Read:
        """Read what was written since the last time, and say what is for the customer, in the desk's order."""
        ticket_id, since = _ticket(case), case.heard_until - OVERLAP
        comments = await self._client.comments(ticket_id, lambda comment: _is_before(comment, since))
        fresh = [comment for comment in comments if not _is_before(comment, since)]
        ids = [comment.id for comment in fresh]
        async with self._lane.statement() as connection:
            settled = await zendesk_heard.settled(connection, self._desk, ticket_id, ids)
        new = [comment for comment in fresh if comment.id not in settled]
        await self._hear(case, [_as_told(comment) for comment in new if await self._is_for_customer(case, comment)])
        newest = max((comment.at for comment in comments if comment.at), default=case.heard_until)
        now = await self._settled(case, [comment.id for comment in new], newest)
        return Read(now, frozenset(ids))

    async def _is_for_customer(self, case: ZendeskCase, comment: WireComment) -> bool:
        if not comment.public or comment.marker:
            return False
        return not await self._is_not_an_agents(case, comment.author_id or 0, None)

    async def _is_not_an_agents(self, case: ZendeskCase, author_id: int, is_staff: bool | None) -> bool:
        """Whether a comment is the requester's, our own, or of somebody who does not answer customers."""
        if not author_id or author_id == case.requester_id or is_staff is False:
            return True
        if author_id == await self._people.own_id():
            return not self._settings.own_user_answers
        return is_staff is None and not await self._people.is_staff(author_id)

    async def _hear(self, case: ZendeskCase, said: Sequence[Said]) -> None:
        """Say comments to the customer, in this order, each under the case that it was claimed for first."""
        if not said:
            return
        ids = [one.comment_id for one in said]
        async with self._lane.statement() as connection:
            claimed = await zendesk_heard.claim(connection, self._desk, _ticket(case), ids, case.handoff_id)
        for one in said:
            if not claimed[one.comment_id].is_done:
                await self._say_all(case, claimed[one.comment_id].handoff_id, one)

    async def _say_all(self, case: ZendeskCase, handoff_id: HandoffId, said: Said) -> None:
        """The words of a comment, then each of its files, all under keys of their own."""
        agent = await self._name_of(said)
        text = agent_text(said.html_body, said.body)
        if text is not None:
            handoff_id = await self._say(case, handoff_id, said, agent, _key(said.comment_id), (text,))
        for attached in said.attachments:
            handoff_id = await self._say_file(case, handoff_id, said, agent, attached)

    async def _see_whether_it_ends(self, now: ZendeskCase) -> None:
        """Who spoke on after the end may have left the ticket solved: nothing else would tell of it."""
        if now.status in {SOLVED, CLOSED}:
            await self._look(now)

    async def _name_of(self, said: Said) -> str:
        """By the settings; what the event itself says saves a call where an alias does not matter."""
        if said.author_name and self._settings.agent_name != "alias":
            name = one_line(said.author_name, 120)
            return name if self._settings.agent_name == "full_name" else name.split(" ")[0]
        return await self._people.agent_name(said.author_id)

    async def _say_file(
        self, case: ZendeskCase, handoff_id: HandoffId, said: Said, agent: str, attached: Attached
    ) -> HandoffId:
        key = _key(said.comment_id, number(attached.id))
        async with self._database.begin() as connection:
            if await self._tables.is_said(connection, handoff_id, key):
                return handoff_id
        try:
            part = await self._files.fetch(attached)
        except GiveUp as error:
            log.warning("zendesk_attachment_refused", ticket_id=_ticket(case), reason=error.reason)
            await self._tell_agent(case, said.comment_id, f"A file could not be sent to the customer: {error.detail}.")
            return handoff_id
        return await self._say(case, handoff_id, said, agent, key, (part,))

    async def _say(
        self, case: ZendeskCase, handoff_id: HandoffId, said: Said, agent: str, key: str, parts: Parts
    ) -> HandoffId:
        """Say it once; returns the case under which it was said: a new one when the old one is over."""
        try:
            if await self._agents.say(handoff_id, agent, key, parts) is not None:
                return handoff_id
            async with self._database.begin() as connection:
                if await self._tables.is_said(connection, handoff_id, key):
                    return handoff_id
            current = await self._taken_over(case, handoff_id, agent)
            async with self._database.begin() as connection:
                await self._tables.move_comment(connection, _ticket(case), said.comment_id, current)
            await self._agents.say(current, agent, key, parts)
        except SendRefused as error:
            words = error.words.get("en", error.detail)
            await self._tell_agent(case, said.comment_id, f"This was not sent to the customer: {words}")
            return handoff_id
        else:
            return current

    async def _taken_over(self, case: ZendeskCase, ended: HandoffId, agent: str) -> HandoffId:
        """An agent speaks on after the end: they have the conversation again, on the same ticket."""
        async with self._database.begin() as connection:
            current = await self._tables.current(connection, case.conversation_id)
            if current is None:
                await self._tables.goes_on(connection, case.handoff_id)
        if current is not None and current != ended:
            return current
        await self._agents.take_over(case.conversation_id, agent)
        async with self._database.begin() as connection:
            current = await self._tables.current(connection, case.conversation_id)
            if current is None:
                raise Retry("the conversation could not be taken over")
            told = await self._tables.told_position(connection, case.handoff_id)
            await self._tables.adopt(connection, current, case.handoff_id, max(case.made_position, told))
        log.info("zendesk_agent_went_on", desk=self._desk, handoff_id=str(current), ticket_id=_ticket(case))
        return current

    async def _tell_agent(self, case: ZendeskCase, comment_id: int, words: str) -> None:
        """A note on the ticket, once: an agent must know what the customer did not get."""
        marker = f"{case.handoff_id}:unsaid-{comment_id}"
        comment = NewComment(body=one_line(words, 1_000), is_public=False, marker=marker)
        try:
            await self._updates.put(case, Update(comment=comment, is_urgent=True))
        except Gone:
            return

    # ------------------------------------------------------------ who has it

    async def _assigned(self, case: ZendeskCase, agent_id: int) -> None:
        """The first agent who is assigned has accepted; another one is announced when they speak."""
        if not agent_id:
            return
        if agent_id == await self._people.own_id() and not self._settings.own_user_answers:
            return
        async with self._database.begin() as connection:
            standing = await self._tables.standing(connection, case.handoff_id)
        is_waiting = standing is not None and standing.current_id == case.handoff_id and not standing.current_agent
        if is_waiting:
            await self._agents.accept(case.handoff_id, await self._people.agent_name(agent_id), instead_of="")

    async def _status(self, case: ZendeskCase, status: str, at: datetime) -> None:
        if status in {SOLVED, CLOSED}:
            await self._look(case)
            return
        await self._stands(case, status, at)

    async def _told_how_it_stands(self, case: ZendeskCase, heard: Heard) -> None:
        """What the export said of a ticket is at least a minute old: an end is looked at again."""
        if not heard.status or heard.status in {SOLVED, CLOSED, DELETED}:
            await self._look(case)
            return
        await self._stands(case, heard.status, heard.at)
        await self._assigned(case, heard.assignee_id)

    async def _look(self, case: ZendeskCase) -> None:
        """Read the ticket and bring us to where it stands: first what was said, then who has it, then the end."""
        try:
            ticket = await self._client.ticket(_ticket(case), is_urgent=True)
        except Gone:
            await self._end(case, DELETED)
            return
        if ticket.status == DELETED:
            await self._end(case, DELETED)
            return
        case = (await self._sync(case)).case
        # What is read is newer than what was known, whose time may be finer.
        at = max(moment(ticket.updated_at or "") or self._clock.now(), case.updated_at)
        await self._assigned(case, ticket.assignee_id or 0)
        if ticket.status == CLOSED and CLOSED_BY_MERGE in ticket.tags:
            await self._merged(case, await self._target_of(case, at), at)
            return
        await self._stands(case, ticket.status, at)
        if ticket.status in {SOLVED, CLOSED}:
            _require_ours()
            await self._agents.give_back(case.handoff_id, SOLVED)

    async def _gone(self, case: ZendeskCase) -> None:
        """Deleted or spam, unless it was restored since."""
        try:
            ticket = await self._client.ticket(_ticket(case), is_urgent=True)
        except Gone:
            await self._end(case, DELETED)
            return
        if ticket.status == DELETED:
            await self._end(case, DELETED)

    async def _end(self, case: ZendeskCase, reason: str) -> None:
        _require_ours()
        await self._stands(case, DELETED, self._clock.now())
        await self._agents.give_back(case.handoff_id, reason)

    # ------------------------------------------------------------ merging

    async def _merged(self, case: ZendeskCase, target_id: int, at: datetime) -> None:
        """Follow the ticket into which ours was merged, if that is the same customer's and nobody else's case."""
        if not target_id or target_id == case.ticket_id:
            return
        case = (await self._sync(case)).case
        try:
            target = await self._client.ticket(target_id, is_urgent=True)
        except Gone:
            await self._end(case, DELETED)
            return
        if await self._is_anothers(case, target):
            log.warning("zendesk_merge_not_followed", desk=self._desk, handoff_id=str(case.handoff_id))
            await self._end(case, MERGED)
            return
        await self._pass_over(target_id, at)
        async with self._database.begin() as connection:
            await self._tables.move(connection, case.handoff_id, target_id, target.status, at)
        log.info("zendesk_merge_followed", desk=self._desk, handoff_id=str(case.handoff_id), ticket_id=target_id)
        await self._look(await self._newest_on(target_id))

    async def _is_anothers(self, case: ZendeskCase, target: WireTicket) -> bool:
        """What agents say on a ticket of another requester, or of another case that runs, is not for this customer."""
        if target.requester_id != case.requester_id:
            return True
        async with self._database.begin() as connection:
            other = await self._tables.case_on(connection, target.id)
            if other is None or other.handoff_id == case.handoff_id:
                return False
            standing = await self._tables.standing(connection, other.handoff_id)
        return standing is not None and standing.ended_at is None

    async def _pass_over(self, ticket_id: int, until: datetime) -> None:
        """What was said on a ticket before it became ours is not for the customer."""
        comments = await self._client.comments(ticket_id, lambda _: True)
        old = [comment.id for comment in comments if comment.at is None or comment.at <= until]
        async with self._database.begin() as connection:
            for comment_id in old:
                await self._tables.settle_comment(connection, ticket_id, comment_id, None)

    async def _target_of(self, case: ZendeskCase, at: datetime) -> int:
        """The ticket that took ours in, by what the last comments say of it. Raises ``Retry`` while nobody knows."""
        comments = await self._client.comments(_ticket(case), lambda _: True)
        for comment in reversed(comments):
            if found := _merge_target(comment):
                return found
        if self._clock.now() - at < MERGE_KNOWN_WITHIN:
            raise Retry("the ticket was merged, and its target is not known yet", after_s=5.0)
        return 0

    # ------------------------------------------------------------ small steps

    async def _stands(self, case: ZendeskCase, status: str, at: datetime) -> None:
        async with self._database.begin() as connection:
            await self._tables.stands(connection, _ticket(case), status, at)

    async def _settled(self, case: ZendeskCase, ids: Sequence[int], until: datetime | None) -> ZendeskCase:
        """Nothing is left to do about these comments; returns the case that is on the ticket now.

        That may be another one: an agent may have gone on in it.
        """
        async with self._lane.transaction() as connection:
            await zendesk_heard.settle(connection, self._desk, _ticket(case), ids, until)
            now = await zendesk_heard.newest(connection, self._desk, _ticket(case))
        if now is None:
            raise Retry("the case moved to another ticket")
        return now

    async def _newest_on(self, ticket_id: int) -> ZendeskCase:
        async with self._database.begin() as connection:
            found = await self._tables.case_on(connection, ticket_id)
        if found is None:
            raise Retry("the case moved to another ticket")
        return found


def _as_told(comment: WireComment) -> Said:
    """A comment as the API tells it."""
    return Said(
        comment_id=comment.id,
        author_id=comment.author_id or 0,
        author_name="",
        html_body=comment.html_body or "",
        body=comment.plain_body or comment.body or "",
        attachments=tuple(comment.attachments),
        is_whole=True,
    )


def _said(heard: Heard) -> Said:
    return Said(
        comment_id=heard.comment_id,
        author_id=heard.author_id,
        author_name=heard.author_name,
        html_body=heard.html_body,
        body=heard.body if heard.kind == parse.COMMENT else "",
        attachments=heard.attachments,
        is_whole=heard.is_whole,
    )


def _key(comment_id: int, attachment_id: int = 0) -> str:
    """Under which a comment, or one of its files, is said; the same whatever told us of it."""
    return f"zendesk:{comment_id}:{attachment_id}" if attachment_id else f"zendesk:{comment_id}"


def _handoff_in(external_id: str) -> HandoffId | None:
    try:
        return HandoffId(UUID(external_id))
    except ValueError:
        return None


def _require_ours() -> None:
    """Raise ``Retry`` where somebody else may have the event by now: what was read of the ticket is old then."""
    if not is_still_ours():
        raise Retry("its lease ran out")


def _ticket(case: ZendeskCase) -> int:
    if case.ticket_id is None:
        raise Retry("the ticket is being made")
    return case.ticket_id


def _is_before(comment: WireComment, since: datetime) -> bool:
    return comment.at is not None and comment.at < since


def _merge_target(comment: WireComment) -> int:
    """The ticket that a comment of a merge names: by its origin, else by its words."""
    source = comment.via.get("source") if isinstance(comment.via, dict) else None
    if isinstance(source, dict) and source.get("rel") == "merge":
        for end in (source.get("to"), source.get("from")):
            found = number(end.get("ticket_id")) if isinstance(end, dict) else 0
            if found:
                return found
    _, said, rest = (comment.plain_body or comment.body or "").partition("merged into request #")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if said else ""
    return number(digits)
