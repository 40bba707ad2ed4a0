"""Turns a message of ours into calls of the Cloud API. Pure, and the same calls in the same order every time.

What the app cannot show is degraded by rule, and each call names its losses. Lengths count UTF-16 units, the strictest
of the readings of Meta's "characters".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from channels.degrading import Fitted, Limits, fitted
from channels.formatting import measure, shorten, without_lone_surrogates
from channels.shortening import shortened_value
from channels.whatsapp.markup import UNIT, written
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
    Template,
    Text,
)

SEND = "messages"

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
QUESTION_UNITS = 1024
BUTTONS = 3
BUTTON_UNITS = 20
BUTTON_VALUE_BYTES = 256
ROWS = 10
ROW_UNITS = 24
ROW_DESCRIPTION_UNITS = 72
ROW_VALUE_BYTES = 200
CARDS = 10
MIN_CARDS = 2
CARD_UNITS = 160
FILE_NAME_UNITS = 240
PLACE_NAME_UNITS = 100
PLACE_ADDRESS_UNITS = 300

MEDIA: frozenset[MediaKind] = frozenset({"image", "audio", "voice", "video", "document", "sticker"})

LIMITS = Limits(
    unit=UNIT,
    choice_units=QUESTION_UNITS,
    buttons=BUTTONS,
    button_units=BUTTON_UNITS,
    url_buttons=1,
    list_rows=ROWS,
    row_units=ROW_UNITS,
    row_description_units=ROW_DESCRIPTION_UNITS,
    media=MEDIA,
    has_location=True,
    has_contact=True,
    has_templates=True,
    has_reactions=True,
)

MIMES: dict[str, frozenset[str]] = {
    "image": frozenset({"image/jpeg", "image/png"}),
    "video": frozenset({"video/mp4", "video/3gpp"}),
    "audio": frozenset({"audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg", "audio/opus"}),
    "sticker": frozenset({"image/webp"}),
}
"""What the app plays; a file of another type goes as a document."""

SIZE_LIMITS = {
    "image": 5_000_000,
    "video": 16_000_000,
    "audio": 16_000_000,
    "sticker": 500_000,
    "document": 100_000_000,
}
"""In bytes."""

_OPEN_LIST = {"es": "Ver opciones", "pt": "Ver opções", "en": "See options"}
_OPTIONS = {"es": "Opciones:", "pt": "Opções:", "en": "Options:"}

_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]+")
_PHONE = re.compile(r"\+?[0-9]{5,20}")
_SOUNDS = {"voice": "audio"}
_MEDIA_ID = re.compile(r"[0-9]{5,40}")
_BLANKS = re.compile(r"\s+")

Body = dict[str, object]


class _Draft(msgspec.Struct):
    """A call before it is addressed. ``body`` holds its type and that type's field."""

    body: Body
    uploads: tuple[Upload, ...] = ()
    losses: tuple[str, ...] = ()
    is_quotable: bool = True


