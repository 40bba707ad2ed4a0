"""Turns a message of ours into messages of Sunshine's. Pure, and the same calls in the same order every time.

Every call carries in its metadata which message of ours it belongs to: it comes back in the webhook and in the list
of messages, so a send whose answer was lost can be settled. What cannot be shown is degraded, and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from channels.degrading import Fitted, Limits, fitted
from channels.formatting import Formatted, Unit, from_markdown, measure, shorten, split, without_lone_surrogates
from channels.shortening import shortened_value
from channels.sunshine.richtext import as_html, as_plain
from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import Call, Upload
from gateway.core.errors import GiveUp
from gateway.core.messages import (
    Author,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    MediaKind,
    Option,
    Outgoing,
    Parts,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)

METHOD = "postMessage"
TEXT_UNITS = 4096
LABEL_UNITS = 40
SHORT_LABEL_UNITS = 20
ACTIONS = 10
ITEMS = 10
ITEM_ACTIONS = 3
TITLE_UNITS = 128
ALT_UNITS = 128
URL_UNITS = 2048
PAYLOAD_BYTES = 1000
MEDIA: frozenset[MediaKind] = frozenset({"image", "audio", "voice", "video", "document", "sticker", "animation"})

_LIMITS = Limits(
    unit=Unit.UTF16,
    choice_units=TEXT_UNITS,
    buttons=ACTIONS,
    button_units=LABEL_UNITS,
    url_buttons=ACTIONS,
    mixes_urls=True,
    quick_replies=ACTIONS,
    quick_reply_units=LABEL_UNITS,
    list_rows=ITEMS,
    row_units=TITLE_UNITS,
    row_description_units=TITLE_UNITS,
    cards=ITEMS,
    card_buttons=ITEM_ACTIONS,
    card_title_units=TITLE_UNITS,
    card_subtitle_units=TITLE_UNITS,
    media=MEDIA,
    has_location=True,
    asks_for=frozenset({"location"}),
)
_SHORT_LABELS = frozenset({"messenger", "instagram", "whatsapp", "line", "viber"})
"""Apps behind Sunshine whose buttons hold 20 characters."""

_CHOOSE = {"es": "Elegir", "pt": "Escolher", "en": "Choose"}


class _Draft(msgspec.Struct):
    """A message before it is addressed. *upload* fills the content's ``mediaUrl``."""

    content: dict[str, object]
    upload: Upload | None = None
    losses: tuple[str, ...] = ()


