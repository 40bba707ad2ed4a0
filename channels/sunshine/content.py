"""What a message of Sunshine's says, as parts of ours: text, answers to buttons and forms, files, places, cards."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from posixpath import basename
from urllib.parse import unquote, urlsplit

from channels.sunshine.wire import Action, Content, Field, Item
from gateway.core.messages import (
    MAX_TEXT_CHARS,
    AnyPart,
    Card,
    Cards,
    Choice,
    Location,
    Media,
    MediaKind,
    Option,
    Parts,
    Selection,
    Text,
    Unsupported,
)

UNSUPPORTED_CONTENT = frozenset({"form", "template"})
"""What a business sends and no part describes."""

_TAG = re.compile(r"<[^<>]*>")


class Misfit(Exception):
    """The event is of no shape that we know. ``path`` begins at the event's payload."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def parts_of(content: Content, quoted: str) -> Parts:
    """The content in our words. *quoted* is the id of the message that it answers to. Raises ``Misfit``."""
    read = _READERS.get(content.type)
    if read is not None:
        return read(content, quoted)
    if content.type in UNSUPPORTED_CONTENT:
        return (Unsupported(content.type),)
    raise Misfit("a content of an unknown type", ".message.content.type")


def quoted_by_form(content: Content) -> str:
    """The form that an answer belongs to, which only its fields tell."""
    return next((field.quoted_message_id for field in content.fields if field.quoted_message_id), "")


def _said(content: Content) -> str:
    """The words; of formatted ones the plain form, which Sunshine makes itself where the sender gave none."""
    if content.text or not (content.markdown_text or content.html_text):
        return content.text or ""
    return content.markdown_text or html.unescape(_TAG.sub("", content.html_text or ""))


def _text(content: Content, quoted: str) -> Parts:
    text = _said(content)
    _require_length(text, "text")
    if content.payload:
        return (Selection(value=content.payload, label=text, of=quoted),)
    if content.actions:
        return (Choice(text, _options(content.actions)),)
    return (Text(text),)


def _file(content: Content, quoted: str) -> Parts:
    del quoted
    if not content.media_url:
        raise Misfit("a file without an address", ".message.content.mediaUrl")
    caption = _said(content)
    _require_length(caption, "text")
    media = Media(
        kind=_kind(content),
        provider_ref=content.media_url,
        caption=caption,
        name=_name(content),
        mime=(content.media_type or "").partition(";")[0].strip(),
        size_bytes=max(0, int(content.media_size or 0)),
        unique_ref=content.attachment_id or "",
    )
    return (media,) if not content.actions else (media, Choice("", _options(content.actions)))


def _kind(content: Content) -> MediaKind:
    if content.type == "image":
        return "image"
    kinds: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}
    return kinds.get((content.media_type or "").partition("/")[0], "document")


def _name(content: Content) -> str:
    """The description is the file's name unless somebody wrote another."""
    alt = (content.alt_text or "").strip()
    if "." in alt and " " not in alt:
        return alt
    try:
        path = urlsplit(content.media_url or "").path
    except ValueError:
        return alt
    found = unquote(basename(path))
    return found if "." in found else alt


def _place(content: Content, quoted: str) -> Parts:
    del quoted
    where = content.coordinates
    if where is None:
        raise Misfit("a place without coordinates", ".message.content.coordinates")
    if not (-90 <= where.lat <= 90 and -180 <= where.long <= 180):
        raise Misfit("coordinates that are not on earth", ".message.content.coordinates")
    name = (content.location.name or "") if content.location else ""
    address = (content.location.address or "") if content.location else ""
    return (Location(where.lat, where.long, name, address),)


def _answers(content: Content, quoted: str) -> Parts:
    """A form's answers, a line each, as the person would have typed them."""
    del quoted
    lines = "\n".join(f"{field.label or field.name}: {_answer(field)}" for field in content.fields)
    text = lines or content.text_fallback or ""
    _require_length(text, "fields")
    if not text:
        raise Misfit("a form without answers", ".message.content.fields")
    return (Text(text),)


def _answer(field: Field) -> str:
    if field.select:
        return ", ".join(chosen.label or chosen.name for chosen in field.select)
    return field.text or field.email or ""


def _cards(content: Content, quoted: str) -> Parts:
    del quoted
    cards = Cards(tuple(_card(item) for item in content.items))
    return (cards, Choice("", _options(content.actions))) if content.actions else (cards,)


def _card(item: Item) -> Card:
    return Card(item.title, item.description or "", item.media_url or "", _options(item.actions))


def _options(actions: tuple[Action, ...]) -> tuple[Option, ...]:
    return tuple(_option(action) for action in actions)


def _option(action: Action) -> Option:
    if action.type == "locationRequest":
        return Option(action.text, asks_for="location")
    return Option(action.text, action.payload, action.uri)


def _require_length(text: str, field: str) -> None:
    if len(text) > MAX_TEXT_CHARS:
        raise Misfit(f"longer than {MAX_TEXT_CHARS} characters", f".message.content.{field}")


_READERS: dict[str, Callable[[Content, str], tuple[AnyPart, ...]]] = {
    "text": _text,
    "image": _file,
    "file": _file,
    "location": _place,
    "formResponse": _answers,
    "carousel": _cards,
    "list": _cards,
}
