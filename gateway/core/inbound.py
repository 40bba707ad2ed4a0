"""What a provider's webhook says, in our words: the closed union that every channel's ``parse`` returns."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.core.errors import GiveUpReason
from gateway.core.messages import Parts

PASSING_KINDS = frozenset({"phone"})
"""Kinds of names that pass from one person to another. All others are one person's for ever."""


class AddressKey(msgspec.Struct, frozen=True, order=True):
    """One name of an address on one account: ``kind`` (``chat``, ``psid``, ``bsuid``, ``phone`` …) and value."""

    kind: str
    value: str


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the provider tells of a person. ``language`` is a BCP 47 tag or empty.

    ``details`` are further facts (``email``, ``phone``, ``groups``), kept with a contact that is made of them.
    """

    name: str = ""
    username: str = ""
    language: str = ""
    details: dict[str, str] = {}


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What led a customer here, as the provider tells it; kept with the episode that it opens.

    ``kind`` is ``ad``, ``post``, ``link``, ``story``, ``product``, or the provider's own word. ``click_id`` is what the
    advertising network wants back when it is told of a success.
    """

    kind: str
    id: str = ""
    url: str = ""
    title: str = ""
    text: str = ""
    media_url: str = ""
    click_id: str = ""


class Received(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A customer wrote, pressed or sent something.

    ``account`` is the provider's name of the account (an endpoint with one account: empty). ``event_key``
    identifies this event on that account for ever. ``acknowledge`` is a token that the channel's client wants
    back once the message is durable (a pressed button that spins until then); best effort.
    ``referral`` is what led here: the payload of a deep link, an advertisement. ``person`` is the channel's own name
    of somebody who has several addresses on the account: addresses that are made with it belong to one contact.
    ``traits`` is what the customer's device can show now, in the channel's own words; it comes back in ``Outgoing``.
    ``address`` is the name that lasts; the aliases (a phone number) may pass to somebody else one day.
    """

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    aliases: tuple[AddressKey, ...] = ()
    provider_message_id: str
    parts: Parts
    profile: Profile = Profile()
    reply_to: str = ""
    referral: str = ""
    origin: Origin | None = None
    acknowledge: str = ""
    traits: str = ""
    person: str = ""
    is_opt_in: bool = False  # this message itself shows that the person wants to hear from us (Telegram's /start)


class Edited(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A message of the customer has new content; the newest ``at`` wins."""

    account: str = ""
    event_key: str
    at: datetime
    provider_message_id: str
    parts: Parts


class Deleted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    account: str = ""
    event_key: str
    at: datetime
    provider_message_id: str


class Reacted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The customer's reactions to a message are now exactly ``emojis``."""

    account: str = ""
    event_key: str
    at: datetime
    provider_message_id: str
    emojis: tuple[str, ...]


class Receipt(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What the provider says later about a message of ours.

    ``meaning`` is what a failure says about the person or the window; empty: only this message is concerned.
    ``our_ref`` is the message's own id, where the provider gives back what was sent along: it finds a message whose
    call was never answered.
    """

    account: str = ""
    event_key: str
    at: datetime
    provider_message_id: str
    status: Literal["sent", "delivered", "read", "failed"]
    reason: str = ""
    code: str = ""
    meaning: GiveUpReason | Literal[""] = ""
    our_ref: str = ""


class ConsentChanged(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The person blocked us or let us in again; ``marketing`` concerns only what we send unasked.

    ``until_heard``: they only closed the conversation; whatever they write next opens it again.
    """

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    is_opted_in: bool
    reason: str
    scope: Literal["all", "marketing"] = "all"
    until_heard: bool = False


class AddressMoved(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The same address is from now on also known as ``alias``, and is written to there.

    ``if_free``: only when nobody is known as that yet; else nothing changes.
    """

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    alias: AddressKey
    if_free: bool = False


class Arrived(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A person who writes to us already came by a link or an advertisement again, without a word.

    Opens the window as a message does; the next episode keeps ``origin``.
    """

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    referral: str = ""
    origin: Origin | None = None


class SeenUpTo(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Everything that we sent to the address until ``up_to`` was delivered, or read."""

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    up_to: datetime
    status: Literal["delivered", "read"]


class Echoed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The provider shows us what was said to the customer in our name.

    ``our_ref`` is the message's own id when it was we (then it settles a send whose answer was lost). Else somebody
    spoke elsewhere: a person in the provider's inbox (``agent``) takes control; another program (``app``) is recorded.
    """

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    aliases: tuple[AddressKey, ...] = ()
    provider_message_id: str
    parts: Parts
    by: Literal["us", "agent", "app"]
    our_ref: str = ""
    name: str = ""


class ControlMoved(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The provider's own switch: who may speak in the thread now. ``elsewhere``: people or programs outside."""

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    to: Literal["us", "elsewhere"]
    reason: str = ""
    name: str = ""


class AccountNoticed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The provider tells something about the account itself.

    ``kind``: ``template`` (``subject`` is its name, ``state`` what became of it), ``quality``, ``restricted``,
    ``restored`` or the provider's word. ``is_bad`` raises an alert.
    """

    account: str = ""
    event_key: str
    at: datetime
    kind: str
    subject: str = ""
    state: str = ""
    detail: str = ""
    is_bad: bool = False


Event = (
    Received
    | Edited
    | Deleted
    | Reacted
    | Receipt
    | ConsentChanged
    | AddressMoved
    | Arrived
    | SeenUpTo
    | Echoed
    | ControlMoved
    | AccountNoticed
)


class Ignored(msgspec.Struct, frozen=True, tag=True):
    """A known kind that we do not use; ``kind`` is counted."""

    kind: str


class Unparsed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One entry of an authentic webhook that we do not understand: kept raw, replayed after a fix."""

    raw: bytes
    reason: str
    path: str = "$"


Parsed = Event | Ignored | Unparsed
