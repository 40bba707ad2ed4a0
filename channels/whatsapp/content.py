"""What a person sent, as our parts: the same for a message, an edit, and what a colleague wrote on the phone."""

from __future__ import annotations

from channels._meta.batches import Misfit, require_storable
from channels.whatsapp.wire import Card, Content, File, Interactive, Message, Order, Place
from gateway.core.messages import ContactCard, Location, Media, MediaKind, Parts, Selection, Text, Unsupported

_UNSHOWN = frozenset(
    {"unknown", "ephemeral", "poll", "event", "pin", "payment", "gif", "template", "media_placeholder"}
)
"""Types of what a person sent on purpose, and no part describes."""

_FILES: dict[str, MediaKind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
}


def parts_of(content: Content, path: str) -> Parts:  # noqa: C901  one case for each type
    """At least one part. Raises ``Misfit`` for a type that nobody knows, or that lacks its content."""
    match content.type:
        case "text" if content.text is not None:
            return (Text(require_storable(content.text.body, f"{path}.text.body")),)
        case "image" | "video" | "audio" | "document" | "sticker" if (file := _file(content)) is not None:
            return (_media(_FILES[content.type], file, path),)
        case "location" if content.location is not None:
            return (_location(content.location),)
        case "contacts" if content.contacts:
            return tuple(_card(card, content) for card in content.contacts)
        case "interactive" if content.interactive is not None:
            return (_reply(content.interactive, content, path),)
        case "interactive":
            return (Unsupported("interactive"),)
        case "button" if content.button is not None:
            value = content.button.payload or content.button.text
            return (Selection(require_storable(value, f"{path}.button"), content.button.text, _question(content)),)
        case "order" if content.order is not None:
            return _ordered(content.order, path)
        case "unsupported":
            return (Unsupported(content.unsupported.type[:64] if content.unsupported else "unsupported"),)
        case kind if kind in _UNSHOWN:
            return (Unsupported(kind),)
        case _:
            raise Misfit("a message of a type that nobody knows, or without its content", f"{path}.type")


def _file(content: Content) -> File | None:
    match content.type:
        case "image":
            return content.image
        case "video":
            return content.video
        case "audio":
            return content.audio
        case "document":
            return content.document
        case _:
            return content.sticker


def _media(kind: MediaKind, file: File, path: str) -> Media:
    """The handle is the file's id; the address, where there is one too, is good for some minutes only."""
    if not (file.id or file.url):
        raise Misfit("a file without an id", f"{path}.{kind}.id")
    return Media(
        kind="voice" if file.voice else kind,
        provider_ref=file.id or file.url,
        caption=require_storable(file.caption or "", f"{path}.{kind}.caption"),
        name=file.filename or "",
        mime=file.mime_type,
        unique_ref=file.sha256,
    )


def _location(place: Place) -> Location:
    return Location(place.latitude, place.longitude, place.name or "", place.address or "")


def _card(card: Card, content: Content) -> ContactCard:
    """One's own: sent when we asked for it, or with the number that the message comes from."""
    name = card.name.formatted_name or f"{card.name.first_name} {card.name.last_name}".strip()
    sender = content.sender if isinstance(content, Message) else ""
    origin = card.origin or (content.origin if isinstance(content, Message) else "")
    phone = card.phones[0] if card.phones else None
    if phone is None:
        return ContactCard(name)
    is_own = origin == "contact_request" or (bool(phone.wa_id) and phone.wa_id == sender)
    number = f"+{phone.wa_id}" if phone.wa_id.isdecimal() else phone.phone
    return ContactCard(name, number, is_own)


def _question(content: Content) -> str:
    return content.context.id if content.context is not None else ""


def _reply(interactive: Interactive, content: Content, path: str) -> Selection | Unsupported:
    """What is there counts, and not what ``interactive.type`` says, which has had several words for it."""
    pressed = interactive.button_reply or interactive.list_reply
    if pressed is not None:
        return Selection(require_storable(pressed.id, f"{path}.interactive"), pressed.title, _question(content))
    if interactive.nfm_reply is not None:
        filled = require_storable(interactive.nfm_reply.response_json, f"{path}.interactive.nfm_reply.response_json")
        return Selection(filled or interactive.nfm_reply.name, interactive.nfm_reply.body, _question(content))
    return Unsupported("interactive")


def _ordered(order: Order, path: str) -> Parts:
    """The customer's words, then a line for each product: there is no part for a shopping cart."""
    lines = [
        f"{_plain(item.quantity)} × {item.product_retailer_id}"  # noqa: RUF001  that is how one writes it
        + (f" ({_plain(item.item_price)} {item.currency})" if item.item_price != "" else "")
        for item in order.product_items
    ]
    texts = [text for text in ((order.text or "").strip(), "\n".join(lines)) if text]
    if not texts:
        return (Unsupported("order"),)
    return tuple(Text(require_storable(text, f"{path}.order")) for text in texts)


def _plain(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:g}"
