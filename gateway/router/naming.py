"""Who is speaking, in words: for apps that do not show it beside the message."""

from __future__ import annotations

import re

import msgspec

from gateway.core.messages import AnyPart, Choice, Media, Parts, Text

LONGEST_NAME = 40

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&:@/])")
_SPACES = re.compile(r"\s+")


def with_name(parts: Parts, name: str) -> Parts:
    """*name* before the first words; what has no words stays as it is. Nothing in a name is read as markup. Pure."""
    plain = _SPACES.sub(" ", name).strip()[:LONGEST_NAME]
    for place, part in enumerate(parts):
        named = _named(part, plain) if plain else None
        if named is not None:
            return (*parts[:place], named, *parts[place + 1 :])
    return parts


def _named(part: AnyPart, name: str) -> AnyPart | None:
    match part:
        case Text() | Choice() if part.text:
            shown = _MARKS.sub(r"\\\1", name) if part.markup == "markdown" else name
            return msgspec.structs.replace(part, text=f"{shown}: {part.text}")
        case Media() if part.caption:
            return msgspec.structs.replace(part, caption=f"{name}: {part.caption}")
        case _:
            return None
