"""Writes formatted text with WhatsApp's own marks: ``*bold*``, ``_italic_``, ``~strike~``, code between backquotes.

The app reads a mark only at the edge of a word and within one line, so marks go where it would read them, and are
left out elsewhere: a reader should never see one. Links have no form; their targets follow in brackets.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from channels.formatting import Formatted, Span, SpanKind, Unit, from_markdown, measure, split, without_lone_surrogates

UNIT = Unit.UTF16

_MARKS = {
    SpanKind.BOLD: "*",
    SpanKind.ITALIC: "_",
    SpanKind.STRIKE: "~",
    SpanKind.CODE: "`",
    SpanKind.PRE: "```",
}


def written(text: str, limit: int, *, is_markdown: bool) -> list[str]:
    """*text* as WhatsApp takes it, in pieces of at most *limit* units; none when it is blank."""
    clean = without_lone_surrogates(text).replace("\0", "\ufffd")
    formatted = with_targets(from_markdown(clean)) if is_markdown else Formatted(clean)
    return list(_pieces(formatted, limit, limit))


def _pieces(formatted: Formatted, limit: int, room: int) -> Iterator[str]:
    """Marks make a piece longer, so what then exceeds the limit is cut again, smaller."""
    for piece in split(formatted, room, UNIT):
        marked = with_marks(piece)
        length = measure(marked, UNIT)
        if length <= limit or room <= 1:
            yield marked
        else:
            yield from _pieces(piece, limit, max(1, min(room - 1, room * limit // length)))


def with_targets(formatted: Formatted) -> Formatted:
    """Links as text: the target in brackets behind what was linked, unless that already says it."""
    text, spans = formatted.text, list(formatted.spans)
    links = [span for span in spans if span.kind is SpanKind.LINK]
    for link in sorted(links, key=lambda span: span.end, reverse=True):
        target = link.url.removeprefix("mailto:").removeprefix("tel:")
        if text[link.start : link.end] in {target, link.url}:
            continue
        added = f" ({target})"
        text = text[: link.end] + added + text[link.end :]
        spans = [_pushed(span, link.end, len(added)) for span in spans]
    return Formatted(text, tuple(span for span in spans if span.kind is not SpanKind.LINK))


def _pushed(span: Span, at: int, by: int) -> Span:
    start = span.start + by if span.start >= at else span.start
    end = span.end + by if span.end > at else span.end
    return msgspec.structs.replace(span, start=start, end=end)


def with_marks(formatted: Formatted) -> str:
    """The text with marks around its spans, where the app reads them."""
    if not formatted.spans:
        return formatted.text
    text = formatted.text
    opens: dict[int, str] = {}
    closes: dict[int, str] = {}
    for span in formatted.spans:
        mark = _MARKS.get(span.kind)
        if mark is None or mark in text[span.start : span.end]:
            continue
        for start, end in _stretches(text, span):
            opens[start] = opens.get(start, "") + mark
            closes[end] = mark + closes.get(end, "")
    marked: list[str] = []
    last = 0
    for at in sorted({*opens, *closes}):
        marked += (text[last:at], closes.get(at, ""), opens.get(at, ""))
        last = at
    return "".join([*marked, text[last:]])


def _stretches(text: str, span: Span) -> Iterator[tuple[int, int]]:
    """The parts of a span that can be marked: line by line, without white space at the edges, between words."""
    lines = [text[span.start : span.end]] if span.kind is SpanKind.PRE else text[span.start : span.end].split("\n")
    at = span.start
    for line in lines:
        start = at + len(line) - len(line.lstrip())
        end = at + len(line.rstrip())
        at += len(line) + 1
        if start < end and not _is_inside_word(text, start) and not _is_inside_word(text, end):
            yield start, end


def _is_inside_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
