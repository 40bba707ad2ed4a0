"""What a visitor is shown before anything is said: the site's texts in their language, and their conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from channels.webchat.belongings import number_in
from channels.webchat.settings import WebchatSettings
from channels.webchat.texts import FIELDS, WELCOME, in_language
from channels.webchat.tokens import Seals
from channels.webchat.visitors import Visitor, conversation_name, title_of
from gateway.store.visitors import VisitorConversation

INPUT_TYPES: Mapping[str, str] = {"name": "text", "email": "email", "phone": "tel"}


def site_for(visitor: Visitor, settings: WebchatSettings, bot_name: str, languages: Sequence[str]) -> dict[str, object]:
    """How the site presents itself. Who is signed in is asked nothing: the site has said who it is."""
    language = visitor.language
    form = () if visitor.is_identified else settings.form
    return {
        "title": in_language(settings.title, language, languages) or bot_name,
        "welcome": in_language(settings.welcome or WELCOME, language, languages),
        "starters": [
            {"label": in_language(starter.label, language, languages), "value": starter.value}
            for starter in settings.starters
        ],
        "form": [
            {
                "name": field.name,
                "label": in_language(field.label or FIELDS[field.name], language, languages),
                "type": INPUT_TYPES[field.name],
                "required": field.required,
            }
            for field in form
        ],
        "accent": settings.accent,
        "max_upload_bytes": settings.max_upload_bytes,
        "upload_types": list(settings.upload_types),
        "languages": list(languages),
    }


def listed(seals: Seals, visitor: Visitor, entry: VisitorConversation) -> dict[str, object]:
    """A line in the visitor's list of conversations."""
    return {
        "id": conversation_name(seals, visitor.id, number_in(entry.address)),
        "title": title_of(entry.first, entry.last),
        "last_at": _time(entry.last_at),
        "unread": entry.unread,
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
