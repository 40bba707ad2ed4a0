"""Reads an author's examples (Rasa's ``nlu.yml`` format), and says where they contradict themselves.

Format: https://rasa.com/docs/rasa/nlu-training-data (Rasa 3.x). A file may tell the language of its examples by
its name: ``greetings.es.yml`` or ``es.yml``; Rasa ignores that, so a file works in both.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import yaml

from config.bot_problems import Problem, refuse_errors
from config.bot_yaml import Source, first_of, line_of, lines_of
from nlp.text import for_intents, phrase

FEWEST_EXAMPLES = 5
"""Below this an intent is learnt badly, and the author is warned."""

_ANNOTATION = re.compile(
    r"\[(?P<text>[^\[\]]+)\](?:\((?P<entity>[^():]+)(?::(?P<value>[^()]+))?\)|(?P<json>\{[^{}]*\}|\[\{.*?\}\]))"
)
_KINDS = ("intent", "synonym", "regex", "lookup")
_ENTRY_KEYS = frozenset({*_KINDS, "examples", "metadata"})


class EntityMark(msgspec.Struct, frozen=True):
    """An annotated piece of an example; ``start`` and ``end`` are offsets in the clean text."""

    kind: str
    text: str
    value: str
    start: int
    end: int
    role: str = ""
    group: str = ""


class Example(msgspec.Struct, frozen=True):
    """One text with its intent. ``language`` is empty when the file does not tell."""

    text: str
    intent: str
    language: str = ""
    entities: tuple[EntityMark, ...] = ()
    file: str = ""
    line: int = 0


class TrainingData(msgspec.Struct, frozen=True):
    """Everything the author wrote for understanding. ``synonyms`` maps a folded phrase to its canonical value."""

    examples: tuple[Example, ...]
    synonyms: Mapping[str, str] = {}
    regexes: Mapping[str, tuple[str, ...]] = {}
    lookups: Mapping[str, tuple[str, ...]] = {}

    @property
    def intents(self) -> tuple[str, ...]:
        """The intents' names, sorted."""
        return tuple(sorted({example.intent for example in self.examples}))

    @property
    def fingerprint(self) -> str:
        """Names what a classifier learns from: same pairs of text and intent in any order, same fingerprint."""
        pairs = sorted({(for_intents(example.text), example.intent) for example in self.examples})
        return hashlib.sha256(msgspec.json.encode(pairs)).hexdigest()[:16]


def load_training_data(folder: Path, languages: Sequence[str] = ()) -> TrainingData:
    """The examples in the ``nlu/`` of a bot's *folder*. Raises ``BadBot`` when they have errors."""
    data, problems = read_training_data(folder, languages)
    refuse_errors(problems)
    return data


def read_training_data(folder: Path, languages: Sequence[str] = ()) -> tuple[TrainingData, list[Problem]]:
    """The examples in the ``nlu/`` of a bot's *folder*, as far as they can be read, and what is wrong with them."""
    problems: list[Problem] = []
    reader = _Reader(problems)
    paths = sorted(path for path in (folder / "nlu").glob("**/*") if path.suffix in {".yml", ".yaml"})
    for path in paths:
        reader.read(Source(path, folder, problems), _language_of(path, languages))
    if not reader.examples:
        problems.append(Problem("nlu", 0, "holds no examples: add nlu/*.yml with intents"))
    problems.extend(_contradictions(reader.examples))
    problems.extend(_sparse_intents(reader.examples))
    data = TrainingData(tuple(reader.examples), reader.synonyms, reader.regexes, reader.lookups)
    return data, sorted(problems)


class _Reader:
    """Gathers what all files say."""

    def __init__(self, problems: list[Problem]) -> None:
        self.examples: list[Example] = []
        self.synonyms: dict[str, str] = {}
        self.regexes: dict[str, tuple[str, ...]] = {}
        self.lookups: dict[str, tuple[str, ...]] = {}
        self._problems = problems

    def read(self, source: Source, language: str) -> None:
        root = source.open()
        if root is None:
            return
        top = source.mapping(root, "the file", {"version", "nlu"}, strict=False)
        if "nlu" not in top:
            source.wrong(root, "has no 'nlu:' list: put the intents under 'nlu:'")
            return
        for entry in source.sequence(top["nlu"], "nlu"):
            self._entry(source, entry, language)

    def _entry(self, source: Source, node: yaml.Node, language: str) -> None:
        fields = source.mapping(node, "an entry of nlu", _ENTRY_KEYS, strict=False)
        kind = first_of(fields, *_KINDS)
        if not kind:
            source.wrong(node, f"an entry of nlu needs one of {', '.join(_KINDS)}")
            return
        name = source.text(fields[kind], kind)
        lines = _example_lines(source, fields["examples"]) if "examples" in fields else []
        if not name or not lines:
            source.wrong(node, f"{kind} '{name}' has no examples: write 'examples: |' and lines that begin with '- '")
            return
        match kind:
            case "intent":
                self.examples.extend(_example(source, line, text, name, language) for line, text in lines)
            case "synonym":
                self.synonyms.update({phrase(text): name for _, text in lines})
            case "regex":
                self._regex(source, name, lines)
            case _:
                self.lookups[name] = (*self.lookups.get(name, ()), *(text for _, text in lines))

    def _regex(self, source: Source, name: str, lines: list[tuple[int, str]]) -> None:
        for line, pattern in lines:
            try:
                re.compile(pattern)
            except re.error as error:
                source.note(line, f"regex '{name}' does not compile: {error}")
                continue
            self.regexes[name] = (*self.regexes.get(name, ()), pattern)


