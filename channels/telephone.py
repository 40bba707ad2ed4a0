"""Telephone numbers as people and programs write them, in the one form that providers know people by."""

from __future__ import annotations

import re

from gateway.core.errors import BadPayload

_DECORATION = re.compile(r"[\s().\u00a0-]")
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{6,14}")


def international(written: str) -> str:
    """``+34 600 11 22 33`` as ``+34600112233`` (E.164). Raises ``BadPayload`` for what is no international number."""
    bare = _DECORATION.sub("", written)
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    number = bare if bare.startswith("+") else f"+{bare}"
    if not _INTERNATIONAL.fullmatch(number):
        raise BadPayload("a telephone number is written with its country, as +34600112233")
    return number
