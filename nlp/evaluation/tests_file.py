"""Reads a file of tests: the formats that training data has, told by the end of the file's name."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from gateway.core.errors import Misconfigured
from nlp.training_data import Example, load_training_data

LABEL_COLUMNS = ("intent", "label")
_KEY = "--test"


class _Line(msgspec.Struct, frozen=True):
    text: str
    intent: str = ""
    label: str = ""
    language: str = ""


def read_tests(path: Path) -> list[Example]:
    """The labelled texts of a ``.yml`` (Rasa's form), ``.csv`` (columns text and intent) or ``.jsonl`` file.

    Raises ``Misconfigured`` (``BadBot`` for YAML) with file and line of what is wrong.
    """
    try:
        found = _read(path)
    except OSError as error:
        raise Misconfigured(_KEY, f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(_KEY, f"{path}: is not UTF-8 ({error.reason} at byte {error.start})") from error
    if not found:
        raise Misconfigured(_KEY, f"{path} holds no labelled texts")
    return found


def _read(path: Path) -> list[Example]:
    match path.suffix.lower():
        case ".yml" | ".yaml":
            return _yaml(path)
        case ".csv":
            return list(_csv(path))
        case ".jsonl" | ".ndjson":
            return list(_json_lines(path))
        case _:
            raise Misconfigured(_KEY, f"{path.name}: a file of tests ends with .yml, .csv or .jsonl")


def _yaml(path: Path) -> list[Example]:
    """Through the reader of a bot's folder, which finds the file as the only one of its kind."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "nlu"
        place.mkdir()
        shutil.copyfile(path, place / path.name)
        return list(load_training_data(Path(folder)).examples)


def _csv(path: Path) -> Iterator[Example]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            header = [column.strip().lower() for column in next(reader, [])]
            text, label = _columns(path, header)
            for row in reader:
                if row:
                    yield _row(path, reader.line_num, row, text, label)
        except csv.Error as error:
            raise Misconfigured(_KEY, f"{path}:{reader.line_num}: {error}") from error


def _columns(path: Path, header: Sequence[str]) -> tuple[int, int]:
    label = next((name for name in LABEL_COLUMNS if name in header), None)
    if "text" not in header or label is None:
        raise Misconfigured(_KEY, f"{path}:1: the first line must name the columns text and intent")
    return header.index("text"), header.index(label)


def _row(path: Path, line: int, row: Sequence[str], text: int, label: int) -> Example:
    if len(row) <= max(text, label):
        raise Misconfigured(_KEY, f"{path}:{line}: has {len(row)} columns, the first line names more")
    return _example(path, line, row[text], row[label])


def _json_lines(path: Path) -> Iterator[Example]:
    decoder = msgspec.json.Decoder(_Line)
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            read = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise Misconfigured(_KEY, f'{path}:{number}: must be like {{"text": …, "intent": …}}: {error}') from error
        yield _example(path, number, read.text, read.intent or read.label, read.language)


def _lines(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        yield from file


def _example(path: Path, line: int, text: str, label: str, language: str = "") -> Example:
    if not text.strip() or not label.strip():
        raise Misconfigured(_KEY, f"{path}:{line}: text and intent must not be empty")
    return Example(text.strip(), label.strip(), language, (), path.name, line)
