"""What an agent does, as the page asks for it: bodies that are checked, and answers that say who was quicker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.core.errors import SendRefused
from gateway.core.handoff_reasons import Ended
from gateway.core.ids import ConversationId, HandoffId, MessageId
from gateway.core.messages import Media, Parts, Template, Text
from gateway.core.news import News, Passing
from gateway.core.ports import AgentPort
from gateway.store import canned, desk, notes
from gateway.store.database import Database
from gateway.web.desk.files import Files
from gateway.web.desk.refusals import Refused
from gateway.web.desk.shapes import NoteLine, ReplyLine, note_line, saved_line

LONGEST_ANSWER = 10_000
LONGEST_CAPTION = 900
LONGEST_CANNED = 4_000
MOST_FILES = 10
MOST_BLANKS = 20

RETURNED = Ended.RETURNED
SOLVED = Ended.SOLVED

AgentName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z")
]
Key = Annotated[str, msgspec.Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Written = Annotated[str, msgspec.Meta(max_length=LONGEST_ANSWER, pattern=r"\S")]
FileSeal = Annotated[str, msgspec.Meta(max_length=2_000)]
Blank = Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"\S")]
TemplateName = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
CannedName = Annotated[str, msgspec.Meta(max_length=40, pattern=r"^\w[\w.-]*\Z")]
Language = Annotated[str, msgspec.Meta(max_length=20, pattern=r"^[A-Za-z0-9_-]*\Z")]


class Taking(msgspec.Struct, frozen=True):
    """``instead_of``: the colleague who has it, as the page believes; empty: nobody has."""

    agent: AgentName
    instead_of: str = ""


class Filled(msgspec.Struct, frozen=True):
    """A template of the account, with what stands in its blanks."""

    name: TemplateName
    language: Language = ""
    values: Annotated[tuple[Blank, ...], msgspec.Meta(max_length=MOST_BLANKS)] = ()


class Answer(msgspec.Struct, frozen=True):
    """``key`` is the page's own name for this answer: the same one again says nothing twice.

    Words, ``files`` by their seals, or both; or a template alone.
    """

    agent: AgentName
    key: Key
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_ANSWER)] = ""
    files: Annotated[tuple[FileSeal, ...], msgspec.Meta(max_length=MOST_FILES)] = ()
    template: Filled | None = None


class Noting(msgspec.Struct, frozen=True):
    """A note for colleagues; ``key`` is the page's own name for it."""

    agent: AgentName
    key: Key
    text: Written


class Saving(msgspec.Struct, frozen=True):
    """A reply to keep. ``replaces``: also in place of one that has the name."""

    agent: AgentName
    name: CannedName
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_CANNED, pattern=r"\S")]
    language: Language = ""
    replaces: bool = False


class Leaving(msgspec.Struct, frozen=True):
    agent: AgentName


class Typing(msgspec.Struct, frozen=True):
    """``handoff``: the case that the agent has; without it only who looks on sees it."""

    agent: AgentName
    on: bool = True
    handoff: UUID | None = None


Body = TypeVar("Body", Taking, Answer, Noting, Saving, Leaving, Typing)


class Held(msgspec.Struct, frozen=True):
    """The case is with this agent."""

    handoff: UUID
    conversation: UUID
    agent: str


class Said(msgspec.Struct, frozen=True):
    message: UUID
    is_repeated: bool


class Left(msgspec.Struct, frozen=True):
    handoff: UUID


