"""What a turn's entries say, taken together: messages that waited are one utterance, answered once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from gateway.core.messages import AnyPart, ContactCard, Location, Media, Reaction, Selection, Text, Unsupported
from gateway.core.turns import ActionDone, CustomerSaid, DeskSaid, Entry, TimerFired

MAX_FRAGMENTS = 16
"""Messages of a burst that are looked at one by one; the newest count."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """``fragments`` are the texts in order; where a button was pressed, those after the last one only.

    ``wordless`` names what came without words (``media``, ``location``, ``contact``, ``unsupported``).
    ``given_back_by`` is the agent who had the case (empty: nobody had taken it), ``given_back_for`` the reason, and
    ``was_answered`` whether any person said anything; ``given_back_case`` marks the case.
    """

    fragments: tuple[str, ...] = ()
    selection: Selection | None = None
    wordless: frozenset[str] = frozenset()
    phone: str = ""
    is_from_customer: bool = False
    has_reaction: bool = False
    timers: tuple[TimerFired, ...] = ()
    is_given_back: bool = False
    given_back_by: str = ""
    given_back_for: str = ""
    was_answered: bool = True
    given_back_case: str = ""

    @property
    def spoken(self) -> tuple[str, ...]:
        """What understanding reads: the texts, or the words on a button that means nothing by itself."""
        if self.fragments or self.selection is None or self.selection.value.startswith("/"):
            return self.fragments
        return (self.selection.label or self.selection.value,)

    @property
    def text(self) -> str:
        """All fragments as one text."""
        return " ".join(self.fragments)


def hear(entries: Sequence[Entry]) -> Heard:
    """Take the entries of a turn together: texts in order, the last button wins."""
    ear = _Ear()
    timers: list[TimerFired] = []
    is_from_customer = is_given_back = False
    agent = reason = mark = ""
    was_answered = True
    for entry in entries:
        match entry:
            case CustomerSaid():
                is_from_customer = True
                for part in entry.parts:
                    ear.take(part)
            case TimerFired():
                timers.append(entry)
            case DeskSaid():
                is_given_back = is_given_back or entry.kind == "given_back"
                agent = entry.agent or agent
                reason = entry.detail or reason
                was_answered = entry.was_answered
                mark = entry.case or mark
            case ActionDone():
                pass  # actions answer within their turn
            case _:
                assert_never(entry)
    return Heard(
        fragments=tuple(ear.fragments[-MAX_FRAGMENTS:]),
        selection=ear.selection,
        wordless=frozenset(ear.wordless),
        phone=ear.phone,
        is_from_customer=is_from_customer,
        has_reaction=ear.has_reaction,
        timers=tuple(timers),
        is_given_back=is_given_back,
        given_back_by=agent,
        given_back_for=reason,
        was_answered=was_answered,
        given_back_case=mark,
    )


class _Ear:
    """Gathers the parts of all messages."""

    def __init__(self) -> None:
        self.fragments: list[str] = []
        self.selection: Selection | None = None
        self.wordless: set[str] = set()
        self.phone = ""
        self.has_reaction = False

    def take(self, part: AnyPart) -> None:
        match part:
            case Text(text=text) | Media(caption=text) if text.strip():
                self.fragments.append(text.strip())
            case Selection():
                self.selection = part
                self.fragments.clear()
            case ContactCard():
                self.wordless.add("contact")
                self.phone = part.phone
            case Media() | Location() | Unsupported():
                self.wordless.add(type(part).__name__.lower())
            case Reaction():
                self.has_reaction = True
            case _:
                pass  # what only we send