def render(settings: SunshineSettings, message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    parts = message.parts
    if len(parts) == 1 and not message.reply_to:
        part = parts[0]
        if type(part) is Text and part.markup == "plain" and _is_simple(part.text):
            return (_call(settings, message, 0, _Draft({"type": "text", "text": part.text})),)
    drafts: list[_Draft] = []
    lost: list[str] = []
    for shown in _fitted(parts, message.traits):
        made = _drafts(settings, message, shown)
        drafts.extend(made)
        if not made:
            lost.extend(shown.losses or ("content",))
    if not drafts:
        raise GiveUp("not_supported", f"nothing to show ({', '.join(lost) or 'no content'})")
    if message.reply_to:
        lost.append("quote")
    drafts[0].losses = (*lost, *drafts[0].losses)
    return tuple(_call(settings, message, number, draft) for number, draft in enumerate(drafts))


def _is_simple(text: str) -> bool:
    """Short, and with nothing that would have to be looked at."""
    is_clean = text.isprintable() or (text.isascii() and "\0" not in text)
    return 0 < len(text) <= TEXT_UNITS // 2 and is_clean and not text.isspace()


def _call(settings: SunshineSettings, message: Outgoing, number: int, draft: _Draft) -> Call:
    body = {
        "author": _author(settings, message),
        "content": draft.content,
        "metadata": {"tertulia_message": str(message.message_id), "tertulia_call": number},
    }
    uploads = (draft.upload,) if draft.upload else ()
    return Call(METHOD, {"conversation": message.recipient, "message": body}, uploads, draft.losses)


def _author(settings: SunshineSettings, message: Outgoing) -> dict[str, object]:
    author: dict[str, object] = {"type": "business"}
    is_bot = message.author is Author.BOT
    if is_bot and settings.marks_ai:
        author["subtypes"] = ["AI"]
    name = (message.name or settings.display_name) if is_bot else message.name
    if name:
        author["displayName"] = shorten(_clean(name), TITLE_UNITS, Unit.UTF16)
    if is_bot and settings.avatar_url:
        author["avatarUrl"] = settings.avatar_url
    return author


def _clean(text: str) -> str:
    return without_lone_surrogates(text).replace("\0", "\ufffd")


# ---------------------------------------------------------------- what fits


def _fitted(parts: Parts, traits: str) -> list[Fitted]:
    units = _label_units(traits)
    limits = msgspec.structs.replace(_LIMITS, button_units=units, quick_reply_units=units)
    return [shown for part in parts for shown in _fit(part, limits)]


def _label_units(traits: str) -> int:
    return SHORT_LABEL_UNITS if traits in _SHORT_LABELS else LABEL_UNITS


def _fit(part: object, limits: Limits) -> Sequence[Fitted]:
    """A carousel's cards all need a button: where one has none, they go one below the other."""
    if not isinstance(part, Cards):
        return fitted((part,), limits)  # type: ignore[arg-type]  # a part of a message
    cards, losses = _with_web_links(part)
    has_buttons = all(any(not option.asks_for for option in card.options) for card in cards.cards)
    has_room = all(len(card.image_url) <= URL_UNITS for card in cards.cards)
    if not (has_buttons and has_room):
        limits = msgspec.structs.replace(limits, cards=0)
    shown = list(fitted((cards,), limits))
    if shown and losses:
        shown[0] = Fitted(shown[0].part, (*losses, *shown[0].losses))
    return shown


def _with_web_links(carousel: Cards) -> tuple[Cards, tuple[str, ...]]:
    """The cards with only such links as can be opened; the others are told in words."""
    losses: list[str] = []
    cards: list[Card] = []
    for card in carousel.cards:
        odd = [option for option in card.options if option.url and not _is_web_address(option.url)]
        losses.extend("link as a button" for _ in odd)
        told = "\n".join([card.subtitle, *(f"{option.label}: {option.url}" for option in odd)]).strip()
        options = tuple(option for option in card.options if option not in odd and option.label.strip())
        cards.append(msgspec.structs.replace(card, subtitle=told, options=options))
    return Cards(tuple(cards)), tuple(losses)


def _is_web_address(url: str) -> bool:
    return url.startswith(("https://", "http://"))


# ---------------------------------------------------------------- parts


def _drafts(settings: SunshineSettings, message: Outgoing, shown: Fitted) -> list[_Draft]:
    """The messages for one part, none when nothing of it can be shown."""
    part = shown.part
    match part:
        case None:
            return []
        case Text():
            drafts = _texts(_formatted(part.text, part.markup == "markdown"))
        case Media():
            drafts = _media(settings, part, message)
        case Location():
            drafts = [_location(part)]
        case Choice():
            drafts = _choice(part, message)
        case Cards():
            drafts = [_carousel(part)]
        case ContactCard() | Template() | Selection() | Reaction() | Unsupported():
            return []
        case _:
            assert_never(part)
    if drafts:
        drafts[0].losses = (*shown.losses, *drafts[0].losses)
    return drafts


def _formatted(text: str, is_markdown: bool) -> Formatted:
    clean = _clean(text)
    return from_markdown(clean) if is_markdown else Formatted(clean)


def _texts(formatted: Formatted) -> list[_Draft]:
    return [_Draft({"type": "text", **_words(piece)}) for piece in _pieces(formatted, TEXT_UNITS)]


def _words(piece: Formatted) -> dict[str, object]:
    words: dict[str, object] = {"text": as_plain(piece)}
    if piece.spans:
        words["htmlText"] = as_html(piece)
    return words


def _pieces(formatted: Formatted, limit: int) -> list[Formatted]:
    """Cut so that both forms of each piece are within Sunshine's limit: HTML and spelt-out links take more room."""
    pieces: list[Formatted] = []
    for piece in split(formatted, limit, Unit.UTF16):
        longest = max(measure(str(form), Unit.UTF16) for form in _words(piece).values())
        if longest <= TEXT_UNITS:
            pieces.append(piece)
        elif limit > TEXT_UNITS // 16:
            pieces.extend(_pieces(piece, limit // 2))
        else:
            pieces.extend(split(Formatted(piece.text), TEXT_UNITS, Unit.UTF16))
    return pieces


def _location(place: Location) -> _Draft:
    name, address = _clean(place.name).strip(), _clean(place.address).strip()
    content: dict[str, object] = {
        "type": "location",
        "coordinates": {"lat": place.latitude, "long": place.longitude},
    }
    described = {key: value for key, value in (("name", name), ("address", address)) if value}
    if described:
        content["location"] = described
    return _Draft(content)


# ---------------------------------------------------------------- files


def _media(settings: SunshineSettings, media: Media, message: Outgoing) -> list[_Draft]:
    """Our own copy goes first, then the public address, then where the file lies at Zendesk already."""
    pieces = _pieces(_formatted(media.caption, is_markdown=False), TEXT_UNITS)
    content: dict[str, object] = {"type": _file_type(media)}
    link = message.links.get(media.blob, "") if media.blob else ""
    upload: Upload | None = None
    if media.blob and (settings.uploads_files or not _is_web_address(link)):
        upload = Upload("source", media.blob, media.name or "file", media.mime)
    elif source := next(filter(_is_web_address, (link, media.url, media.provider_ref)), ""):
        content["mediaUrl"] = source
    else:
        return [_Draft({"type": "text", **_words(piece)}, losses=("media without a source",)) for piece in pieces]
    if media.name:
        content["altText"] = shorten(_clean(media.name), ALT_UNITS, Unit.UTF16)
    if not pieces:
        return [_Draft(content, upload)]
    content["text"] = pieces[0].text
    losses = ("caption in one piece",) if len(pieces) > 1 else ()
    rest = [_Draft({"type": "text", **_words(piece)}) for piece in pieces[1:]]
    return [_Draft(content, upload, losses), *rest]


def _file_type(media: Media) -> str:
    """Stickers and moving pictures are images, unless they are films."""
    is_picture = media.kind in {"image", "sticker", "animation"} and not media.mime.startswith("video/")
    return "image" if is_picture else "file"


# ---------------------------------------------------------------- choices


def _choice(choice: Choice, message: Outgoing) -> list[_Draft]:
    """A list is one only where its lines hold more than a button can: else buttons are one message instead of two."""
    units = _label_units(message.traits)
    is_rich = any(option.description or measure(option.label, Unit.UTF16) > units for option in choice.options)
    if choice.style == "list" and is_rich:
        return _list(choice, message.language)
    drafts = _texts(_formatted(choice.text, choice.markup == "markdown"))
    if choice.style != "quick_replies":
        drafts[-1].content["actions"] = [_button(option) for option in choice.options]
        return drafts
    replies = [_reply(option) for option in choice.options if not option.asks_for]
    requests = [_request(option) for option in choice.options if option.asks_for]
    if requests:  # beside replies no other kind of button is allowed, so these stand under the words before
        drafts[-1].content["actions"] = requests
    if replies and requests:
        drafts.append(_Draft({"type": "text", "actions": replies}, losses=("options in one message",)))
    elif replies:
        drafts[-1].content["actions"] = replies
    return drafts


def _list(choice: Choice, language: str) -> list[_Draft]:
    """The question, and below it a list whose lines each have a button."""
    label = _CHOOSE.get(language.lower()[:2], _CHOOSE["en"])
    items = [_row(option, label) for option in choice.options]
    question = _texts(_formatted(choice.text, choice.markup == "markdown"))
    return [*question, _Draft({"type": "list", "items": items})]


def _row(option: Option, label: str) -> dict[str, object]:
    item: dict[str, object] = {"title": _clean(option.label)}
    if option.description:
        item["description"] = _clean(option.description)
    item["actions"] = [_button(msgspec.structs.replace(option, label=label))]
    return item


def _button(option: Option) -> dict[str, object]:
    label = _clean(option.label)
    if option.url:
        return {"type": "link", "text": label, "uri": _clean(option.url)}
    return {"type": "postback", "text": label, "payload": _payload(option)}


def _reply(option: Option) -> dict[str, object]:
    return {"type": "reply", "text": _clean(option.label), "payload": _payload(option)}


def _request(option: Option) -> dict[str, object]:
    return {"type": "locationRequest", "text": _clean(option.label)}


def _payload(option: Option) -> str:
    return shortened_value(_clean(option.value or option.label), PAYLOAD_BYTES)


def _carousel(carousel: Cards) -> _Draft:
    return _Draft({"type": "carousel", "items": [_item(card) for card in carousel.cards]})


def _item(card: Card) -> dict[str, object]:
    item: dict[str, object] = {"title": _clean(card.title)}
    if card.subtitle:
        item["description"] = _clean(card.subtitle)
    if card.image_url:
        item["mediaUrl"] = card.image_url
    item["actions"] = [_button(option) for option in card.options]
    return item
