"""What lower floors call upwards through, and what the router asks of the floors below it; wiring fills them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.core.control import Control
from gateway.core.ids import ConversationId, HandoffId, MessageId
from gateway.core.inbound import Parsed
from gateway.core.messages import Parts
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


class Persona(msgspec.Struct, frozen=True, omit_defaults=True):
    """As whom an agent appears to the customer, where the channel can show it. Empty: as it always is."""

    name: str = ""
    avatar_url: str = ""


class OpenCase(msgspec.Struct, frozen=True, kw_only=True):
    """What we know of a desk's case. ``control`` and ``agent`` are of now; once it has ended, of its end.

    ``conversation_id`` leads to the conversation also when another handoff runs there by now.
    """

    handoff_id: HandoffId
    conversation_id: ConversationId
    control: Control
    agent: str
    ended_at: datetime | None


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
        self,
        handoff_id: HandoffId,
        agent: str,
        key: str,
        parts: Parts,
        *,
        instead_of: str | None = None,
        persona: Persona | None = None,
    ) -> MessageId | None:
        """An agent's message to the customer, once per *key*; as *persona* where the channel can show one.

        ``None``: this key was said before, the case is over, or it is with somebody else. Raises ``SendRefused`` when
        the rules of sending forbid it.
        """
        ...

    async def give_back(self, handoff_id: HandoffId, reason: str, *, by: str | None = None) -> bool:
        """The handoff ends, with *reason* ``solved`` or ``customer_quiet`` the customer's case too.

        False: it had ended already, or is with another agent than *by*.
        """
        ...

    async def typing(self, handoff_id: HandoffId, agent: str, is_typing: bool) -> None:
        """An agent began (or ceased) to write: shown to the customer where the channel can. Best effort."""
        ...

    async def find(self, desk: str, reference: str) -> OpenCase | None:
        """The newest case that *desk* (``zendesk.main``) knows by that name, ended ones too; ``None``: none is ours."""
        ...
