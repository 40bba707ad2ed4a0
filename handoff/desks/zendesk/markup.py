"""Turns an agent's HTML into the small Markdown that every channel renders, and makes customers' words harmless.

Nothing of the HTML survives but words, bold, italic, strike, code, links and line ends: scripts, styles, pictures and
whatever else there is leave no trace but their words, if they have any that a reader would have seen.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from channels.formatting import MAX_MARKDOWN_CHARS, without_lone_surrogates
from gateway.core.messages import Text

MAX_HTML_CHARS = 400_000
MAX_NODES = 20_000
MAX_DEPTH = 60

_SILENT = frozenset(
    {"script", "style", "head", "template", "noscript", "iframe", "object", "embed", "svg", "math", "title", "select"}
)
_BLOCKS = frozenset(
    {
        "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "tr", "blockquote", "section", "article",
        "header", "footer", "figure", "hr", "dl", "dt", "dd", "address", "form", "main",
    }
)  # fmt: skip
_APART = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre"})
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "s": "~~", "del": "~~", "strike": "~~"}
_SPECIAL = re.compile(r"([\\`*_~\[\]<>])")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MANY_LINES = re.compile(r"\n{3,}")
_PLACEHOLDER = re.compile(r"\{(?=[\{%])|[\}%](?=\})")

JOINER = "\u2060"
"""Seen by nobody; keeps ``{{`` from being one word."""


def agent_text(html_body: str, plain: str) -> Text | None:
    """What an agent wrote, for the customer: the HTML when there is some, else the plain words; ``None``: nothing."""
    if html_body and len(html_body) <= MAX_HTML_CHARS:
        found = as_markdown(html_body)
        if found.strip() and len(found) <= MAX_MARKDOWN_CHARS:
            return Text(found, "markdown") if _SPECIAL.search(found) else Text(found)
    words = clean(plain).strip()
    return Text(words) if words else None


def as_markdown(source: str) -> str:
    """HTML as the small Markdown of :func:`channels.formatting.from_markdown`; words keep their characters."""
    tree = LexborHTMLParser(source)
    root = tree.body
    if root is None:
        return ""
    writer = _Writer()
    writer.children(root, 0)
    return writer.text()


def harmless(text: str) -> str:
    """A customer's words as Zendesk may show them: without characters of control, and without placeholders.

    Zendesk fills in ``{{…}}`` and ``{%…%}`` wherever an agent's token writes them, so these come apart, unseen.
    """
    return _PLACEHOLDER.sub(lambda found: found.group() + JOINER, clean(text))


def one_line(text: str, limit: int) -> str:
    """Harmless, on a single line, and at most *limit* characters."""
    line = " ".join(harmless(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clean(text: str) -> str:
    """Without what no reader sees but machines may obey: control characters and half surrogates."""
    whole = without_lone_surrogates(text).replace("\r\n", "\n").replace("\r", "\n")
    if whole.isascii() and whole.isprintable():
        return whole
    return "".join(c for c in whole if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})


class _Writer:
    """Collects Markdown while the tree is read once; its size is bounded by the source's."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._nodes = 0

    def text(self) -> str:
        lines = [line.strip(" \t") for line in "".join(self._pieces).split("\n")]
        return _MANY_LINES.sub("\n\n", "\n".join(lines)).strip("\n ")

    def children(self, node: LexborNode, depth: int) -> None:
        for child in _children(node):
            self._nodes += 1
            if self._nodes > MAX_NODES:
                return
            self._node(child, depth + 1)

    def _node(self, node: LexborNode, depth: int) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._words(node.text(deep=False) or "")
        elif depth > MAX_DEPTH:
            self._words(node.text(deep=True) or "")
        elif tag in _SILENT or tag.startswith(("-", "!")):
            return
        elif tag == "br":
            self._pieces.append("\n")
        elif tag in {"pre", "code"}:
            self._code(node, is_block=tag == "pre")
        elif tag == "a":
            self._link(node, depth)
        elif tag == "li":
            self._line("- ")
            self.children(node, depth)
        elif tag in _MARKS:
            self._marked(node, _MARKS[tag], depth)
        else:
            self._block(node, tag, depth)

    def _words(self, words: str) -> None:
        squeezed = _SPACES.sub(" ", clean(words))
        if squeezed == " " and (not self._pieces or self._pieces[-1].endswith("\n")):
            return
        self._pieces.append(escaped(squeezed))

    def _block(self, node: LexborNode, tag: str, depth: int) -> None:
        if tag not in _BLOCKS:
            if tag in {"td", "th"}:
                self._pieces.append(" ")
            self.children(node, depth)
            return
        self._line("")
        self.children(node, depth)
        self._pieces.append("\n\n" if tag in _APART else "")
        self._line("")

    def _marked(self, node: LexborNode, mark: str, depth: int) -> None:
        inner = self._inside(node, depth)
        words = inner.strip()
        if not words or "\n" in words:  # a mark does not reach over a line's end
            self._pieces.append(inner)
            return
        before = inner[: len(inner) - len(inner.lstrip())]
        after = inner[len(inner.rstrip()) :]
        self._pieces.append(f"{before}{mark}{words}{mark}{after}")

    def _link(self, node: LexborNode, depth: int) -> None:
        label = self._inside(node, depth).strip()
        target = _safe_target(node.attributes.get("href") or "")
        if not target or "\n" in label:
            self._pieces.append(label)
        elif not label or label in (escaped(target), escaped(target.removeprefix("mailto:"))):
            self._pieces.append(escaped(target.removeprefix("mailto:").removeprefix("tel:")))
        else:
            self._pieces.append(f"[{label}](<{target}>)")

    def _code(self, node: LexborNode, *, is_block: bool) -> None:
        words = clean(node.text(deep=True) or "").strip("\n")
        if is_block and words and "```" not in words:
            self._line("")
            self._pieces.append(f"```\n{words}\n```\n")
        elif words and "`" not in words and "\n" not in words:
            self._pieces.append(f"`{words}`")
        else:
            self._pieces.append(escaped(words))

    def _inside(self, node: LexborNode, depth: int) -> str:
        outer, self._pieces = self._pieces, []
        self.children(node, depth)
        inner, self._pieces = "".join(self._pieces), outer
        return inner

    def _line(self, beginning: str) -> None:
        """Begin a line, unless one has just begun."""
        if self._pieces and not self._pieces[-1].endswith("\n"):
            self._pieces.append("\n")
        if beginning:
            self._pieces.append(beginning)


def escaped(words: str) -> str:
    """Words in which no character means anything to Markdown."""
    return _SPECIAL.sub(r"\\\1", words)


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _safe_target(href: str) -> str:
    """A link's target, if it is one that may be shown to anybody."""
    target = clean(href).strip()
    try:
        scheme = urlsplit(target).scheme.lower()
    except ValueError:
        return ""
    is_fine = scheme in {"http", "https", "mailto", "tel"} and not re.search(r"[\s<>\\]", target)
    return target if is_fine and len(target) <= 2048 else ""
