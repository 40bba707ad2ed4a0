"""What a company's own systems may ask for: a message to one of their customers, under the rules of every send."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from gateway.core.errors import TertuliaError
from gateway.core.ids import ContactId, ConversationId, MessageId
from gateway.core.inbound import AddressKey
from gateway.core.messages import Parts

Category = Literal["live", "proactive", "marketing"]

Scope = Literal["messages:write", "messages:read", "contacts:write", "contacts:read"]

SCOPES: tuple[Scope, ...] = ("messages:write", "messages:read", "contacts:write", "contacts:read")

Standing = Literal[
    "scheduled", "queued", "sent", "delivered", "read", "failed", "withdrawn", "refused", "held", "cancelled"
]


class KeyHolder(msgspec.Struct, frozen=True):
    """Who asks, by the key that was shown. ``accounts`` as ``channel.endpoint.account``; empty: all."""

    id: UUID
    name: str
    scopes: frozenset[str]
    accounts: frozenset[str]

    def may_use(self, account: str) -> bool:
        return not self.accounts or account in self.accounts


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one customer. Exactly one of ``to``, ``contact_id`` and ``conversation_id`` says to whom.

    ``account`` is needed with ``to``. ``at`` ``None``: at once. ``digest`` and ``idempotency_key`` (may be empty) tell
    a repetition from another request.
    """

    account: str
    to: AddressKey | None
    contact_id: ContactId | None
    conversation_id: ConversationId | None
    parts: Parts
    at: datetime | None
    category: Category
    idempotency_key: str
    digest: bytes


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken over: from now on it is sent or explained. ``uses_template``: the author's template goes first."""

    id: MessageId
    status: Standing
    account: str
    conversation_id: ConversationId
    category: Category
    at: datetime
    uses_template: bool = False


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """How a message stands now. ``reason`` and ``detail`` say why it failed or was refused."""

    id: MessageId
    status: Standing
    account: str
    conversation_id: ConversationId
    category: Category
    at: datetime
    reason: str = ""
    detail: str = ""


class NotWorkable(TertuliaError):
    """The wish cannot be carried out as it stands: ``code`` for programs, ``where`` the field, and what to do."""

    def __init__(self, status: int, code: str, message: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.where = where
        self.advice = advice


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said about something that needs their consent; ``evidence`` is what shows it.

    ``source`` says who wrote it down.
    """

    is_given: bool
    source: str
    evidence: str
    at: datetime


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A customer as a company's system may see them. ``time_zone`` is empty where nobody knows it.

    ``learning``: their newest word on whether their texts may teach the bot; ``None``: they never said one.
    """

    id: ContactId
    name: str
    language: str
    time_zone: str
    learning: Word | None
    accounts: tuple[str, ...]


class PeoplePort(Protocol):
    """What companies' systems know of their customers, and tell. Each raises ``NotWorkable``.

    404 for a contact that the key may not use.
    """

    async def person(self, holder: KeyHolder, contact_id: ContactId) -> Person:
        """The customer as they are known now."""
        ...

    async def set_time_zone(self, holder: KeyHolder, contact_id: ContactId, time_zone: str) -> Person:
        """Days and times that the customer speaks of are those of this zone from now on; empty: nobody knows it."""
        ...

    async def note_learning(
        self, holder: KeyHolder, contact_id: ContactId, *, is_given: bool, evidence: str, at: datetime | None
    ) -> Person:
        """Write a word on learning down, once; with a no, what was kept of their texts is gone when this returns."""
        ...


class CompanyPort(Protocol):
    """Takes wishes of companies' systems."""

    async def holder(self, token: str) -> KeyHolder | None:
        """Whose key it is; ``None``: nobody's, or revoked."""
        ...

    async def submit(self, holder: KeyHolder, wish: Wish) -> Submitted:
        """Return once the message is durable. Raises ``NotWorkable``, ``SendRefused`` or ``Unavailable``."""
        ...

    async def look_up(self, holder: KeyHolder, message_id: MessageId) -> SentMessage:
        """How a message of that key stands. Raises ``LookupError`` when it has none of that id."""
        ...
