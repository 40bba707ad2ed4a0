"""What the Cloud API would refuse in a message, by its documented limits: the sandbox's judgement, and the suite's.

It shares nothing with ``render.py`` on purpose, so that a limit that is wrong there is found here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

Json = Mapping[str, object]

MISSING = 131008
INVALID = 131009
BAD_PARAMETER = 100

_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_NUMBER = re.compile(r"\+?[0-9 ().-]{5,30}")
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_URL = re.compile(r"https?://[^\s]+")
_FORBIDDEN_IN_BLANKS = re.compile(r"[\n\t]| {5,}")


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong, with the code that the API would give."""

    code: int
    details: str


def faults(body: Json) -> list[Fault]:
    """All that is wrong with the body of a send; empty when the API takes it."""
    return list(_faults(body))


def _faults(body: Json) -> Iterator[Fault]:
    if body.get("messaging_product") != "whatsapp":
        yield Fault(BAD_PARAMETER, "Param messaging_product must be whatsapp")
    yield from _recipient(body)
    if len(str(body.get("biz_opaque_callback_data", ""))) > 512:
        yield Fault(BAD_PARAMETER, "Param biz_opaque_callback_data must be at most 512 characters")
    context = body.get("context")
    if context is not None and not _text(_object(context).get("message_id")):
        yield Fault(MISSING, "context.message_id is missing")
    kind = str(body.get("type", "text"))
    rule = _RULES.get(kind)
    if rule is None:
        yield Fault(BAD_PARAMETER, f"Param type is not supported: {kind}")
    elif kind not in body:
        yield Fault(MISSING, f"The parameter {kind} is required")
    else:
        yield from rule(body[kind])


def _recipient(body: Json) -> Iterator[Fault]:
    to, user_id = str(body.get("to", "")), str(body.get("recipient", ""))
    if not to and not user_id:
        yield Fault(MISSING, "The parameter to is required")
    if user_id and not _USER_ID.fullmatch(user_id):
        yield Fault(INVALID, "recipient is no business-scoped user ID")
    kind = body.get("recipient_type", "individual")
    if kind not in {"individual", "group"}:
        yield Fault(INVALID, "recipient_type must be individual or group")
    if to and kind == "individual" and not _NUMBER.fullmatch(to):
        yield Fault(INVALID, "to is no phone number")


# ---------------------------------------------------------------- looking into the body


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def length(value: object) -> int:
    """In UTF-16 units; 0 for what is no text."""
    return len(_text(value).encode("utf-16-le", "surrogatepass")) // 2


def _within(value: object, limit: int, name: str, *, least: int = 1) -> Iterator[Fault]:
    if least and not _text(value).strip():
        yield Fault(MISSING, f"{name} is required")
    elif length(value) > limit:
        yield Fault(BAD_PARAMETER, f"{name} must be at most {limit} characters")
    elif "\0" in _text(value):
        yield Fault(BAD_PARAMETER, f"{name} holds a character that is not allowed")


def _optional(value: object, limit: int, name: str) -> Iterator[Fault]:
    if value is not None:
        yield from _within(value, limit, name)


# ---------------------------------------------------------------- kinds of message


def _text_rule(field: object) -> Iterator[Fault]:
    yield from _within(_object(field).get("body"), 4096, "text.body")


def _media_rule(kind: str, *, can_caption: bool) -> Callable[[object], Iterator[Fault]]:
    def rule(field: object) -> Iterator[Fault]:
        file = _object(field)
        link, media_id = _text(file.get("link")), _text(file.get("id"))
        if bool(link) == bool(media_id):
            yield Fault(MISSING, f"{kind} needs either id or link")
        if link and not _URL.fullmatch(link):
            yield Fault(INVALID, f"{kind}.link is no address")
        if "caption" in file and not can_caption:
            yield Fault(BAD_PARAMETER, f"{kind} takes no caption")
        yield from _optional(file.get("caption"), 1024, f"{kind}.caption")
        if "filename" in file and kind != "document":
            yield Fault(BAD_PARAMETER, f"{kind} takes no filename")
        yield from _optional(file.get("filename"), 240, f"{kind}.filename")

    return rule