def _example_lines(source: Source, node: yaml.Node) -> list[tuple[int, str]]:
    """The examples with their line numbers: a block text of ``- `` lines, or a list of texts or ``text:`` maps."""
    if isinstance(node, yaml.SequenceNode):
        return [pair for member in node.value for pair in _listed(source, member)]
    found: list[tuple[int, str]] = []
    for line, text in lines_of(node):
        stripped = text.strip()
        if stripped.startswith("- ") and stripped[2:].strip():
            found.append((line, stripped[2:].strip()))
        elif stripped not in {"", "-"} and not stripped.startswith("#"):
            source.note(line, f"an example must begin with '- ': '{stripped[:40]}'")
    return found


def _listed(source: Source, node: yaml.Node) -> list[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        fields = source.mapping(node, "an example", {"text", "metadata", "intent"}, strict=False)
        if "text" not in fields:
            source.wrong(node, "an example needs 'text:'")
            return []
        node = fields["text"]
    text = source.text(node, "an example").removeprefix("- ").strip()
    return [(line_of(node), text)] if text else []


def _example(source: Source, line: int, annotated: str, intent: str, language: str) -> Example:
    """Take the annotations out of an example, and remember where they were."""
    marks: list[EntityMark] = []
    clean = ""
    last = 0
    for match in _ANNOTATION.finditer(annotated):
        clean += annotated[last : match.start()]
        mark = _mark(source, line, match, len(clean))
        if mark is not None:
            marks.append(mark)
        clean += match["text"]
        last = match.end()
    return Example(clean + annotated[last:], intent, language, tuple(marks), source.name, line)


class _MarkJson(msgspec.Struct):
    entity: str
    value: str = ""
    role: str = ""
    group: str = ""


def _mark(source: Source, line: int, match: re.Match[str], start: int) -> EntityMark | None:
    text = match["text"]
    end = start + len(text)
    if match["entity"] is not None:
        return EntityMark(match["entity"].strip(), text, (match["value"] or text).strip(), start, end)
    try:
        decoded = msgspec.json.decode(match["json"], type=list[_MarkJson] | _MarkJson, strict=False)
    except msgspec.MsgspecError as error:
        source.note(line, f"the annotation of '{text}' is not understood: {error}")
        return None
    mark = decoded[0] if isinstance(decoded, list) else decoded
    return EntityMark(mark.entity, text, mark.value or text, start, end, mark.role, mark.group)


def _language_of(path: Path, languages: Sequence[str]) -> str:
    named = path.stem.rpartition(".")[2]
    if named in languages:
        return named
    return languages[0] if len(languages) == 1 else ""


def _contradictions(examples: Iterable[Example]) -> Iterable[Problem]:
    """The same text under two intents: whatever is learnt from it, one of them is wrong."""
    seen: dict[str, Example] = {}
    for example in examples:
        other = seen.setdefault(for_intents(example.text), example)
        if other.intent != example.intent:
            yield Problem(
                example.file,
                example.line,
                f"'{example.text}' is an example of '{example.intent}' here and of '{other.intent}' "
                f"in {other.file}:{other.line}: keep it in one",
                "warning",
            )


def _sparse_intents(examples: Sequence[Example]) -> Iterable[Problem]:
    counts = Counter(example.intent for example in examples)
    first: dict[str, Example] = {}
    for example in examples:
        first.setdefault(example.intent, example)
    for intent, count in counts.items():
        if count < FEWEST_EXAMPLES:
            where = first[intent]
            yield Problem(
                where.file,
                where.line,
                f"intent '{intent}' has {count} example{'s' if count > 1 else ''}: "
                f"write at least {FEWEST_EXAMPLES}, better 20",
                "warning",
            )
