"""What a message of the Send API looks like on a customer's screen, and what its buttons stand for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec

from channels._meta.messaging.sandbox_rules import Json
from channels.sandboxes import Attachment, PhoneButton, PhoneCard, PhoneMessage, Run

_KINDS: dict[str, Literal["image", "video", "audio", "file"]] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "file": "file",
}


class Press(msgspec.Struct, frozen=True):
    """What a button does: ``postback``, or ``quick_reply`` (which is a message)."""

    kind: Literal["postback", "quick_reply"]
    title: str
    payload: str


class Drawn(msgspec.Struct, frozen=True):
    """A message on the screen, and its buttons by their keys."""

    shown: PhoneMessage
    presses: dict[str, Press]


def drawn(message_id: str, at: datetime, message: Json, file: str = "", quotes: str = "", who: str = "") -> Drawn:
    """A taken message as the app shows it; *file* is the phone's key of a file that came along or was fetched.

    *who*: the persona who says it.
    """
    presses: dict[str, Press] = {}
    attachment = cast("Json", message.get("attachment") or {})
    payload = cast("Json", attachment.get("payload") or {})
    shown = PhoneMessage(
        id=message_id,
        at=at,
        runs=tuple(_runs(message, payload)),
        rows=_rows(cast("list[Json]", payload.get("buttons") or []), presses),
        cards=tuple(_card(element, presses) for element in cast("list[Json]", payload.get("elements") or [])),
        attachments=tuple(_attachments(attachment, payload, file)),
        quick=tuple(_chip(reply, presses) for reply in cast("list[Json]", message.get("quick_replies") or [])),
        quotes=quotes,
        who=who,
    )
    return Drawn(shown, presses)


def _runs(message: Json, payload: Json) -> Iterator[Run]:
    text = str(message.get("text") or payload.get("text") or "")
    for word in _words(text):
        is_link = word.startswith(("https://", "http://"))
        yield Run(word, url=word if is_link else "")


def _words(text: str) -> Iterator[str]:
    """The text in pieces, of which each address is one."""
    rest = text
    while rest:
        starts = [at for at in (rest.find("https://"), rest.find("http://")) if at >= 0]
        if not starts:
            yield rest
            return
        start = min(starts)
        end = next((at for at in range(start, len(rest)) if rest[at].isspace() or rest[at] in ")]>"), len(rest))
        if start:
            yield rest[:start]
        yield rest[start:end]
        rest = rest[end:]


def _rows(buttons: list[Json], presses: dict[str, Press]) -> tuple[tuple[PhoneButton, ...], ...]:
    return tuple((_button(button, presses),) for button in buttons)


def _button(button: Json, presses: dict[str, Press]) -> PhoneButton:
    title = str(button["title"])
    if button["type"] == "web_url":
        return PhoneButton(title, url=str(button["url"]))
    key = f"b{len(presses)}"
    presses[key] = Press("postback", title, str(button.get("payload", "")))
    return PhoneButton(title, key)


def _chip(reply: Json, presses: dict[str, Press]) -> PhoneButton:
    key = f"q{len(presses)}"
    if reply["content_type"] == "user_phone_number":
        presses[key] = Press("quick_reply", "+34600000000", "+34600000000")
        return PhoneButton("+34 600 000 000", key)
    title = str(reply["title"])
    presses[key] = Press("quick_reply", title, str(reply["payload"]))
    return PhoneButton(title, key, image=str(reply.get("image_url", "")))


def _card(element: Json, presses: dict[str, Press]) -> PhoneCard:
    return PhoneCard(
        title=str(element["title"]),
        subtitle=str(element.get("subtitle", "")),
        url=str(element.get("image_url", "")),
        buttons=tuple(_button(button, presses) for button in cast("list[Json]", element.get("buttons") or [])),
    )


def _attachments(attachment: Json, payload: Json, file: str) -> Iterator[Attachment]:
    kind = _KINDS.get(str(attachment.get("type", "")))
    if kind is not None:
        url = str(payload.get("url", ""))
        name = urlsplit(url).path.rpartition("/")[2] if kind == "file" else ""
        yield Attachment(kind, name, file=file, url="" if file else url)
