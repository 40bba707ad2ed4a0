"""What a person at a desk may do to a conversation: take it, answer, give it back. Never waits for the bot's lease."""

from __future__ import annotations

from gateway.core.control import Accept, ControlEvent, GiveBack, TakeOver
from gateway.core.ids import ConversationId, HandoffId, MessageId, new_id
from gateway.core.messages import Author, Parts, encode_parts
from gateway.core.news import News
from gateway.router.wakes import DELIVER, DESKS, RESPOND, Wakes
from gateway.store import handoffs
from gateway.store.database import Database
from gateway.store.outgoing import append_message


class Agents:
    """Fits ``AgentPort``. ``desk`` is the name under which a takeover without a request is recorded."""

    def __init__(self, database: Database, wakes: Wakes, news: News, desk: str) -> None:
        self._database = database
        self._wakes = wakes
        self._news = news
        self._desk = desk

    async def accept(self, handoff_id: HandoffId, agent: str) -> bool:
        """An agent takes the case. False: it is over, or already theirs."""
        return await self._change(handoff_id, Accept(handoff_id, agent))

    async def take_over(self, conversation_id: ConversationId, agent: str) -> bool:
        """An agent speaks up unasked, at once. False: already theirs."""
        event = TakeOver(HandoffId(new_id()), agent)
        async with self._database.begin() as connection:
            locked = await handoffs.lock(connection, conversation_id)
            change = await handoffs.change_control(connection, locked, event, desk=self._desk)
        self._tell(conversation_id, change is not None)
        return change is not None

    async def say(self, handoff_id: HandoffId, agent: str, key: str, parts: Parts) -> MessageId | None:
        """An agent's message to the customer, once per *key*. ``None``: said before, or the case is over.

        Whoever answers has the case: an unaccepted one is accepted by it.
        """
        if not agent:
            raise ValueError("an agent needs a name: the customer is told who speaks")
        message_id = MessageId(new_id())
        async with self._database.begin() as connection:
            conversation_id = await handoffs.conversation_of(connection, handoff_id)
            locked = await handoffs.lock(connection, conversation_id)
            if locked.state.handoff_id != handoff_id:
                return None
            if not await handoffs.claim_key(connection, handoff_id, key, message_id):
                return None
            await handoffs.change_control(connection, locked, Accept(handoff_id, agent), desk=self._desk)
            encoded = encode_parts(parts).decode()
            await append_message(
                connection, conversation_id, message_id, author=Author.AGENT.value, parts=encoded, agent=agent
            )
        self._wakes.wake(DELIVER)
        self._news.changed((conversation_id,))
        return message_id

    async def give_back(self, handoff_id: HandoffId, reason: str) -> bool:
        """The handoff ends. False: it had ended already."""
        return await self._change(handoff_id, GiveBack(handoff_id, reason))

    async def _change(self, handoff_id: HandoffId, event: ControlEvent) -> bool:
        async with self._database.begin() as connection:
            conversation_id = await handoffs.conversation_of(connection, handoff_id)
            locked = await handoffs.lock(connection, conversation_id)
            change = await handoffs.change_control(connection, locked, event, desk=self._desk)
        self._tell(conversation_id, change is not None)
        return change is not None

    def _tell(self, conversation_id: ConversationId, has_changed: bool) -> None:
        if has_changed:
            self._wakes.wake(DESKS)
            self._wakes.wake(RESPOND)
            self._news.changed((conversation_id,))
