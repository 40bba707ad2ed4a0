"""Text on its way out, without any channel in it: authors' small Markdown as spans, and cutting to a limit.

A span's offsets count characters of the Python string; a channel converts them to what its provider counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token


class SpanKind(StrEnum):
    BOLD = "bold"
    ITALIC = "italic"
    STRIKE = "strike"
    CODE = "code"
    PRE = "pre"
    LINK = "link"


class Span(msgspec.Struct, frozen=True, order=True):
    """``text[start:end]`` looks like ``kind``. ``url`` is a link's target; ``language`` that of a code block."""

    start: int
    end: int
    kind: SpanKind
    url: str = ""
    language: str = ""


class Formatted(msgspec.Struct, frozen=True):
    """Plain text and what is special in it, sorted by start."""

    text: str
    spans: tuple[Span, ...] = ()


class Unit(StrEnum):
    """What a provider counts when it limits a text."""

    CHARACTERS = "characters"
    UTF16 = "utf16"
    BYTES = "bytes"


# ---------------------------------------------------------------- Markdown

MAX_MARKDOWN_CHARS = 20_000
"""Longer than anything that is written by hand; a hostile text of this length takes less than 0.3 s to read."""

_PAIRS = {
    "strong_open": SpanKind.BOLD,
    "em_open": SpanKind.ITALIC,
    "s_open": SpanKind.STRIKE,
    "link_open": SpanKind.LINK,
}
_SPECIAL = re.compile(r"[*_~`\[\]\\<]")
_MARKDOWN = MarkdownIt("zero").enable(
    ["fence", "newline", "escape", "backticks", "strikethrough", "emphasis", "link", "autolink"]
)
"""Only what authors are promised: lists, headings and rules stay the characters that they typed."""


def from_markdown(source: str) -> Formatted:
    """Read bold, italic, strike, code, fenced code and links; everything else stays as it was written.

    A link keeps its text; its target must be http, https, mailto or tel, else only the text stays. A source of more
    than ``MAX_MARKDOWN_CHARS``, or one of which nothing would be left, is shown as it is.
    """
    if len(source) > MAX_MARKDOWN_CHARS or not _SPECIAL.search(source):
        return Formatted(source)
    writer = _Writer()
    last_line = 0
    for block in _MARKDOWN.parse(source):
        if block.map is None or block.type not in {"fence", "inline"}:
            continue
        if writer.length:
            writer.write("\n" * (block.map[0] - last_line + 1))
        last_line = block.map[1]
        if block.type == "fence":
            writer.write_block(block)
        else:
            writer.write_inline(block.children or ())
    formatted = writer.result()
    return formatted if formatted.text.strip() else Formatted(source)


class _Writer:
    """Collects text and spans while the tokens are read once from front to back."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._spans: list[Span] = []
        self._open: list[tuple[SpanKind, int, str]] = []
        self.length = 0

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.length += len(text)

    def write_as(self, kind: SpanKind, text: str, language: str = "") -> None:
        if text:
            self._spans.append(Span(self.length, self.length + len(text), kind, language=language))
            self.write(text)

    def write_block(self, block: Token) -> None:
        self.write_as(SpanKind.PRE, block.content.removesuffix("\n"), language=block.info.split(" ")[0].strip())

    def write_inline(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if token.type in _PAIRS:
                self._open.append((_PAIRS[token.type], self.length, str(token.attrs.get("href", ""))))
            elif token.nesting < 0:
                self._close()
            elif token.type == "code_inline":
                self.write_as(SpanKind.CODE, token.content)
            elif token.type in {"softbreak", "hardbreak"}:
                self.write("\n")
            else:
                self.write(token.content)

    def _close(self) -> None:
        kind, start, url = self._open.pop()
        is_shown = kind is not SpanKind.LINK or _is_safe_link(url)
        if self.length > start and is_shown:
            self._spans.append(Span(start, self.length, kind, url))

    def result(self) -> Formatted:
        return Formatted("".join(self._pieces), tuple(sorted(self._spans, key=lambda span: (span.start, -span.end))))


def _is_safe_link(url: str) -> bool:
    return url.lower().startswith(("http://", "https://", "mailto:", "tel:"))


# ---------------------------------------------------------------- measuring


def _utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _byte_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_MEASURES: dict[Unit, Callable[[str], int]] = {
    Unit.CHARACTERS: len,
    Unit.UTF16: _utf16_length,
    Unit.BYTES: _byte_length,
}


def measure(text: str, unit: Unit) -> int:
    """How long *text* is to a provider that counts *unit*."""
    return _MEASURES[unit](text)


def shorten(text: str, limit: int, unit: Unit = Unit.CHARACTERS) -> str:
    """*text* itself, or its beginning and an ellipsis, within *limit* units (at least 3); no character is cut."""
    if measure(text, unit) <= limit:
        return text
    end = _reach(text, 0, limit - measure("…", unit), unit)
    while end > 1 and is_joined(text, end):
        end -= 1
    return text[:end].rstrip() + "…"


def without_lone_surrogates(text: str) -> str:
    """*text* as any encoder takes it: half a surrogate pair becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# ---------------------------------------------------------------- cutting


