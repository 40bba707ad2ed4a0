"""Turns a message of ours into calls of the Messages API. Pure, and the same calls in the same order every time.

The parameters of a call are those of Twilio's form, but for two that only the client can complete: ``Layout`` names
the template of a choice (``contents``), and ``StatusCallback`` is the query of our webhook's address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from channels.degrading import Limits, fitted
from channels.formatting import Unit, without_lone_surrogates
from channels.twilio.contents import (
    BODY_UNITS,
    ITEM_UNITS,
    LIST_ITEMS,
    QUICK_REPLIES,
    TITLE_UNITS,
    layout_of,
    variables_of,
)
from channels.twilio.contents import DESCRIPTION_UNITS as ROW_DESCRIPTION_UNITS
from channels.twilio.markup import texts_for
from channels.twilio.parse import OUR_REF
from channels.twilio.routes import read_route
from channels.twilio.segments import segments
from channels.twilio.settings import App, TwilioAccount, TwilioSettings
from gateway.core.channel import Call
from gateway.core.errors import GiveUp
from gateway.core.messages import (
    AnyPart,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    MediaKind,
    Outgoing,
    Parts,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)

MESSAGES = "Messages"
LAYOUT = "Layout"
STATUS_CALLBACK = "StatusCallback"

TEXT_UNITS = 1600
CAPTION_UNITS = 1024

WHATSAPP_MEDIA: frozenset[MediaKind] = frozenset({"image", "audio", "voice", "video", "document", "sticker"})
_CAPTIONED = frozenset({"image", "video", "document"})

_WHATSAPP = Limits(
    unit=Unit.UTF16,
    choice_units=BODY_UNITS,
    buttons=QUICK_REPLIES,
    button_units=TITLE_UNITS,
    quick_replies=QUICK_REPLIES,
    quick_reply_units=TITLE_UNITS,
    list_rows=LIST_ITEMS,
    row_units=ITEM_UNITS,
    row_description_units=ROW_DESCRIPTION_UNITS,
    media=WHATSAPP_MEDIA,
    has_location=True,
    has_templates=True,
)
_SMS = Limits(unit=Unit.UTF16, has_templates=True)
_MMS = Limits(unit=Unit.UTF16, has_templates=True, media=frozenset({"image", "audio", "voice", "video", "document"}))


class _Draft(msgspec.Struct):
    """A call before it is addressed."""

    params: dict[str, object]
    losses: tuple[str, ...] = ()


def render(settings: TwilioSettings, message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    account = _account(settings, message)
    addressed = _addressed(settings, account, message)
    parts = message.parts
    if len(parts) == 1 and not message.reply_to and account.app == "whatsapp":
        part = parts[0]
        if type(part) is Text and part.markup == "plain" and _is_simple(part.text):
            return (Call(MESSAGES, {**addressed, "Body": part.text}),)
    drafts, losses = _drafts(settings, account, message)
    if not drafts:
        raise GiveUp("not_supported", f"nothing to show ({', '.join(losses) or 'no content'})")
    if message.reply_to:
        losses.append("quoted message")
    drafts[0].losses = (*losses, *drafts[0].losses)
    return tuple(Call(MESSAGES, {**addressed, **draft.params}, (), draft.losses) for draft in drafts)


def _drafts(settings: TwilioSettings, account: TwilioAccount, message: Outgoing) -> tuple[list[_Draft], list[str]]:
    """What can be shown, and the names of what cannot."""
    drafts: list[_Draft] = []
    losses: list[str] = []
    for shown in fitted(_linked(message, losses), _limits(account)):
        made = [] if shown.part is None else _part(settings, account.app, shown.part, message.language)
        if not made:
            losses.extend(shown.losses or (type(shown.part).__name__.lower(),))
            continue
        made[0].losses = (*shown.losses, *made[0].losses)
        drafts.extend(made)
    return drafts, losses


def _account(settings: TwilioSettings, message: Outgoing) -> TwilioAccount:
    """The sender, or the first when none is named."""
    return settings.by_address.get(message.account) or next(iter(settings.by_address.values()))


def _addressed(settings: TwilioSettings, account: TwilioAccount, message: Outgoing) -> dict[str, object]:
    """Who sends to whom, and how: the same for every call of a message."""
    route = read_route(message.traits, message.recipient)
    params: dict[str, object] = {
        "To": route.to,
        "From": route.by or account.address,
        STATUS_CALLBACK: f"{OUR_REF}={message.message_id}",
    }
    if account.messaging_service_sid:
        params["MessagingServiceSid"] = account.messaging_service_sid
    if settings.validity_period_s:
        params["ValidityPeriod"] = str(settings.validity_period_s)
    if settings.smart_encoded and account.app == "sms":
        params["SmartEncoded"] = "true"
    return params


def _limits(account: TwilioAccount) -> Limits:
    if account.app == "whatsapp":
        return _WHATSAPP
    return _MMS if account.has_mms else _SMS


def _is_simple(text: str) -> bool:
    """Short, and with nothing that would have to be looked at."""
    return 0 < len(text) <= TEXT_UNITS // 2 and text.isprintable() and not text.isspace()


# ---------------------------------------------------------------- parts


def _part(settings: TwilioSettings, app: App, part: AnyPart, language: str) -> Sequence[_Draft]:
    """The calls for one part that the app can show, none when nothing of it is left."""
    match part:
        case Text():
            return _texts(settings, app, part.text, is_markdown=part.markup == "markdown")
        case Media():
            return _media(settings, app, part)
        case Location():
            return [_location(part)]
        case Choice():
            return _choice(settings, app, part, language)
        case Template():
            return _template(settings, part)
        case Cards() | ContactCard() | Selection() | Reaction() | Unsupported():
            return ()
        case _:
            assert_never(part)


def _texts(settings: TwilioSettings, app: App, text: str, *, is_markdown: bool = False) -> list[_Draft]:
    pieces = texts_for(app, text, is_markdown=is_markdown, limit=TEXT_UNITS)
    return [_Draft({"Body": piece}, _cost(settings, app, piece)) for piece in pieces]


def _cost(settings: TwilioSettings, app: App, text: str) -> tuple[str, ...]:
    """What is worth knowing of a text message that is billed more than once."""
    if app != "sms" or len(text) <= 70:
        return ()
    taken = segments(text, smart_encoded=settings.smart_encoded)
    return (f"one segment: {taken.count} in {taken.encoding}",) if taken.count > 1 else ()


def _linked(message: Outgoing, losses: list[str]) -> Parts:
    """The parts, each file with an address that Twilio can fetch; without one, its words stay."""
    if not any(isinstance(part, Media) for part in message.parts):
        return message.parts
    return tuple(_with_address(part, message.links, losses) for part in message.parts)


def _with_address(part: AnyPart, links: Mapping[str, str], losses: list[str]) -> AnyPart:
    if not isinstance(part, Media):
        return part
    url = links.get(part.blob, "") if part.blob else ""
    url = url or part.url
    if url.startswith(("https://", "http://")):
        return msgspec.structs.replace(part, url=url)
    losses.append("file without a public address")
    return Text("\n".join(words for words in (part.caption, part.name) if words.strip()))


def _media(settings: TwilioSettings, app: App, media: Media) -> list[_Draft]:
    """One file a message. Its words go with it where the app shows them there."""
    draft = _Draft({"MediaUrl": [media.url]})
    if not media.caption.strip():
        return [draft]
    if app == "whatsapp" and media.kind not in _CAPTIONED:
        draft.losses = ("caption",)
        return [draft, *_texts(settings, app, media.caption)]
    limit = CAPTION_UNITS if app == "whatsapp" else TEXT_UNITS
    first, *rest = texts_for(app, media.caption, is_markdown=False, limit=limit)
    draft.params = {"Body": first, **draft.params}
    if rest:
        draft.losses = ("caption in one piece",)
    return [draft, *(_Draft({"Body": piece}, _cost(settings, app, piece)) for piece in rest)]


def _location(place: Location) -> _Draft:
    name, address = (without_lone_surrogates(words).replace("\0", "").strip() for words in (place.name, place.address))
    label = ", ".join(words for words in (name, address) if words) or f"{place.latitude:.6f}, {place.longitude:.6f}"
    label = label.replace("|", "/")[:256]
    return _Draft({"Body": label, "PersistentAction": [f"geo:{place.latitude:.6f},{place.longitude:.6f}|{label}"]})


def _choice(settings: TwilioSettings, app: App, choice: Choice, language: str) -> list[_Draft]:
    """A long question goes ahead; the options stand below its last piece."""
    *before, question = texts_for(app, choice.text, is_markdown=choice.markup == "markdown", limit=BODY_UNITS) or [""]
    if not question:
        return []
    variables = json.dumps(variables_of(choice, question, language), ensure_ascii=False, separators=(",", ":"))
    drafts = [_Draft({"Body": piece}, _cost(settings, app, piece)) for piece in before]
    return [*drafts, _Draft({LAYOUT: layout_of(choice).name, "ContentVariables": variables})]


def _template(settings: TwilioSettings, template: Template) -> list[_Draft]:
    """An approved content with its values; one that nobody named cannot be sent."""
    sid = settings.content_sid(template.name, template.language)
    if not sid:
        return []
    params: dict[str, object] = {"ContentSid": sid}
    if template.values:
        values = {str(number): _clean(value) for number, value in enumerate(template.values, 1)}
        params["ContentVariables"] = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return [_Draft(params)]


def _clean(text: str) -> str:
    return without_lone_surrogates(text).replace("\0", "\ufffd")
