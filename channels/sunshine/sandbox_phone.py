"""A visitor's phone with Zendesk's widget open: how it looks, and what a message of Sunshine's looks like in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from html.parser import HTMLParser
from typing import Literal

from channels.sandboxes import Attachment, PhoneButton, PhoneCard, PhoneMessage, Run, Shade, Skin
from channels.sunshine.sandbox_rules import Json

Look = Literal["bold", "italic", "strike", "code"]

_LOOKS: dict[str, Look] = {
    "strong": "bold",
    "b": "bold",
    "em": "italic",
    "i": "italic",
    "s": "strike",
    "del": "strike",
    "code": "code",
}


def draw(message_id: str, at: datetime, author: Json, content: Json, kept: Callable[[str], str]) -> PhoneMessage:
    """The bubble of a message that the business sent. Keys of buttons tell where the action stands.

    *kept* answers with the phone's key of the file at an address, or nothing when the file lies elsewhere.
    """
    kind = str(content.get("type"))
    cards = tuple(_card(number, item) for number, item in enumerate(_items(content)))
    actions = _objects(content.get("actions"))
    runs = _runs(content) if kind not in {"carousel", "list", "location"} else ()
    return PhoneMessage(
        id=message_id,
        at=at,
        runs=runs,
        rows=tuple((button,) for button in _buttons("", actions, is_reply=False)),
        quick=_buttons("", actions, is_reply=True),
        cards=cards,
        attachments=_attachments(kind, content, kept),
        who=str(author.get("displayName", "")),
    )


def action_at(content: Json, key: str) -> Json:
    """The action behind a button's key. Raises ``LookupError``."""
    item, _, number = key.rpartition(":")
    actions = _items(content)[int(item)].get("actions") if item else content.get("actions")
    return _objects(actions)[int(number)]


def _buttons(item: str, actions: Sequence[Json], *, is_reply: bool) -> tuple[PhoneButton, ...]:
    return tuple(
        PhoneButton(str(action["text"]), url=str(action["uri"]))
        if action.get("type") == "link"
        else PhoneButton(str(action["text"]), f"{item}:{number}" if item else str(number))
        for number, action in enumerate(actions)
        if (action.get("type") == "reply") is is_reply
    )


def _card(number: int, item: Json) -> PhoneCard:
    return PhoneCard(
        title=str(item.get("title", "")),
        subtitle=str(item.get("description", "")),
        url=str(item.get("mediaUrl", "")),
        buttons=_buttons(str(number), _objects(item.get("actions")), is_reply=False),
    )


def _attachments(kind: str, content: Json, kept: Callable[[str], str]) -> tuple[Attachment, ...]:
    url, name = str(content.get("mediaUrl", "")), str(content.get("altText", ""))
    file = kept(url)
    address = "" if file else url
    if kind == "image":
        return (Attachment("image", name, file=file, url=address),)
    if kind == "file":
        return (Attachment("file", name or "file", str(content.get("mediaType", "")), file, address),)
    if kind != "location":
        return ()
    where, place = _object(content.get("coordinates")), _object(content.get("location"))
    facts = str(place.get("address", "")) or f"{where.get('lat'):.5f}, {where.get('long'):.5f}"
    return (Attachment("place", str(place.get("name", "")), facts),)


def _runs(content: Json) -> tuple[Run, ...]:
    if isinstance(rich := content.get("htmlText"), str):
        reader = _HtmlReader()
        reader.feed(rich)
        reader.close()
        return tuple(reader.runs)
    text = str(content.get("text", ""))
    return (Run(text),) if text else ()


class _HtmlReader(HTMLParser):
    """The tags that the widget knows, as letters of different looks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.runs: list[Run] = []
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._write("\n")
        else:
            self._open.append((tag, dict(attrs).get("href") or ""))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self._write(data)

    def _write(self, text: str) -> None:
        looks = tuple(dict.fromkeys(_LOOKS[tag] for tag, _ in self._open if tag in _LOOKS))
        self.runs.append(Run(text, looks, next((url for _, url in self._open if url), "")))


def _items(content: Json) -> list[Json]:
    return _objects(content.get("items"))


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def skin(title: str) -> Skin:
    """How the widget looks: a dark green head, pale grey bubbles, one's own in the green of the head."""
    return Skin(
        app="Zendesk messaging",
        title=title,
        subtitle={"es": "Suele responder enseguida", "en": "Usually replies at once", "pt": "Responde logo"},
        header=Shade("#03363d", "#021f24"),
        on_header=Shade("#ffffff", "#e9f2f1"),
        wallpaper=Shade("#ffffff", "#151a1b"),
        bubble=Shade("#f0f2f3", "#2a3133"),
        ink=Shade("#1f2a2c", "#eef2f2"),
        own_bubble=Shade("#17494d", "#2b6b70"),
        own_ink=Shade("#ffffff", "#ffffff"),
        soft=Shade("#5b6769", "#a3b0b2"),
        accent=Shade("#17494d", "#7fc4c4"),
        buttons="inside",
        ticks="below",
        tail=False,
        radius_px=16,
        times="gaps",
        faces=True,
        field={"es": "Escriba un mensaje", "en": "Type a message", "pt": "Escreva uma mensagem"},
    )
