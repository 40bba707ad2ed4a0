"""What is in a message of the Messenger Platform, and what led to it."""

from __future__ import annotations

from posixpath import basename
from urllib.parse import unquote, urlsplit

from channels._meta.batches import Misfit, require_storable
from channels._meta.messaging.wire import Attachment, Element, Id, Message, Referral
from gateway.core.inbound import Origin
from gateway.core.messages import AnyPart, Location, Media, MediaKind, Parts, Selection, Text, Unsupported

_MEDIA: dict[str, MediaKind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "file": "document",
    "reel": "video",
    "ig_reel": "video",
    "share": "document",
    "ig_post": "document",
    "post": "document",
    "ig_story": "document",
    "story_mention": "document",
}
"""What of a share or a story is behind the address is not told; it is kept as a file of any kind."""

_THUMBS_UP = frozenset({"369239263222822", "369239343222814", "369239383222810"})
_ORIGINS = {"ADS": "ad", "AD": "ad", "SHORTLINK": "link", "SHORTLINKS": "link", "IGME": "link", "MME": "link"}


def parts_of(message: Message, path: str, *, is_echo: bool = False) -> Parts:
    """What a message says. *path* is where its item stands. Raises ``Misfit``."""
    text = message.text or ""
    if len(text) > 100_000:
        require_storable(text, f"{path}.message.text")
    if message.quick_reply is not None and not is_echo:
        value = message.quick_reply.payload or text
        return (Selection(require_storable(value, f"{path}.message.quick_reply.payload"), text),)
    attachments = message.attachments
    if text and not attachments:
        return (Text(text),)
    parts: list[AnyPart] = [Text(text)] if text else []
    for attachment in attachments or ():
        parts.extend(_attachment(attachment, text, path))
    if parts:
        return tuple(parts)
    if message.is_unsupported:
        return (Unsupported("message"),)
    if message.sticker_id is not None:
        return (Text("👍"),) if str(message.sticker_id) in _THUMBS_UP else (Unsupported("sticker"),)
    if is_echo or message.text is not None or message.referral is not None:
        return (Unsupported("empty"),)
    raise Misfit("a message without content that we know", f"{path}.message")


def _attachment(attachment: Attachment, text: str, path: str) -> list[AnyPart]:
    payload = attachment.payload
    url = (payload.url if payload is not None else None) or attachment.url or ""
    require_storable(url, f"{path}.message.attachments")
    if attachment.type in _MEDIA:
        return _media(attachment, url)
    if attachment.type == "location" and payload is not None and payload.coordinates is not None:
        return [Location(payload.coordinates.lat, payload.coordinates.long, name=attachment.title or "")]
    if attachment.type == "fallback":
        if url and url in text:
            return []
        words = "\n".join(filter(None, (attachment.title, url)))
        return [Text(words)] if words else [Unsupported("fallback")]
    if attachment.type == "template":
        return _template(attachment)
    return [Unsupported(attachment.type[:64] or "attachment")]


def origin_of(message: Message) -> tuple[str, Origin | None]:
    """The payload and the kind of what led to a message, as far as it tells."""
    if message.referral is not None:
        return referred(message.referral)
    if message.reply_to is not None and message.reply_to.story is not None:
        story = message.reply_to.story
        return "", Origin(kind="story", id=_text(story.id), url=story.url or "")
    for attachment in message.attachments or ():
        if attachment.type == "story_mention":
            return "", Origin(kind="story", url=(attachment.payload.url or "") if attachment.payload else "")
        if attachment.payload is not None and attachment.payload.product is not None:
            return "", next((_of_product(found) for found in attachment.payload.product.elements), None)
    return "", None


# ---------------------------------------------------------------- parts


def _media(attachment: Attachment, url: str) -> list[AnyPart]:
    payload = attachment.payload
    if payload is not None and payload.sticker_id is not None:
        if str(payload.sticker_id) in _THUMBS_UP:
            return [Text("👍")]
        return [Media("sticker", provider_ref=url)] if url else [Unsupported("sticker")]
    if not url:
        return [Unsupported(attachment.type)]
    kind = _MEDIA[attachment.type]
    title = (payload.title if payload is not None else None) or attachment.title or ""
    name = _file_name(url) if attachment.type == "file" else ""
    return [Media(kind, provider_ref=url, caption=title, name=name)]


def _file_name(url: str) -> str:
    try:
        return unquote(basename(urlsplit(url).path), errors="replace").replace("\0", "")[:200]
    except ValueError:
        return ""


def _template(attachment: Attachment) -> list[AnyPart]:
    payload = attachment.payload
    elements: tuple[Element, ...] = ()
    if payload is not None:
        elements = payload.product.elements if payload.product is not None else payload.elements or ()
    lines = [": ".join(filter(None, (found.title, found.subtitle))) for found in elements]
    if payload is not None and payload.text:
        lines.insert(0, payload.text)
    words = "\n".join(line for line in lines if line) or attachment.title or ""
    return [Text(words)] if words else [Unsupported("template")]


def _of_product(product: Element) -> Origin:
    return Origin(
        kind="product",
        id=_text(product.retailer_id) or _text(product.id),
        title=product.title or "",
        text=product.subtitle or "",
        media_url=product.image_url or "",
    )


def referred(referral: Referral | None) -> tuple[str, Origin | None]:
    """The payload of what led here, and what it was."""
    if referral is None:
        return "", None
    source = (referral.source or "").upper()
    product = referral.product.id if referral.product is not None else None
    is_ad = referral.ad_id is not None
    kind = _ORIGINS.get(source) or ("ad" if is_ad else "product" if product is not None else source.lower() or "link")
    context = referral.ads_context_data
    origin = Origin(
        kind=kind[:64],
        id=_text(referral.ad_id) or _text(product),
        url=referral.referer_uri or "",
        title=(context.ad_title or "") if context is not None else "",
        media_url=(context.photo_url or context.video_url or "") if context is not None else "",
    )
    return referral.ref or "", origin


def _text(value: Id | None) -> str:
    return "" if value is None else str(value)
