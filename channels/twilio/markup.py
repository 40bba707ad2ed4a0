"""Formatted text as the apps behind Twilio show it: WhatsApp reads signs around words, a text message nothing.

Neither has links under other words, so a link's target stands in brackets behind them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from channels.formatting import Formatted, Span, SpanKind, Unit, from_markdown, measure, split, without_lone_surrogates
from channels.twilio.settings import App

_SIGNS = {
    SpanKind.BOLD: "*",
    SpanKind.ITALIC: "_",
    SpanKind.STRIKE: "~",
    SpanKind.CODE: "`",
    SpanKind.PRE: "```",
}
_WORDS = re.compile(r"\S(?:[^\n]*\S)?")


def texts_for(app: App, text: str, *, is_markdown: bool, limit: int) -> list[str]:
    """*text* as the app shows it, in pieces of at most *limit* UTF-16 units; blank ones are left out."""
    clean = without_lone_surrogates(text).replace("\0", "\ufffd")
    if not is_markdown:
        return [piece.text for piece in split(Formatted(clean), limit, Unit.UTF16)]
    formatted = _with_targets(from_markdown(clean))
    show: Callable[[Formatted], str] = _for_whatsapp if app == "whatsapp" else _words
    room = limit
    while room > limit // 4:  # signs take room too: cut shorter until everything fits
        pieces = [show(piece) for piece in split(formatted, room, Unit.UTF16)]
        if all(measure(piece, Unit.UTF16) <= limit for piece in pieces):
            return pieces
        room = room * 3 // 4
    return [piece.text for piece in split(formatted, limit, Unit.UTF16)]


def _words(formatted: Formatted) -> str:
    return formatted.text


def _with_targets(formatted: Formatted) -> Formatted:
    """The same with each link's target behind it in brackets, unless its words are the target."""
    links = [span for span in formatted.spans if span.kind is SpanKind.LINK]
    if not links:
        return formatted
    text, spans = formatted.text, [span for span in formatted.spans if span.kind is not SpanKind.LINK]
    for link in sorted(links, key=lambda span: span.end, reverse=True):
        words = text[link.start : link.end]
        target = link.url.removeprefix("mailto:").removeprefix("tel:")
        if words.strip() in {link.url, target}:
            continue
        added = f" ({target})"
        text = text[: link.end] + added + text[link.end :]
        spans = [_moved(span, link.end, len(added)) for span in spans]
    return Formatted(text, tuple(sorted(spans, key=lambda span: (span.start, -span.end))))


def _moved(span: Span, at: int, by: int) -> Span:
    """A span after *by* characters were put in at *at*: what begins there or later moves, what encloses it grows."""
    if span.start >= at:
        return msgspec.structs.replace(span, start=span.start + by, end=span.end + by)
    return msgspec.structs.replace(span, end=span.end + by) if span.end > at else span


def _for_whatsapp(formatted: Formatted) -> str:
    """Signs stand close to the words of each line, as WhatsApp demands; a block keeps its lines together."""
    opened: dict[int, list[str]] = {}
    closed: dict[int, list[str]] = {}
    for span in formatted.spans:
        sign = _SIGNS.get(span.kind)
        if sign is None:
            continue
        for start, end in _stretches(formatted.text, span):
            opened.setdefault(start, []).append(sign)
            closed.setdefault(end, []).insert(0, sign)
    if not opened:
        return formatted.text
    return "".join(_pieces(formatted.text, opened, closed))


def _pieces(text: str, opened: dict[int, list[str]], closed: dict[int, list[str]]) -> Sequence[str]:
    pieces: list[str] = []
    last = 0
    for at in sorted({*opened, *closed}):
        pieces += [text[last:at], *closed.get(at, ()), *opened.get(at, ())]
        last = at
    return [*pieces, text[last:]]


def _stretches(text: str, span: Span) -> list[tuple[int, int]]:
    if span.kind is SpanKind.PRE:
        return [(span.start, span.end)]
    return [(found.start(), found.end()) for found in _WORDS.finditer(text, span.start, span.end)]