def render(message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    drafts: list[_Draft] = []
    losses: list[str] = []
    for part in message.parts:
        for fit in _fit(part):
            made = _part(fit.part, message) if fit.part is not None else []
            if made:
                made[0].losses = (*fit.losses, *made[0].losses)
                drafts.extend(made)
            else:
                losses.extend(fit.losses or ("empty",))
    if not drafts:
        raise GiveUp("not_supported", f"nothing to show ({', '.join(losses) or 'no content'})")
    drafts[0].losses = (*losses, *drafts[0].losses)
    envelope = _envelope(message)
    return tuple(_call(envelope, draft, message.reply_to if number == 0 else "") for number, draft in enumerate(drafts))


def is_group(recipient: str) -> bool:
    """Neither a number nor a user id: a group."""
    return not (_PHONE.fullmatch(recipient) or _USER_ID.fullmatch(recipient))


def is_user_id(recipient: str) -> bool:
    """Whether a recipient is named by the business-scoped user id, which has a field of its own."""
    return _USER_ID.fullmatch(recipient) is not None


def addressed(recipient: str) -> Body:
    """The fields that say whom a call is for."""
    if is_user_id(recipient):
        return {"recipient_type": "individual", "recipient": recipient}
    if is_group(recipient):
        return {"recipient_type": "group", "to": recipient}
    return {"recipient_type": "individual", "to": recipient.removeprefix("+")}


def _envelope(message: Outgoing) -> Body:
    return {
        "messaging_product": "whatsapp",
        **addressed(message.recipient),
        "biz_opaque_callback_data": str(message.message_id),
    }


def _call(envelope: Body, draft: _Draft, reply_to: str) -> Call:
    params = {**envelope, **draft.body}
    if reply_to.startswith("wamid.") and draft.is_quotable:
        params["context"] = {"message_id": reply_to}
    return Call(SEND, params, draft.uploads, draft.losses)


def _fit(part: AnyPart) -> Sequence[Fitted]:
    """As the rules have it, but for the two forms of WhatsApp's that they do not know."""
    if isinstance(part, Choice) and _request(part) is not None:
        return (Fitted(part),)
    if isinstance(part, Cards) and _is_carousel(part):
        return (Fitted(part),)
    if isinstance(part, Choice) and _is_whole_as_list(part):
        first, *rest = fitted((msgspec.structs.replace(part, style="list"),), LIMITS)
        return (Fitted(first.part, (f"{part.style} as list", *first.losses)), *rest)
    return fitted((part,), LIMITS)


def _is_whole_as_list(choice: Choice) -> bool:
    """Labels too long for buttons, that stand whole as the second lines of a list."""
    if choice.style == "list" or not 0 < len(choice.options) <= ROWS:
        return False
    if any(option.url or option.asks_for or option.description for option in choice.options):
        return False
    lengths = [measure(option.label.strip(), UNIT) for option in choice.options]
    return BUTTON_UNITS < max(lengths) <= ROW_DESCRIPTION_UNITS


def _part(part: AnyPart, message: Outgoing) -> list[_Draft]:
    match part:
        case Text():
            return _texts(part.text, is_markdown=part.markup == "markdown")
        case Media():
            return _media(part, message)
        case Location():
            return [_location(part)]
        case ContactCard():
            return _contact(part)
        case Choice():
            return _choice(part, message.language)
        case Cards():
            return [_carousel(part, message.language)]
        case Template():
            return [_template(part, message.language)]
        case Reaction():
            return [_reaction(part)]
        case _:  # the rules leave no other
            return []


def _texts(text: str, *, is_markdown: bool = False) -> list[_Draft]:
    return [_text(piece) for piece in written(text, TEXT_UNITS, is_markdown=is_markdown)]


def _text(piece: str) -> _Draft:
    body: Body = {"body": piece}
    if "https://" in piece or "http://" in piece:
        body["preview_url"] = True
    return _Draft({"type": "text", "text": body})


def _clean(text: str, units: int) -> str:
    return shorten(without_lone_surrogates(text).replace("\0", "\ufffd").strip(), units, UNIT)


def _address(url: str) -> str:
    """An address with nothing in it that would end it early."""
    return _BLANKS.sub("%20", without_lone_surrogates(url).replace("\0", "").strip())


# ---------------------------------------------------------------- files


def _media(media: Media, message: Outgoing) -> list[_Draft]:
    """A link goes before an upload: Meta fetches it itself."""
    kind = _kind(media)
    losses = () if kind in {media.kind, _SOUNDS.get(media.kind)} else (f"{media.kind} as {kind}",)
    field: Body = {}
    uploads: tuple[Upload, ...] = ()
    link = message.links.get(media.blob, "") if media.blob else ""
    if link or (media.url and not media.blob):
        field["link"] = link or _address(media.url)
    elif media.blob:
        uploads = (Upload(kind, media.blob, media.name or kind, media.mime),)
    elif _MEDIA_ID.fullmatch(media.provider_ref):
        field["id"] = media.provider_ref
    if not (field or uploads) or not str(field.get("link", "https://")).startswith(("https://", "http://")):
        return [_with_loss(text, "media without a source") for text in _texts(media.caption)]
    if kind == "document" and media.name.strip():
        field["filename"] = _clean(media.name, FILE_NAME_UNITS)
    if media.kind == "voice" and kind == "audio":
        field["voice"] = True
    return _captioned(_Draft({"type": kind, kind: field}, uploads, losses), field, kind, media.caption)


def _kind(media: Media) -> Literal["image", "video", "audio", "document", "sticker"]:
    """What the app can play stays what it is; a foreign or too large file is a document."""
    kind = "audio" if media.kind == "voice" else media.kind
    mime = media.mime.partition(";")[0].strip().lower()
    is_played = kind not in MIMES or not mime or mime in MIMES[kind]
    if kind == "sticker" and mime in MIMES["image"]:
        kind, is_played = "image", True
    if kind == "animation" or not is_played or media.size_bytes > SIZE_LIMITS[kind]:
        return "document"
    return kind


def _captioned(draft: _Draft, field: Body, kind: str, caption: str) -> list[_Draft]:
    """The caption under the file as far as it fits; the rest follows as messages of its own."""
    if not caption.strip():
        return [draft]
    if kind in {"audio", "sticker"}:
        return [_with_loss(draft, "caption"), *_texts(caption)]
    [first, *rest] = written(caption, CAPTION_UNITS, is_markdown=False)
    field["caption"] = first
    return [_with_loss(draft, "caption in one piece"), *map(_text, rest)] if rest else [draft]


def _with_loss(draft: _Draft, loss: str) -> _Draft:
    draft.losses = (*draft.losses, loss)
    return draft


# ---------------------------------------------------------------- places, people, reactions


def _location(place: Location) -> _Draft:
    field: Body = {"latitude": place.latitude, "longitude": place.longitude}
    if place.name.strip():
        field["name"] = _clean(place.name, PLACE_NAME_UNITS)
    if place.address.strip():
        field["address"] = _clean(place.address, PLACE_ADDRESS_UNITS)
    return _Draft({"type": "location", "location": field})


def _contact(card: ContactCard) -> list[_Draft]:
    phone = _clean(card.phone, 40)
    if not phone:
        return [_with_loss(text, "contact card") for text in _texts(card.name)]
    name = _clean(card.name, TEXT_UNITS) or phone
    person: Body = {"name": {"formatted_name": name, "first_name": name}, "phones": [{"phone": phone}]}
    return [_Draft({"type": "contacts", "contacts": [person]})]


def _reaction(reaction: Reaction) -> _Draft:
    """One emoji is all that the app knows; none takes it back."""
    emoji = reaction.emojis[0] if reaction.emojis else ""
    losses = ("further reactions",) if len(reaction.emojis) > 1 else ()
    body: Body = {"type": "reaction", "reaction": {"message_id": reaction.of, "emoji": without_lone_surrogates(emoji)}}
    return _Draft(body, losses=losses, is_quotable=False)


# ---------------------------------------------------------------- choices


_REQUESTS = {
    "location": ("location_request_message", "send_location"),
    "phone": ("request_contact_info", "request_contact_info"),
}
"""What the app asks the person for by itself: its word for the message, and for the button."""


def _request(choice: Choice) -> tuple[str, str] | None:
    """The app's own request, when that is all that a choice is for."""
    return _REQUESTS.get(choice.options[0].asks_for) if len(choice.options) == 1 else None


def _choice(choice: Choice, language: str) -> list[_Draft]:
    """The options under the question; what of it is too long goes before, as texts."""
    pieces = written(choice.text, QUESTION_UNITS, is_markdown=choice.markup == "markdown")
    before = [_text(piece) for piece in pieces[:-1]]
    question = pieces[-1] if pieces else _clean(choice.options[0].label, QUESTION_UNITS) or _word(_OPTIONS, language)
    asked = _interactive(choice, question, language)
    if before:
        asked.losses = (*asked.losses, "question in one piece")
    return [*before, asked]


def _interactive(choice: Choice, question: str, language: str) -> _Draft:
    body: Body = {"text": question}
    if (request := _request(choice)) is not None:
        return _asking({"type": request[0], "body": body, "action": {"name": request[1]}})
    if choice.options[0].url:
        return _asking({"type": "cta_url", "body": body, "action": _page(choice.options[0])})
    if choice.style == "list":
        rows, losses = _unlike(choice.options, ROW_VALUE_BYTES)
        sections = [{"rows": [_row(option) for option in rows]}]
        action: Body = {"button": _word(_OPEN_LIST, language), "sections": sections}
        return _asking({"type": "list", "body": body, "action": action}, losses)
    options, losses = _unlike(choice.options, BUTTON_VALUE_BYTES)
    buttons = [{"type": "reply", "reply": {"id": o.value, "title": _clean(o.label, BUTTON_UNITS)}} for o in options]
    return _asking({"type": "button", "body": body, "action": {"buttons": buttons}}, losses)


def _asking(interactive: Body, losses: tuple[str, ...] = ()) -> _Draft:
    return _Draft({"type": "interactive", "interactive": interactive}, losses=losses)


def _unlike(options: Sequence[Option], value_bytes: int) -> tuple[list[Option], tuple[str, ...]]:
    """The options with values that fit. Two with the same value cannot be told apart when pressed: one stays."""
    shown: dict[str, Option] = {}
    for option in options:
        value = _value(option, value_bytes)
        shown.setdefault(value, msgspec.structs.replace(option, value=value))
    losses = ("options with the same value",) if len(shown) < len(options) else ()
    return list(shown.values()), losses


def _value(option: Option, limit_bytes: int) -> str:
    """What comes back when the option is pressed."""
    value = option.value if option.value.strip() else option.label
    return shortened_value(without_lone_surrogates(value).replace("\0", "\ufffd"), limit_bytes)


def _row(option: Option) -> Body:
    row: Body = {"id": option.value, "title": _clean(option.label, ROW_UNITS)}
    if option.description.strip():
        row["description"] = _clean(option.description, ROW_DESCRIPTION_UNITS)
    return row


def _page(option: Option) -> Body:
    return {
        "name": "cta_url",
        "parameters": {"display_text": _clean(option.label, BUTTON_UNITS), "url": _address(option.url)},
    }


def _word(words: dict[str, str], language: str) -> str:
    return words.get(language.partition("-")[0].lower(), words["en"])


# ---------------------------------------------------------------- carousels


def _is_carousel(cards: Cards) -> bool:
    """Each card has a picture, and all have one button that opens a page, or the same number that answer."""
    shown = cards.cards
    if not MIN_CARDS <= len(shown) <= CARDS or not all(_is_whole(card) for card in shown):
        return False
    counts = {len(card.options) for card in shown}
    are_links = all(len(card.options) == 1 and card.options[0].url.startswith("http") for card in shown)
    are_answers = all(
        option.value.strip() and not option.url and not option.asks_for for card in shown for option in card.options
    )
    values = [option.value for card in shown for option in card.options]
    return len(counts) == 1 and (are_links or (are_answers and max(counts) <= 2 and len(set(values)) == len(values)))


def _is_whole(card: Card) -> bool:
    """Nothing of the card would have to be cut."""
    has_picture = card.image_url.startswith(("https://", "http://"))
    labels = [option.label.strip() for option in card.options]
    fits = all(0 < len(label.encode("utf-16-le", "surrogatepass")) // 2 <= BUTTON_UNITS for label in labels)
    words = _card_words(card)
    return has_picture and bool(labels) and fits and bool(words) and words == _clean(words, CARD_UNITS)


def _card_words(card: Card) -> str:
    lines = (_BLANKS.sub(" ", words).strip() for words in (card.title, card.subtitle))
    return "\n".join(line for line in lines if line)


def _carousel(cards: Cards, language: str) -> _Draft:
    shown = [_card(number, card) for number, card in enumerate(cards.cards)]
    return _asking({"type": "carousel", "body": {"text": _word(_OPTIONS, language)}, "action": {"cards": shown}})


def _card(number: int, card: Card) -> Body:
    shown: Body = {
        "card_index": number,
        "type": "cta_url",
        "header": {"type": "image", "image": {"link": _address(card.image_url)}},
        "body": {"text": _card_words(card)},
    }
    if card.options[0].url:
        return {**shown, "action": _page(card.options[0])}
    buttons = [
        {
            "type": "quick_reply",
            "quick_reply": {"id": _value(option, BUTTON_VALUE_BYTES), "title": _clean(option.label, BUTTON_UNITS)},
        }
        for option in card.options
    ]
    return {**shown, "action": {"buttons": buttons}}


# ---------------------------------------------------------------- templates


def _template(template: Template, language: str) -> _Draft:
    """Values fill the blanks of the body in order. A blank takes neither nothing nor line breaks."""
    losses: list[str] = []
    parameters = [{"type": "text", "text": _blank(value, losses)} for value in template.values]
    field: Body = {
        "name": without_lone_surrogates(template.name),
        "language": {"code": (template.language or language).replace("-", "_")},
    }
    if parameters:
        field["components"] = [{"type": "body", "parameters": parameters}]
    return _Draft({"type": "template", "template": field}, losses=tuple(losses))


def _blank(value: str, losses: list[str]) -> str:
    filled = _BLANKS.sub(" ", _clean(value, QUESTION_UNITS))
    if not filled:
        losses.append("empty value of a template")
    return filled or "-"
