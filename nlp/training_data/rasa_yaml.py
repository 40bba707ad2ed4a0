"""Reads Rasa's ``nlu.yml`` (https://rasa.com/docs/rasa/training-data-format, Rasa 2 and 3).

Beyond Rasa: ``label:`` may stand for ``intent:`` (other tasks have labels), ``metadata: {language: es}`` tells an
entry's or an example's language, and the examples of a lookup table may be the name of a file with one entry a line.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import yaml

from config.bot_yaml import Source, first_of, line_of, lines_of
from nlp.training_data.annotations import read_annotated
from nlp.training_data.gathering import Gathering, Placed, Synonym, bad_name

_LABELS = ("intent", "label")
_KINDS = (*_LABELS, "synonym", "regex", "lookup")
_ENTRY_KEYS = frozenset({*_KINDS, "examples", "metadata"})
_ELSEWHERE = {
    "responses": "replies are read from replies/",
    "stories": "flows take their place, in flows/",
    "rules": "flows take their place, in flows/",
}
_DOMAIN = frozenset({"intents", "entities", "slots", "actions", "forms", "session_config", "e2e_actions"})
"""What stands in Rasa's domain; harmless beside the examples."""

_MOST_METADATA = 50


class RasaReader:
    """Puts what the files say into a ``Gathering``. ``lookup_files`` are those that a table named."""

    def __init__(self, gathering: Gathering, root: Path) -> None:
        self.lookup_files: set[Path] = set()
        self._gathering = gathering
        self._root = root.resolve()

    def read(self, source: Source, language: str) -> None:
        """Read one file; *language* is what its name tells."""
        root = source.open()
        if root is None:
            return
        known = {"version", "nlu", *_ELSEWHERE, *_DOMAIN}
        top = source.mapping(root, "the file", known, strict=False)
        for key in _ELSEWHERE.keys() & top.keys():
            source.wrong(top[key], f"'{key}:' is not read here: {_ELSEWHERE[key]}", "warning")
        if "nlu" in top:
            for entry in source.sequence(top["nlu"], "nlu") if not _is_null(top["nlu"]) else ():
                self._entry(source, entry, language)
        elif not known.intersection(top):
            source.wrong(root, "has no 'nlu:' list: put the intents under 'nlu:'")

    def _entry(self, source: Source, node: yaml.Node, language: str) -> None:
        fields = source.mapping(node, "an entry of nlu", _ENTRY_KEYS, strict=False)
        kind = first_of(fields, *_KINDS)
        if not kind:
            source.wrong(node, f"an entry of nlu needs one of {', '.join(_KINDS)}")
            return
        name = source.text(fields[kind], kind)
        if not name:
            source.wrong(node, f"{kind} has no name")
            return
        if bad_name(name) and kind != "synonym":
            source.wrong(fields[kind], f"the name of this {kind} {bad_name(name)}")
            return
        if "examples" in fields and not _is_of_use(source, fields["examples"]):
            return
        if kind in _LABELS:
            self._intent(source, node, name, fields, language)
            return
        sayings = self._sayings(source, kind, fields)
        if not sayings and not (kind == "lookup" and _file_named(fields.get("examples"))):
            source.wrong(
                node, f"{kind} '{name}' is empty: write 'examples: |' and lines that begin with '- '", "warning"
            )
        for placed in sayings:
            self._saying(source, kind, name.removesuffix(".txt") if kind == "lookup" else name, placed)

    def _saying(self, source: Source, kind: str, name: str, placed: Placed) -> None:
        match kind:
            case "synonym":
                value = Placed(name, placed.file, placed.line)
                self._gathering.synonyms.append(Synonym(placed.text, value))
            case "regex":
                if _compiles(source, name, placed):
                    self._gathering.regexes.setdefault(name, []).append(placed)
            case _:
                self._gathering.lookups.setdefault(name, []).append(placed)

    def _intent(
        self, source: Source, node: yaml.Node, name: str, fields: Mapping[str, yaml.Node], language: str
    ) -> None:
        shared = metadata_of(source, fields.get("metadata"))
        found = list(_examples(source, fields["examples"])) if "examples" in fields else []
        if not found:
            source.wrong(node, f"intent '{name}' has no examples: write 'examples: |' and lines that begin with '- '")
        for line, annotated, own in found:
            taken = read_annotated(annotated)
            for what in taken.errors:
                source.note(line, what)
            for what in taken.doubts:
                source.note(line, what, "warning")
            metadata = shared | own
            told = self._gathering.language(metadata["language"]) if "language" in metadata else language
            self._gathering.add(
                taken.text, name, told, taken.marks, (source.name, line), tuple(sorted(metadata.items()))
            )

    def _sayings(self, source: Source, kind: str, fields: Mapping[str, yaml.Node]) -> list[Placed]:
        """The lines of a synonym, a regex or a lookup table; the last may name a file instead."""
        if "examples" not in fields:
            return []
        node = fields["examples"]
        named = _file_named(node) if kind == "lookup" else ""
        if not named:
            return [Placed(text, source.name, line) for line, text, _ in _examples(source, node)]
        path = self._found(source, named)
        if path is None:
            source.wrong(node, f"the file '{named}' is not in the bot's folder, so the table is left out", "warning")
            return []
        self.lookup_files.add(path)
        return lookup_entries(source.beside(path))

    def _found(self, source: Source, named: str) -> Path | None:
        """The file beside this one or in the bot's folder; of a path from elsewhere the end of it is enough."""
        parts = PurePosixPath(named).parts
        for first in range(len(parts)):
            for place in (source.path.parent, self._root, self._root / "nlu"):
                path = place.joinpath(*parts[first:]).resolve()
                if path.is_relative_to(self._root) and path.is_file():
                    return path
        return None


