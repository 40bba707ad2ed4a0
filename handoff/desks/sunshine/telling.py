"""Tells Zendesk: mirrors the customer and the conversation, says all of it, and hands it to the agents.

A conversation of ours has one at Zendesk for all of its cases, found again by what we keep, or by the metadata that it
carries. What was said is posted in the order of its positions, each message under its own id; then agents get control.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

import msgspec
import structlog

from gateway.core.clock import Clock
from gateway.core.desks import Case, CaseRef, DeskMessage, NotYet, Told
from gateway.core.errors import Ambiguous, GiveUp, Misconfigured, Retry, TertuliaError
from gateway.core.ids import ConversationId, MessageId
from gateway.core.messages import Author, decode_parts
from gateway.store.database import Database
from gateway.store.sunshine import CONFIRMED, NEW, OURS, OVER, PASSED, Stay, SunshineTables
from handoff.desks.sunshine.client import SunshineCalls
from handoff.desks.sunshine.failures import Locked, Missing
from handoff.desks.sunshine.posting import CLOCK_SLACK, Post, Posting
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.wire import Talk, TalkReference
from handoff.desks.sunshine.words import (
    changed_words,
    customer_name,
    handing_of,
    one_line,
    pieces_of,
    summary_of,
    text_piece,
)

log = structlog.get_logger(__name__)

KEY = "sunshine:"
"""What the keys begin with under which agents' words from Zendesk are said."""

RENEWALS = 2
"""So many conversations are begun anew within one call."""

_decode_handing = msgspec.json.Decoder(dict[str, str]).decode
_Done = TypeVar("_Done")


