"""Turns a message of ours into calls of the Bot API. Pure, and the same calls in the same order every time.

Formatting travels as entities with offsets, never as markup that Telegram would have to parse, so no text can be
refused for its punctuation. What cannot be shown is degraded, and each call names its losses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

import msgspec

from channels.formatting import (
    Formatted,
    Span,
    SpanKind,
    Unit,
    from_markdown,
    measure,
    shorten,
    split,
    without_lone_surrogates,
)
from channels.shortening import shortened_value
from gateway.core.channel import Call, Upload
from gateway.core.errors import GiveUp
from gateway.core.messages import (
    AnyPart,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    MediaKind,
    Option,
    Outgoing,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
CALLBACK_BYTES = 64
MAX_BUTTONS = 100
MAX_ROWS = 100
BUTTON_CHARS = 64
PLACEHOLDER_CHARS = 64
ROW_CHARS = 28
ROW_BUTTONS = 3

_ENTITY_TYPES = {
    SpanKind.BOLD: "bold",
    SpanKind.ITALIC: "italic",
    SpanKind.STRIKE: "strikethrough",
    SpanKind.CODE: "code",
    SpanKind.PRE: "pre",
    SpanKind.LINK: "text_link",
}

_MEDIA_CALLS: dict[MediaKind, tuple[str, str]] = {
    "image": ("sendPhoto", "photo"),
    "audio": ("sendAudio", "audio"),
    "voice": ("sendVoice", "voice"),
    "video": ("sendVideo", "video"),
    "document": ("sendDocument", "document"),
    "sticker": ("sendSticker", "sticker"),
    "animation": ("sendAnimation", "animation"),
}

_FILE_ID = re.compile(r"[A-Za-z0-9_-]+")
_LINK_TYPES = ("http://", "https://", "tg://")


class _Draft(msgspec.Struct):
    """A call before it is addressed: what the parts add to one another is put together here."""

    method: str
    params: dict[str, object]
    uploads: tuple[Upload, ...] = ()
    losses: tuple[str, ...] = ()


def render(message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    parts = message.parts
    if len(parts) == 1 and not message.reply_to:
        part = parts[0]
        if type(part) is Text and part.markup == "plain" and _is_simple(part.text):
            return (Call("sendMessage", {"chat_id": message.recipient, "text": part.text}),)
    drafts: list[_Draft] = []
    losses: list[str] = []
    for part in parts:
        made = _part(part, is_group(message.recipient))
        drafts.extend(made)
        if not made:
            losses.append(type(part).__name__.lower())
    if not drafts:
        raise GiveUp("not_supported", f"nothing to show ({', '.join(losses) or 'no content'})")
    drafts[0].losses = (*losses, *drafts[0].losses)
    _reply(drafts[0], message)
    return tuple(
        Call(draft.method, {"chat_id": message.recipient, **draft.params}, draft.uploads, draft.losses)
        for draft in drafts
    )


def is_group(recipient: str) -> bool:
    """Groups, supergroups and channels have negative ids."""
    return recipient.startswith("-")


def message_reference(provider_message_id: str) -> tuple[str, int] | None:
    """Chat and message number out of an id of ours; ``None`` for what is no message (a press)."""
    chat, _, number = provider_message_id.rpartition(":")
    if not number.isdecimal() or not chat.removeprefix("-").isdecimal():
        return None
    return chat, int(number)


def _is_simple(text: str) -> bool:
    """Short, and with nothing that would have to be looked at."""
    is_clean = text.isprintable() or (text.isascii() and "\0" not in text)
    return 0 < len(text) <= TEXT_UNITS // 2 and is_clean and not text.isspace()


def _reply(first: _Draft, message: Outgoing) -> None:
    reference = message_reference(message.reply_to)
    if reference is None:
        return
    chat, number = reference
    if chat != message.recipient:
        first.losses = (*first.losses, "reply_to another chat")
        return
    first.params["reply_parameters"] = {"message_id": number, "allow_sending_without_reply": True}


def _part(part: AnyPart, in_group: bool) -> Sequence[_Draft]:
    """The calls for one part, none when nothing of it can be shown."""
    match part:
        case Text():
            return _texts(_formatted(part.text, part.markup == "markdown"))
        case Media():
            return _media(part)
        case Location():
            return (_location(part),)
        case ContactCard():
            return _contact(part)
        case Choice():
            return _choice(part, in_group)
        case Cards():
            return [draft for card in part.cards for draft in _card(card)]
        case Selection():
            return _texts(_formatted(part.label or part.value, is_markdown=False))
        case Template() | Reaction() | Unsupported():
            return ()
        case _:
            assert_never(part)


# ---------------------------------------------------------------- text


def _formatted(text: str, is_markdown: bool) -> Formatted:
    clean = without_lone_surrogates(text).replace("\0", "\ufffd")
    return from_markdown(clean) if is_markdown else Formatted(clean)


def _texts(formatted: Formatted) -> list[_Draft]:
    return [_text(piece) for piece in split(formatted, TEXT_UNITS, Unit.UTF16)]


def _text(piece: Formatted) -> _Draft:
    params: dict[str, object] = {"text": piece.text}
    if piece.spans:
        params["entities"] = entities(piece)
    return _Draft("sendMessage", params)


def entities(formatted: Formatted) -> list[dict[str, object]]:
    """Telegram's entities: offsets and lengths in UTF-16 code units."""
    text = formatted.text
    return [
        _entity(span, measure(text[: span.start], Unit.UTF16), measure(text[span.start : span.end], Unit.UTF16))
        for span in formatted.spans
    ]


