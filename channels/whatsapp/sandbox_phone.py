"""How WhatsApp draws a message of the business's on the customer's screen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from channels.sandboxes import (
    Attachment,
    PhoneButton,
    PhoneCard,
    PhoneMessage,
    PhoneSheet,
    Run,
    Shade,
    SheetRow,
    Skin,
)

Look = Literal["bold", "italic", "strike", "code"]

_LOOKS: dict[str, Look] = {"*": "bold", "_": "italic", "~": "strike"}
_CODE = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
_MARKED = re.compile(r"(?<!\w)([*_~])(?!\s)([^\n]+?)(?<!\s)\1(?!\w)")
_LINK = re.compile(r"https?://[^\s)]+")


def skin(title: str) -> Skin:
    """Green above, beige behind, buttons below the bubble, ticks in its corner."""
    return Skin(
        app="WhatsApp",
        title=title,
        subtitle={"es": "Cuenta de empresa", "en": "Business account", "pt": "Conta comercial"},
        header=Shade("#008069", "#1f2c33"),
        on_header=Shade("#ffffff", "#e9edef"),
        wallpaper=Shade("#efeae2", "#0b141a"),
        bubble=Shade("#ffffff", "#202c33"),
        ink=Shade("#111b21", "#e9edef"),
        own_bubble=Shade("#d9fdd3", "#005c4b"),
        own_ink=Shade("#111b21", "#e9edef"),
        soft=Shade("#667781", "#8696a0"),
        accent=Shade("#008069", "#00a884"),
        buttons="inside",
        ticks="inside",
        tail=True,
        radius_px=8,
        field={"es": "Mensaje", "en": "Message", "pt": "Mensagem"},
    )


# ---------------------------------------------------------------- letters


def runs_of(text: str) -> tuple[Run, ...]:
    """*text* as the app reads its own marks."""
    runs: list[Run] = []
    last = 0
    for found in _CODE.finditer(text):
        runs += _marked(text[last : found.start()], ())
        runs.append(Run(found.group(1) or found.group(2), ("code",)))
        last = found.end()
    return (*runs, *_marked(text[last:], ()))


def _marked(text: str, looks: tuple[Look, ...]) -> list[Run]:
    runs: list[Run] = []
    last = 0
    for found in _MARKED.finditer(text):
        runs += _linked(text[last : found.start()], looks)
        runs += _marked(found.group(2), (*looks, _LOOKS[found.group(1)]))
        last = found.end()
    return [*runs, *_linked(text[last:], looks)]


def _linked(text: str, looks: tuple[Look, ...]) -> list[Run]:
    runs: list[Run] = []
    last = 0
    for found in _LINK.finditer(text):
        if found.start() > last:
            runs.append(Run(text[last : found.start()], looks))
        runs.append(Run(found.group(), looks, found.group()))
        last = found.end()
    return [*runs, Run(text[last:], looks)] if last < len(text) else runs


# ---------------------------------------------------------------- messages


def drawn(
    message_id: str, at: datetime, body: Mapping[str, object], *, file: str, template: str, quotes: str
) -> PhoneMessage:
    """The bubble of a body that the API took. *file*: the key of its file; *template*: its text, filled in."""
    kind = str(body.get("type", "text"))
    field = _object(body.get(kind))
    match kind:
        case "text":
            return PhoneMessage(id=message_id, at=at, runs=runs_of(_text(field, "body")), quotes=quotes)
        case "template":
            return PhoneMessage(id=message_id, at=at, runs=runs_of(template), quotes=quotes)
        case "interactive":
            return _interactive(message_id, at, field, quotes)
        case "location":
            facts = f"{field.get('latitude')}, {field.get('longitude')}"
            name = ", ".join(filter(None, (_text(field, "name"), _text(field, "address"))))
            place = Attachment("place", name, facts)
            return PhoneMessage(id=message_id, at=at, attachments=(place,), quotes=quotes)
        case "contacts":
            cards = tuple(_contact(_object(contact)) for contact in _items(body.get("contacts")))
            return PhoneMessage(id=message_id, at=at, attachments=cards, quotes=quotes)
        case _:
            shown = _attachment(kind, field, file)
            caption = runs_of(_text(field, "caption"))
            return PhoneMessage(id=message_id, at=at, attachments=(shown,), runs=caption, quotes=quotes)


def _attachment(kind: str, field: Mapping[str, object], file: str) -> Attachment:
    url = "" if file else _text(field, "link")
    name = _text(field, "filename")
    match kind:
        case "image" | "sticker":
            return Attachment("image", name, file=file, url=url)
        case "video":
            return Attachment("video", name, file=file, url=url)
        case "audio":
            return Attachment("audio", name, file=file, url=url)
        case _:
            return Attachment("file", name or "document", file=file, url=url)


def _contact(contact: Mapping[str, object]) -> Attachment:
    phones = [_text(_object(phone), "phone") for phone in _items(contact.get("phones"))]
    return Attachment("contact", _text(_object(contact.get("name")), "formatted_name"), ", ".join(phones))


def _interactive(message_id: str, at: datetime, field: Mapping[str, object], quotes: str) -> PhoneMessage:
    kind = _text(field, "type")
    action = _object(field.get("action"))
    header = _object(field.get("header"))
    return PhoneMessage(
        id=message_id,
        at=at,
        runs=runs_of(_text(_object(field.get("body")), "text")),
        head=_text(header, "text"),
        footer=_text(_object(field.get("footer")), "text"),
        rows=_rows(kind, action),
        sheet=_sheet(action) if kind == "list" else None,
        cards=_cards(action) if kind == "carousel" else (),
        quotes=quotes,
    )


def _rows(kind: str, action: Mapping[str, object]) -> tuple[tuple[PhoneButton, ...], ...]:
    if kind == "button":
        replies = [_object(_object(button).get("reply")) for button in _items(action.get("buttons"))]
        return tuple((PhoneButton(_text(reply, "title"), _text(reply, "id")),) for reply in replies)
    if kind == "cta_url":
        return ((_page_button(action),),)
    if kind == "location_request_message":
        return ((PhoneButton("📍", "send_location"),),)
    if kind == "request_contact_info":
        return ((PhoneButton("☎", "request_contact_info"),),)
    return ()


def _page_button(action: Mapping[str, object]) -> PhoneButton:
    page = _object(action.get("parameters"))
    return PhoneButton(_text(page, "display_text"), url=_text(page, "url"))


def _sheet(action: Mapping[str, object]) -> PhoneSheet:
    rows = [
        SheetRow(
            title=_text(_object(row), "title"),
            key=_text(_object(row), "id"),
            description=_text(_object(row), "description"),
            section=_text(_object(section), "title"),
        )
        for section in _items(action.get("sections"))
        for row in _items(_object(section).get("rows"))
    ]
    label = _text(action, "button")
    return PhoneSheet(label=label, rows=tuple(rows), title=label)


def _cards(action: Mapping[str, object]) -> tuple[PhoneCard, ...]:
    return tuple(_card(_object(card)) for card in _items(action.get("cards")))


def _card(card: Mapping[str, object]) -> PhoneCard:
    header = _object(card.get("header"))
    picture = _text(_object(header.get(_text(header, "type"))), "link")
    title, _, subtitle = _text(_object(card.get("body")), "text").partition("\n")
    action = _object(card.get("action"))
    if "buttons" in action:
        replies = [_object(_object(button).get("quick_reply")) for button in _items(action.get("buttons"))]
        buttons = tuple(PhoneButton(_text(reply, "title"), _text(reply, "id")) for reply in replies)
    else:
        buttons = (_page_button(action),)
    return PhoneCard(title=title, subtitle=subtitle, url=picture, buttons=buttons)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _text(value: Mapping[str, object], name: str) -> str:
    return str(value.get(name, ""))