def _location_rule(field: object) -> Iterator[Fault]:
    place = _object(field)
    for name, bound in (("latitude", 90), ("longitude", 180)):
        value = place.get(name)
        if not isinstance(value, int | float) or not -bound <= value <= bound:
            yield Fault(INVALID, f"location.{name} must be a number up to {bound}")
    yield from _optional(place.get("name"), 100, "location.name")
    yield from _optional(place.get("address"), 300, "location.address")


def _contacts_rule(field: object) -> Iterator[Fault]:
    if not 1 <= len(_items(field)) <= 257:
        yield Fault(INVALID, "contacts must hold 1 to 257")
    for contact in _items(field):
        name = _object(_object(contact).get("name"))
        if not _text(name.get("formatted_name")):
            yield Fault(MISSING, "contacts.name.formatted_name is required")
        if not any(_text(name.get(part)) for part in ("first_name", "last_name", "middle_name", "prefix", "suffix")):
            yield Fault(MISSING, "contacts.name needs one name more")


def _reaction_rule(field: object) -> Iterator[Fault]:
    reaction = _object(field)
    if not _text(reaction.get("message_id")):
        yield Fault(MISSING, "reaction.message_id is required")
    if not isinstance(reaction.get("emoji"), str) or length(reaction.get("emoji")) > 32:
        yield Fault(INVALID, "reaction.emoji must be one emoji or empty")


def _template_rule(field: object) -> Iterator[Fault]:
    template = _object(field)
    if not _TEMPLATE_NAME.fullmatch(_text(template.get("name"))):
        yield Fault(INVALID, "template.name must be lower-case letters, digits and underscores")
    if not _LANGUAGE.fullmatch(_text(_object(template.get("language")).get("code"))):
        yield Fault(INVALID, "template.language.code is no language")
    for component in map(_object, _items(template.get("components"))):
        if component.get("type") not in {"header", "body", "button", "carousel"}:
            yield Fault(INVALID, "template.components.type is unknown")
        for parameter in map(_object, _items(component.get("parameters"))):
            if parameter.get("type") == "text":
                yield from _within(parameter.get("text"), 1024, "template.components.parameters.text")
                if _FORBIDDEN_IN_BLANKS.search(_text(parameter.get("text"))):
                    yield Fault(132018, "a parameter holds line breaks, tabs or many spaces")


# ---------------------------------------------------------------- interactive messages


def _interactive_rule(field: object) -> Iterator[Fault]:
    interactive = _object(field)
    kind = _text(interactive.get("type"))
    rule = _INTERACTIVE.get(kind)
    if rule is None:
        yield Fault(BAD_PARAMETER, f"interactive.type is not supported: {kind}")
        return
    yield from _within(_object(interactive.get("body")).get("text"), 4096 if kind == "list" else 1024, "body.text")
    yield from _optional(_object(interactive.get("footer")).get("text"), 60, "footer.text")
    header = _object(interactive.get("header"))
    if header.get("type") == "text":
        yield from _within(header.get("text"), 60, "header.text")
    yield from rule(_object(interactive.get("action")))


def _buttons_rule(action: Json) -> Iterator[Fault]:
    buttons = [_object(button) for button in _items(action.get("buttons"))]
    if not 1 <= len(buttons) <= 3:
        yield Fault(INVALID, "action.buttons must hold 1 to 3")
    replies = [_object(button.get("reply")) for button in buttons if button.get("type") == "reply"]
    if len(replies) != len(buttons):
        yield Fault(INVALID, "action.buttons.type must be reply")
    yield from _answers(replies, 256, 20, "action.buttons.reply")


def _answers(replies: Sequence[Json], id_limit: int, title_limit: int, name: str) -> Iterator[Fault]:
    for reply in replies:
        yield from _within(reply.get("id"), id_limit, f"{name}.id")
        yield from _within(reply.get("title"), title_limit, f"{name}.title")
    for key in ("id", "title"):
        if len({_text(reply.get(key)) for reply in replies}) < len(replies):
            yield Fault(INVALID, f"{name}.{key} must be unique")


