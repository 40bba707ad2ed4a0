"""What a desk is: one folder that translates between a place where people answer and our words.

The pump tells a desk (``open``, ``customer_said``, ``ended``); the desk's webhooks and its reconciling poll become
``DeskEvent`` rows, which are given back to it one at a time (``apply``), and it acts through ``AgentPort``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel, ConfigDict

from gateway.core.channel import BlobReader, Finding, Kept, WebhookRequest
from gateway.core.clock import Clock
from gateway.core.errors import TertuliaError
from gateway.core.ids import AccountId, ContactId, ConversationId, HandoffId, MessageId
from gateway.core.messages import Author, Parts
from gateway.core.metrics import Metrics
from gateway.core.ports import AgentPort


class DeskSettings(BaseModel):
    """Base of a desk's settings: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DeskMessage(msgspec.Struct, frozen=True):
    """A line of a conversation as a desk sees it. ``agent`` is who wrote it, when a person did.

    ``key`` is what ``AgentPort.say`` was given for it: so a desk knows what it said itself. Files that the customer
    sent are in the blob store, unless they could not be fetched.
    """

    message_id: MessageId
    position: int
    at: datetime
    author: Author
    parts: Parts
    status: str
    agent: str = ""
    key: str = ""


class CaseAddress(msgspec.Struct, frozen=True):
    """Where a contact is reached. ``account`` is ``channel.endpoint.account``; ``evidence`` says how sure we are.

    ``verified``, ``claimed`` or ``inferred``.
    """

    app: str
    account: str
    recipient: str
    evidence: str


