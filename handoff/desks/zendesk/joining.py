"""Joins messages into as few comments as may hold them, in order, with nothing left out. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from gateway.core.desks import DeskMessage
from gateway.core.messages import Author, Media
from handoff.desks.zendesk import ticket as wording

FILES_A_COMMENT = 10


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One comment to be. ``is_customers``: in the requester's own name; else a note that says who spoke.

    ``first`` and ``part`` name it: of all pieces of a conversation, no two have the same.
    """

    is_customers: bool
    text: str
    files: tuple[Media, ...]
    first: int
    part: int
    to_position: int
    messages: tuple[DeskMessage, ...] = ()

    @property
    def name(self) -> str:
        return f"say-{self.first}-{self.part}"


def pieces(messages: Sequence[DeskMessage], after: int) -> list[Piece]:
    """The comments that hold *messages* (in their order), whose predecessors end at position *after*.

    What customers wrote in a row is joined; what others wrote in between becomes a note. System messages are left out:
    announcements of what agents see anyway.
    """
    found: list[Piece] = []
    for run in _runs(message for message in messages if message.author is not Author.SYSTEM):
        found += _packed(run, after)
        after = run[-1].position
    return found


def _runs(messages: Iterable[DeskMessage]) -> list[list[DeskMessage]]:
    runs: list[list[DeskMessage]] = []
    for message in messages:
        if runs and _is_customers(runs[-1][-1]) == _is_customers(message):
            runs[-1].append(message)
        else:
            runs.append([message])
    return runs


def _is_customers(message: DeskMessage) -> bool:
    return message.author is Author.CUSTOMER


def _packed(run: Sequence[DeskMessage], after: int) -> list[Piece]:
    """A run as pieces, each within the room of a comment; only a message that fills one alone is cut."""
    found: list[Piece] = []
    waiting: list[DeskMessage] = []
    for message in run:
        if waiting and not _fit([*waiting, message]):
            found += _cut(waiting, after)
            after = waiting[-1].position
            waiting = []
        waiting.append(message)
    return [*found, *_cut(waiting, after)]


def _fit(messages: Sequence[DeskMessage]) -> bool:
    size = sum(wording.size_of(_words(message)) + 2 for message in messages)
    return size <= wording.BODY_CHARS and len(_files(messages)) <= FILES_A_COMMENT


def _cut(messages: Sequence[DeskMessage], after: int) -> list[Piece]:
    """Usually one piece; several for a message that is too long, or has too many files, for one comment."""
    texts = parted("\n\n".join(_words(message) for message in messages), wording.BODY_CHARS)
    files = _files(messages)
    lots = [files[at : at + FILES_A_COMMENT] for at in range(0, len(files), FILES_A_COMMENT)] or [()]
    count = max(len(texts), len(lots))
    last = messages[-1].position
    return [
        Piece(
            is_customers=_is_customers(messages[0]),
            text=texts[at] if at < len(texts) else "📎 …",
            files=lots[at] if at < len(lots) else (),
            first=messages[0].position,
            part=at,
            to_position=last if at == count - 1 else after,
            messages=tuple(messages),
        )
        for at in range(count)
    ]


def parted(text: str, room: int) -> list[str]:
    """*text* in pieces of at most *room* bytes, cut at line ends or blanks where there are some; at least one."""
    found: list[str] = []
    while wording.size_of(text) > room:
        head = wording.cut_to(text, room, mark="")
        at = max(head.rfind("\n"), head.rfind(" "))
        cut = at if at > len(head) // 2 else len(head)
        found.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*found, text] if text or not found else found


def _files(messages: Sequence[DeskMessage]) -> tuple[Media, ...]:
    return tuple(part for message in messages for part in message.parts if isinstance(part, Media))


def _words(message: DeskMessage) -> str:
    said = wording.words(message.parts)
    if _is_customers(message):
        return said
    return f"{wording.speaker(None, message)}: {said}"
