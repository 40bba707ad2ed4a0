"""Reads a file of tests: the formats that training data has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.core.errors import Misconfigured
from nlp.training_data import Example
from nlp.training_data.reading import load_examples


def read_tests(path: Path, languages: Sequence[str] = ()) -> list[Example]:
    """The labelled texts of a ``.yml``, ``.csv`` or ``.jsonl`` file, with those out of scope.

    Raises ``Misconfigured`` with file and line of all that is wrong.
    """
    data = load_examples(path, languages)
    found = [*data.examples, *data.outside]
    if not found:
        raise Misconfigured(path.name, "holds no labelled texts")
    return found
