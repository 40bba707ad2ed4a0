"""The typed rows that travel between the statements and the router."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.core.control import Control
from gateway.core.ids import (
    AccountId,
    AddressId,
    ContactId,
    ConversationId,
    EpisodeId,
    HandoffId,
    MessageId,
    TurnId,
)
from gateway.core.inbound import (
    AccountNoticed,
    AddressKey,
    AddressMoved,
    Arrived,
    ConsentChanged,
    ControlMoved,
    Deleted,
    Echoed,
    Edited,
    Profile,
    Reacted,
    Receipt,
    SeenUpTo,
)
from gateway.core.messages import Parts
from gateway.core.ports import Persona
from gateway.core.turns import CustomerSaid, Entry, HandOff, TimerSet

Change = Edited | Deleted | Reacted | Receipt
"""What happens to a message that is there already (or is still to come: then it is parked)."""

AddressEvent = ConsentChanged | AddressMoved | Arrived | SeenUpTo | Echoed | ControlMoved
"""What happens to an address."""


class Account(msgspec.Struct, frozen=True):
    """An account as the database numbers it. ``external`` is the provider's name of it."""

    id: AccountId
    channel: str
    endpoint: str
    name: str
    external: str
    app: str


class NewMessage(msgspec.Struct, frozen=True):
    """A customer's message to be stored. ``parts`` is encoded; ``media`` lists (part, provider's handle) to fetch.

    ``window_until``: the end of the window that an advertisement opened. ``origin`` is encoded. ``word``: the whole
    message is a word that asks for silence, or takes that back; ``is_answered``: the provider itself confirms that.
    """

    account_id: AccountId
    event_key: str
    address: AddressKey
    aliases: tuple[AddressKey, ...]
    profile: Profile
    is_opt_in: bool
    entry: CustomerSaid
    parts: str
    reply_to: str
    media: tuple[tuple[int, str], ...]
    trace: str = ""
    person: str = ""
    window_until: datetime | None = None
    traits: str = ""
    origin: str | None = None
    word: Literal["", "out", "in"] = ""
    is_answered: bool = False

    @property
    def makes_known(self) -> bool:
        return True

    @property
    def moves(self) -> bool:
        return False

    @property
    def yields(self) -> bool:
        return False


class NewChange(msgspec.Struct, frozen=True):
    account_id: AccountId
    event: Change


class NewAddressEvent(msgspec.Struct, frozen=True):
    """What happens to a person's address, or in their name. ``window_until`` as with messages."""

    account_id: AccountId
    event: AddressEvent
    window_until: datetime | None = None

    @property
    def address(self) -> AddressKey:
        return self.event.address

    @property
    def aliases(self) -> tuple[AddressKey, ...]:
        match self.event:
            case AddressMoved():
                return (self.event.alias,)
            case Echoed():
                return self.event.aliases
            case _:
                return ()

    @property
    def profile(self) -> Profile:
        return Profile()

    @property
    def person(self) -> str:
        return ""

    @property
    def traits(self) -> str:
        return ""

    @property
    def makes_known(self) -> bool:
        """Whether somebody who never wrote is put down for it."""
        event = self.event
        return isinstance(event, Arrived | Echoed) or (isinstance(event, ControlMoved) and event.to == "elsewhere")

    @property
    def moves(self) -> bool:
        return isinstance(self.event, AddressMoved)

    @property
    def yields(self) -> bool:
        return isinstance(self.event, AddressMoved) and self.event.if_free


class NewNotice(msgspec.Struct, frozen=True):
    """What a provider says of an account itself."""

    account_id: AccountId
    event: AccountNoticed


class NewQuarantine(msgspec.Struct, frozen=True):
    channel: str
    endpoint: str
    raw: bytes
    reason: str
    path: str


NewItem = NewMessage | NewChange | NewAddressEvent | NewNotice | NewQuarantine


class Known(msgspec.Struct, frozen=True):
    """What an alias stands for, and of which version of the conversation's names that was true."""

    conversation_id: ConversationId
    address_id: AddressId
    contact_id: ContactId
    recipient: str
    name: str
    version: int = 0
    traits: str = ""
    time_zone: str = ""


class Lease(msgspec.Struct, frozen=True):
    """A conversation in this process' hands: what every commit of a turn is conditional on, and what it needs.

    ``solved_at``: when a person last solved a case of it.
    """

    conversation_id: ConversationId
    account_id: AccountId
    contact_id: ContactId
    recipient: str
    name: str
    token: int
    epoch: int
    control: Control
    handoff_id: HandoffId | None
    read_seq: int
    read_position: int
    turn_to_seq: int | None
    episode_id: EpisodeId | None
    state_version: int
    language: str
    traits: str = ""
    time_zone: str = ""
    solved_at: datetime | None = None


