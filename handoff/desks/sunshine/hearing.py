"""Hears Zendesk: what agents write goes to the customer; who has control there decides who has the conversation.

Webhooks come in no order, twice, or not at all. While there is room for it the conversation itself is read, so that
what agents wrote is said in the order of Zendesk's clock; when there is none, an event's own words do. Everything can
be repeated: each message is said under its own key, and that control came back is asked for before it is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from channels.sunshine.content import Misfit, parts_of
from channels.sunshine.wire import Content, Message, Responder, decode_event
from gateway.core.clock import Clock
from gateway.core.desks import DeskEvent
from gateway.core.errors import Ambiguous, GiveUp, Retry, SendRefused
from gateway.core.handoff_reasons import Ended
from gateway.core.ids import HandoffId
from gateway.core.messages import Media, Parts, Text, Unsupported
from gateway.core.ports import AgentPort, Persona
from gateway.store.database import Database
from gateway.store.sunshine import CONFIRMED, OURS, PASSED, Stay, SunshineTables
from handoff.desks.sunshine import parse
from handoff.desks.sunshine.client import Listed, SunshineCalls
from handoff.desks.sunshine.failures import Missing
from handoff.desks.sunshine.files import Files
from handoff.desks.sunshine.settings import SunshineDeskSettings
from handoff.desks.sunshine.telling import Telling, key_of
from handoff.desks.sunshine.wire import decode_merge, decode_user_event, post_reference
from handoff.desks.sunshine.words import file_name, one_line

log = structlog.get_logger(__name__)

OVERLAP = timedelta(minutes=1)
"""Messages of one moment are not there at one moment."""

SYNC_PAGES = 5
TYPING_LASTS = timedelta(seconds=15)
PASSES = 5
"""So often a case is handed over at most, when Zendesk says that it did not work."""

DELETED = Ended.DELETED
REFUSED = Ended.REFUSED
_REASONS = {"ticketClosed": Ended.SOLVED, "transferToEmail": Ended.WENT_ON_BY_EMAIL}


class Hearing:
    """Applies events, each as often as it takes."""

    def __init__(
        self,
        desk: str,
        settings: SunshineDeskSettings,
        calls: SunshineCalls,
        database: Database,
        tables: SunshineTables,
        files: Files,
        telling: Telling,
        agents: AgentPort,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._settings = settings
        self._calls = calls
        self._database = database
        self._tables = tables
        self._files = files
        self._telling = telling
        self._agents = agents
        self._clock = clock

    async def apply(self, event: DeskEvent) -> None:
        """Act on an event. Conversations that are not ours concern nobody. Raises ``Retry`` or ``NotYet`` for later."""
        match event.kind:
            case parse.UNREADABLE_KIND:
                raise GiveUp("refused", "an event of no shape that is known")
            case parse.MERGED:
                await self._merged(event.data)
            case parse.PERSON_REMOVED:
                await self._person_removed(decode_user_event(event.data).payload.user.id)
            case _:
                async with self._database.begin() as connection:
                    stay = await self._tables.stay_at(connection, event.reference)
                if stay is not None:
                    await self._in_conversation(stay, event)

    async def _in_conversation(self, stay: Stay, event: DeskEvent) -> None:
        payload = decode_event(event.data).payload
        match event.kind:
            case parse.SAID if payload.message is not None:
                await self._said(stay, payload.message, event.reference)
            case parse.TYPING if payload.activity is not None and payload.activity.author is not None:
                is_typing = payload.activity.type == "typing:start"
                await self._typing(stay, payload.activity.author.display_name, event.at, is_typing=is_typing)
            case parse.CONTROL if payload.conversation is not None:
                active = payload.conversation.active_switchboard_integration
                await self._control(stay, event.reference, active, payload.reason or "")
            case parse.REFUSED:
                await self._refused(stay, event.reference)
            case parse.REMOVED:
                await self._removed(stay, event.reference)
            case _:
                raise GiveUp("refused", f"an event of the kind {event.kind} without what it should tell")

    # ------------------------------------------------------------ what agents write

    async def _said(self, stay: Stay, message: Message, talk_id: str) -> None:
        if await self._is_settled(message.id):
            return
        if self._calls.pace.is_ample and stay.talk_id == talk_id:
            await self._sync(stay)
            if await self._is_settled(message.id):
                return
        await self._hear(stay, message, talk_id)

    async def _sync(self, stay: Stay) -> None:
        """Say what was written since the last time and not said yet, in Zendesk's order."""
        fresh = await unheard(self._calls, stay)
        ours = [listed for listed in fresh if parse.is_agents(listed.message, self._settings)]
        async with self._database.begin() as connection:
            settled = await self._tables.settled(connection, [listed.message.id for listed in ours])
        for listed in ours:
            if listed.message.id not in settled:
                await self._hear(stay, listed.message, stay.talk_id)
        newest = max((listed.at for listed in fresh if listed.at is not None), default=stay.heard_until)
        async with self._database.begin() as connection:
            await self._tables.heard(connection, stay, newest)

    async def _hear(self, stay: Stay, message: Message, talk_id: str) -> None:
        """Say one message to the customer, once."""
        async with self._database.begin() as connection:
            handoff_id, is_done = await self._tables.claim(connection, message.id, stay.handoff_id)
        if is_done:
            return
        parts = await self._parts(stay, message)
        if parts:
            await self._say(stay, handoff_id, message, key_of(talk_id, message.id), parts)
        async with self._database.begin() as connection:
            await self._tables.settle(connection, message.id)

    async def _parts(self, stay: Stay, message: Message) -> Parts:
        """In our words, with files in our store."""
        if message.content is None:
            return ()
        shown: list[Text | Media] = []
        try:
            parts = parts_of(message.content, "")
        except Misfit:
            parts = (Unsupported(message.content.type),)
        if not any(isinstance(part, Media | Unsupported) for part in parts):
            return parts
        for part in parts:
            if isinstance(part, Media):
                shown.append(await self._fetched(stay, message, part))
            elif isinstance(part, Unsupported):
                shown += _told(message.content)
            else:
                shown.append(part)  # type: ignore[arg-type]  # any part may stand beside a file
        return tuple(shown)

    async def _fetched(self, stay: Stay, message: Message, media: Media) -> Media | Text:
        try:
            return await self._files.fetch(media)
        except GiveUp as error:
            log.warning("sunshine_file_refused", desk=self._desk, handoff_id=str(stay.handoff_id), reason=error.reason)
            await self._tell_agent(stay, message.id, f"A file was not sent to the customer: {error.detail}.")
            return Text("\n".join(filter(None, (f"📎 {file_name(media)}", media.caption))))

    async def _say(self, stay: Stay, handoff_id: HandoffId, message: Message, key: str, parts: Parts) -> None:
        author = message.author
        agent = one_line((author.display_name or "") if author else "", 100) or self._settings.agent_name
        avatar = (author.avatar_url or "") if author else ""
        persona = Persona(agent, avatar if avatar.startswith("https://") else "")
        try:
            if await self._agents.say(handoff_id, agent, key, parts, persona=persona) is not None:
                return
            async with self._database.begin() as connection:
                if await self._tables.is_said(connection, handoff_id, key):
                    return
            current = await self._taken_over(stay, handoff_id, agent)
            async with self._database.begin() as connection:
                await self._tables.move_said(connection, message.id, current)
            await self._agents.say(current, agent, key, parts, persona=persona)
        except SendRefused as error:
            words = error.words.get("en", error.detail)
            await self._tell_agent(stay, message.id, f"This was not sent to the customer: {words}")

    async def _taken_over(self, stay: Stay, ended: HandoffId, agent: str) -> HandoffId:
        """An agent speaks on after the end: they have the conversation again."""
        current = await self._current(stay)
        if current is None or current == ended:
            await self._agents.take_over(stay.conversation_id, agent)
            current = await self._current(stay)
        if current is None:
            raise Retry("the conversation could not be taken over")
        log.info("sunshine_agent_went_on", desk=self._desk, handoff_id=str(current))
        return current

    async def _current(self, stay: Stay) -> HandoffId | None:
        """The handoff that runs. Raises ``GiveUp`` when it is at another desk: its agents would be spoken over."""
        async with self._database.begin() as connection:
            current, desk = await self._tables.current(connection, stay.conversation_id)
        if current is not None and desk not in {self._desk, self._desk.removesuffix(".main")}:
            raise GiveUp("not_in_control", f"the conversation is at the desk {desk} by now")
        return current

    async def _tell_agent(self, stay: Stay, message_id: str, words: str) -> None:
        """A line of ours in the conversation, once: an agent must know what the customer did not get."""
        marker = f"unsaid:{message_id}"
        for listed in await self._calls.page(stay.talk_id):
            if post_reference(listed.message.metadata).tertulia_post == marker:
                return
        content = {"type": "text", "text": one_line(f"⚠ {words}", 1000)}
        author = {"type": "business", "displayName": self._settings.bot_name}
        metadata = {"tertulia_post": marker, "tertulia_piece": 0}
        try:
            await self._calls.post(stay.talk_id, {"author": author, "content": content, "metadata": metadata})
        except Ambiguous as error:
            raise Retry(error.detail, after_s=self._settings.unclear_wait_s) from None
        except (Missing, GiveUp) as error:
            log.warning("sunshine_agent_not_told", desk=self._desk, reason=type(error).__name__)

    async def _typing(self, stay: Stay, name: str | None, at: datetime, *, is_typing: bool) -> None:
        if self._clock.now() - at > TYPING_LASTS or not stay.is_with_agents:
            return
        agent = one_line(name or "", 100) or self._settings.agent_name
        await self._agents.typing(stay.handoff_id, agent, is_typing)

    # ------------------------------------------------------------ who has control

    async def _control(self, stay: Stay, talk_id: str, active: Responder | None, reason: str) -> None:
        """Control moved. What we did ourselves is told of, too, and late: only what is still so counts."""
        if talk_id != stay.talk_id or not stay.is_with_agents:
            return
        if not self._is_back(active):
            await self._confirmed(stay)
            return
        try:
            now = await self._calls.talk(stay.talk_id)
        except Missing:
            await self._removed(stay, talk_id)
            return
        if self._is_back(now.active_switchboard_integration) and not self._is_pending(
            now.pending_switchboard_integration
        ):
            await self._came_back(stay, _REASONS.get(reason, Ended.GIVEN_BACK))

    def _is_back(self, active: Responder | None) -> bool:
        """Whether nobody is active, or we are."""
        return active is None or self._settings.switchboard_name in {active.name, active.id}

    def _is_pending(self, pending: Responder | None) -> bool:
        """An offer that the agents did not take up yet."""
        return self._settings.hands_over == "offer" and pending is not None

    async def _confirmed(self, stay: Stay) -> None:
        async with self._database.begin() as connection:
            await self._tables.set_stands(connection, stay, CONFIRMED, (PASSED,))
        if self._settings.team_name:
            await self._agents.accept(stay.handoff_id, self._settings.team_name, instead_of="")

    async def _came_back(self, stay: Stay, reason: str) -> None:
        """First what agents said before, then the end."""
        await self._sync(stay)
        await self._agents.give_back(stay.handoff_id, reason)
        async with self._database.begin() as connection:
            await self._tables.set_stands(connection, stay, OURS, (PASSED, CONFIRMED))

    async def _refused(self, stay: Stay, talk_id: str) -> None:
        """The agents' workspace did not get it: once more, a bounded number of times, then the bot goes on."""
        if talk_id != stay.talk_id or stay.stands != PASSED:
            return
        now = await self._calls.talk(stay.talk_id)
        if not self._is_back(now.active_switchboard_integration):
            await self._confirmed(stay)
            return
        if stay.passes < PASSES:
            await self._telling.hand_over_again(stay)
            return
        log.error("sunshine_hand_over_refused", desk=self._desk, handoff_id=str(stay.handoff_id), passes=stay.passes)
        await self._came_back(stay, REFUSED)

    # ------------------------------------------------------------ merged and removed

    async def _merged(self, data: bytes) -> None:
        """People, and their conversations, go on under other ids."""
        payload = decode_merge(data).payload
        users, talks = payload.merged_users, payload.merged_conversations
        if talks is not None and talks.discarded is not None and talks.surviving is not None:
            await self._talk_merged(talks.discarded.id, talks.surviving.id)
        if users is not None and users.discarded is not None and users.surviving is not None:
            async with self._database.begin() as connection:
                await self._tables.merge_user(connection, users.discarded.id, users.surviving.id)

    async def _talk_merged(self, discarded: str, surviving: str) -> None:
        """Where the surviving one is another customer's of ours, ours gets a new one: nobody reads another's words."""
        async with self._database.begin() as connection:
            stay = await self._tables.stay_at(connection, discarded)
            if stay is None or stay.talk_id != discarded:
                return
            is_moved = await self._tables.move(connection, stay, surviving)
            if not is_moved:
                await self._tables.leave_talk(connection, stay, from_start=False)
        log.info("sunshine_talk_merged", desk=self._desk, handoff_id=str(stay.handoff_id), is_moved=is_moved)

    async def _person_removed(self, user_id: str) -> None:
        async with self._database.begin() as connection:
            stays = await self._tables.stays_of(connection, user_id)
        for stay in stays:
            await self._removed(stay, stay.talk_id)
            async with self._database.begin() as connection:
                await self._tables.forget_user(connection, stay)

    async def _removed(self, stay: Stay, talk_id: str) -> None:
        """The conversation is gone: nobody can answer there any more."""
        if not talk_id or talk_id != stay.talk_id:
            return
        if stay.is_with_agents:
            await self._agents.give_back(stay.handoff_id, DELETED)
        async with self._database.begin() as connection:
            await self._tables.leave_talk(connection, stay, from_start=False)

    # ------------------------------------------------------------ small steps

    async def _is_settled(self, message_id: str) -> bool:
        async with self._database.begin() as connection:
            return message_id in await self._tables.settled(connection, [message_id])