class CaseContact(msgspec.Struct, frozen=True, kw_only=True):
    """Who the customer is. The address of the conversation itself stands first; the others are bounded."""

    contact_id: ContactId
    name: str
    language: str
    time_zone: str = ""
    phone: str = ""
    email: str = ""
    addresses: tuple[CaseAddress, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an agent needs of a conversation that wants a person.

    ``reason`` is a word of the closed list, ``detail`` what made it so. ``intent``, ``confidence`` and ``sentiment``
    are those of the last turn. ``link`` leads to the conversation on our own page; empty without ``public_url``.
    ``reopens`` is the reference of the case that the customer goes on with, at the same desk, and ``reopened_agent``
    who had it. ``transcript`` is bounded, newest last.
    """

    handoff_id: HandoffId
    conversation_id: ConversationId
    account_id: AccountId
    desk: str
    contact: CaseContact
    app: str
    account: str
    reason: str
    detail: str
    asked_at: datetime
    language: str
    is_urgent: bool
    intent: str
    confidence: float
    slots: Mapping[str, str]
    sentiment: str
    link: str
    reopens: str = ""
    reopened_agent: str = ""
    transcript: tuple[DeskMessage, ...] = ()


class CaseRef(msgspec.Struct, frozen=True, kw_only=True):
    """A case that the desk knows already, under *reference*."""

    handoff_id: HandoffId
    conversation_id: ConversationId
    reference: str
    is_urgent: bool
    contact: CaseContact


class Told(msgspec.Struct, frozen=True):
    """The desk has the case: its own name of it, and who has it there already, if the desk knows."""

    reference: str
    agent: str = ""


class NotYet(TertuliaError):
    """Nothing went wrong: tell the desk again in ``after_s`` (its rates, or more to be joined). No try is counted."""

    def __init__(self, what: str, *, after_s: float) -> None:
        super().__init__(what)
        self.after_s = after_s


class DeskEvent(msgspec.Struct, frozen=True):
    """Something happened at a desk. ``key`` is unique at that desk for ever: twice told is applied once.

    ``reference`` is the case's at the desk (events of one are applied in the order of ``at``); empty: of none.
    """

    key: str
    kind: str
    at: datetime
    reference: str
    data: bytes


class DeskParts(msgspec.Struct, frozen=True, kw_only=True):
    """What wiring hands in. ``settings`` is what the kind's ``read_settings`` made.

    ``database`` and ``blobs`` are ``gateway.store``'s ``Database`` and ``Blobs``, whom the desks' floor may name.
    ``public_url`` has no slash at its end and may be empty.
    """

    name: str
    settings: Any
    database: object
    read_blob: BlobReader
    agents: AgentPort
    clock: Clock
    metrics: Metrics
    public_url: str
    kept: Kept
    blobs: object = None


class DeskPort(Protocol):
    """Where people answer.

    ``open``, ``customer_said`` and ``ended`` are called by one process at a time (the desk's lease), in order for one
    case, ``concurrency`` cases at a time, and repeated until they return: they must be idempotent by the ids of the
    case and its messages. They raise ``NotYet`` for later without fault, any other ``TertuliaError`` to be asked again
    with growing pauses. The other calls are made by every process.
    """

    name: str
    """``zendesk.main``"""
    concurrency: int

    async def start(self) -> None:
        """Open what talks. Must not fail because the desk is away."""
        ...

    async def close(self) -> None: ...

    async def open(self, case: Case) -> Told:
        """Make the case known at the desk. Only when this has returned is it acknowledged."""
        ...

    async def customer_said(self, case: CaseRef, messages: Sequence[DeskMessage]) -> None:
        """Show what came since, in order: the customer's words, and those of the bot, system and agents besides."""
        ...

    async def ended(self, case: CaseRef, reason: str) -> None:
        """The handoff ended, whoever ended it."""
        ...

    def verify(self, request: WebhookRequest) -> None:
        """Raise ``BadSignature`` unless the request proves that the desk sent it. Pure, before any parsing."""
        ...

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:
        """All events of a webhook; none for kinds that are not used. Pure. Raises ``BadPayload``: it is kept raw."""
        ...

    async def apply(self, event: DeskEvent) -> None:
        """Act on it through ``AgentPort``. Idempotent. Raises ``Retry`` (or ``NotYet``) to be asked again,
        ``GiveUp`` when it can never be applied: it goes to the dead letters.
        """
        ...

    async def reconcile(self) -> Sequence[DeskEvent]:
        """What webhooks may have lost. Called by the holder of the desk's lease, every ``handoff.reconcile_every_s``.

        A desk that keeps a cursor moves it in :class:`KeepsCursor`'s ``reconciled``, once they are durable.
        """
        ...

    async def customer_typing(self, case: CaseRef, is_typing: bool) -> None:
        """Show that the customer writes. Best effort: nobody repeats it."""
        ...


@runtime_checkable
class KeepsCursor(Protocol):
    """A desk that remembers how far it reconciled."""

    async def reconciled(self) -> None:
        """What the last ``reconcile`` returned is stored. Not called when it could not be, or was given up."""
        ...


@runtime_checkable
class Forgets(Protocol):
    """A desk that remembers what went where, word by word, and need not for ever."""

    async def forget(self, keep_s: float) -> bool:
        """Forget it of cases that ended so long ago, a bounded number at a time; true when there may be more."""
        ...


@runtime_checkable
class ConnectsDesk(Protocol):
    """A desk that can be set up and examined through its own interface. ``webhook_url`` is our full address."""

    async def connect(self, webhook_url: str) -> Sequence[Finding]:
        """Make what the desk needs to call us. Repeating it is harmless."""
        ...

    async def doctor(self, webhook_url: str) -> Sequence[Finding]:
        """Ask the desk how things stand."""
        ...


class DeskKind(Protocol):
    """One folder of ``handoff/desks``; its ``desk()`` makes one of these."""

    name: str
    """That of the folder."""
    settings: type[DeskSettings]

    def read_settings(self, raw: Mapping[str, object]) -> DeskSettings:
        """The kind's own settings. Raises pydantic's ``ValidationError``, which is told with the keys' paths."""
        ...

    def check(self, settings: Any) -> Sequence[Finding]:
        """What can be known to be wrong without asking anybody; ``what`` begins with the key below the section."""
        ...

    def open(self, parts: DeskParts) -> DeskPort:
        """A desk; not started yet."""
        ...
