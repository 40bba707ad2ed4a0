"""What Apple's gateway would refuse in a message: its documented limits, as a judge apart from what makes messages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from channels.apple.wire import ATTACHED, EXTENSION

TEXT_CHARS = 10_000
QUICK_ITEMS = range(2, 6)
QUICK_TITLE_CHARS = 24
INTERACTIVE_BYTES = 500_000
MAX_FILE_BYTES = 100_000_000


class Attached(Struct, frozen=True, forbid_unknown_fields=True):
    """A file in a message, in the form of Apple's tutorial."""

    name: str
    mime: str = msgspec.field(name="mimeType")
    size: str
    url: str
    owner: str
    key: str
    signature: str = msgspec.field(name="signature-base64")


class OfferedItem(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    identifier: str
    title: str
    subtitle: str = ""
    image_identifier: str = ""
    order: int = 0
    style: Literal["icon", "small", "large"] = "icon"


class QuickItem(Struct, frozen=True, forbid_unknown_fields=True):
    identifier: str
    title: str


class OfferedQuickReply(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    summary_text: str
    items: tuple[QuickItem, ...]


class OfferedSection(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    title: str
    items: tuple[OfferedItem, ...]
    order: int = 0
    multiple_selection: bool = False


class OfferedList(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    sections: tuple[OfferedSection, ...]
    multiple_selection: bool = False


class Bubble(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    title: str
    subtitle: str = ""
    image_identifier: str = ""
    style: Literal["icon", "small", "large"] = "icon"


class OfferedData(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    version: Literal["1.0"]
    request_identifier: str
    quick_reply: OfferedQuickReply | None = msgspec.field(default=None, name="quick-reply")
    list_picker: OfferedList | None = None
    received_message: Bubble | None = None
    reply_message: Bubble | None = None


class Offered(Struct, frozen=True, forbid_unknown_fields=True):
    bid: str
    data: OfferedData


class LinkImage(Struct, frozen=True, forbid_unknown_fields=True):
    data: str
    mime: str = msgspec.field(name="mimeType")


class LinkAssets(Struct, frozen=True, forbid_unknown_fields=True):
    image: LinkImage


class RichLink(Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    title: str
    assets: LinkAssets


class Taken(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A message to a customer, as the gateway reads it."""

    v: Literal[1]
    id: str
    type: Literal["text", "interactive", "richLink", "typing_start", "typing_end"]
    source_id: str
    destination_id: str
    locale: str = ""
    body: str = ""
    attachments: tuple[Attached, ...] = ()
    interactive_data: Offered | None = None
    rich_link_data: RichLink | None = None


_decode = msgspec.json.Decoder(Taken).decode


class Unreadable(Exception):
    """Not a message at all; the text says why."""


def read(raw: bytes) -> Taken:
    """Raises ``Unreadable``."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def faults(message: Taken) -> list[str]:
    """What is wrong with a message, whoever it is for; empty when it may pass."""
    return list(_faults(message))


def _faults(message: Taken) -> Iterator[str]:
    if not _is_uuid(message.id):
        yield "id is no UUID"
    if not message.destination_id.startswith("urn:mbid:"):
        yield "destinationId is no customer"
    match message.type:
        case "text":
            yield from _text_faults(message)
        case "interactive":
            yield from _interactive_faults(message)
        case "richLink":
            yield from _link_faults(message.rich_link_data)
        case _:
            if message.body or message.attachments or message.interactive_data or message.rich_link_data:
                yield "a sign of typing has no content"


def _text_faults(message: Taken) -> Iterator[str]:
    if not message.body.strip():
        yield "a text without words"
    if len(message.body) > TEXT_CHARS:
        yield f"a text of more than {TEXT_CHARS} characters"
    if message.attachments and message.body.count(ATTACHED) != len(message.attachments):
        yield "not one mark in the text for each attachment"
    for file in message.attachments:
        yield from _file_faults(file)


def _file_faults(file: Attached) -> Iterator[str]:
    if not (file.name and file.url and file.owner and file.signature and "/" in file.mime):
        yield "an attachment that is not described"
    if not (len(file.key) == 66 and file.key.startswith("00") and _is_hex(file.key)):
        yield "an attachment's key is not 00 and 64 hexadecimal digits"
    if not (file.size.isdecimal() and 0 < int(file.size) <= MAX_FILE_BYTES):
        yield "an attachment of an impossible size"


def _interactive_faults(message: Taken) -> Iterator[str]:
    offered = message.interactive_data
    if offered is None:
        yield "no interactiveData"
        return
    data = offered.data
    if offered.bid != EXTENSION:
        yield "a bundle id that is not the business extension's"
    if not data.request_identifier:
        yield "no requestIdentifier"
    if (data.quick_reply is None) == (data.list_picker is None):
        yield "not exactly one thing to answer"
    if len(msgspec.json.encode(offered)) > INTERACTIVE_BYTES:
        yield f"more than {INTERACTIVE_BYTES} bytes"
    if data.quick_reply is not None:
        yield from _quick_faults(data.quick_reply)
    if data.list_picker is not None:
        yield from _list_faults(data.list_picker, data)


def _quick_faults(reply: OfferedQuickReply) -> Iterator[str]:
    if len(reply.items) not in QUICK_ITEMS:
        yield f"{len(reply.items)} quick replies"
    if not reply.summary_text.strip():
        yield "quick replies without a question"
    if any(len(item.title) > QUICK_TITLE_CHARS for item in reply.items):
        yield "a quick reply with a long title"
    yield from _choice_faults([(item.identifier, item.title) for item in reply.items])


def _list_faults(picker: OfferedList, data: OfferedData) -> Iterator[str]:
    items = [item for section in picker.sections for item in section.items]
    if not items or not all(section.items for section in picker.sections):
        yield "a list, or a section of one, without items"
    if data.received_message is None or data.reply_message is None:
        yield "a list without receivedMessage or replyMessage"
    elif not data.received_message.title.strip():
        yield "a list's bubble without a title"
    yield from _choice_faults([(item.identifier, item.title) for item in items])


def _choice_faults(items: Sequence[tuple[str, str]]) -> Iterator[str]:
    if not all(identifier and title.strip() for identifier, title in items):
        yield "an item without identifier or title"
    if len({identifier for identifier, _ in items}) < len(items):
        yield "two items with the same identifier"


def _link_faults(link: RichLink | None) -> Iterator[str]:
    if link is None:
        yield "no richLinkData"
        return
    if not link.url.startswith(("https://", "http://")):
        yield "a link that is no web address"
    if not link.title.strip():
        yield "a link without a title"
    try:
        base64.b64decode(link.assets.image.data, validate=True)
    except (binascii.Error, ValueError):
        yield "a link's picture that is not base64"


def _is_uuid(given: str) -> bool:
    try:
        return str(UUID(given)) == given.lower()
    except ValueError:
        return False


def _is_hex(given: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in given)
