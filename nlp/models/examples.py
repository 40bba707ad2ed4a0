"""What a task is learnt from and tried on: the bot's own examples, and its fixed tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from config.bot import load_bot
from nlp.models.gate import TestText
from nlp.models.versions import INTENT, SENTIMENT
from nlp.training_data import Example, TrainingData, load_task, load_training_data, task_names

_SUFFIXES = (".yml", ".yaml", ".csv", ".jsonl")


def examples_of(folder: Path, task: str) -> TrainingData:
    """The examples of a task of the bot in *folder*; of sentiment, the author's beside our own.

    Raises ``Misconfigured`` when there is no such task, ``BadBot`` when the examples have errors.
    """
    languages = load_bot(folder).languages
    if task == INTENT:
        return load_training_data(folder, languages)
    if task == SENTIMENT:
        from nlp.sentiment.training import training_data

        return training_data(load_task(folder, task, languages) if task in task_names(folder) else None)
    return load_task(folder, task, languages)


def tests_file(folder: Path, task: str) -> Path | None:
    """The fixed tests of a task: ``tests/nlu.yml`` (.csv, .jsonl), of a further task ``tests/<task>.csv`` and so on."""
    name = "nlu" if task == INTENT else task
    return next((path for suffix in _SUFFIXES if (path := folder / "tests" / f"{name}{suffix}").is_file()), None)


def fixed_tests(folder: Path, task: str) -> list[TestText]:
    """The texts of :func:`tests_file`, or none. Raises ``Misconfigured`` with file and line of what is wrong."""
    path = tests_file(folder, task)
    if path is None:
        return []
    from nlp.evaluation.tests_file import read_tests

    return _as_tests(read_tests(path))


def _as_tests(examples: Iterable[Example]) -> list[TestText]:
    return [TestText(example.text, example.intent) for example in examples]
