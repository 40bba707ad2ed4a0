"""Turns a message of ours into calls of the Send API. Pure, and the same calls in the same order every time.

Neither app knows formatting: the author's marks are dropped, and a link keeps its target in brackets. Files bear no
words, so a caption follows as a text. Each message carries our own id of it as metadata, which the echo brings back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

import msgspec

from channels._meta.messaging.dialect import Dialect
from channels._meta.messaging.parse import GUEST, OWN_MARK
from channels._meta.messaging.personas import PARAM, Speaker, spoken
from channels._meta.messaging.settings import MessagingSettings
from channels.degrading import Fitted, fitted
from channels.formatting import Formatted, SpanKind, from_markdown, measure, split, without_lone_surrogates
from channels.mending import clean_text
from channels.shortening import shortened_value
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
    Option,
    Outgoing,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)

SEND = "messages"
"""The one operation; what is under it in ``Call.params`` is the body."""

PAYLOAD_BYTES = 1000
NAME_CHARS = 40
"""Of an agent's name; Meta takes 50 characters, and does not say what one is."""

HEAVY_TYPES = frozenset({"audio", "video"})
_BARE_CARD = "…"
_MID = re.compile(r"[A-Za-z0-9_$.=-]{2,280}")


class _Draft(msgspec.Struct):
    """A call before it is addressed: a ``message``, or (without) a sender's ``action``."""

    message: dict[str, object]
    action: dict[str, object] = {}
    uploads: tuple[Upload, ...] = ()
    losses: tuple[str, ...] = ()
    is_heavy: bool = False


def render(dialect: Dialect, settings: MessagingSettings, message: Outgoing) -> tuple[Call, ...]:
    """The calls that show *message*. Raises ``GiveUp`` when nothing of it can be shown here."""
    envelope = _envelope(settings, message)
    speaker = _speaker(dialect, settings, message)
    if speaker is not None:
        dialect = _with_room(dialect, speaker.before)
    quick = _plain_text(dialect, message)
    if quick is not None and speaker is None:
        mark = f"{OWN_MARK}{message.message_id}"
        return (Call(SEND, {**envelope, "message": {"text": quick, "metadata": mark}}),)
    drafts: list[_Draft] = []
    losses: list[str] = []
    for shown in fitted(message.parts, dialect.limits):
        made = _part(dialect, message, shown)
        if made:
            made[0].losses = (*shown.losses, *made[0].losses)
        else:
            losses.extend(shown.losses or (type(shown.part).__name__.lower(),))
        drafts.extend(made)
    if not drafts:
        raise GiveUp("not_supported", f"nothing to show ({', '.join(losses) or 'no content'})")
    drafts[0].losses = (*losses, *drafts[0].losses)
    calls = _addressed(drafts, envelope, message)
    return calls if speaker is None else _under(speaker, calls)


def _speaker(dialect: Dialect, settings: MessagingSettings, message: Outgoing) -> Speaker | None:
    """As whom an agent speaks, where the app can show it; without a picture there is no persona."""
    if not dialect.has_personas or message.author is not Author.AGENT:
        return None
    name = name_shown(message.name)
    pictures = (message.avatar_url, settings.agents_picture)
    picture = next((url for url in pictures if url.startswith(("https://", "http://"))), "")
    before = f"{name}: " if message.names_agent else ""
    return Speaker(name, picture, before) if name and (picture or before) else None


def name_shown(name: str) -> str:
    """An agent's name as Meta takes it. Pure."""
    return clean_text(" ".join(name.split()))[:NAME_CHARS].strip()


def _with_room(dialect: Dialect, before: str) -> Dialect:
    """The dialect with shorter texts, so that *before* fits in front of any of them."""
    if not before:
        return dialect
    limits = dialect.limits
    choice_units = limits.choice_units - measure(before, limits.unit)
    return msgspec.structs.replace(
        dialect,
        text_units=dialect.text_units - measure(before, dialect.text_unit),
        limits=msgspec.structs.replace(limits, choice_units=choice_units),
    )


def _under(speaker: Speaker, calls: Sequence[Call]) -> tuple[Call, ...]:
    """The calls with who speaks; the name goes before the first words only."""
    named: list[Call] = []
    for call in calls:
        if "message" not in call.params:
            named.append(call)
            continue
        marked = msgspec.structs.replace(call, params={**call.params, PARAM: speaker})
        named.append(marked if speaker.picture_url else spoken(marked, ""))
        if text_of(call):
            speaker = msgspec.structs.replace(speaker, before="")
    return tuple(named)