async def body_of(request: web.Request, kind: type[Body]) -> Body:
    """The request's body. Raises ``Refused`` when it is not JSON, or not what was agreed."""
    if request.content_type != "application/json":
        raise Refused(415, "not_json", "send application/json")
    try:
        return msgspec.json.decode(await request.read(), type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(400, "bad_request", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(400, "not_json", "the body is not JSON") from None


class Acts:
    """Raises ``Refused`` with ``taken`` or ``over`` when somebody else was quicker; nothing has happened then."""

    def __init__(self, agents: AgentPort, database: Database, news: News, files: Files) -> None:
        self._agents = agents
        self._database = database
        self._news = news
        self._files = files

    async def take(self, handoff_id: HandoffId, taking: Taking) -> Held:
        """Take a case that waits, or one from the colleague who has it."""
        agent = taking.agent.strip()
        await self._agents.accept(handoff_id, agent, instead_of=taking.instead_of)
        standing = await self._theirs(handoff_id, agent)
        return Held(handoff_id, standing.conversation_id, agent)

    async def take_over(self, conversation_id: ConversationId, taking: Taking) -> Held:
        """Speak up in a conversation, whether a person was asked for or not."""
        agent = taking.agent.strip()
        await self._agents.take_over(conversation_id, agent, instead_of=taking.instead_of)
        async with self._database.begin() as connection:
            holder = await desk.holder(connection, conversation_id)
        if holder.handoff_id is None:
            raise Refused(409, "over", "it was given back in the meantime")
        if holder.agent != agent:
            raise _taken(holder.agent)
        return Held(holder.handoff_id, conversation_id, agent)

    async def answer(self, handoff_id: HandoffId, answer: Answer, language: str = "") -> Said:
        """Say something to the customer, once. A case that nobody has is taken by it.

        What the rules of sending forbid is refused with the reason in words, Spanish or English as *language* wants.
        """
        agent = answer.agent.strip()
        parts = await self._parts(handoff_id, answer)
        try:
            message_id = await self._agents.say(handoff_id, agent, answer.key, parts, instead_of="")
        except SendRefused as error:
            words = error.words["es" if language.lower().startswith("es") else "en"]
            raise Refused(409, error.reason, words) from None
        if message_id is not None:
            return Said(message_id, is_repeated=False)
        before = await self._said(handoff_id, answer.key)
        if before is not None:
            return Said(before, is_repeated=True)
        await self._theirs(handoff_id, agent)
        raise Refused(409, "over", "the case changed in the meantime; look again")

    async def leave(self, handoff_id: HandoffId, leaving: Leaving, reason: str) -> Left:
        """Give the conversation back to the bot; ``solved`` closes the case."""
        agent = leaving.agent.strip()
        if not await self._agents.give_back(handoff_id, reason, by=agent):
            await self._theirs(handoff_id, agent)
        return Left(handoff_id)

    async def note(self, conversation_id: ConversationId, noting: Noting) -> NoteLine:
        """Leave a note for colleagues, once for its key."""
        text = noting.text.replace("\x00", "").strip()
        try:
            async with self._database.begin() as connection:
                note = await notes.add(
                    connection, conversation_id, agent=noting.agent.strip(), text=text, key=noting.key
                )
        except notes.TooManyNotes as error:
            raise Refused(409, "too_many_notes", str(error)) from None
        self._news.changed((conversation_id,))
        return note_line(note)

    async def remove_note(self, conversation_id: ConversationId, note_id: UUID, leaving: Leaving) -> None:
        """Take back one's own note. Raises ``LookupError`` when there is none of theirs."""
        async with self._database.begin() as connection:
            is_gone = await notes.remove(connection, conversation_id, note_id, agent=leaving.agent.strip())
        if not is_gone:
            raise LookupError("no such note of theirs")
        self._news.changed((conversation_id,))

    async def save(self, saving: Saving) -> ReplyLine:
        """Keep a reply for everybody at the desk."""
        try:
            async with self._database.begin() as connection:
                saved = await canned.save(
                    connection,
                    name=saving.name,
                    language=saving.language,
                    text=saving.text.replace("\x00", "").strip(),
                    agent=saving.agent.strip(),
                    replaces=saving.replaces,
                )
        except canned.NameTaken as error:
            raise Refused(409, "name_taken", f"{error.agent} saved a reply of that name") from None
        except canned.TooManyReplies as error:
            raise Refused(409, "too_many_replies", str(error)) from None
        return saved_line(saved)

    async def remove_reply(self, reply_id: UUID) -> None:
        """Forget a reply that somebody saved. Raises ``LookupError`` when there is none."""
        async with self._database.begin() as connection:
            if not await canned.remove(connection, reply_id):
                raise LookupError("no such reply")

    async def typing(self, conversation_id: ConversationId, typing: Typing) -> None:
        """The customer sees that somebody writes. Raises ``LookupError`` for a case that there is not."""
        agent = typing.agent.strip()
        if typing.handoff is not None:
            await self._agents.typing(HandoffId(typing.handoff), agent, typing.on)
            return
        self._news.passing(Passing(conversation_id, "typing", author="agent", name=agent, is_on=typing.on))

    def seen(self, conversation_id: ConversationId, seen: Leaving) -> None:
        """The customer may see that somebody looks at the conversation."""
        self._news.passing(Passing(conversation_id, "seen", author="agent", name=seen.agent.strip()))

    async def _parts(self, handoff_id: HandoffId, answer: Answer) -> Parts:
        """What an answer says. A few words beside one file stand under it."""
        text = answer.text.replace("\x00", "").strip()
        if answer.template is not None:
            if text or answer.files:
                raise Refused(400, "bad_request", "a template goes alone")
            filled = answer.template
            return (Template(filled.name, filled.language, tuple(value.strip() for value in filled.values)),)
        if not text and not answer.files:
            raise Refused(400, "bad_request", "an answer needs words, a file or a template")
        files = await self._given(handoff_id, answer.files)
        if len(files) == 1 and files[0].kind != "audio" and len(text) <= LONGEST_CAPTION:
            return (msgspec.structs.replace(files[0], caption=text),)
        return (*files, Text(text)) if text else files

    async def _given(self, handoff_id: HandoffId, seals: Sequence[str]) -> tuple[Media, ...]:
        if not seals:
            return ()
        async with self._database.begin() as connection:
            standing = await desk.standing(connection, handoff_id)
        return tuple([await self._files.find(standing.conversation_id, seal) for seal in seals])

    async def _theirs(self, handoff_id: HandoffId, agent: str) -> desk.Standing:
        async with self._database.begin() as connection:
            standing = await desk.standing(connection, handoff_id)
        if standing.is_over:
            raise Refused(409, "over", "the case is over")
        if standing.agent != agent:
            raise _taken(standing.agent)
        return standing

    async def _said(self, handoff_id: HandoffId, key: str) -> MessageId | None:
        async with self._database.begin() as connection:
            return await desk.said(connection, handoff_id, key)


def _taken(agent: str) -> Refused:
    return Refused(409, "taken", f"{agent} has it now" if agent else "nobody has it any more")
