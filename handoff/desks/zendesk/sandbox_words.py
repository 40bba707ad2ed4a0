"""What is written in a comment, as rich text and as plain words."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "blockquote", "pre", "tr", "table"})
UNSEEN = frozenset({"script", "style", "head", "title"})


def as_html(text: str) -> str:
    """Plain words as the workspace keeps them."""
    paragraphs = "".join(
        f'<p dir="auto">{html.escape(part, quote=False).replace(chr(10), "<br>")}</p>'
        for part in re.split(r"\n{2,}", text)
    )
    return f'<div class="zd-comment" dir="auto">{paragraphs}</div>'


def as_rich(markup: str) -> str:
    """Somebody's HTML as the workspace keeps it."""
    return f'<div class="zd-comment" dir="auto">{markup}</div>'


def as_plain(markup: str) -> str:
    """The words of HTML; blocks stand on lines of their own."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = (re.sub(r"[ \t\r\f]+", " ", line).strip() for line in "".join(reader.words).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._unseen += tag in UNSEEN
        if tag == "br" or tag in BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in UNSEEN and self._unseen > 0
        if tag in BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)