def _plain_text(dialect: Dialect, message: Outgoing) -> str | None:
    """The words, when a message is nothing but a short text with nothing in it that would have to be looked at."""
    if len(message.parts) != 1 or message.reply_to:
        return None
    part = message.parts[0]
    if type(part) is not Text or part.markup != "plain":
        return None
    text = part.text
    is_short = 0 < len(text) <= dialect.text_units // 4
    is_clean = text.isprintable() or (text.isascii() and "\0" not in text)
    return text if is_short and is_clean and not text.isspace() else None


def _envelope(settings: MessagingSettings, message: Outgoing) -> dict[str, object]:
    """To whom and under which rule. A person may speak for seven days, when Meta allowed the app that."""
    recipient = recipient_of(message.recipient)
    if message.is_late and message.author is Author.AGENT and settings.has_human_agent:
        return {"recipient": recipient, "messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    return {"recipient": recipient, "messaging_type": "RESPONSE"}


def recipient_of(address: str) -> dict[str, object]:
    """A person by id, or a guest by the name that a plugin gave."""
    if address.startswith(GUEST):
        return {"user_ref": address[len(GUEST) :]}
    return {"id": address}


def _addressed(drafts: Sequence[_Draft], envelope: dict[str, object], message: Outgoing) -> tuple[Call, ...]:
    calls: list[Call] = []
    for number, draft in enumerate(drafts):
        if draft.action:
            calls.append(Call(SEND, {"recipient": envelope["recipient"], **draft.action}, losses=draft.losses))
            continue
        mark = f"{OWN_MARK}{message.message_id}" + (f"#{number}" if number else "")
        params: dict[str, object] = {**envelope, "message": {**draft.message, "metadata": mark}}
        if not number and _MID.fullmatch(message.reply_to):
            params["reply_to"] = {"mid": message.reply_to}
        calls.append(Call(SEND, params, draft.uploads, draft.losses, draft.is_heavy))
    return tuple(calls)


def _part(dialect: Dialect, message: Outgoing, shown: Fitted) -> list[_Draft]:
    """The calls for one part that fits the app, none when nothing of it can be shown."""
    part = shown.part
    match part:
        case None | Location() | ContactCard() | Template() | Selection() | Unsupported():
            return []
        case Text():
            return _texts(dialect, _formatted(part.text, is_markdown=part.markup == "markdown"))
        case Media():
            return _media(dialect, message, part)
        case Choice():
            return _choice(dialect, part)
        case Cards():
            return _carousel(dialect, part.cards)
        case Reaction():
            return _reaction(dialect, part)
        case _:
            assert_never(part)


# ---------------------------------------------------------------- text


def _formatted(text: str, *, is_markdown: bool) -> Formatted:
    clean = without_lone_surrogates(text).replace("\0", "\ufffd")
    return Formatted(_without_marks(from_markdown(clean)) if is_markdown else clean)


def _without_marks(formatted: Formatted) -> str:
    """The words alone; what a link leads to stands in brackets behind its words, unless they say it already."""
    links = sorted((span for span in formatted.spans if span.kind is SpanKind.LINK), key=lambda span: span.end)
    text, pieces, done = formatted.text, [], 0
    for link in links:
        said = text[link.start : link.end]
        pieces.append(text[done : link.end])
        done = link.end
        if said.strip() not in {link.url, link.url.removeprefix("mailto:").removeprefix("tel:")}:
            pieces.append(f" ({link.url})")
    return "".join([*pieces, text[done:]])


def _texts(dialect: Dialect, formatted: Formatted) -> list[_Draft]:
    return [_Draft({"text": piece}) for piece in _pieces(dialect, formatted)]


def _pieces(dialect: Dialect, formatted: Formatted) -> list[str]:
    return [piece.text for piece in split(formatted, dialect.text_units, dialect.text_unit)]


# ---------------------------------------------------------------- media


def _media(dialect: Dialect, message: Outgoing, media: Media) -> list[_Draft]:
    """Our own copy by a link for Meta to fetch, or uploaded; then a public address. The caption follows as text."""
    kind = dialect.media_types[media.kind]
    is_heavy = kind in HEAVY_TYPES
    words = _texts(dialect, _formatted(media.caption, is_markdown=False)) if media.caption.strip() else []
    url = _source(message, media)
    if url:
        attachment: dict[str, object] = {"type": kind, "payload": {"url": url}}
        draft = _Draft({"attachment": attachment}, is_heavy=is_heavy)
    elif media.blob:
        upload = Upload("filedata", media.blob, media.name or kind, media.mime)
        draft = _Draft({"attachment": {"type": kind, "payload": {}}}, uploads=(upload,), is_heavy=is_heavy)
    else:
        for each in words[:1]:
            each.losses = ("media without a source",)
        return words
    if words:
        draft.losses = ("caption",)
    return [draft, *words]


def _source(message: Outgoing, media: Media) -> str:
    """An address that Meta can fetch."""
    candidates = (message.links.get(media.blob, "") if media.blob else "", "" if media.blob else media.url)
    fallback = "" if media.blob else media.provider_ref
    return next((url for url in (*candidates, fallback) if url.startswith(("https://", "http://"))), "")


# ---------------------------------------------------------------- choices and cards


def _choice(dialect: Dialect, choice: Choice) -> list[_Draft]:
    question = _formatted(choice.text, is_markdown=choice.markup == "markdown")
    if choice.style != "buttons":
        return _quick_replies(dialect, question, choice.options)
    limit = dialect.limits.choice_units
    pieces = [piece.text for piece in split(question, limit, dialect.limits.unit)]
    before = [draft for piece in pieces[:-1] for draft in _texts(dialect, Formatted(piece))]
    payload: dict[str, object] = {
        "template_type": "button",
        "text": pieces[-1],
        "buttons": [_button(option) for option in choice.options],
    }
    return [*before, _Draft({"attachment": {"type": "template", "payload": payload}})]


def _quick_replies(dialect: Dialect, question: Formatted, options: Sequence[Option]) -> list[_Draft]:
    drafts = _texts(dialect, question)
    drafts[-1].message["quick_replies"] = [_quick_reply(option) for option in options]
    return drafts


def _quick_reply(option: Option) -> dict[str, object]:
    if option.asks_for == "phone":
        return {"content_type": "user_phone_number"}
    return {"content_type": "text", "title": option.label, "payload": _payload(option)}


def _button(option: Option) -> dict[str, object]:
    if option.url:
        return {"type": "web_url", "title": option.label, "url": option.url}
    return {"type": "postback", "title": option.label, "payload": _payload(option)}


def _payload(option: Option) -> str:
    value = option.value if option.value.strip() else option.label
    return shortened_value(clean_text(value), PAYLOAD_BYTES)


def _carousel(dialect: Dialect, cards: Sequence[Card]) -> list[_Draft]:
    """The cards side by side; links that no button can open follow in words."""
    odd = [option for card in cards for option in card.options if not _can_be_pressed(option)]
    payload: dict[str, object] = {"template_type": "generic", "elements": [_element(card) for card in cards]}
    draft = _Draft({"attachment": {"type": "template", "payload": payload}})
    if not odd:
        return [draft]
    draft.losses = ("link as a button",)
    return [draft, *_texts(dialect, Formatted("\n".join(f"{option.label}: {option.url}" for option in odd)))]


def _can_be_pressed(option: Option) -> bool:
    return not option.url or option.url.startswith(("https://", "http://"))


def _element(card: Card) -> dict[str, object]:
    """A card must have something besides its title."""
    element: dict[str, object] = {"title": card.title}
    if card.subtitle:
        element["subtitle"] = card.subtitle
    if card.image_url:
        element["image_url"] = card.image_url
    if buttons := [_button(option) for option in card.options if _can_be_pressed(option)]:
        element["buttons"] = buttons
    if len(element) == 1:
        element["subtitle"] = _BARE_CARD
    return element


# ---------------------------------------------------------------- reactions


def _reaction(dialect: Dialect, reaction: Reaction) -> list[_Draft]:
    if not _MID.fullmatch(reaction.of):
        return []
    if not reaction.emojis:
        return [_Draft({}, {"sender_action": "unreact", "payload": {"message_id": reaction.of}})]
    word = dialect.reactions.get(reaction.emojis[0])
    if word is None:
        return []
    return [_Draft({}, {"sender_action": "react", "payload": {"message_id": reaction.of, "reaction": word}})]


def text_of(call: Call) -> str:
    """The words that the customer reads in a rendered call."""
    message = call.params.get("message")
    return words_in(message) if isinstance(message, dict) else ""


def words_in(message: dict[str, object]) -> str:
    """The words of a message's body: its text, or those of its template."""
    if "text" in message:
        return str(message["text"])
    match message.get("attachment"):
        case {"payload": {"text": str(text)}}:
            return text
        case {"payload": {"elements": list(elements)}}:
            return "\n".join(f"{element.get('title', '')}\n{element.get('subtitle', '')}" for element in elements)
    return ""


def measured(dialect: Dialect, text: str) -> int:
    """How long a text is to the app."""
    return measure(text, dialect.text_unit)
