"""From what a visitor's connection hands over to the events of the core. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from channels.mending import unparsed
from channels.webchat.frames import provider_id
from channels.webchat.visitors import ADDRESS_KIND
from gateway.core.errors import BadPayload
from gateway.core.inbound import AddressKey, Parsed, Profile, Receipt, Received, Unparsed
from gateway.core.messages import MAX_TEXT_CHARS, Parts, Text


class Said(msgspec.Struct, frozen=True, tag="said", kw_only=True):
    """A message of a visitor, with what is known of them. ``address`` is the visitor and the conversation's number."""

    address: str
    client_id: str
    at: datetime
    parts: Parts
    person: str = ""
    profile: Profile = Profile()
    page: str = ""


class Reached(msgspec.Struct, frozen=True, tag="reached", kw_only=True):
    """A message of ours came to a visitor's screen (``delivered``), or was looked at (``read``)."""

    ref: str
    at: datetime
    status: str


Handed = Said | Reached

_decoder = msgspec.json.Decoder(Handed)


def parse(raw: bytes) -> list[Parsed]:
    """Raises ``BadPayload`` when *raw* is not JSON at all."""
    try:
        return [as_event(_decoder.decode(raw))]
    except msgspec.ValidationError as error:
        return [unparsed(raw, error)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPayload(str(error)) from None


def as_event(handed: Handed) -> Parsed:
    """The event of the core; what is too long to be stored is kept aside."""
    match handed:
        case Said():
            return _received(handed)
        case Reached():
            if handed.status not in ("delivered", "read"):
                return Unparsed(raw=msgspec.json.encode(handed), reason="unknown status", path="$.status")
            return Receipt(
                event_key=f"{handed.status}:{handed.ref}",
                at=_aware(handed.at),
                provider_message_id=handed.ref,
                status="read" if handed.status == "read" else "delivered",
            )


def _received(said: Said) -> Parsed:
    parts = tuple(_without_nul(part) if isinstance(part, Text) else part for part in said.parts)
    if any(isinstance(part, Text) and len(part.text) > MAX_TEXT_CHARS for part in parts):
        return Unparsed(raw=msgspec.json.encode(said), reason="a text is too long to be stored", path="$.parts")
    key = provider_id(said.address, said.client_id)
    return Received(
        event_key=key,
        at=_aware(said.at),
        address=AddressKey(ADDRESS_KIND, said.address),
        provider_message_id=key,
        parts=parts,
        profile=said.profile,
        referral=said.page,
        person=said.person,
    )


def _without_nul(part: Text) -> Text:
    return msgspec.structs.replace(part, text=part.text.replace("\0", "\ufffd"))


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.astimezone()
