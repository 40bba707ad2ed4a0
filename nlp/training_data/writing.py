"""Adds accepted examples to a file of the bot's folder, one line each, so that a review of the change is easy.

The author's order, comments and line ends stay as they are: lines are put in, nothing is written anew. What came of it
is read back before it takes the file's place, all at once.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import msgspec

from config.bot_examples import YAML_SUFFIXES
from config.bot_problems import Problem
from config.bot_yaml import Source
from gateway.core.errors import Misconfigured
from nlp.text import MAX_READ_CHARS
from nlp.training_data.annotations import NotWritable, tidy, write_annotated
from nlp.training_data.examples import Example, same_text
from nlp.training_data.gathering import Gathering, bad_name
from nlp.training_data.rasa_yaml import RasaReader
from nlp.training_data.reading import NLU, TASKS, language_of, read_place
from nlp.training_data.tables import read_table
from nlp.training_data.yaml_lines import Addition, lines_with

_JSON_SUFFIX = ".jsonl"
_ATTEMPTS = 5
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


class Refused(msgspec.Struct, frozen=True):
    """An example that was not added, and why."""

    example: Example
    why: str


class Appended(msgspec.Struct, frozen=True):
    """What came of it: ``written`` with the places where they stand now."""

    written: tuple[Example, ...]
    refused: tuple[Refused, ...]


def append_examples(folder: Path, file: str, examples: Iterable[Example], languages: Sequence[str] = ()) -> Appended:
    """Add *examples* to *file* (``nlu/learned.yml``, ``tasks/topic/more.jsonl``) of a bot's *folder*.

    A text that the folder already has, under whatever label, is refused, and so is what cannot be written; the rest
    is added. A file that is not there is made. *languages* are the bot's; an example's language is written where the
    file's name does not tell it. Either all that is returned as written is in the file, or the file is as it was;
    several processes may add at once. Raises ``Misconfigured`` for a file outside of ``nlu/`` and ``tasks/``, of
    another kind than ``.yml`` or ``.jsonl``, or with errors that must be mended first.
    """
    target = _Target(folder, file, languages)
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.path.parent):
            return _append(target, tuple(examples))
    except OSError as error:
        raise Misconfigured(file, f"cannot be written: {error.strerror}") from error


def _append(target: _Target, wanted: Sequence[Example]) -> Appended:
    for _ in range(_ATTEMPTS):
        before = target.content()
        accepted, refused = _choose(target, wanted)
        if not accepted:
            return Appended((), refused)
        after = target.with_lines(before, accepted)
        written = _replace(target, before, after, accepted)
        if written is not None:
            return Appended(written, refused)
    raise Misconfigured(target.file, "is being changed by somebody else again and again: try later")


class _Target:
    """The file that grows."""

    def __init__(self, folder: Path, file: str, languages: Sequence[str]) -> None:
        parts = PurePosixPath(file).parts
        is_task = len(parts) == 3 and parts[0] == TASKS
        if ".." in parts or not (is_task or (len(parts) > 1 and parts[0] == NLU)) or parts[-1].startswith("."):
            raise Misconfigured(file[:200], f"examples are added to a file in {NLU}/ or in {TASKS}/<name>/")
        self.folder = folder
        self.file = file
        self.place = "/".join(parts[:2]) if is_task else NLU
        self.path = folder.joinpath(*parts)
        self.is_yaml = self.path.suffix in YAML_SUFFIXES
        self.languages = tuple(languages) or _named_language(self.path)
        if not self.is_yaml and self.path.suffix != _JSON_SUFFIX:
            raise Misconfigured(file, f"examples are added to .yml and {_JSON_SUFFIX} files only")
        if not self.path.resolve().is_relative_to(folder.resolve()):
            raise Misconfigured(file, "lies outside of the bot's folder")

    def content(self) -> bytes | None:
        """The file as it is; ``None`` when there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def told(self) -> str:
        """The language that the file's name tells; empty: none."""
        return language_of(self.path, self.languages)

    def with_lines(self, before: bytes | None, examples: Sequence[Example]) -> bytes:
        """The file's content with a line for each of the examples. Raises ``Misconfigured``."""
        if not self.is_yaml:
            lines = b"".join(msgspec.json.encode(self._row(example)) + b"\n" for example in examples)
            return (before + b"\n" if before and not before.endswith(b"\n") else before or b"") + lines
        try:
            text = (before or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise Misconfigured(self.file, f"is not UTF-8 (byte {error.start}): save it as UTF-8") from error
        additions = [
            Addition(example.intent, self._language(example), write_annotated(example)) for example in examples
        ]
        return lines_with(text, additions, self.file).encode()

    def read(self, path: Path) -> tuple[list[Example], list[Problem]]:
        """The examples of a copy at *path* as if they stood in the file, and what is wrong there."""
        problems: list[Problem] = []
        gathering = Gathering(self.languages)
        source = Source(path, self.folder, problems, name=self.file)
        if self.is_yaml:
            RasaReader(gathering, self.folder).read(source, self.told())
        else:
            read_table(source, gathering, self.told())
        return gathering.everything, [problem for problem in problems if problem.level == "error"]

    def _language(self, example: Example) -> str:
        """What must be written beside the example; empty where the file's name tells it."""
        return "" if example.language == self.told() else example.language

    def _row(self, example: Example) -> Mapping[str, object]:
        language = self._language(example)
        marks = [
            {"entity": mark.kind, "start": mark.start, "end": mark.end}
            | ({"value": mark.value} if mark.value != mark.text else {})
            | ({"role": mark.role} if mark.role else {})
            | ({"group": mark.group} if mark.group else {})
            for mark in example.entities
        ]
        row: dict[str, object] = {"text": example.text, "intent": example.intent}
        return row | ({"language": language} if language else {}) | ({"entities": marks} if marks else {})


def _named_language(path: Path) -> tuple[str, ...]:
    """The languages to go by where the bot's are not given: the one that the file's name seems to tell."""
    named = path.stem.rpartition(".")[2]
    return (named, "") if _LANGUAGE.fullmatch(named) and named.islower() else ()


def _choose(target: _Target, wanted: Iterable[Example]) -> tuple[list[Example], tuple[Refused, ...]]:
    """What may be added, tidied, and what may not."""
    known: dict[str, Example] = {}
    for example in read_place(target.folder, target.place, target.languages):
        known.setdefault(same_text(example.text), example)
    accepted: list[Example] = []
    refused: list[Refused] = []
    for example in wanted:
        why = _why_not(target, example, known)
        if why:
            refused.append(Refused(example, why))
            continue
        language = Gathering(target.languages).language(example.language)
        clean = tidy(msgspec.structs.replace(example, intent=example.intent.strip(), language=language))
        accepted.append(clean)
        known[same_text(clean.text)] = msgspec.structs.replace(clean, file=target.file, line=0)
    return accepted, tuple(refused)


def _why_not(target: _Target, example: Example, known: Mapping[str, Example]) -> str:
    label = example.intent.strip()
    if not label or bad_name(label):
        return f"its intent {bad_name(label) or 'has no name'}"
    if len(example.text) > MAX_READ_CHARS:
        return f"has {len(example.text)} characters, of which only {MAX_READ_CHARS} would be read"
    try:
        write_annotated(example)
    except NotWritable as error:
        return str(error)
    other = known.get(same_text(tidy(example).text))
    if other is not None:
        place = f"{other.file}:{other.line}" if other.line else f"{other.file}, just added"
        return f"is already an example of '{other.intent}' ({place})"
    told, language = target.told(), Gathering(target.languages).language(example.language)
    if language and not _LANGUAGE.fullmatch(language):
        return f"'{language[:40]}' is not a language"
    return f"is in '{language}', and the file's name says '{told}'" if told and language not in {"", told} else ""


def _replace(
    target: _Target, before: bytes | None, after: bytes, added: Sequence[Example]
) -> tuple[Example, ...] | None:
    """Put *after* in the file's place, provided that it reads as it should; ``None``: the file changed meanwhile."""
    handle, name = tempfile.mkstemp(dir=target.path.parent, prefix=".adding-", suffix=target.path.suffix)
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        written = _read_back(target, aside, added)
        aside.chmod(target.path.stat().st_mode & 0o777 if before is not None else 0o644)
        if target.content() != before:
            return None
        aside.replace(target.path)
    finally:
        aside.unlink(missing_ok=True)
    return written


def _read_back(target: _Target, aside: Path, added: Sequence[Example]) -> tuple[Example, ...]:
    """The added examples as they stand in the new file. Raises ``Misconfigured`` when it holds anything else."""
    old, errors = target.read(target.path) if target.path.is_file() else ([], [])
    if errors:
        raise Misconfigured(target.file, f"must be mended first: {errors[0]}")
    found, errors = target.read(aside)
    fresh = Counter(map(_meaning, found)) - Counter(map(_meaning, old))
    told = target.told()
    wanted = Counter(_meaning(each, told) for each in added)
    if errors or fresh != wanted or len(found) != len(old) + len(added):
        raise Misconfigured(target.file, "has a form to which nothing can be added: name another file")
    texts = {_meaning(each, told) for each in added}
    return tuple(each for each in found if _meaning(each) in texts)


def _meaning(example: Example, told: str = "") -> tuple[object, ...]:
    marks = tuple(
        sorted((each.start, each.end, each.kind, each.value, each.role, each.group) for each in example.entities)
    )
    return example.text, example.intent, example.language or told, marks


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against others that add to it. The kernel lets go when this process ends, however it ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)
