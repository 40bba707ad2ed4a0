"""What lower floors call upwards through, and what the router asks of the floors below it; wiring fills them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
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


BeforeCalling = Callable[[], Awaitable[None]]
"""Fixes the entries that a turn reads, and starts its time. Repeating it costs nothing."""


class DialoguePort(Protocol):
    """The bot's mind."""

    bot_version: str

    async def decide(self, turn: TurnInput, before_calling: BeforeCalling | None = None) -> TurnOutcome:
        """One turn's outcome. Raising means that the bot failed: respond commits :meth:`failed` instead.

        Whoever decides awaits *before_calling* before anything outside is called, and lets pass what it raises.
        """
        ...

    def failed(self, turn: TurnInput, error: str) -> TurnOutcome:
        """What to do when :meth:`decide` raised: tell the customer, ask for a person (``hand_off='bot_failed'``)."""
        ...


class AnnouncementPort(Protocol):
    """The words for changes that no turn of the bot decides."""

    def announcement(self, key: str, language: str, *, agent: str = "") -> Parts | None:
        """A reply of the author's (``utter_agent_joined``, ``utter_agent_left``); ``None``: nothing is said."""
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
    """What a desk may do to a conversation. All are idempotent by the machine in ``gateway.core.control``.

    ``instead_of`` is the agent whom the desk believes to have the case: with another one nothing happens. ``""`` is
    nobody; ``None`` takes it from whoever has it, as a desk does that assigns cases itself.
    """

    async def accept(self, handoff_id: HandoffId, agent: str, *, instead_of: str | None = None) -> bool:
        """An agent takes the case. False: it is over, already theirs, or with somebody else."""
        ...

    async def take_over(self, conversation_id: ConversationId, agent: str, *, instead_of: str | None = None) -> bool:
        """An agent speaks up unasked, at once. False: already theirs, or with somebody else."""
        ...

    async def say(
        self, handoff_id: HandoffId, agent: str, key: str, parts: Parts, *, instead_of: str | None = None
    ) -> MessageId | None:
        """An agent's message to the customer, once per *key*.

        ``None``: this key was said before, the case is over, or it is with somebody else. Raises ``SendRefused`` when
        the rules of sending forbid it.
        """
        ...

    async def give_back(self, handoff_id: HandoffId, reason: str, *, by: str | None = None) -> bool:
        """The handoff ends, with *reason* ``solved`` the customer's case too.

        False: it had ended already, or is with another agent than *by*.
        """
        ...
