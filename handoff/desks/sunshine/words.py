"""What is said to Zendesk's agents: each message of a conversation as contents of Sunshine's, and a case's facts.

Pure functions. Words of customers become text, never a field, a tag of their own or a button.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import assert_never, cast
from uuid import UUID

import msgspec

from channels.mending import clean_text
from channels.sunshine.render import render
from channels.sunshine.settings import SunshineSettings
from gateway.core.channel import Upload
from gateway.core.desks import Case, DeskMessage
from gateway.core.errors import GiveUp
from gateway.core.handoff_reasons import asked_in_words
from gateway.core.ids import AccountId, ConversationId
from gateway.core.messages import (
    AnyPart,
    Author,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Outgoing,
    Parts,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)
from handoff.desks.sunshine.settings import SunshineDeskSettings

FIELD_CHARS = 255
NAME_CHARS = 100
TAG_CHARS = 60
SUMMARY_CHARS = 4000
METADATA_BYTES = 4096
ENTRY_BYTES = 6
"""Quotes, colon and comma around a key and its value."""

TAGS = "dataCapture.systemField.tags"
REQUESTER = "dataCapture.systemField.requester.name"
FIELD = "dataCapture.ticketField."

_NO_CONVERSATION = ConversationId(UUID(int=0))
_NOT_IN_TAGS = re.compile(r"[^a-z0-9_./:-]+")
_UNSAFE = re.compile(r'[<>:"|?*#%&{}\x00-\x1f\\/]')


class Piece(msgspec.Struct, frozen=True):
    """One content to be posted. *upload* fills its ``mediaUrl``; *instead* is said when Zendesk does not take it."""

    content: Mapping[str, object]
    instead: str
    upload: Upload | None = None


# ---------------------------------------------------------------- messages


def pieces_of(line: SunshineSettings, message: DeskMessage) -> list[Piece]:
    """A message as contents, in order, the same at every try; none when there is nothing to be seen."""
    parts = tuple(shown for part in message.parts if (shown := _shown(part)) is not None)
    if message.status == "failed" and message.author is not Author.CUSTOMER:
        parts = (*parts, Text("(this did not reach the customer)"))
    outgoing = Outgoing(message.message_id, _NO_CONVERSATION, AccountId(0), "", Author.AGENT, parts, language="en")
    try:
        calls = render(line, outgoing) if parts else ()
    except GiveUp:
        return []
    found: list[Piece] = []
    for call in calls:
        body = cast("Mapping[str, object]", call.params["message"])
        content = cast("Mapping[str, object]", body["content"])
        upload = call.uploads[0] if call.uploads else None
        found.append(Piece(content, _instead(content, upload), upload))
    return found


def text_piece(text: str) -> Piece:
    """Words of our own."""
    return Piece({"type": "text", "text": text}, text)


def _instead(content: Mapping[str, object], upload: Upload | None) -> str:
    words = str(content.get("text", ""))
    if upload is None:
        return words or "(a message that Zendesk does not take)"
    return "\n".join(filter(None, (f"📎 {upload.name} (could not be attached)", words)))


def _shown(part: AnyPart) -> AnyPart | None:
    """The part as agents can see it: text, files and places as they are, all else in words."""
    match part:
        case Text():
            return part if part.text.strip() else None
        case Location():
            return part
        case Media():
            return _file(part)
        case Choice() | Cards() | Selection() | Reaction() | ContactCard() | Template() | Unsupported():
            return Text(words_of(part))
        case _:
            assert_never(part)


def _file(part: Media) -> AnyPart:
    """A file that we have, or that lies in the open; a provider's own handle would lead nobody to it."""
    name = file_name(part)
    if part.blob or part.url:
        return msgspec.structs.replace(part, provider_ref="", name=name)
    return Text("\n".join(filter(None, (f"📎 {name} (not available)", part.caption))))


def words_of(part: Choice | Cards | Selection | Reaction | ContactCard | Template | Unsupported) -> str:
    """What stands for a part that only the customer's app can show."""
    match part:
        case Choice():
            return "\n".join(filter(None, (part.text, _options([option.label for option in part.options]))))
        case Cards():
            return "\n".join(_card(card.title, card.subtitle, [o.label for o in card.options]) for card in part.cards)
        case Selection():
            return f"→ {part.label or part.value}"
        case Reaction():
            return f"(reacted {''.join(part.emojis)})" if part.emojis else "(took a reaction back)"
        case ContactCard():
            return " ".join(filter(None, ("👤", part.name, part.phone)))
        case Template():
            return f"(template {part.name}: {', '.join(part.values)})"
        case Unsupported():
            return f"({part.kind}, which cannot be shown)"
        case _:
            assert_never(part)