def _list_rule(action: Json) -> Iterator[Fault]:
    yield from _within(action.get("button"), 20, "action.button")
    sections = [_object(section) for section in _items(action.get("sections"))]
    rows = [_object(row) for section in sections for row in _items(section.get("rows"))]
    if not 1 <= len(sections) <= 10:
        yield Fault(INVALID, "action.sections must hold 1 to 10")
    if not 1 <= len(rows) <= 10:
        yield Fault(INVALID, "all sections together must hold 1 to 10 rows")
    for section in sections:
        yield from _within(section.get("title"), 24, "section.title", least=1 if len(sections) > 1 else 0)
    for row in rows:
        yield from _within(row.get("title"), 24, "row.title")
        yield from _within(row.get("id"), 200, "row.id")
        yield from _optional(row.get("description"), 72, "row.description")
    if len({_text(row.get("id")) for row in rows}) < len(rows):
        yield Fault(INVALID, "row.id must be unique")


def _page_rule(action: Json) -> Iterator[Fault]:
    page = _object(action.get("parameters"))
    if action.get("name") != "cta_url":
        yield Fault(INVALID, "action.name must be cta_url")
    yield from _within(page.get("display_text"), 20, "action.parameters.display_text")
    if not _URL.fullmatch(_text(page.get("url"))):
        yield Fault(INVALID, "action.parameters.url is no address")


def _place_request_rule(action: Json) -> Iterator[Fault]:
    if action.get("name") != "send_location":
        yield Fault(INVALID, "action.name must be send_location")


def _number_request_rule(action: Json) -> Iterator[Fault]:
    if action.get("name") != "request_contact_info":
        yield Fault(INVALID, "action.name must be request_contact_info")


def _carousel_rule(action: Json) -> Iterator[Fault]:
    cards = [_object(card) for card in _items(action.get("cards"))]
    if not 2 <= len(cards) <= 10:
        yield Fault(INVALID, "action.cards must hold 2 to 10")
    for number, card in enumerate(cards):
        if card.get("card_index") != number:
            yield Fault(INVALID, "card_index must count from 0")
        yield from _card_faults(card)
    shapes = {(_text(_object(_object(c.get("action"))).get("name")), len(_card_buttons(c))) for c in cards}
    if len(shapes) > 1:
        yield Fault(INVALID, "all cards must have the same buttons")
    values = [_text(button.get("id")) for card in cards for button in _card_buttons(card)]
    if len(set(values)) < len(values):
        yield Fault(INVALID, "quick_reply.id must be unique")


def _card_faults(card: Json) -> Iterator[Fault]:
    header = _object(card.get("header"))
    kind = _text(header.get("type"))
    if kind not in {"image", "video"} or not _URL.fullmatch(_text(_object(header.get(kind)).get("link"))):
        yield Fault(INVALID, "a card needs a picture or a video")
    body = _object(card.get("body"))
    if body:
        yield from _within(body.get("text"), 160, "card.body.text")
        if _text(body.get("text")).count("\n") > 2:
            yield Fault(INVALID, "card.body.text may hold 2 line breaks")
    action = _object(card.get("action"))
    if action.get("name") == "cta_url":
        yield from _page_rule(action)
    elif not _card_buttons(card):
        yield Fault(INVALID, "a card needs a button")
    for button in _card_buttons(card):
        yield from _within(button.get("id"), 256, "quick_reply.id")
        yield from _within(button.get("title"), 20, "quick_reply.title")


def _card_buttons(card: Json) -> list[Json]:
    buttons = _items(_object(card.get("action")).get("buttons"))
    return [_object(_object(button).get("quick_reply")) for button in buttons]


_INTERACTIVE: dict[str, Callable[[Json], Iterator[Fault]]] = {
    "button": _buttons_rule,
    "list": _list_rule,
    "cta_url": _page_rule,
    "location_request_message": _place_request_rule,
    "request_contact_info": _number_request_rule,
    "carousel": _carousel_rule,
}

_RULES: dict[str, Callable[[object], Iterator[Fault]]] = {
    "text": _text_rule,
    "image": _media_rule("image", can_caption=True),
    "video": _media_rule("video", can_caption=True),
    "audio": _media_rule("audio", can_caption=False),
    "document": _media_rule("document", can_caption=True),
    "sticker": _media_rule("sticker", can_caption=False),
    "location": _location_rule,
    "contacts": _contacts_rule,
    "reaction": _reaction_rule,
    "template": _template_rule,
    "interactive": _interactive_rule,
}
