"""What a person at a desk may do to a conversation: take it, answer, give it back. Never waits for the bot's lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.control import Accept, Control, ControlEvent, ControlState, GiveBack, TakeOver
from gateway.core.errors import SendRefused
from gateway.core.handoff_reasons import CASE_ENDS, Asked, Ended, counted
from gateway.core.ids import ConversationId, HandoffId, MessageId, new_id
from gateway.core.messages import Author, Parts, encode_parts
from gateway.core.metrics import Metrics
from gateway.core.news import News, Passing
from gateway.core.ports import AnnouncementPort, OpenCase, Persona
from gateway.router.policy_guard import PolicyGuard
from gateway.router.wakes import DELIVER, DESKS, RESPOND, Wakes
from gateway.store import handoffs
from gateway.store.database import Database
from gateway.store.handoffs import Locked
from gateway.store.outgoing import append_message

JOINED = "utter_agent_joined"
LEFT = "utter_agent_left"


SOLVED = Ended.SOLVED
ABANDONED = "abandoned"
"""How the case of a customer ends who did not answer any more."""

StillSo = Callable[[AsyncConnection], Awaitable[bool]]
"""Looks, in the transaction that has the conversation locked, whether the reason for a change still holds."""


class Agents:
    """Fits ``AgentPort``. ``desk`` is the name under which a takeover without a request is recorded.

    What *words* has for a change is committed with it, carries its epoch, and goes before the agent's own. Without
    words nothing is said.
    """

    def __init__(
        self,
        database: Database,
        wakes: Wakes,
        news: News,
        desk: str,
        words: AnnouncementPort | None = None,
        guard: PolicyGuard | None = None,
        show_typing: Callable[[ConversationId, str], None] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._wakes = wakes
        self._news = news
        self._desk = desk
        self._words = words
        self._guard = guard
        self._show_typing = show_typing
        self._metrics = metrics

    async def accept(self, handoff_id: HandoffId, agent: str, *, instead_of: str | None = None) -> bool:
        """An agent takes the case. False: it is over, already theirs, or with somebody else than *instead_of*."""
        async with self._database.begin() as connection:
            locked = await handoffs.lock_of(connection, handoff_id)
            conversation_id = locked.conversation_id
            is_done = _may_replace(locked, agent, instead_of) and await self._change(
                connection, locked, Accept(handoff_id, agent)
            )
        self._tell(conversation_id, has_changed=is_done)
        return is_done

    async def take_over(self, conversation_id: ConversationId, agent: str, *, instead_of: str | None = None) -> bool:
        """An agent speaks up unasked, at once. False: already theirs, or with somebody else than *instead_of*."""
        async with self._database.begin() as connection:
            locked = await handoffs.lock(connection, conversation_id)
            is_done = _may_replace(locked, agent, instead_of) and await self._change(
                connection, locked, TakeOver(HandoffId(new_id()), agent)
            )
        if is_done and locked.state.control is Control.BOT and self._metrics is not None:
            self._metrics.handoff_requests.labels(Asked.TAKEN_OVER).inc()
        self._tell(conversation_id, has_changed=is_done)
        return is_done

    async def say(
        self,
        handoff_id: HandoffId,
        agent: str,
        key: str,
        parts: Parts,
        *,
        instead_of: str | None = None,
        persona: Persona | None = None,
    ) -> MessageId | None:
        """An agent's message to the customer, once per *key*.

        ``None``: said before, the case is over, or it is with somebody else than *instead_of*. Whoever answers has
        the case: an unaccepted one is accepted by it. Raises ``SendRefused`` when the policy forbids it; then nothing
        has happened.
        """
        if not agent:
            raise ValueError("an agent needs a name: the customer is told who speaks")
        message_id = MessageId(new_id())
        async with self._database.begin() as connection:
            locked = await handoffs.lock_of(connection, handoff_id)
            conversation_id = locked.conversation_id
            if locked.state.handoff_id != handoff_id or not _may_replace(locked, agent, instead_of):
                return None
            if not await handoffs.claim_key(connection, handoff_id, key, message_id):
                return None
            if self._guard is not None:
                await self._guard.check(connection, conversation_id, Author.AGENT, parts)
            await self._change(connection, locked, Accept(handoff_id, agent))
            await append_message(
                connection,
                conversation_id,
                message_id,
                author=Author.AGENT.value,
                parts=encode_parts(parts).decode(),
                agent=agent,
                persona=persona,
            )
            await handoffs.nudge(connection, handoff_id)
        self._wakes.wake(DESKS)
        self._wakes.wake(DELIVER)
        self._news.changed((conversation_id,))
        return message_id

    async def give_back(
        self, handoff_id: HandoffId, reason: str, *, by: str | None = None, when: StillSo | None = None
    ) -> bool:
        """The handoff ends, and with *reason* ``solved`` or ``customer_quiet`` the case too.

        False: it had ended already, is with another agent than *by*, or *when* says no of the locked conversation.
        """
        async with self._database.begin() as connection:
            conversation_id = await handoffs.conversation_of(connection, handoff_id)
            locked = await handoffs.lock(connection, conversation_id)
            is_theirs = by is None or locked.state.agent in ("", by)
            is_so = is_theirs and (when is None or await when(connection))
            is_done = is_so and await self._change(connection, locked, GiveBack(handoff_id, reason))
            if is_done and reason in CASE_ENDS:
                await handoffs.close_episode(connection, locked, SOLVED if reason == SOLVED else ABANDONED)
                await handoffs.note_solved(connection, locked)
        if is_done and self._metrics is not None:
            self._metrics.handoff_ends.labels(counted(reason)).inc()
        self._tell(conversation_id, has_changed=is_done)
        return is_done

    async def typing(self, handoff_id: HandoffId, agent: str, is_typing: bool) -> None:
        """An agent began (or ceased) to write. Raises ``LookupError`` when there is no such handoff."""
        async with self._database.begin() as connection:
            conversation_id = await handoffs.conversation_of(connection, handoff_id)
        passing = Passing(conversation_id, "typing", author=Author.AGENT.value, name=agent, is_on=is_typing)
        self._news.passing(passing)
        if is_typing and self._show_typing is not None:
            self._show_typing(conversation_id, agent)

    async def find(self, desk: str, reference: str) -> OpenCase | None:
        """The newest case that *desk* knows by that name; ``None``: none is ours."""
        async with self._database.begin() as connection:
            return await handoffs.find(connection, desk, reference)

    async def _change(self, connection: AsyncConnection, locked: Locked, event: ControlEvent) -> bool:
        """Change who speaks, and say so to the customer under the new epoch; false when nothing changes."""
        change = await handoffs.change_control(connection, locked, event, desk=self._desk)
        if change is None:
            return False
        await self._announce(connection, locked, change.state)
        return True

    async def _announce(self, connection: AsyncConnection, before: Locked, after: ControlState) -> None:
        if self._words is None:
            return
        has_joined = after.control is Control.AGENT
        key = JOINED if has_joined else LEFT
        agent = after.agent if has_joined else before.state.agent
        if not agent:  # nobody had come, so nobody leaves
            return
        parts = self._words.announcement(key, before.language, agent=agent)
        if parts and await self._would_arrive(connection, before.conversation_id, parts):
            encoded = encode_parts(parts).decode()
            message_id = MessageId(new_id())
            await append_message(
                connection, before.conversation_id, message_id, author=Author.SYSTEM.value, parts=encoded, key=key
            )

    async def _would_arrive(self, connection: AsyncConnection, conversation_id: ConversationId, parts: Parts) -> bool:
        """Whether an announcement may go as it is: nobody is written a template to be told who left."""
        if self._guard is None:
            return True
        try:
            return (await self._guard.check(connection, conversation_id, Author.SYSTEM, parts)).may_go
        except SendRefused:
            return False

    def _tell(self, conversation_id: ConversationId, *, has_changed: bool) -> None:
        if has_changed:
            self._wakes.wake(DESKS)
            self._wakes.wake(RESPOND)
            self._wakes.wake(DELIVER)
            self._news.changed((conversation_id,))


def _may_replace(locked: Locked, agent: str, instead_of: str | None) -> bool:
    """Whether *agent* may go on where *instead_of* is thought to be (``""``: nobody, ``None``: whoever it is)."""
    return instead_of is None or locked.state.agent in ("", agent, instead_of)
