"""Reads an author's YAML so that every complaint can name its line: nodes stay nodes until a type is asked for.

Nothing is ever constructed from a tag, so a file can hold no code; ``no`` and ``1.10`` stay what was written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import yaml

from config.bot_problems import Problem

LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser, where it was built
_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})


_DEEPEST = 100
_MOST_REFERENCES = 200
_OPENING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def compose(text: str) -> yaml.Node | None:
    """The root node of a text; ``None`` when it holds nothing. Raises ``yaml.YAMLError``.

    The C parser follows lists in lists on its own stack and takes the process along when that is full, so the depth is
    counted first; so are references to anchors (``*name``), a few of which can stand for millions of lines.
    """
    depth = references = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        references += isinstance(event, yaml.AliasEvent)
        if depth > _DEEPEST:
            raise _refusal(event, f"more than {_DEEPEST} lists within one another")
        if references > _MOST_REFERENCES:
            raise _refusal(event, f"more than {_MOST_REFERENCES} references like *name")
    root: yaml.Node | None = yaml.compose(text, Loader=LOADER)
    return root


def _refusal(event: yaml.Event, what: str) -> yaml.MarkedYAMLError:
    line = event.start_mark.line if event.start_mark else 0
    return yaml.MarkedYAMLError(problem=what, problem_mark=yaml.error.Mark("", 0, line, 0, None, 0))


class Source:
    """One file being read. Each reader returns an empty value when the node has the wrong shape, and notes it."""

    def __init__(self, path: Path, root: Path, problems: list[Problem], name: str = "") -> None:
        self.path = path
        self.name = name or path.relative_to(root).as_posix()
        self._root = root
        self._problems = problems

    def beside(self, path: Path) -> Source:
        """Another file of the same folder, whose problems are noted together with this one's."""
        return Source(path, self._root, self._problems)

    def open(self) -> yaml.Node | None:
        """The document's root node; ``None`` when it is empty or cannot be read (then a problem is noted)."""
        try:
            return compose(self.path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            self.note(0, f"is not UTF-8 (byte {error.start}): save it as UTF-8")
        except OSError as error:
            self.note(0, f"cannot be read: {error.strerror}")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.note(mark.line + 1 if mark else 0, f"is not valid YAML: {error.problem or error.context}")
        except yaml.YAMLError as error:
            self.note(0, f"is not valid YAML: {error}")
        return None

    def note(self, line: int, what: str, level: Literal["error", "warning"] = "error") -> None:
        """Write down a problem."""
        self._problems.append(Problem(self.name, line, what, level))

    def wrong(self, node: yaml.Node, what: str, level: Literal["error", "warning"] = "error") -> None:
        """Write down a problem at a node's line."""
        self.note(line_of(node), what, level)

    def mapping(
        self, node: yaml.Node, where: str, known: Collection[str] | None = None, *, strict: bool = True
    ) -> dict[str, yaml.Node]:
        """A mapping's values by key. A key outside of *known* is a problem (a mere warning when not *strict*)."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{where} must be a mapping (key: value)")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                self.wrong(key, f"{where} has a key that is not a word")
            elif name in found:
                self.wrong(key, f"{where} has the key '{name}' twice: keep one")
            elif known is not None and name not in known:
                allowed = ", ".join(sorted(known))
                self.wrong(key, f"{where} does not know the key '{name}'; it takes {allowed}", _level(strict=strict))
            else:
                found[name] = value
        return found

    def sequence(self, node: yaml.Node, where: str) -> list[yaml.Node]:
        """A list's members."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.wrong(node, f"{where} must be a list (- one, - two)")
        return []

    def text(self, node: yaml.Node, where: str) -> str:
        """A scalar as it was written, without surrounding blanks."""
        if isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null":
            return str(node.value).strip()
        self.wrong(node, f"{where} must be a text")
        return ""

    def texts(self, node: yaml.Node, where: str) -> tuple[str, ...]:
        """A list of texts; a single one may stand without the list."""
        if isinstance(node, yaml.ScalarNode):
            return (self.text(node, where),)
        return tuple(self.text(member, where) for member in self.sequence(node, where))

    def number(self, node: yaml.Node, where: str, low: float, high: float) -> float | None:
        """A number between *low* and *high*, both allowed."""
        try:
            value = float(self.text(node, where))
        except ValueError:
            self.wrong(node, f"{where} must be a number between {low:g} and {high:g}")
            return None
        if low <= value <= high:
            return value
        self.wrong(node, f"{where} is {value:g}, but must lie between {low:g} and {high:g}")
        return None

    def flag(self, node: yaml.Node, where: str) -> bool:
        """True or false."""
        word = self.text(node, where).lower()
        if word not in _TRUE | _FALSE:
            self.wrong(node, f"{where} must be true or false")
        return word in _TRUE

    def scalar(self, node: yaml.Node, where: str) -> str | float | bool | None:
        """A scalar with YAML's own type: text, number, true or false, or nothing."""
        word = str(node.value) if isinstance(node, yaml.ScalarNode) else self.text(node, where)
        match node.tag.rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return word.lower() in _TRUE
            case "int" | "float":
                return self.number(node, where, float("-inf"), float("inf"))
            case _:
                return word


def line_of(node: yaml.Node) -> int:
    """The line, from 1, on which a node begins."""
    return int(node.start_mark.line) + 1


def lines_of(node: yaml.Node) -> list[tuple[int, str]]:
    """A text's lines with their numbers in the file; exact for block texts (``|``)."""
    first = line_of(node)
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        first += 1
    return list(enumerate(str(node.value).splitlines(), start=first))


def first_of(fields: Mapping[str, yaml.Node], *names: str) -> str:
    """The first of *names* that is among the fields; empty when none is."""
    return next((name for name in names if name in fields), "")


def _level(*, strict: bool) -> Literal["error", "warning"]:
    return "error" if strict else "warning"
