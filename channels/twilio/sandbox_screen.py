"""How the two apps behind Twilio look on a phone: WhatsApp with its bubbles and ticks, text messages plain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from channels.sandboxes import (
    Attachment,
    PhoneButton,
    PhoneMessage,
    PhoneSheet,
    Run,
    Shade,
    SheetRow,
    Skin,
)
from channels.twilio.sandbox_rules import Shown
from channels.twilio.segments import segments
from channels.twilio.settings import App

Look = Literal["bold", "italic", "strike", "code"]

_MARKS = re.compile(
    r"```(?P<pre>[^`]+)```|`(?P<code>[^`\n]+)`"
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])"
    r"|(?P<url>https?://[^\s)]+)"
)
_LOOKS: dict[str, Look] = {"pre": "code", "code": "code", "bold": "bold", "italic": "italic", "strike": "strike"}
_LINK = re.compile(r"(?P<url>https?://[^\s)]+)")


def drawn(
    sid: str, at: datetime, app: App, body: str, shown: Shown | None, files: Sequence[Attachment]
) -> PhoneMessage:
    """A message as its app shows it."""
    text = shown.body if shown is not None else body
    return PhoneMessage(
        id=sid,
        at=at,
        runs=runs_of(app, text),
        rows=_rows(shown),
        sheet=_sheet(shown),
        attachments=tuple(files),
        facts=_facts(text) if app == "sms" else "",
    )


def _rows(shown: Shown | None) -> tuple[tuple[PhoneButton, ...], ...]:
    if shown is None or shown.kind != "twilio/quick-reply":
        return ()
    return tuple((PhoneButton(words, f"reply:{value}"),) for words, value, _ in shown.options)


def _sheet(shown: Shown | None) -> PhoneSheet | None:
    if shown is None or shown.kind != "twilio/list-picker":
        return None
    rows = tuple(
        SheetRow(title=words, key=f"list:{value}", description="" if described == "·" else described)
        for words, value, described in shown.options
    )
    return PhoneSheet(label=shown.button, rows=rows, title=shown.button)


def _facts(text: str) -> str:
    taken = segments(text)
    return f"{taken.count} SMS · {taken.encoding}" if taken.count > 1 else ""


def runs_of(app: App, text: str) -> tuple[Run, ...]:
    """The text cut wherever its look changes: WhatsApp's signs are read, a text message has links at most."""
    runs: list[Run] = []
    last = 0
    for found in (_MARKS if app == "whatsapp" else _LINK).finditer(text):
        if found.start() > last:
            runs.append(Run(text[last : found.start()]))
        name = str(found.lastgroup)
        words = found[name]
        runs.append(Run(words, url=words) if name == "url" else Run(words, (_LOOKS[name],)))
        last = found.end()
    return (*runs, Run(text[last:])) if last < len(text) else tuple(runs)


def skin(app: App, title: str, ours: str) -> Skin:
    """The look of an app. *ours* is the number, which a text message shows for a name."""
    return _whatsapp(title) if app == "whatsapp" else _sms(ours)


def _whatsapp(title: str) -> Skin:
    return Skin(
        app="WhatsApp · Twilio",
        title=title,
        subtitle={"es": "Cuenta de empresa", "en": "Business account", "pt": "Conta comercial"},
        header=Shade("#0b6156", "#1f2c33"),
        on_header=Shade("#ffffff", "#e9edef"),
        wallpaper=Shade("#ece5dc", "#0b141a"),
        bubble=Shade("#ffffff", "#202c33"),
        ink=Shade("#111b21", "#e9edef"),
        own_bubble=Shade("#daf8cb", "#054a3e"),
        own_ink=Shade("#111b21", "#e9edef"),
        soft=Shade("#5b676d", "#a3b3bc"),
        accent=Shade("#08705f", "#52c9b1"),
        buttons="inside",
        ticks="inside",
        tail=True,
        radius_px=9,
        field={"es": "Mensaje", "en": "Message", "pt": "Mensagem"},
    )


def _sms(ours: str) -> Skin:
    return Skin(
        app="SMS · Twilio",
        title=ours,
        subtitle={"es": "Mensaje de texto", "en": "Text message", "pt": "Mensagem de texto"},
        header=Shade("#f4f4f5", "#18181b"),
        on_header=Shade("#18181b", "#f4f4f5"),
        wallpaper=Shade("#ffffff", "#000000"),
        bubble=Shade("#e8e8ea", "#29292d"),
        ink=Shade("#111114", "#f4f4f5"),
        own_bubble=Shade("#1a7f37", "#1a7f37"),
        own_ink=Shade("#ffffff", "#ffffff"),
        soft=Shade("#62626a", "#a1a1aa"),
        accent=Shade("#166c2f", "#5fd07f"),
        buttons="under",
        ticks="none",
        tail=True,
        radius_px=18,
        times="gaps",
        head="middle",
        field={"es": "Mensaje de texto", "en": "Text message", "pt": "Mensagem de texto"},
    )
