"""What Meta tells of a person, and which of its refusals mean that it tells nothing of this one."""

from __future__ import annotations

import re

import msgspec

from channels._meta.failures import GraphError, is_limit
from gateway.core.inbound import Profile

NAME_CHARS = 200

_WITHHELD = frozenset({10, 100, 803, *range(200, 300)})
"""No profile, no such person, no consent. A permission that the app lacks is told by the same codes."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


class _Person(msgspec.Struct, frozen=True):
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    locale: str | None = None


_decode = msgspec.json.Decoder(_Person).decode


def read_profile(body: bytes) -> Profile | None:
    """The person in an answer; ``None`` when it tells nothing, or nothing that can be read.

    Who has no name is called by what they call themselves.
    """
    try:
        person = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    username = _clean(person.username)
    name = _clean(person.name) or _clean(f"{person.first_name or ''} {person.last_name or ''}") or username
    language = (person.locale or "").replace("_", "-")
    profile = Profile(name, username, language if _LANGUAGE.fullmatch(language) else "")
    return profile if profile != Profile() else None


def is_withheld(error: GraphError) -> bool:
    """Whether Meta tells nothing of this person, or not to us; asking for others may still succeed."""
    if is_limit(error) or error.is_transient or not error.has_envelope:
        return False
    return error.code in _WITHHELD or (not error.code and error.http_status in {403, 404})


def _clean(text: str | None) -> str:
    """One line that any database takes."""
    words = (text or "").replace("\0", "").split()
    return " ".join(words)[:NAME_CHARS]