async def unheard(calls: SunshineCalls, stay: Stay) -> list[Listed]:
    """The messages since a little before what was dealt with, in the order of Zendesk's clock and lists; bounded."""
    since = stay.heard_until - OVERLAP
    pages: list[list[Listed]] = []
    before = ""
    for _ in range(SYNC_PAGES):
        page = _oldest_first(await calls.page(stay.talk_id, before))
        pages.insert(0, page)
        if not page or _at(page[0]) < since:
            break
        before = page[0].message.id
    found = {listed.message.id: listed for page in pages for listed in page if _at(listed) >= since}
    return sorted(found.values(), key=_at)


def _oldest_first(page: Sequence[Listed]) -> list[Listed]:
    """A page from either end; those of one moment stay as they stand."""
    dated = [listed for listed in page if listed.at is not None]
    is_backwards = bool(dated) and _at(dated[0]) > _at(dated[-1])
    return sorted(reversed(dated) if is_backwards else dated, key=_at)


def _at(listed: Listed) -> datetime:
    return listed.at or parse.NOBODYS_TIME


def _told(content: Content) -> Sequence[Text]:
    """What of a form or a template can be told in words."""
    lines = [content.text or content.text_fallback or ""]
    lines += [field.label or field.name for field in content.fields]
    words = "\n".join(line for line in lines if line)
    return (Text(words),) if words else (Text(f"({content.type})"),)
