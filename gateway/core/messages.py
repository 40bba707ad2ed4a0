"""What is said: typed parts, the authors, and the status that only moves forward.

The structs are also the storage format (a ``type`` field tells them apart): fields may be added with a
default, and never change their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec

from gateway.core.ids import AccountId, ConversationId, MessageId

MAX_TEXT_CHARS = 100_000
"""Longest text that is stored (rule 11); a longer one goes to the quarantine."""


class Author(StrEnum):
    CUSTOMER = "customer"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


class Status(StrEnum):
    """Where a message stands. ``received`` is the only one of what a customer wrote."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


STATUS_RANK: dict[Status, int] = {
    Status.RECEIVED: 0,
    Status.QUEUED: 1,
    Status.SENT: 2,
    Status.FAILED: 3,
    Status.WITHDRAWN: 3,
    Status.DELIVERED: 4,
    Status.READ: 5,
}
"""A status may only be replaced by one of a higher rank: *delivered* corrects a *failed*, never the reverse."""


def is_forward(current: Status, proposed: Status) -> bool:
    """Whether *proposed* may follow *current*."""
    return STATUS_RANK[proposed] > STATUS_RANK[current]


class Part(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """One piece of a message."""


class Text(Part, frozen=True, tag="text"):
    """Words. ``markup`` tells whether they hold the small Markdown that authors write (bold, italic, code, links)."""

    text: str
    markup: Literal["plain", "markdown"] = "plain"


MediaKind = Literal["image", "audio", "voice", "video", "document", "sticker", "animation"]


class Media(Part, frozen=True, tag="media"):
    """A file. At least one of the three sources is set.

    ``provider_ref`` is the provider's handle (fetched under the channel's authentication), ``url`` a public
    https address, ``blob`` the key in our own blob store.
    """

    kind: MediaKind
    provider_ref: str = ""
    url: str = ""
    blob: str = ""
    caption: str = ""
    name: str = ""
    mime: str = ""
    size_bytes: int = 0
    unique_ref: str = ""
    group: str = ""  # files that were sent together (an album) share it


class Location(Part, frozen=True, tag="location"):
    """Degrees, WGS 84."""

    latitude: float
    longitude: float
    name: str = ""
    address: str = ""
    is_live: bool = False


class ContactCard(Part, frozen=True, tag="contact"):
    name: str
    phone: str = ""
    is_own: bool = False  # the sender shared their own number, and the provider vouches for it


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to choose. ``value`` comes back in a ``Selection``; ``url`` opens a page instead.

    ``description`` is a second line, for channels whose lists have one.
    """

    label: str
    value: str = ""
    url: str = ""
    asks_for: Literal["", "phone", "location"] = ""
    description: str = ""


class Choice(Part, frozen=True, tag="choice"):
    """A question with options. ``style`` is a wish: a channel that cannot show it degrades by rule."""

    text: str
    options: tuple[Option, ...]
    style: Literal["buttons", "quick_replies", "list"] = "buttons"
    markup: Literal["plain", "markdown"] = "plain"


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    title: str
    subtitle: str = ""
    image_url: str = ""
    options: tuple[Option, ...] = ()


class Cards(Part, frozen=True, tag="cards"):
    """A carousel."""

    cards: tuple[Card, ...]


class Template(Part, frozen=True, tag="template"):
    """A text that the provider approved beforehand, named by the author, with values for its blanks."""

    name: str
    language: str
    values: tuple[str, ...] = ()


class Selection(Part, frozen=True, tag="selection"):
    """A button was pressed. ``of`` is the provider's id of the message that offered it."""

    value: str
    label: str = ""
    of: str = ""


class Reaction(Part, frozen=True, tag="reaction"):
    """A reaction to a message (``of``: the provider's id); no emojis means that it was taken back."""

    of: str
    emojis: tuple[str, ...] = ()


class Unsupported(Part, frozen=True, tag="unsupported"):
    """Something real that no part describes (a dice, a poll): the agent sees its name, the bot says that it cannot."""

    kind: str


AnyPart = Text | Media | Location | ContactCard | Choice | Cards | Template | Selection | Reaction | Unsupported

Parts = tuple[AnyPart, ...]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Parts)


def encode_parts(parts: Parts) -> bytes:
    """Parts as JSON bytes, the storage format."""
    return _encoder.encode(parts)


def decode_parts(data: bytes | str) -> Parts:
    """The inverse of :func:`encode_parts`."""
    return _decoder.decode(data)


def plain_text(parts: Parts) -> str:
    """What a reader would read: the texts, captions, labels and questions, one a line."""
    lines: list[str] = []
    for part in parts:
        match part:
            case Text() | Choice():
                lines.append(part.text)
            case Media():
                lines.append(part.caption)
            case Selection():
                lines.append(part.label or part.value)
            case Location() | ContactCard():
                lines.append(part.name)
            case Cards():
                lines.extend(": ".join(filter(None, (card.title, card.subtitle))) for card in part.cards)
            case Template() | Reaction() | Unsupported():
                pass
    return "\n".join(line for line in lines if line)


class Outgoing(msgspec.Struct, frozen=True):
    """A message on its way out, with everything that rendering needs. ``reply_to`` is a provider's message id.

    ``account`` is the provider's name of the account and ``app`` what the customer sees. ``links`` leads from the key
    of a blob to an expiring address that a provider can fetch it from. ``is_late``: an agent speaks after the window
    in which anything may be said. ``traits``: what the customer's device can show, as ``Received`` told it.
    ``language`` is that of the conversation. ``name`` is the agent who speaks, ``avatar_url`` their picture;
    ``names_agent``: where the app can show neither, the name goes before the words.
    """

    message_id: MessageId
    conversation_id: ConversationId
    account_id: AccountId
    recipient: str
    author: Author
    parts: Parts
    name: str = ""
    reply_to: str = ""
    account: str = ""
    app: str = ""
    language: str = ""
    traits: str = ""
    links: Mapping[str, str] = {}
    is_late: bool = False
    avatar_url: str = ""
    names_agent: bool = False