def _card(title: str, subtitle: str, labels: Sequence[str]) -> str:
    return " ".join(filter(None, (f"▪ {': '.join(filter(None, (title, subtitle)))}", _options(labels))))


def _options(labels: Sequence[str]) -> str:
    return f"[{' | '.join(labels)}]" if labels else ""


_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
    "application/pdf": ".pdf",
}


def file_name(part: Media) -> str:
    """The sender's name of it, without paths and signs, else its kind; with an ending where the type has one."""
    safe = _UNSAFE.sub("_", one_line(part.name.replace("\\", "/").rpartition("/")[2], 100)).strip(". ")
    return safe or f"{part.kind}{_ENDINGS.get(part.mime.partition(';')[0].strip().lower(), '')}"


def changed_words(parts: Parts, *, is_deleted: bool) -> str:
    """What an agent is told of a message that the customer changed afterwards."""
    if is_deleted:
        return "(the customer deleted a message)"
    said = "\n".join(part.text if isinstance(part, Text) else getattr(part, "caption", "") for part in parts).strip()
    return f"(the customer edited a message; it says now:)\n{said}"[:SUMMARY_CHARS] if said else "(edited a message)"


# ---------------------------------------------------------------- the case


def value_of(case: Case, place: str) -> str:
    """What of a case stands at a place that settings may name; empty when it has none."""
    if place.startswith("slot:"):
        return one_line(case.slots.get(place.removeprefix("slot:"), ""), FIELD_CHARS)
    values: Mapping[str, str] = {
        "app": case.app,
        "account": case.account,
        "intent": case.intent,
        "language": case.language,
        "sentiment": case.sentiment,
        "reason": case.reason,
        "detail": case.detail,
        "link": case.link,
        "name": case.contact.name,
        "urgent": "yes" if case.is_urgent else "no",
        "contact": str(case.contact.contact_id),
        "conversation": str(case.conversation_id),
        "handoff": str(case.handoff_id),
    }
    return one_line(values.get(place, ""), FIELD_CHARS)


def customer_name(case: Case) -> str:
    """Never empty."""
    return one_line(case.contact.name, NAME_CHARS) or "Customer"


def handing_of(case: Case, settings: SunshineDeskSettings) -> dict[str, str]:
    """What goes with control: tags and fields of the ticket, flat, as much as Zendesk takes, tags first."""
    wanted = {TAGS: ",".join(_tags(case, settings)), REQUESTER: customer_name(case)}
    wanted |= {f"{FIELD}{number}": value_of(case, place) for number, place in settings.fields.items()}
    kept: dict[str, str] = {}
    room = METADATA_BYTES
    for key, value in wanted.items():
        size = len(f"{key}{value}".encode()) + ENTRY_BYTES
        if value and size <= room:
            kept[key] = value
            room -= size
    return kept


def _tags(case: Case, settings: SunshineDeskSettings) -> list[str]:
    """Small letters, digits and a few signs, each once, with room for fields beside them."""
    named = [value_of(case, place) for place in settings.tags_from]
    found = (_NOT_IN_TAGS.sub("_", tag.lower()).strip("_")[:TAG_CHARS] for tag in (*settings.tags, *named))
    tags: list[str] = []
    room = METADATA_BYTES // 2
    for tag in dict.fromkeys(filter(None, found)):
        if len(tag) + 1 <= room:
            tags.append(tag)
            room -= len(tag) + 1
    return tags


def summary_of(case: Case) -> str:
    """What an agent should know, a line each; the mirrored conversation is seen by agents only."""
    slots = ", ".join(f"{one_line(name, 60)} = {one_line(value, 200)}" for name, value in list(case.slots.items())[:30])
    confidence = f" ({case.confidence:.2f})" if case.intent and case.confidence else ""
    known = (
        ("Customer", case.contact.name),
        ("App", f"{case.app} ({case.account})" if case.account else case.app),
        ("Phone", case.contact.phone),
        ("E-mail", case.contact.email),
        ("Language", case.language),
        ("Asked for a person", asked_in_words(case.reason)),
        ("Why", case.detail),
        ("Intent", f"{case.intent}{confidence}" if case.intent else ""),
        ("Mood", case.sentiment),
        ("Known", slots),
        ("Urgent", "yes" if case.is_urgent else ""),
        ("Link", case.link),
    )
    lines = (f"{name}: {one_line(value, 1000)}" for name, value in known if value)
    return "\n".join(lines)[:SUMMARY_CHARS]


def one_line(text: str, limit: int) -> str:
    """*text* without line breaks and signs that cannot be seen, at most *limit* characters."""
    seen = "".join(sign if sign.isprintable() else " " for sign in clean_text(text))
    return " ".join(seen.split())[:limit]
