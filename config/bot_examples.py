"""Reads files of labelled texts, CSV and lines of JSON, so that every complaint can name its line.

The intents' names are needed here and the texts where the bot learns, hence rows with places and nothing more. YAML is
read by ``config.bot_yaml``.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from config.bot_yaml import Source

OUTSIDE_LABELS = frozenset({"oos", "out_of_scope", "nlu_fallback", "None"})
"""Labels of texts that belong to none of the others: the public data sets' word, Rasa's two and LUIS's."""

YAML_SUFFIXES = frozenset({".yml", ".yaml"})

_DELIMITERS = (",", ";", "\t", "|")
_TEXT = "text"
_LABELS = ("intent", "label")
_LANGUAGES = ("language", "lang")


class EntitySpan(msgspec.Struct, frozen=True):
    """A piece of a row's text: ``start`` and ``end`` count characters (code points), ``end`` is the one after it."""

    kind: str
    start: int
    end: int
    value: str = ""
    role: str = ""
    group: str = ""


class LabelledRow(msgspec.Struct, frozen=True):
    """One text of a table; ``label`` is ``None`` where the file says that it has none (JSON's ``null``)."""

    line: int
    text: str
    label: str | None
    language: str = ""
    spans: tuple[EntitySpan, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


def is_outside(label: str | None) -> bool:
    """Whether a label says *none of the others*."""
    return label is None or label in OUTSIDE_LABELS


def example_files(folder: Path) -> list[Path]:
    """The files below *folder*, in order of their names; hidden ones are an editor's or a system's own."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def labelled_rows(source: Source) -> Iterator[LabelledRow]:
    """The rows of a CSV or JSONL file that can be read; what cannot be read is noted with its line."""
    read = _READERS.get(source.path.suffix.lower())
    return read(source) if read is not None else iter(())


def is_table(path: Path) -> bool:
    """Whether ``labelled_rows`` reads such a file."""
    return path.suffix.lower() in _READERS


def _csv_rows(source: Source) -> Iterator[LabelledRow]:
    """Rows under a header with ``text`` and ``intent`` (or ``label``); other columns become metadata."""
    text = _decoded(source)
    header = _header(source, text) if text is not None else None
    if text is None or header is None:
        return
    names, delimiter = header
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    next(reader)
    for line, cells in _records(source, reader):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(names):
            source.note(line, f"has more cells than the first line names: put texts that hold '{delimiter}' in quotes")
            continue
        if len(cells) < len(names):
            source.note(line, f"has fewer cells than the first line names: {', '.join(names)}")
            continue
        yield _from_cells(line, dict(zip(names, cells, strict=True)))


def _records(source: Source, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which each begins; one that is broken is noted and left out."""
    while True:
        line = getattr(reader, "line_num", 0) + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            source.note(line, f"is not a row of CSV ({error}): check the quotes; a quote within quotes is doubled")
            continue
        yield line, cells


def _header(source: Source, text: str) -> tuple[list[str], str] | None:
    """The columns' names and the delimiter with which they are the ones that are needed."""
    first = text.splitlines()[0] if text.strip() else ""
    for delimiter in _DELIMITERS:
        try:
            names = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
        except csv.Error:
            continue
        if _TEXT in names and any(label in names for label in _LABELS):
            if len(set(names)) == len(names):
                return names, delimiter
            source.note(1, "names a column twice: keep one")
            return None
    source.note(
        1, f"the first line must name the columns, among them 'text' and 'intent' (or 'label'); it is '{first[:60]}'"
    )
    return None


def _from_cells(line: int, cells: Mapping[str, str]) -> LabelledRow:
    label = next(name for name in _LABELS if name in cells)
    language = next((name for name in _LANGUAGES if name in cells), "")
    rest = cells.keys() - {_TEXT, label, language}
    return LabelledRow(
        line=line,
        text=cells[_TEXT].strip(),
        label=cells[label].strip(),
        language=cells[language].strip() if language else "",
        metadata=tuple((name, cells[name].strip()) for name in sorted(rest) if name and cells[name].strip()),
    )


class _JsonEntity(msgspec.Struct):
    start: int
    end: int
    entity: str = ""
    kind: str = ""
    label: str = ""
    value: str | int | float | bool | None = None
    role: str | None = None
    group: str | None = None


class _JsonRow(msgspec.Struct):
    text: str
    intent: str | int | msgspec.UnsetType | None = msgspec.UNSET
    label: str | int | msgspec.UnsetType | None = msgspec.UNSET
    language: str | None = None
    lang: str | None = None
    entities: list[_JsonEntity] | None = None
    metadata: dict[str, msgspec.Raw] | None = None


def _json_rows(source: Source) -> Iterator[LabelledRow]:
    """One object a line with ``text`` and ``intent`` (or ``label``); ``null`` as the label means out of scope."""
    content = _bytes(source)
    if content is None:
        return
    decoder = msgspec.json.Decoder(_JsonRow)
    for line, raw in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            source.note(line, f"is not understood: {error}; a line is one object like {_SAMPLE}")
            continue
        label = row.label if row.intent is msgspec.UNSET else row.intent
        if label is msgspec.UNSET:
            source.note(line, f"has neither 'intent' nor 'label'; a line is one object like {_SAMPLE}")
            continue
        yield LabelledRow(
            line=line,
            text=row.text.strip(),
            label=None if label is None else str(label).strip(),
            language=(row.language or row.lang or "").strip(),
            spans=_spans(row),
            metadata=tuple((key, value) for key in sorted(row.metadata or {}) if (value := _flat(row.metadata, key))),
        )


_SAMPLE = '{"text": "hello", "intent": "greet"}'


def _spans(row: _JsonRow) -> tuple[EntitySpan, ...]:
    """The entities, their offsets moved where blanks before the text are left out."""
    shift = len(row.text) - len(row.text.lstrip())
    return tuple(
        EntitySpan(
            kind=(each.entity or each.kind or each.label).strip(),
            start=each.start - shift,
            end=each.end - shift,
            value=_written(each.value),
            role=each.role or "",
            group=each.group or "",
        )
        for each in row.entities or ()
    )


def _written(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _flat(metadata: Mapping[str, msgspec.Raw] | None, key: str) -> str:
    """A value of the metadata as text: a string as it is, anything else as JSON."""
    raw = bytes((metadata or {})[key])
    return str(msgspec.json.decode(raw)) if raw.startswith(b'"') else raw.decode()


def _bytes(source: Source) -> bytes | None:
    try:
        return source.path.read_bytes()
    except OSError as error:
        source.note(0, f"cannot be read: {error.strerror}")
        return None


def _decoded(source: Source) -> str | None:
    """The file's text: UTF-8 with or without a mark, or UTF-16 with one (a spreadsheet's *Unicode text*)."""
    content = _bytes(source)
    if content is None:
        return None
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        source.note(
            line,
            f"is not {'UTF-16' if is_wide else 'UTF-8'} (byte {error.start}); it may be Windows-1252: "
            "save it as 'CSV UTF-8'",
        )
        return None


_READERS: Mapping[str, Callable[[Source], Iterator[LabelledRow]]] = {
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
}