class Taken(msgspec.Struct, frozen=True):
    """A lease that receive took, with the entries that it stored; ``is_whole`` when nothing older waits unread.

    ``trace`` is that of the webhook which brought the first of them.
    """

    lease: Lease
    entries: tuple[Entry, ...]
    read_position: int
    is_whole: bool
    trace: str = ""


class NewReply(msgspec.Struct, frozen=True):
    """A message of ours to be stored and sent; ``encoded`` is its parts as they are stored."""

    message_id: MessageId
    author: str
    encoded: str
    parts: Parts
    agent: str = ""
    key: str = ""


class TurnCommit(msgspec.Struct, frozen=True, kw_only=True):
    """All that a turn changes. ``state`` ``None`` leaves the stored one; ``hand_off`` asks for a person.

    ``reserve`` asks for the first reply to be stored as being sent, by this process, at once. ``is_withdrawn``: the
    replies are kept to be read by a person and never said.
    """

    lease: Lease
    turn_id: TurnId
    from_seq: int
    to_seq: int
    read_position: int
    outcome: str
    link: str
    intent: str
    confidence: float
    language: str
    resolution: str
    duration_us: int
    bot_version: str
    model_version: str
    state: bytes | None
    replies: tuple[NewReply, ...]
    timers: tuple[TimerSet, ...]
    hand_off: str
    desk: str
    ends_episode: str
    rating: int | None
    reserve: bool
    is_withdrawn: bool = False
    rating_of: str = ""
    trace: str
    sentiment: str = ""
    handing: HandOff | None = None


class Committed(msgspec.Struct, frozen=True):
    """A turn that is in the database. ``lease`` is the next one when entries wait already, else ``None``.

    ``is_reserved`` when the first reply is this process' to send now. ``heard_at`` and ``window_until`` are the newest.
    """

    lease: Lease | None
    first_position: int
    is_reserved: bool
    epoch: int
    heard_at: datetime | None = None
    window_until: datetime | None = None


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message that this process must send, and under which conditions it may.

    ``heard_at`` and ``window_until`` bound the provider's window. ``is_fallback``: it stands in for one that may not go
    now. ``persona``: as whom the agent appears. ``taken_refs`` are ids under which the provider said that it has the
    call whose answer was lost.
    """

    conversation_id: ConversationId
    position: int
    message_id: MessageId
    account_id: AccountId
    recipient: str
    author: str
    epoch: int
    current_epoch: int
    is_opted_out: bool
    claims: int
    failures: int
    ambiguities: int
    age_s: float
    calls_done: int
    parts: Parts
    agent: str
    trace: str
    at: datetime
    reply_to: str = ""
    language: str = ""
    traits: str = ""
    heard_at: datetime | None = None
    window_until: datetime | None = None
    is_proactive: bool = False
    is_marketing: bool = False
    is_fallback: bool = False
    is_marketing_out: bool = False
    is_opted_in: bool = False
    is_marketing_in: bool = False
    is_unreachable: bool = False
    taken_refs: tuple[str, ...] = ()
    persona: Persona | None = None


class DueTimer(msgspec.Struct, frozen=True):
    conversation_id: ConversationId
    kind: str
    payload: str
    due_at: datetime


OutcomeKind = Literal["sent", "failed", "withdrawn", "later", "progress", "held"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one stay of an outbox row in this process' hands ended; ``claims`` fences it off from later stays.

    ``progress``: one of several calls is done, the row stays ours. ``later``: back to the outbox, due in
    ``after_s``, with the counters that are given. ``held``: it waits for the customer's next word, and a template goes
    instead. ``losses``: what the app could not show. ``lines_up``: what waits behind it in its conversation goes to the
    end of the account's line.
    """

    conversation_id: ConversationId
    position: int
    message_id: MessageId
    account_id: AccountId
    claims: int
    kind: OutcomeKind
    calls_done: int = 0
    provider_message_ids: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""
    code: str = ""
    after_s: float = 0.0
    failures: int = 0
    ambiguities: int = 0
    author: str = ""
    losses: tuple[str, ...] = ()
    lines_up: bool = False
    is_fallback: bool = False
    is_by_policy: bool = False  # refused by our own rules, not by the provider

    @property
    def row_ends(self) -> bool:
        """Whether the outbox is rid of the message."""
        return self.kind in ("sent", "failed", "withdrawn")


class Settled(msgspec.Struct, frozen=True):
    """``next_position`` is the message of the same conversation that waits behind this one, if any."""

    next_position: int | None
