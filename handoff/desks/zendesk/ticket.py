"""What a ticket says of a case: subject, tags, fields, group, and the transcript that agents read. Pure functions.

Whatever a customer wrote goes through ``markup.harmless`` or ``markup.one_line``: no line of theirs becomes a field, a
tag of its own, or a placeholder that Zendesk fills in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import assert_never

import msgspec

from gateway.core.desks import Case, DeskMessage
from gateway.core.handoff_reasons import asked_in_words
from gateway.core.messages import (
    AnyPart,
    Author,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Parts,
    Reaction,
    Selection,
    Template,
    Text,
    Unsupported,
)
from gateway.core.zones import zone_named
from handoff.desks.zendesk.markup import harmless, one_line
from handoff.desks.zendesk.settings import ZendeskSettings

SUBJECT_CHARS = 150
FIELD_CHARS = 255
NAME_CHARS = 120
TAG_CHARS = 60
BODY_CHARS = 60_000
"""Zendesk takes 65,535; what is counted there are bytes after some markup of its own."""

_BLANK = re.compile(r"\{([^{}]*)\}")
_NOT_IN_TAGS = re.compile(r"[^a-z0-9_./:-]+")

APPS = {
    "whatsapp": "WhatsApp",
    "sms": "SMS",
    "messenger": "Messenger",
    "instagram": "Instagram",
    "telegram": "Telegram",
    "apple": "Apple Messages",
    "webchat": "Web chat",
}


class Body(msgspec.Struct, frozen=True):
    """A comment's words, within limits, and the files that it names."""

    text: str
    files: tuple[Media, ...]


# ---------------------------------------------------------------- what a case has


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
    return one_line(case.contact.name, NAME_CHARS) or f"{app_name(case.app)} customer"


def app_name(app: str) -> str:
    return APPS.get(app, one_line(app, 40).capitalize() or "Chat")


def subject(case: Case, pattern: str) -> str:
    """The subject as the settings want it: blanks filled, one line, bounded."""

    def fill(found: re.Match[str]) -> str:
        place = found.group(1)
        return {"app": app_name(case.app), "name": customer_name(case)}.get(place) or value_of(case, place)

    return one_line(_BLANK.sub(fill, pattern), SUBJECT_CHARS) or customer_name(case)


def tags(case: Case, settings: ZendeskSettings) -> tuple[str, ...]:
    """Small letters, digits and a few signs, each once; empty ones are left out."""
    named = [value_of(case, place) for place in settings.tags_from]
    found = (_NOT_IN_TAGS.sub("_", tag.lower()).strip("_")[:TAG_CHARS] for tag in (*settings.tags, *named))
    return tuple(dict.fromkeys(tag for tag in found if tag))


def fields(case: Case, settings: ZendeskSettings) -> dict[int, str]:
    """Custom fields with what the case has for them; those for which it has nothing are left as they are."""
    found = {number: value_of(case, place) for number, place in settings.field_places.items()}
    return {number: value for number, value in found.items() if value}


def group(case: Case, settings: ZendeskSettings) -> int:
    """The group of the first rule that fits, else the one for all; 0: Zendesk decides."""
    for rule in settings.groups:
        if all(value_of(case, place) in wanted for place, wanted in rule.when.items()):
            return rule.group
    return settings.group or 0


def priority(case: Case, settings: ZendeskSettings) -> str:
    return settings.urgent_priority if case.is_urgent and settings.urgent_priority else settings.priority


# ---------------------------------------------------------------- the transcript


def transcript(case: Case, messages: Sequence[DeskMessage], left_out: Sequence[str] = ()) -> Body:
    """The note that a ticket begins with: what an agent must know, then who said what and when; newest kept.

    *left_out* names what Zendesk did not take of the settings.
    """
    zone, zone_name = zone_of(case)
    head = _head(case, zone, left_out)
    lines = [_line(case, message, zone) for message in messages]
    room = BODY_CHARS - len(head) - 400
    kept = _newest(lines, room)
    cut = len(lines) - len(kept)
    title = f"Conversation ({zone_name}):" if zone_name else "Conversation (UTC):"
    if cut:
        more = f", all of it: {case.link}" if case.link else ""
        title += f"\n… {cut} earlier messages are left out{more}"
    files = [part for message in messages[cut:] for part in message.parts if isinstance(part, Media)]
    return Body(f"{head}\n\n{title}\n" + "\n".join(kept), tuple(files))


