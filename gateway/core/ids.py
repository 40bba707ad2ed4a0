"""One id type for each concept, so that a message's id cannot be handed over where a contact's is meant.

Ids are UUIDv7 made by the application: an ambiguous commit can be retried with the same id, and rows that
are written together lie together.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NewType
from uuid import UUID

from uuid_utils.compat import uuid7

AccountId = NewType("AccountId", int)
"""Number of an account in the database; small, because it leads several keys."""

AddressId = NewType("AddressId", UUID)
ContactId = NewType("ContactId", UUID)
ConversationId = NewType("ConversationId", UUID)
EpisodeId = NewType("EpisodeId", UUID)
EventId = NewType("EventId", UUID)
HandoffId = NewType("HandoffId", UUID)
MessageId = NewType("MessageId", UUID)
TurnId = NewType("TurnId", UUID)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> UUID:
    """A fresh UUIDv7: time-ordered to the millisecond, random below it."""
    return uuid7()


def derived_id(subject: UUID, kind: str) -> UUID:
    """The id of what follows from *subject* exactly once: same arguments, same id, and the same place in time."""
    digest = hashlib.blake2b(kind.encode(), key=subject.bytes, digest_size=10).digest()
    raw = bytearray(subject.bytes[:6] + digest)
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))


def id_time(value: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


def lowest_id(at: datetime) -> UUID:
    """The lower bound of all UUIDv7 made at or after *at*: where a partition by month begins."""
    return UUID(int=((at - _EPOCH) // timedelta(milliseconds=1)) << 80)
