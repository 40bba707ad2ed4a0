"""Reads the examples of a bot's folder, in all formats that stand there side by side.

``nlu/`` holds what the intents are learnt from, ``tasks/<name>/`` the examples of any further labelling task. A file
may tell the language of its examples by its name: ``greetings.es.yml`` or ``es.csv``; Rasa ignores that, so a file
works in both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from config.bot_examples import YAML_SUFFIXES, example_files, is_table
from config.bot_problems import Problem, refuse_errors
from config.bot_yaml import Source
from gateway.core.errors import Misconfigured
from nlp.training_data.examples import Example, TrainingData
from nlp.training_data.gathering import Gathering
from nlp.training_data.problems import capped, problems_of, slow_regexes, unused_entities
from nlp.training_data.rasa_yaml import RasaReader, lookup_entries
from nlp.training_data.tables import read_table

NLU = "nlu"
TASKS = "tasks"
_LOOKUPS = "lookups"
_TASK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CONVERTED = {
    ".md": "`rasa data convert nlu` of Rasa 2 makes YAML of it",
    ".json": "write one object a line, as .jsonl",
    ".xlsx": "save it as 'CSV UTF-8'",
    ".xls": "save it as 'CSV UTF-8'",
    ".ods": "save it as 'CSV UTF-8'",
}


def load_training_data(folder: Path, languages: Sequence[str] = ()) -> TrainingData:
    """The examples in the ``nlu/`` of a bot's *folder*. Raises ``BadBot`` when they have errors."""
    data, problems = read_training_data(folder, languages)
    refuse_errors(problems)
    return data


def read_training_data(folder: Path, languages: Sequence[str] = ()) -> tuple[TrainingData, list[Problem]]:
    """The examples in the ``nlu/`` of a bot's *folder*, as far as they can be read, and what is wrong with them."""
    gathering, problems = _gather(folder, NLU, languages)
    return gathering.data(), capped(problems)


def check_training_data(
    folder: Path, languages: Sequence[str], used: Collection[str]
) -> tuple[TrainingData, list[Problem]]:
    """Like ``read_training_data``, and finds also what costs time or the knowledge of the whole bot.

    *used* are the kinds of entities that the bot asks for. Regexes are tried in a process of its own.
    """
    gathering, problems = _gather(folder, NLU, languages)
    problems.extend(unused_entities(gathering, used))
    problems.extend(slow_regexes(gathering))
    return gathering.data(), capped(problems)


def task_names(folder: Path) -> tuple[str, ...]:
    """The labelling tasks of a bot's *folder*, sorted; the intents are not among them."""
    places = (folder / TASKS).iterdir() if (folder / TASKS).is_dir() else ()
    return tuple(sorted(place.name for place in places if place.is_dir() and not place.name.startswith(".")))


def load_task(folder: Path, name: str, languages: Sequence[str] = ()) -> TrainingData:
    """The examples of a labelling task of a bot's *folder*.

    Raises ``BadBot`` when they have errors, ``Misconfigured`` when there is no such task.
    """
    data, problems = read_task(folder, name, languages)
    refuse_errors(problems)
    return data


def read_task(folder: Path, name: str, languages: Sequence[str] = ()) -> tuple[TrainingData, list[Problem]]:
    """The examples of a labelling task and what is wrong with them. Raises ``Misconfigured``: there is no such task."""
    if not _TASK_NAME.fullmatch(name):
        raise Misconfigured("task", f"'{name[:64]}' is not a task's name: small letters, digits, - and _")
    if not (folder / TASKS / name).is_dir():
        known = ", ".join(task_names(folder)) or "none yet"
        raise Misconfigured("task", f"the bot's folder has no {TASKS}/{name}/ with examples; it has {known}")
    gathering, problems = _gather(folder, f"{TASKS}/{name}", languages)
    return gathering.data(), capped(problems)


def _gather(folder: Path, place: str, languages: Sequence[str]) -> tuple[Gathering, list[Problem]]:
    problems: list[Problem] = []
    gathering = Gathering(languages)
    _read_files(folder, folder / place, gathering, problems)
    if not gathering.examples:
        problems.append(Problem(place, 0, f"holds no examples: add {place}/*.yml (or .csv, .jsonl) with intents"))
    problems.extend(problems_of(gathering, place))
    return gathering, problems


def _read_files(folder: Path, place: Path, gathering: Gathering, problems: list[Problem]) -> None:
    reader = RasaReader(gathering, folder)
    rest: list[Source] = []
    for path in example_files(place):
        source = Source(path, folder, problems)
        if not _read_example_file(source, reader, gathering):
            rest.append(source)
    for source in rest:
        if source.path.resolve() not in reader.lookup_files:
            _read_other(source, gathering)


def _read_example_file(source: Source, reader: RasaReader, gathering: Gathering) -> bool:
    """Read a file of a known format; false: it is of another kind."""
    language = language_of(source.path, gathering.languages)
    if source.path.suffix.lower() in YAML_SUFFIXES:
        reader.read(source, language)
    elif is_table(source.path):
        read_table(source, gathering, language)
    else:
        return False
    return True


def _read_other(source: Source, gathering: Gathering) -> None:
    """A lookup table that nothing names is named by its file; what else there is, is told if it looks meant."""
    suffix = source.path.suffix.lower()
    if suffix == ".txt" and source.path.parent.name == _LOOKUPS:
        entries = lookup_entries(source)
        if not entries:
            source.note(0, "is empty: write one entry a line", "warning")
        gathering.lookups.setdefault(source.path.stem, []).extend(entries)
    elif suffix == ".txt":
        source.note(
            0, f"is not read: a lookup table stands in {_LOOKUPS}/, or is named in a lookup's examples", "warning"
        )
    elif suffix in _CONVERTED and not source.path.stem.lower().startswith("readme"):
        source.note(0, f"is not read: {_CONVERTED[suffix]}", "warning")


def load_examples(path: Path, languages: Sequence[str] = ()) -> TrainingData:
    """The examples of a single file of any format, wherever it lies: a file of tests, for instance.

    Raises ``BadBot`` when it has errors or cannot be read, ``Misconfigured`` for another kind of file.
    """
    if path.suffix.lower() not in YAML_SUFFIXES and not is_table(path):
        raise Misconfigured(path.name, "is not a file of examples: it ends with .yml, .csv or .jsonl")
    problems: list[Problem] = []
    gathering = Gathering(languages)
    _read_example_file(Source(path, path.parent, problems), RasaReader(gathering, path.parent), gathering)
    refuse_errors(capped(problems))
    return gathering.data()


def read_place(folder: Path, place: str, languages: Sequence[str]) -> list[Example]:
    """All examples below a *place* of the folder (``nlu``, ``tasks/topic``), in and out of scope, errors or not."""
    gathering = Gathering(languages)
    _read_files(folder, folder / place, gathering, [])
    return gathering.everything


def language_of(path: Path, languages: Sequence[str]) -> str:
    """The language that a file's name tells, or that is the only one; else empty."""
    named = path.stem.rpartition(".")[2]
    if named in languages:
        return named
    return languages[0] if len(languages) == 1 else ""
