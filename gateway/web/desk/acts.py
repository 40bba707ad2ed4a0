"""What an agent does, as the page asks for it: bodies that are checked, and answers that say who was quicker."""

from __future__ import annotations

from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from gateway.core.errors import SendRefused, TertuliaError
from gateway.core.ids import ConversationId, HandoffId, MessageId
from gateway.core.messages import Text
from gateway.core.news import News, Passing
from gateway.core.ports import AgentPort
from gateway.store import desk
from gateway.store.database import Database

LONGEST_ANSWER = 10_000

RETURNED = "returned"
SOLVED = "solved"

AgentName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z")
]
Key = Annotated[str, msgspec.Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
AnswerText = Annotated[str, msgspec.Meta(max_length=LONGEST_ANSWER, pattern=r"\S")]


class Refused(TertuliaError):
    """The act cannot be done as things stand; ``code`` says why, for the page."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Taking(msgspec.Struct, frozen=True):
    """``instead_of``: the colleague who has it, as the page believes; empty: nobody has."""

    agent: AgentName
    instead_of: str = ""


class Answer(msgspec.Struct, frozen=True):
    """``key`` is the page's own name for this answer: the same one again says nothing twice."""

    agent: AgentName
    key: Key
    text: AnswerText


class Leaving(msgspec.Struct, frozen=True):
    agent: AgentName


class Typing(msgspec.Struct, frozen=True):
    agent: AgentName
    on: bool = True


Body = TypeVar("Body", Taking, Answer, Leaving, Typing)


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

    def __init__(self, agents: AgentPort, database: Database, news: News) -> None:
        self._agents = agents
        self._database = database
        self._news = news

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
        parts = (Text(answer.text.replace("\x00", "").strip()),)
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

    def typing(self, conversation_id: ConversationId, typing: Typing) -> None:
        """The customer sees that somebody writes."""
        self._news.passing(
            Passing(conversation_id, "typing", author="agent", name=typing.agent.strip(), is_on=typing.on)
        )

    def seen(self, conversation_id: ConversationId, seen: Leaving) -> None:
        """The customer may see that somebody looks at the conversation."""
        self._news.passing(Passing(conversation_id, "seen", author="agent", name=seen.agent.strip()))

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
