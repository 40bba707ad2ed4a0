"""Puts lines into the text of an ``nlu.yml`` where they belong, and leaves all other lines alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
import yaml

from config.bot_yaml import compose
from gateway.core.errors import Misconfigured

_LINE = re.compile("(?:\r\n|[\n\r\x85\u2028\u2029])")  # what YAML 1.1 takes for the end of a line
_PLAIN = re.compile(r"[^\W\d_][\w/.-]*(?: [\w/.-]+)*")
_HEADER = 'version: "3.1"'


class Addition(msgspec.Struct, frozen=True):
    """A line to add to the examples of a label; ``language`` is empty where the file's name tells it."""

    label: str
    language: str
    line: str


class _Block(msgspec.Struct, frozen=True):
    """Where an entry's examples end, and how far they are indented."""

    last_line: int
    indent: str


def lines_with(text: str, additions: Iterable[Addition], file: str) -> str:
    """The file's *text* with the additions: after the last example of their label, else in a new entry at the end.

    Raises ``Misconfigured`` (naming *file*) when the text is no YAML.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    try:
        root = compose(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise Misconfigured(f"{file}:{line}", f"must be mended first: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise Misconfigured(file, f"must be mended first: {error}") from error
    lines = _split(text)
    entries = _entries(root)
    blocks = _blocks(entries.value if entries is not None else [], lines)
    inserted: dict[int, list[str]] = {}
    fresh: dict[tuple[str, str], list[str]] = {}
    for each in additions:
        block = blocks.get((each.label, each.language))
        if block is None:
            fresh.setdefault((each.label, each.language), []).append(each.line)
        else:
            inserted.setdefault(block.last_line, []).append(f"{block.indent}- {each.line}")
    if fresh:
        place, new = _new_entries(root, entries, lines, fresh)
        inserted.setdefault(place, []).extend(new)
    return _joined(lines, inserted, end)


def _split(text: str) -> list[str]:
    """The lines with their ends; the last one may have none."""
    lines: list[str] = []
    last = 0
    for match in _LINE.finditer(text):
        lines.append(text[last : match.end()])
        last = match.end()
    return [*lines, text[last:]] if last < len(text) else lines


def _joined(lines: Sequence[str], inserted: dict[int, list[str]], end: str) -> str:
    """The lines with what is put in after some of them (-1: before all)."""
    found = [line + end for line in inserted.get(-1, ())]
    for number, line in enumerate(lines):
        added = inserted.get(number, ())
        is_open = bool(added) and not _LINE.search(line)
        found += [line + end if is_open else line, *(each + end for each in added)]
    return "".join(found)


def _entries(root: yaml.Node | None) -> yaml.SequenceNode | None:
    nlu = _value(root, "nlu")
    return nlu if isinstance(nlu, yaml.SequenceNode) else None


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs: list[tuple[yaml.Node, yaml.Node]] = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == name), None)


def _blocks(entries: Iterable[yaml.Node], lines: Sequence[str]) -> dict[tuple[str, str], _Block]:
    """By label and language, the last entry whose examples are a block of lines, with no notes but the language."""
    found: dict[tuple[str, str], _Block] = {}
    for entry in entries:
        label = _value(entry, "intent") or _value(entry, "label")
        examples = _value(entry, "examples")
        language = _only_language(_value(entry, "metadata"))
        if not (isinstance(label, yaml.ScalarNode) and isinstance(examples, yaml.ScalarNode)) or language is None:
            continue
        if examples.style == "|":
            last = _last_line(examples, lines)
            written = [line for line in lines[examples.start_mark.line + 1 : last + 1] if line.lstrip().startswith("-")]
            if written:
                indent = written[-1][: len(written[-1]) - len(written[-1].lstrip())]
                found[str(label.value).strip(), language] = _Block(last, indent)
    return found


def _only_language(metadata: yaml.Node | None) -> str | None:
    """The language that notes tell; empty without notes, ``None`` when they tell anything else."""
    if metadata is None:
        return ""
    language = _value(metadata, "language")
    if isinstance(language, yaml.ScalarNode) and isinstance(metadata, yaml.MappingNode) and len(metadata.value) == 1:
        return str(language.value).strip()
    return None


def _last_line(node: yaml.Node, lines: Sequence[str]) -> int:
    """The last line on which a node has something; blank lines and comments after it are not its own."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        pair = last if isinstance(last, tuple) else (last,)
        return max(_last_line(each, lines) for each in pair)
    if not (isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}):
        return min(int(node.end_mark.line), len(lines) - 1)
    return _end_of_block(int(node.start_mark.line), lines)


def _end_of_block(first: int, lines: Sequence[str]) -> int:
    """The last line of a block text that is announced on line *first*: the lines as far indented as its first one."""
    last = first
    indent = 0
    for number in range(first + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip(" "))
        indent = indent or depth
        if depth < indent or not indent:
            break
        last = number
    return last


def _new_entries(
    root: yaml.Node | None,
    entries: yaml.SequenceNode | None,
    lines: Sequence[str],
    fresh: dict[tuple[str, str], list[str]],
) -> tuple[int, list[str]]:
    """After which line the new entries go, and their lines."""
    nlu = _value(root, "nlu")
    if entries is not None and entries.value:
        indent = " " * int(entries.start_mark.column)
        return _last_line(entries.value[-1], lines), _entry_lines(fresh, indent)
    if nlu is not None:
        return int(nlu.start_mark.line), _entry_lines(fresh, "")
    header = ["nlu:"] if root is not None else [_HEADER, "nlu:"]
    return len(lines) - 1, [*header, *_entry_lines(fresh, "")]


def _entry_lines(fresh: dict[tuple[str, str], list[str]], indent: str) -> list[str]:
    lines: list[str] = []
    for (label, language), texts in fresh.items():
        lines.append(f"{indent}- intent: {_scalar(label)}")
        if language:
            lines += [f"{indent}  metadata:", f"{indent}    language: {_scalar(language)}"]
        lines += [f"{indent}  examples: |", *(f"{indent}    - {text}" for text in texts)]
    return lines


def _scalar(label: str) -> str:
    """A label as YAML reads it back, in quotes where it would be a number, a truth value or nothing."""
    is_plain = _PLAIN.fullmatch(label) is not None and isinstance(yaml.safe_load(label), str)
    return label if is_plain else msgspec.json.encode(label).decode()
