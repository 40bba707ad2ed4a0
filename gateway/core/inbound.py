"""What a provider's webhook says, in our words: the closed union that every channel's ``parse`` returns."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.core.messages import Parts


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


class Received(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A customer wrote, pressed or sent something.

    ``account`` is the provider's name of the account (an endpoint with one account: empty). ``event_key``
    identifies this event on that account for ever. ``acknowledge`` is a token that the channel's client wants
    back once the message is durable (a pressed button that spins until then); best effort.
    ``referral`` is what led here: the payload of a deep link, an advertisement. ``person`` is the channel's own name
    of somebody who has several addresses on the account: addresses that are made with it belong to one contact.
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
    acknowledge: str = ""
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
    """What the provider says later about a message of ours."""

    account: str = ""
    event_key: str
    at: datetime
    provider_message_id: str
    status: Literal["sent", "delivered", "read", "failed"]
    reason: str = ""
    code: str = ""


class ConsentChanged(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The person blocked us or let us in again."""

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    is_opted_in: bool
    reason: str


class AddressMoved(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The same address is from now on also known as ``alias``, and is written to there."""

    account: str = ""
    event_key: str
    at: datetime
    address: AddressKey
    alias: AddressKey


Event = Received | Edited | Deleted | Reacted | Receipt | ConsentChanged | AddressMoved


class Ignored(msgspec.Struct, frozen=True, tag=True):
    """A known kind that we do not use; ``kind`` is counted."""

    kind: str


class Unparsed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One entry of an authentic webhook that we do not understand: kept raw, replayed after a fix."""

    raw: bytes
    reason: str
    path: str = "$"


Parsed = Event | Ignored | Unparsed