def lookup_entries(source: Source) -> list[Placed]:
    """The entries of a lookup table's file: one a line, blank lines between them do not count."""
    try:
        text = source.path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        source.note(0, f"is not UTF-8 (byte {error.start}): save it as UTF-8")
        return []
    except OSError as error:
        source.note(0, f"cannot be read: {error.strerror}")
        return []
    lines = enumerate(text.split("\n"), start=1)
    return [Placed(entry.strip(), source.name, line) for line, entry in lines if entry.strip()]


def metadata_of(source: Source, node: yaml.Node | None) -> dict[str, str]:
    """The author's notes as pairs of texts, what is nested under names with dots: ``author.name``."""
    found: dict[str, str] = {}
    if node is not None and not _is_null(node):
        _flatten(source, "", node, found)
    return found


def _flatten(source: Source, prefix: str, node: yaml.Node, found: dict[str, str]) -> None:
    if len(found) >= _MOST_METADATA or prefix.count(".") > 5:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _flatten(source, f"{prefix}.{key.value}" if prefix else str(key.value), value, found)
    elif isinstance(node, yaml.SequenceNode):
        for number, member in enumerate(node.value):
            _flatten(source, f"{prefix}.{number}", member, found)
    else:
        found[prefix or "note"] = str(node.value)


def _examples(source: Source, node: yaml.Node) -> Iterable[tuple[int, str, dict[str, str]]]:
    """Lines, texts and notes of a block text of ``- `` lines, or of a list of texts or ``text:`` maps."""
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            yield from _listed(source, member)
        return
    for line, text in lines_of(node) if isinstance(node, yaml.ScalarNode) and not _is_null(node) else ():
        stripped = text.strip()
        if stripped.startswith("-"):
            if stripped[1:].strip():
                yield line, stripped[1:].strip(), {}
        elif stripped and not stripped.startswith("#"):
            source.note(line, f"is left out, for an example must begin with '- ': '{stripped[:40]}'", "warning")


def _is_of_use(source: Source, node: yaml.Node) -> bool:
    """Whether examples have a form in which they can be told apart."""
    if isinstance(node, yaml.ScalarNode) and node.style == ">":
        source.wrong(node, "'examples: >' joins the lines into one: write 'examples: |'")
        return False
    if isinstance(node, yaml.MappingNode):
        source.wrong(node, "examples must be 'examples: |' and lines that begin with '- '")
        return False
    return True


def _listed(source: Source, node: yaml.Node) -> Iterable[tuple[int, str, dict[str, str]]]:
    own: dict[str, str] = {}
    if isinstance(node, yaml.MappingNode):
        fields = source.mapping(node, "an example", {"text", "metadata", "intent"}, strict=False)
        if "text" not in fields:
            source.wrong(node, "an example needs 'text:'")
            return
        own, node = metadata_of(source, fields.get("metadata")), fields["text"]
    text = source.text(node, "an example").removeprefix("- ").strip()
    if text:
        yield line_of(node), text, own


def _file_named(node: yaml.Node | None) -> str:
    """The file that stands in place of a lookup table's entries; empty when they stand there themselves."""
    if not isinstance(node, yaml.ScalarNode):
        return ""
    only = str(node.value).strip().removeprefix("-").strip()
    return only if "\n" not in only and PurePosixPath(only).suffix == ".txt" else ""


def _compiles(source: Source, name: str, placed: Placed) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python calls odd is the author's choice
            pattern = re.compile(placed.text)
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        source.note(placed.line, f"regex '{name}' does not compile: {error}")
        return False
    if pattern.fullmatch("") is not None:
        source.note(
            placed.line, f"regex '{name}' also matches nothing at all: ask for at least one character", "warning"
        )
    return True


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
