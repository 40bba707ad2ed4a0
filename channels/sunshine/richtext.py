"""Writes formatted text as the HTML that Zendesk's widget shows, and as plain words for apps that show none.

The tags are those that Zendesk names for messaging: strong, em, s, code, a and br. HTML rather than Markdown, because
its length is limited after conversion too, and only here is it known beforehand.
"""

from __future__ import annotations

import html

from channels.formatting import Formatted, Span, SpanKind

_TAGS = {
    SpanKind.BOLD: "strong",
    SpanKind.ITALIC: "em",
    SpanKind.STRIKE: "s",
    SpanKind.CODE: "code",
    SpanKind.PRE: "code",
    SpanKind.LINK: "a",
}


def as_html(formatted: Formatted) -> str:
    """The text with its spans as tags, properly nested; lines end in ``<br>``."""
    spans = _nested(formatted.spans)
    edges = sorted({0, len(formatted.text), *(edge for span in spans for edge in (span.start, span.end))})
    pieces: list[str] = []
    open_spans: list[Span] = []
    for at, following in zip(edges, [*edges[1:], len(formatted.text)], strict=True):
        while open_spans and open_spans[-1].end <= at:
            pieces.append(f"</{_TAGS[open_spans.pop().kind]}>")
        for span in spans:
            if span.start == at and span.end > at:
                pieces.append(_opening(span))
                open_spans.append(span)
        pieces.append(_escaped(formatted.text[at:following]))
    return "".join(pieces)


def as_plain(formatted: Formatted) -> str:
    """The words, each link followed by its target in brackets unless it is its own text."""
    text = formatted.text
    for span in sorted(formatted.spans, key=lambda span: span.end, reverse=True):
        if span.kind is SpanKind.LINK and span.url and text[span.start : span.end].strip() != span.url:
            text = f"{text[: span.end]} ({span.url}){text[span.end :]}"
    return text


def _nested(spans: tuple[Span, ...]) -> list[Span]:
    """The spans, outer ones first; one that crosses another's end is cut there."""
    result: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        end = min([span.end, *(outer.end for outer in result if outer.start <= span.start < outer.end)])
        if end > span.start:
            result.append(Span(span.start, end, span.kind, span.url, span.language))
    return result


def _opening(span: Span) -> str:
    if span.kind is SpanKind.LINK:
        return f'<a href="{html.escape(span.url)}">'
    return f"<{_TAGS[span.kind]}>"


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")
