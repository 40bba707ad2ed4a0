"""What lower floors call upwards through, and what the router asks of the floors below it; wiring fills them in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId, MessageId
from gateway.core.inbound import Parsed
from gateway.core.messages import Author, Parts
from gateway.core.turns import TurnInput, TurnOutcome


class ReceivePort(Protocol):
    """Receive, for whoever has events that did not come by a webhook (a web chat socket, a replay)."""

    async def accept(self, channel: str, endpoint: str, parsed: Sequence[Parsed]) -> None:
        """Return once all of it is durable. Raises ``Unavailable`` or ``Overloaded``; then nothing is stored."""
        ...


class DialoguePort(Protocol):
    """The bot's mind."""

    bot_version: str
    calls_out: bool
    """Whether a decision may call something outside: then the entries that it reads are fixed beforehand."""

    async def decide(self, turn: TurnInput) -> TurnOutcome:
        """One turn's outcome. Raising means that the bot failed: respond commits :meth:`failed` instead."""
        ...

    def failed(self, turn: TurnInput, error: str) -> TurnOutcome:
        """What to do when :meth:`decide` raised: tell the customer, ask for a person (``hand_off='bot_failed'``)."""
        ...


class DeskMessage(msgspec.Struct, frozen=True):
    """A line of a conversation as a desk sees it."""

    message_id: MessageId
    position: int
    at: datetime
    author: Author
    parts: Parts
    status: str


class HandoffOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that wants a person, with the story so far (newest last, bounded)."""

    handoff_id: HandoffId
    conversation_id: ConversationId
    account_id: AccountId
    contact_id: ContactId
    contact_name: str
    app: str
    reason: str
    asked_at: datetime
    language: str
    transcript: tuple[DeskMessage, ...]


class DeskPort(Protocol):
    """Where people answer. All three calls are repeated until they return, in order; they must be idempotent."""

    name: str

    async def open(self, handoff: HandoffOpened) -> str:
        """Make the case known at the desk; returns the desk's own name of it. Only then is it acknowledged."""
        ...

    async def customer_said(self, handoff_id: HandoffId, reference: str, messages: Sequence[DeskMessage]) -> None:
        """Show new messages of the customer (and of the bot, before it fell silent)."""
        ...

    async def ended(self, handoff_id: HandoffId, reference: str, reason: str) -> None:
        """The handoff ended, whoever ended it."""
        ...


class AgentPort(Protocol):
    """What a desk may do to a conversation. All are idempotent by the machine in ``gateway.core.control``."""

    async def accept(self, handoff_id: HandoffId, agent: str) -> bool:
        """An agent takes the case. False: it is over, or already theirs."""
        ...

    async def take_over(self, conversation_id: ConversationId, agent: str) -> bool:
        """An agent speaks up unasked, at once. False: already theirs."""
        ...

    async def say(self, handoff_id: HandoffId, agent: str, key: str, parts: Parts) -> MessageId | None:
        """An agent's message to the customer, once per *key*. ``None``: this key was said before."""
        ...

    async def give_back(self, handoff_id: HandoffId, reason: str) -> bool:
        """The handoff ends. False: it had ended already."""
        ...