class Telling:
    """The three calls of a desk's port that write. One process at a time."""

    def __init__(
        self,
        desk: str,
        settings: SunshineDeskSettings,
        calls: SunshineCalls,
        database: Database,
        tables: SunshineTables,
        posting: Posting,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._line = settings.line
        self._calls = calls
        self._database = database
        self._tables = tables
        self._posting = posting
        self._clock = clock
        self._locks: WeakValueDictionary[ConversationId, asyncio.Lock] = WeakValueDictionary()

    # ------------------------------------------------------------ the three calls

    async def open(self, case: Case) -> Told:
        """Everything up to now is in the conversation at Zendesk, and its agents have control."""
        external_id = f"tertulia-{case.contact.contact_id}"
        handing = msgspec.json.encode(handing_of(case, self._settings))
        async with self._alone(case.conversation_id):
            async with self._database.begin() as connection:
                await self._tables.begin(connection, case.conversation_id, case.handoff_id, external_id, handing)
            name = customer_name(case)

            async def tell() -> str:
                stay = await self._reached(case.conversation_id, name, case.language)
                if not stay.is_with_agents:
                    await self._take(stay)
                await self._show(stay, case.transcript)
                await self._introduce(stay, case)
                await self._hand_over(stay)
                return stay.talk_id

            return Told(await self._despite_loss(case.conversation_id, tell, from_start=True))

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        """Post what came since. A case that a later one replaced has said everything in that one."""
        async with self._alone(case.conversation_id):
            stay = await self._stay(case.conversation_id)
            if stay.handoff_id != case.handoff_id:
                return
            name = one_line(case.contact.name, 100) or "Customer"

            async def tell() -> Stay:
                stay = await self._reached(case.conversation_id, name, case.contact.language)
                is_left = not stay.is_with_agents and await self._is_running(case)
                if is_left:
                    await self._take(stay)
                await self._show(stay, messages)
                if is_left:
                    await self._hand_over(stay)
                return stay

            stay = await self._despite_loss(case.conversation_id, tell, from_start=False)
        if any(message.author is Author.CUSTOMER for message in messages):
            await self._mark_read(stay)

    async def ended(self, case: CaseRef, reason: str) -> None:
        """Call the switchboard back, unless agents gave it back themselves or a later case is with them."""
        async with self._alone(case.conversation_id):
            async with self._database.begin() as connection:
                stay = await self._tables.stay(connection, case.conversation_id)
            if stay is None or stay.handoff_id != case.handoff_id or not stay.is_with_agents:
                return
            if self._settings.takes_back:
                metadata = {"tertulia_handoff": str(case.handoff_id), "tertulia_reason": one_line(reason, 60)}
                try:
                    await self._calls.pass_control(stay.talk_id, self._settings.switchboard_name, metadata)
                except Missing:
                    log.warning("sunshine_talk_gone", desk=self._desk, handoff_id=str(case.handoff_id))
            async with self._database.begin() as connection:
                await self._tables.set_stands(connection, stay, OVER, (PASSED, CONFIRMED))

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
        """Best effort, and only where there is room."""
        if not self._settings.shows_typing or not self._calls.pace.is_ample:
            return
        async with self._database.begin() as connection:
            stay = await self._tables.stay(connection, case.conversation_id)
        if stay is None or not stay.is_with_agents or not stay.talk_id or not stay.user_id:
            return
        try:
            await self._calls.act(stay.talk_id, "typing:start" if is_typing else "typing:stop", stay.user_id)
        except TertuliaError as error:
            log.info("sunshine_typing_not_shown", desk=self._desk, reason=type(error).__name__)

    async def go_on(self, conversation_id: ConversationId) -> None:
        """A case whose conversation at Zendesk was given up gets another one, without waiting for the customer."""
        async with self._alone(conversation_id):
            stay = await self._stay(conversation_id)
            async with self._database.begin() as connection:
                current, _ = await self._tables.current(connection, conversation_id)
                if current != stay.handoff_id:  # nobody waits for it any more
                    await self._tables.set_stands(connection, stay, OVER, (NEW,))
            if stay.talk_id or not stay.generation or current != stay.handoff_id:
                return

            async def tell() -> None:
                reached = await self._reached(conversation_id, "Customer", "")
                await self._take(reached)
                await self._hand_over(reached)

            await self._despite_loss(conversation_id, tell, from_start=False)

    async def tell_changes(self, conversation_id: ConversationId) -> None:
        """Tell agents what the customer edited or deleted since it was posted."""
        async with self._alone(conversation_id):
            stay = await self._posting.settle(await self._stay(conversation_id))
            if not stay.is_with_agents:
                return
            async with self._database.begin() as connection:
                changes = await self._tables.changed(connection, stay)
            for change in changes:
                words = changed_words(decode_parts(change.parts), is_deleted=change.is_deleted)
                marker = f"{change.id}@{change.at.isoformat()}"
                await self._posting.put(stay, Post(marker, self._bot(), (text_piece(words),)))
                async with self._database.begin() as connection:
                    await self._tables.changes_told(connection, stay, change.at)

    # ------------------------------------------------------------ person and conversation

    async def _reached(self, conversation_id: ConversationId, name: str, language: str) -> Stay:
        """The conversation at Zendesk, made if there is none, with nothing unclear about what was posted."""
        stay = await self._stay(conversation_id)
        if not stay.user_id:
            user_id = await self._calls.mirror(stay.external_id, name, language)
            async with self._database.begin() as connection:
                await self._tables.know_user(connection, conversation_id, user_id)
            stay = await self._stay(conversation_id)
        if not stay.talk_id:
            await self._make_talk(stay)
            stay = await self._stay(conversation_id)
        stay = await self._posting.settle(stay)
        if stay.noted < stay.generation:
            words = "(this goes on from an earlier conversation, which Zendesk has closed for new messages)"
            await self._posting.put(stay, Post(f"goes-on:{stay.generation}", self._bot(), (text_piece(words),)))
            async with self._database.begin() as connection:
                await self._tables.noted(connection, stay)
        return stay

    async def _make_talk(self, stay: Stay) -> None:
        """Make the conversation once: one that was asked for before, and not heard of, is looked for."""
        wanted = TalkReference(str(stay.conversation_id), stay.generation)
        found = ""
        if stay.making_s >= 0:
            if stay.making_s < self._settings.unclear_wait_s:
                wait_s = self._settings.unclear_wait_s - stay.making_s
                raise NotYet("a conversation may still be on its way", after_s=wait_s)
            found = await self._calls.find_talk(stay.user_id, wanted)
        if not found:
            async with self._database.begin() as connection:
                await self._tables.begin_talk(connection, stay.conversation_id)
            try:
                found = await self._calls.make_talk(stay.user_id, msgspec.to_builtins(wanted))
            except Ambiguous:
                raise
            except TertuliaError:
                async with self._database.begin() as connection:
                    await self._tables.no_talk(connection, stay.conversation_id)
                raise
        async with self._database.begin() as connection:
            await self._tables.made(connection, stay.conversation_id, found, self._clock.now() - CLOCK_SLACK)
        log.info("sunshine_talk_made", desk=self._desk, conversation_id=str(stay.conversation_id), talk_id=found)

    async def _despite_loss(
        self, conversation_id: ConversationId, tell: Callable[[], Awaitable[_Done]], *, from_start: bool
    ) -> _Done:
        """Tell; where the conversation is full or gone, in another one. Raises ``Retry`` when those vanish too."""
        for _ in range(RENEWALS + 1):
            before = await self._stay(conversation_id)
            try:
                return await tell()
            except (Locked, Missing) as error:
                await self._leave(before, is_gone=isinstance(error, Missing), from_start=from_start)
        raise Retry("Zendesk takes nothing in any conversation of this customer")

    async def _leave(self, before: Stay, *, is_gone: bool, from_start: bool) -> None:
        """The next try makes another conversation, unless it has moved meanwhile; of a person that is there."""
        async with self._database.begin() as connection:
            stay = await self._tables.stay(connection, before.conversation_id)
            if stay is None or (stay.talk_id and stay.talk_id != before.talk_id):
                return
            if stay.talk_id:
                await self._tables.leave_talk(connection, stay, from_start=from_start)
            if is_gone:
                await self._tables.forget_user(connection, stay)
        log.warning("sunshine_talk_left", desk=self._desk, conversation_id=str(before.conversation_id), is_gone=is_gone)

    # ------------------------------------------------------------ what was said

    async def _show(self, stay: Stay, messages: Sequence[DeskMessage]) -> None:
        """Post what is not there yet. What agents said there is there already; what was withdrawn nobody saw."""
        async with self._database.begin() as connection:
            here = await self._tables.talks(connection, stay)
        for message in messages:
            if message.position <= stay.posted_position:
                continue
            is_seen = _was_said_in(message, here) or message.status == "withdrawn"
            pieces = [] if is_seen else pieces_of(self._line, message)
            marker = str(message.message_id)
            await self._posting.put(stay, Post(marker, self._author(stay, message), pieces, message.position))
            if not pieces or stay.posting == marker:  # it was there, without its position
                async with self._database.begin() as connection:
                    await self._tables.posted_up_to(connection, stay, message.position)

    def _author(self, stay: Stay, message: DeskMessage) -> dict[str, object]:
        match message.author:
            case Author.CUSTOMER:
                return {"type": "user", "userId": stay.user_id}
            case Author.AGENT:
                return {"type": "business", "displayName": one_line(message.agent, 100) or self._settings.agent_name}
            case _:
                return self._bot()

    def _bot(self) -> dict[str, object]:
        author: dict[str, object] = {"type": "business", "displayName": self._settings.bot_name}
        if self._settings.bot_avatar_url:
            author["avatarUrl"] = self._settings.bot_avatar_url
        return author

    async def _introduce(self, stay: Stay, case: Case) -> None:
        """The facts of the case, once, behind what was said."""
        if not self._settings.shows_summary or stay.introduced == case.handoff_id:
            return
        await self._posting.put(stay, Post(f"case:{case.handoff_id}", self._bot(), (text_piece(summary_of(case)),)))
        async with self._database.begin() as connection:
            await self._tables.introduced(connection, stay)

    async def _mark_read(self, stay: Stay) -> None:
        """Whoever answers has read. Best effort."""
        if not self._settings.marks_read or not self._calls.pace.is_ample:
            return
        try:
            await self._calls.act(stay.talk_id, "conversation:read", stay.user_id)
        except TertuliaError as error:
            log.info("sunshine_not_marked_read", desk=self._desk, reason=type(error).__name__)

    # ------------------------------------------------------------ control

    async def _take(self, stay: Stay) -> None:
        """While history is posted nobody but us answers it."""
        await self._calls.pass_control(stay.talk_id, self._settings.switchboard_name, {})
        async with self._database.begin() as connection:
            await self._tables.set_stands(connection, stay, OURS, (NEW, OURS, OVER))

    async def _hand_over(self, stay: Stay) -> None:
        """Give control to the agents; repeating it is harmless."""
        metadata = _decode_handing(stay.handing) if stay.handing else {}
        if self._settings.hands_over == "pass":
            await self._calls.pass_control(stay.talk_id, self._settings.target, metadata)
        else:
            await self._offer(stay, metadata)
        async with self._database.begin() as connection:
            await self._tables.passed(connection, stay)

    async def _offer(self, stay: Stay, metadata: dict[str, str]) -> None:
        try:
            await self._calls.offer_control(stay.talk_id, self._settings.target, metadata)
        except (Misconfigured, GiveUp):  # to somebody who has it, or was offered it, nothing can be offered
            if not _is_with(await self._calls.talk(stay.talk_id), self._settings.target):
                raise

    async def hand_over_again(self, stay: Stay) -> None:
        """Zendesk says that it did not work."""
        async with self._alone(stay.conversation_id):
            await self._hand_over(stay)

    # ------------------------------------------------------------ small steps

    async def _stay(self, conversation_id: ConversationId) -> Stay:
        async with self._database.begin() as connection:
            stay = await self._tables.stay(connection, conversation_id)
        if stay is None:
            raise Retry("nothing is known of the case at Zendesk")
        return stay

    async def _is_running(self, case: CaseRef) -> bool:
        """Whether it is the handoff that the conversation is in."""
        async with self._database.begin() as connection:
            current, _ = await self._tables.current(connection, case.conversation_id)
        return current == case.handoff_id

    def _alone(self, conversation_id: ConversationId) -> asyncio.Lock:
        """Two cases of one conversation may be told side by side: they wait for one another here."""
        return self._locks.setdefault(conversation_id, asyncio.Lock())


def key_of(talk_id: str, message_id: str | MessageId) -> str:
    """Under which an agent's message is said to the customer."""
    return f"{KEY}{talk_id}:{message_id}"


def _was_said_in(message: DeskMessage, talks: frozenset[str]) -> bool:
    """Whether an agent said it at Zendesk, in this very conversation."""
    return message.key.startswith(KEY) and message.key.removeprefix(KEY).partition(":")[0] in talks


def _is_with(talk: Talk, target: str) -> bool:
    for seat in (talk.active_switchboard_integration, talk.pending_switchboard_integration):
        if seat is not None and target in {seat.id, seat.name, seat.integration_type}:
            return True
    return False