def _head(case: Case, zone: tzinfo, left_out: Sequence[str]) -> str:
    contact = case.contact
    slots = ", ".join(f"{one_line(name, 60)} = {one_line(value, 200)}" for name, value in list(case.slots.items())[:30])
    asked = case.asked_at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    confidence = f" ({case.confidence:.2f})" if case.intent and case.confidence else ""
    known: list[tuple[str, str]] = [
        ("Customer", customer_name(case)),
        ("App", f"{app_name(case.app)} ({one_line(case.account, 100)})" if case.account else app_name(case.app)),
        ("Phone", contact.phone),
        ("E-mail", contact.email),
        (
            "Also reached at",
            ", ".join(f"{app_name(a.app)} {one_line(a.recipient, 60)}" for a in contact.addresses[1:6]),
        ),
        ("Language", case.language),
        ("Asked for a person", f"{asked}, {one_line(asked_in_words(case.reason), 60)}"),
        ("Why", case.detail),
        ("Intent", f"{case.intent}{confidence}" if case.intent else ""),
        ("Mood", case.sentiment),
        ("Known", slots),
        ("Urgent", "yes" if case.is_urgent else ""),
        ("Link", case.link),
        ("Not taken by Zendesk", ", ".join(left_out)),
    ]
    return "\n".join(f"{name}: {one_line(value, 2_000)}" for name, value in known if value)


def _line(case: Case, message: DeskMessage, zone: tzinfo) -> str:
    when = message.at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return f"[{when}] {speaker(case, message)}: {words(message.parts)}"


def speaker(case: Case | None, message: DeskMessage) -> str:
    match message.author:
        case Author.CUSTOMER:
            return customer_name(case) if case is not None else "Customer"
        case Author.BOT:
            return "Bot"
        case Author.AGENT:
            return one_line(message.agent, NAME_CHARS) or "Agent"
        case _:
            return "System"


def _newest(lines: Sequence[str], room: int) -> list[str]:
    """As many of the last lines as fit; the very last one is cut rather than left out."""
    kept: list[str] = []
    for line in reversed(lines):
        size = size_of(line) + 1
        if size > room:
            if not kept:
                kept.append(cut_to(line, room))
            break
        kept.append(line)
        room -= size
    return kept[::-1]


def zone_of(case: Case) -> tuple[tzinfo, str]:
    """The contact's own zone and its name; UTC and nothing when it is not known."""
    found = zone_named(case.contact.time_zone) if case.contact.time_zone else None
    return (found, case.contact.time_zone) if found is not None else (UTC, "")


# ---------------------------------------------------------------- what was said


def words(parts: Parts) -> str:
    """What a reader would read, harmless; files by their names."""
    lines = [line for part in parts if (line := _part(part))]
    return "\n".join(lines) or "(nothing that can be shown)"


def _part(part: AnyPart) -> str:
    match part:
        case Text():
            return harmless(part.text)
        case Choice():
            options = " | ".join(one_line(option.label, 80) for option in part.options)
            return f"{harmless(part.text)}\n[{options}]"
        case Media():
            return _file(part)
        case Selection():
            return f"→ {one_line(part.label or part.value, 300)}"
        case Reaction():
            return f"(reacted {one_line(''.join(part.emojis), 60)})" if part.emojis else "(took a reaction back)"
        case Location() | ContactCard() | Cards() | Template() | Unsupported():
            return _rare_part(part)
        case _:
            assert_never(part)


def _rare_part(part: Location | ContactCard | Cards | Template | Unsupported) -> str:
    match part:
        case Location():
            place = one_line(", ".join(filter(None, (part.name, part.address))), 300)
            where = f"https://www.openstreetmap.org/?mlat={part.latitude:.6f}&mlon={part.longitude:.6f}"
            return " ".join(filter(None, ("📍", place, where)))
        case ContactCard():
            return " ".join(filter(None, ("👤", one_line(part.name, 120), one_line(part.phone, 40))))
        case Cards():
            return "\n".join(f"▪ {one_line(': '.join(filter(None, (c.title, c.subtitle))), 300)}" for c in part.cards)
        case Template():
            return f"(template {one_line(part.name, 120)}: {one_line(', '.join(part.values), 500)})"
        case Unsupported():
            return f"({one_line(part.kind, 60)}, which cannot be shown)"
        case _:
            assert_never(part)


def _file(part: Media) -> str:
    named = f"📎 {file_name(part)}"
    address = f" {one_line(part.url, 1_000)}" if part.url and not part.blob else ""
    caption = f"\n{harmless(part.caption)}" if part.caption else ""
    return named + address + caption


_ENDINGS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "video/mp4": ".mp4",
    "application/pdf": ".pdf",
}


def file_name(part: Media) -> str:
    """A name for a file: the sender's, without paths and signs, or its kind; with an ending where the type has one."""
    base = one_line(part.name.replace("\\", "/").rsplit("/", 1)[-1], 100)
    safe = re.sub(r'[<>:"|?*#%&{}\x00-\x1f]', "_", base).strip(". ")
    if safe:
        return safe
    return f"{part.kind}{_ENDINGS.get(part.mime.partition(';')[0].strip().lower(), '')}"


def size_of(text: str) -> int:
    """How much of a comment's room a text takes: whatever counts there, bytes are the most."""
    return len(text.encode("utf-8", "replace"))


def cut_to(text: str, room: int, mark: str = "…") -> str:
    """The beginning of *text* within *room* bytes, with a mark where it was cut."""
    if size_of(text) <= room:
        return text
    raw = text.encode("utf-8", "replace")[: max(0, room - size_of(mark))]
    return raw.decode("utf-8", "ignore").rstrip() + mark
