"""Twilio has no buttons without a template, so the layouts of our choices are templates made once.

Every text of a layout is a variable: what differs between layouts is only the kind and the number of options, so some
thirteen templates serve all choices that anybody can think of.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from channels.formatting import Unit, shorten, without_lone_surrogates
from channels.shortening import shortened_value
from gateway.core.messages import Choice

Kind = Literal["quick-reply", "list-picker"]

BODY_UNITS = 1024
QUICK_REPLIES = 3
"""More only in a template that WhatsApp approved."""

TITLE_UNITS = 20
LIST_ITEMS = 10
ITEM_UNITS = 24
DESCRIPTION_UNITS = 72
ID_BYTES = 200

_NO_DESCRIPTION = "·"
"""A line of a list must have one."""

_LIST_BUTTON = {"es": "Ver opciones", "pt": "Ver opções", "en": "See options"}

_encode = msgspec.json.Encoder(order="deterministic").encode


class Layout(msgspec.Struct, frozen=True, order=True):
    """A choice without its words."""

    kind: Kind
    count: int

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.count}"

    @property
    def key(self) -> str:
        """Where the template's sid is kept: another definition has another key."""
        return f"content:{self.kind}:{self.count}:{self._digest()}"

    def definition(self) -> bytes:
        """The body of the call that makes the template."""
        return _encode({"friendly_name": f"tertulia_{self.kind}_{self.count}_{self._digest()}", **self._content()})

    def _digest(self) -> str:
        return hashlib.blake2b(_encode(self._content()), digest_size=6).hexdigest()

    def _content(self) -> dict[str, object]:
        body, numbers = {"body": "{{1}}"}, range(self.count)
        if self.kind == "quick-reply":
            actions = [{"title": _blank(2 + 2 * n), "id": _blank(3 + 2 * n)} for n in numbers]
            content: dict[str, object] = {**body, "actions": actions}
            blanks = 1 + 2 * self.count
        else:
            items = [
                {"item": _blank(3 + 3 * n), "id": _blank(4 + 3 * n), "description": _blank(5 + 3 * n)} for n in numbers
            ]
            content = {**body, "button": "{{2}}", "items": items}
            blanks = 2 + 3 * self.count
        samples = {str(n): f"text {n}" for n in range(1, blanks + 1)}
        return {"language": "en", "variables": samples, "types": {f"twilio/{self.kind}": content}}


def read_layout(name: str) -> Layout:
    """The layout of that name. Raises ``ValueError``."""
    kind, _, count = name.partition("/")
    most = {"quick-reply": QUICK_REPLIES, "list-picker": LIST_ITEMS}.get(kind, 0)
    if not (count.isdecimal() and 1 <= int(count) <= most):
        raise ValueError(f"no layout {name!r}")
    return Layout("quick-reply" if kind == "quick-reply" else "list-picker", int(count))


def layout_of(choice: Choice) -> Layout:
    """The layout of a choice that fits this app."""
    return Layout("list-picker" if choice.style == "list" else "quick-reply", len(choice.options))


def variables_of(choice: Choice, question: str, language: str) -> dict[str, str]:
    """The words of a choice, by the numbers of its layout's blanks."""
    words = [question]
    if choice.style == "list":
        words.append(_LIST_BUTTON.get(language[:2].lower(), _LIST_BUTTON["en"]))
    for option in choice.options:
        label = _clean(option.label)
        value = shortened_value(_clean(option.value or option.label), ID_BYTES)
        if choice.style == "list":
            described = shorten(_clean(option.description), DESCRIPTION_UNITS, Unit.UTF16) or _NO_DESCRIPTION
            words += [shorten(label, ITEM_UNITS, Unit.UTF16), value, described]
        else:
            words += [shorten(label, TITLE_UNITS, Unit.UTF16), value]
    return {str(number): word for number, word in enumerate(words, 1)}


def _blank(number: int) -> str:
    return f"{{{{{number}}}}}"


def _clean(text: str) -> str:
    return without_lone_surrogates(text).replace("\0", "\ufffd").strip()