def split(formatted: Formatted, limit: int, unit: Unit) -> tuple[Formatted, ...]:
    """Cut into pieces of at most *limit* units, in order; blank pieces are left out.

    A cut falls on white space, which is dropped there, and outside of every span that would fit into a piece of
    its own; a longer span is closed before the cut and opened again after it. Only a word longer than a piece is
    cut itself, and then never inside a character that readers see as one (accents, emoji with modifiers, flags).
    The single exception is a limit smaller than one such character.
    """
    text = formatted.text
    pieces: list[Formatted] = []
    start, end_of_text = 0, len(text)
    while start < end_of_text:
        stop = end_of_text if _fits(text, start, limit, unit) else _cut(formatted, start, limit, unit)
        piece = _piece(formatted, start, stop)
        if piece.text.strip():
            pieces.append(piece)
        start = _after_break(text, stop)
    return tuple(pieces)


def _fits(text: str, start: int, limit: int, unit: Unit) -> bool:
    if len(text) - start > limit:
        return False
    return measure(text[start:], unit) <= limit


def _cut(formatted: Formatted, start: int, limit: int, unit: Unit) -> int:
    """Where a piece that begins at *start* and does not reach the end should stop."""
    text = formatted.text
    reach = max(start + 1, _reach(text, start, limit, unit))
    breaks = [at for at in range(start + 1, min(reach, len(text) - 1) + 1) if is_break(text, at)]
    is_inside = _guarded(formatted, start, reach, limit, unit)
    outside = [at for at in breaks if not is_inside[at - start]]
    choice = _best_break(text, start, reach, outside) or _best_break(text, start, reach, breaks)
    if choice is not None:
        return choice
    while reach > start + 1 and is_joined(text, reach):
        reach -= 1
    return reach if not is_joined(text, reach) else max(start + 1, _reach(text, start, limit, unit))


def _guarded(formatted: Formatted, start: int, reach: int, limit: int, unit: Unit) -> bytearray:
    """For each index from *start* to *reach*: whether it is inside of a span that would fit into a piece."""
    is_inside = bytearray(reach - start + 1)
    for span in formatted.spans:
        first, end = max(span.start + 1, start), min(span.end, reach + 1)
        if first < end and measure(formatted.text[span.start : span.end], unit) <= limit:
            is_inside[first - start : end - start] = b"\1" * (end - first)
    return is_inside


def _best_break(text: str, start: int, reach: int, breaks: Sequence[int]) -> int | None:
    """The last break, or a line's end when one lies in the second half: paragraphs read better whole."""
    if not breaks:
        return None
    line_ends = [at for at in breaks if text[at] == "\n" and at - start > (reach - start) // 2]
    return line_ends[-1] if line_ends else breaks[-1]


def _reach(text: str, start: int, limit: int, unit: Unit) -> int:
    """The furthest index such that ``text[start:index]`` is within *limit*."""
    if unit is Unit.CHARACTERS:
        return min(len(text), start + max(0, limit))
    used = 0
    for at in range(start, len(text)):
        used += _weight(text[at], unit)
        if used > limit:
            return at
    return len(text)


def _weight(character: str, unit: Unit) -> int:
    code = ord(character)
    if unit is Unit.UTF16:
        return 2 if code > 0xFFFF else 1
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4


def is_break(text: str, at: int) -> bool:
    """Whether a text may be cut at the white space at index *at*: not where the next character leans on it."""
    return text[at].isspace() and not (at + 1 < len(text) and _leans_back(text[at + 1]))


def is_joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of index *at* are seen as one (an approximation of grapheme clusters)."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if _leans_back(after) or before == "\u200d" or (before == "\r" and after == "\n"):
        return True
    return _is_regional(before) and _is_regional(after) and _regionals_before(text, at) % 2 == 1


def _leans_back(character: str) -> bool:
    if character.isascii():
        return False
    is_modifier = "\U0001f3fb" <= character <= "\U0001f3ff" or character == "\u200d"
    return is_modifier or unicodedata.category(character) in {"Mn", "Me", "Mc"}


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    first = at
    while first > 0 and _is_regional(text[first - 1]):
        first -= 1
    return at - first


def _after_break(text: str, stop: int) -> int:
    """Where the next piece begins: behind the white space at the cut."""
    while stop < len(text) and is_break(text, stop):
        stop += 1
    return stop


def _piece(formatted: Formatted, start: int, stop: int) -> Formatted:
    if start == 0 and stop == len(formatted.text):
        return formatted
    text = formatted.text[start:stop]
    if stop < len(formatted.text):
        text = text.rstrip()
    end = start + len(text)
    inside = (span for span in formatted.spans if span.start < end and span.end > start)
    clipped = (
        msgspec.structs.replace(span, start=max(span.start, start) - start, end=min(span.end, end) - start)
        for span in inside
    )
    return Formatted(text, tuple(clipped))