def _entity(span: Span, offset: int, length: int) -> dict[str, object]:
    entity: dict[str, object] = {"type": _ENTITY_TYPES[span.kind], "offset": offset, "length": length}
    if span.url:
        entity["url"] = span.url
    if span.language:
        entity["language"] = span.language
    return entity


# ---------------------------------------------------------------- media


def _media(media: Media) -> list[_Draft]:
    """Our own copy goes first, then the public address, then the handle, which only this bot may know."""
    method, field = _MEDIA_CALLS[media.kind]
    caption = _formatted(media.caption, is_markdown=False)
    source = _source(media)
    if media.blob:
        upload = Upload(field, media.blob, media.name or field, media.mime)
        draft = _Draft(method, {}, (upload,))
    elif source:
        draft = _Draft(method, {field: source})
    else:
        return [msgspec.structs.replace(text, losses=("media without a source",)) for text in _texts(caption)]
    return _captioned(draft, caption, can_caption=media.kind != "sticker")


def _source(media: Media) -> str:
    """A public address or a handle of Telegram's; nothing that some server could take for a file of its own."""
    if _is_web_address(media.url):
        return media.url
    return media.provider_ref if _FILE_ID.fullmatch(media.provider_ref) else ""


def _is_web_address(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _captioned(draft: _Draft, caption: Formatted, *, can_caption: bool = True) -> list[_Draft]:
    """The caption under the file as far as it fits; the rest follows as messages of its own."""
    if not caption.text.strip():
        return [draft]
    if not can_caption:
        draft.losses = (*draft.losses, "caption")
        return [draft, *_texts(caption)]
    pieces = split(caption, CAPTION_UNITS, Unit.UTF16)
    draft.params["caption"] = pieces[0].text
    if pieces[0].spans:
        draft.params["caption_entities"] = entities(pieces[0])
    if len(pieces) == 1:
        return [draft]
    draft.losses = (*draft.losses, "caption in one piece")
    return [draft, *(_text(piece) for piece in pieces[1:])]


def _location(place: Location) -> _Draft:
    params: dict[str, object] = {"latitude": place.latitude, "longitude": place.longitude}
    if not place.name and not place.address:
        return _Draft("sendLocation", params)
    params["title"] = without_lone_surrogates(place.name or place.address)
    params["address"] = without_lone_surrogates(place.address or place.name)
    return _Draft("sendVenue", params)


def _contact(card: ContactCard) -> list[_Draft]:
    name = without_lone_surrogates(card.name).strip()
    if card.phone:
        return [_Draft("sendContact", {"phone_number": card.phone, "first_name": name or card.phone})]
    texts = _texts(Formatted(name))
    return [msgspec.structs.replace(text, losses=("contact without a phone number",)) for text in texts]


# ---------------------------------------------------------------- choices


def _choice(choice: Choice, in_group: bool) -> list[_Draft]:
    losses: list[str] = []
    options = [option for option in choice.options if option.label.strip()]
    uses_reply_keyboard = choice.style == "quick_replies" or any(option.asks_for for option in options)
    shown, spoken = _shown_and_spoken(options, uses_reply_keyboard, losses)
    question = _formatted(choice.text, choice.markup == "markdown")
    if not question.text.strip():
        question = Formatted(" · ".join(option.label for option in options))
    drafts = _texts(_with_lines(question, spoken))
    if drafts and shown:
        rows = _reply_rows(shown, in_group, losses) if uses_reply_keyboard else _inline_rows(shown, choice.style)
        drafts[-1].params["reply_markup"] = _reply_keyboard(rows) if uses_reply_keyboard else {"inline_keyboard": rows}
    if drafts:
        drafts[-1].losses = tuple(losses)
    return drafts


def _shown_and_spoken(
    options: Sequence[Option], uses_reply_keyboard: bool, losses: list[str]
) -> tuple[list[Option], list[str]]:
    """The options that become buttons, and lines of text for those that cannot."""
    shown: list[Option] = []
    spoken: list[str] = []
    for option in options:
        can_link = option.url.startswith(_LINK_TYPES) and not uses_reply_keyboard
        if option.url and not can_link:
            losses.append("link as a button")
            spoken.append(f"{option.label}: {option.url}")
        elif len(shown) == MAX_BUTTONS:
            losses.append(f"more than {MAX_BUTTONS} buttons")
            spoken.append(option.label)
        else:
            shown.append(option)
    return shown, spoken


def _with_lines(question: Formatted, lines: Sequence[str]) -> Formatted:
    if not lines:
        return question
    added = without_lone_surrogates("\n".join(lines))
    return Formatted(f"{question.text}\n{added}", question.spans)


def _inline_rows(options: Sequence[Option], style: str) -> list[list[dict[str, object]]]:
    buttons = [_inline_button(option) for option in options]
    return [[button] for button in buttons] if style == "list" else _in_rows(buttons)


def _inline_button(option: Option) -> dict[str, object]:
    label = _label(option)
    if option.url:
        return {"text": label, "url": option.url}
    value = without_lone_surrogates(option.value or option.label)
    return {"text": label, "callback_data": shortened_value(value, CALLBACK_BYTES)}


def _reply_rows(options: Sequence[Option], in_group: bool, losses: list[str]) -> list[list[dict[str, object]]]:
    buttons: list[dict[str, object]] = []
    for option in options:
        button: dict[str, object] = {"text": _label(option)}
        if option.asks_for and in_group:
            losses.append(f"asking a group for {option.asks_for}")
        elif option.asks_for:
            button["request_contact" if option.asks_for == "phone" else "request_location"] = True
        elif option.value and option.value != option.label:
            losses.append("value of a quick reply")
        buttons.append(button)
    return _in_rows(buttons)


def _reply_keyboard(rows: list[list[dict[str, object]]]) -> dict[str, object]:
    return {"keyboard": rows, "one_time_keyboard": True, "resize_keyboard": True}


def _label(option: Option) -> str:
    return shorten(without_lone_surrogates(option.label).strip(), BUTTON_CHARS)


def _in_rows(buttons: Sequence[dict[str, object]]) -> list[list[dict[str, object]]]:
    """Short labels side by side, long ones on a row of their own."""
    rows: list[list[dict[str, object]]] = []
    room = 0
    for button in buttons:
        width = len(str(button["text"])) + 4
        if not rows or width > room or len(rows[-1]) == ROW_BUTTONS:
            rows.append([])
            room = ROW_CHARS
        rows[-1].append(button)
        room -= width
    return rows


def _card(card: Card) -> list[_Draft]:
    """Cards do not lie side by side here: each becomes a picture, or a text, with its own buttons."""
    title = without_lone_surrogates(card.title).strip()
    subtitle = without_lone_surrogates(card.subtitle).strip()
    text = "\n".join(line for line in (title, subtitle) if line)
    described = Formatted(text, (Span(0, len(title), SpanKind.BOLD),) if title else ())
    losses: list[str] = ["carousel"]
    options = [option for option in card.options if option.label.strip()]
    shown, spoken = _shown_and_spoken(options, uses_reply_keyboard=False, losses=losses)
    described = _with_lines(described, spoken)
    if _is_web_address(card.image_url):
        drafts = _captioned(_Draft("sendPhoto", {"photo": card.image_url}), described)
    else:
        drafts = _texts(described if described.text.strip() else Formatted(" · ".join(o.label for o in shown)))
    if drafts and shown:
        drafts[-1].params["reply_markup"] = {"inline_keyboard": _inline_rows(shown, "buttons")}
    if drafts:
        drafts[0].losses = (*drafts[0].losses, *losses)
    return drafts
