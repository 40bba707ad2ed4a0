"""The rows of a partition: each a text with its ids, or the reason why it is put aside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from nlp.batch.job import Partition, Reading, Reason
from nlp.batch.lines import CsvRecord, CsvRecords, Line, read_lines
from nlp.batch.places import opened

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_TEXT_CHARS = 100_000
"""As for a customer's message (rule 11 of the design)."""

_EXCERPT_CHARS = 200
_ARROW_ROWS = 1_024
_BUFFER_BYTES = 1 << 20


class Row(msgspec.Struct, frozen=True):
    """A text as the classifier gets it. ``number`` is its line, or its row in Parquet, from 1."""

    number: int
    text: str
    ids: tuple[str, ...] = ()


class Rejected(msgspec.Struct, frozen=True):
    """A row that has no text to be read. ``excerpt`` is the beginning of what stands there."""

    number: int
    reason: Reason
    detail: str
    excerpt: str


def read_rows(partition: Partition, reading: Reading) -> Iterator[Row | Rejected]:
    """The rows of a partition in their order, in constant memory."""
    if partition.kind == "parquet":
        yield from _parquet_rows(partition, reading)
        return
    with opened(partition.url, is_gzipped=partition.is_gzipped) as file:
        lines = read_lines(file, partition.start, partition.stop, partition.first_row)
        if partition.kind == "jsonl":
            yield from _json_rows(lines, reading)
        else:
            yield from _csv_rows(lines, partition, reading)


def checked(number: int, text: object, ids: tuple[str, ...]) -> Row | Rejected:
    """A row, or why its text cannot be one."""
    if text is None:
        return Rejected(number, "missing text", "the text is null", "")
    if not isinstance(text, str):
        return Rejected(number, "wrong type", f"the text is a {type(text).__name__}", _excerpt(str(text)))
    if len(text) > MAX_TEXT_CHARS:
        return Rejected(number, "too long", f"{len(text)} characters, {MAX_TEXT_CHARS} are read", _excerpt(text))
    stripped = text.strip()
    if not stripped:
        return Rejected(number, "empty text", "the text is empty", "")
    return Row(number, stripped, ids)


def _csv_rows(lines: Iterator[Line], partition: Partition, reading: Reading) -> Iterator[Row | Rejected]:
    header = partition.header
    text_at = header.index(reading.text_column)
    ids_at = [header.index(column) for column in reading.id_columns]
    for record in CsvRecords(lines, partition.delimiter, reading.encoding):
        yield _csv_row(record, len(header), text_at, ids_at)


def _csv_row(record: CsvRecord, n_columns: int, text_at: int, ids_at: Sequence[int]) -> Row | Rejected:
    number, fields = record.line.number, record.fields
    if record.problem:
        is_long = "too long" in record.problem or "field limit" in record.problem
        return Rejected(number, "too long" if is_long else "unparsable", record.problem, _line_excerpt(record.line))
    if len(fields) != n_columns:
        detail = f"{len(fields)} columns where the header has {n_columns}"
        reason: Reason = "missing text" if len(fields) <= text_at else "unparsable"
        return Rejected(number, reason, detail, _line_excerpt(record.line))
    ids = tuple(fields[at] for at in ids_at)
    if any(map(_has_bad_bytes, (fields[text_at], *ids))):
        return Rejected(number, "bad encoding", "bytes that are not of the encoding", _line_excerpt(record.line))
    return checked(number, fields[text_at], ids)


def _has_bad_bytes(field: str) -> bool:
    if field.isascii():
        return False
    try:
        field.encode()
    except UnicodeEncodeError:
        return True
    return False


def _json_rows(lines: Iterator[Line], reading: Reading) -> Iterator[Row | Rejected]:
    decode = msgspec.json.Decoder().decode
    for line in lines:
        if line.content is None:
            yield Rejected(line.number, "too long", "the line is too long", _line_excerpt(line))
        elif line.content.strip():
            yield _json_row(line, line.content, decode, reading)


def _json_row(line: Line, content: bytes, decode: object, reading: Reading) -> Row | Rejected:
    try:
        text = content.decode(reading.encoding)
    except UnicodeDecodeError as error:
        return Rejected(line.number, "bad encoding", str(error), _line_excerpt(line))
    try:
        found = decode(text.removeprefix("\ufeff"))  # type: ignore[operator]
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        return Rejected(line.number, "unparsable", str(error), _line_excerpt(line))
    if not isinstance(found, dict):
        detail = f"a {type(found).__name__} where an object should be"
        return Rejected(line.number, "unparsable", detail, _line_excerpt(line))
    if reading.text_column not in found:
        return Rejected(line.number, "missing text", f"no '{reading.text_column}'", _line_excerpt(line))
    return checked(line.number, found[reading.text_column], tuple(_id(found.get(name)) for name in reading.id_columns))


def _id(value: object) -> str:
    """As text: what is itself a text or a date as it is, the rest as JSON."""
    match value:
        case None:
            return ""
        case bytes():
            return value.decode("utf-8", "replace")
        case bool() | int() | float() | list() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


@contextmanager
def open_parquet(url: str) -> Iterator[pq.ParquetFile]:
    """A ``ParquetFile`` that reads page by page. Raises what pyarrow raises."""
    import pyarrow.parquet as pq

    with opened(url, is_gzipped=False) as file:
        yield pq.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)


def _parquet_rows(partition: Partition, reading: Reading) -> Iterator[Row | Rejected]:
    with open_parquet(partition.url) as file:
        groups, row = _row_groups(file, partition)
        columns = list(dict.fromkeys((reading.text_column, *reading.id_columns)))
        for batch in file.iter_batches(_ARROW_ROWS, row_groups=groups, columns=columns, use_threads=False):
            first = max(0, partition.start - row)
            last = min(batch.num_rows, partition.stop - row)
            if first < last:
                yield from _arrow_rows(batch.slice(first, last - first), row + first + 1, reading)
            row += batch.num_rows
            if row >= partition.stop:
                return


def _row_groups(file: pq.ParquetFile, partition: Partition) -> tuple[list[int], int]:
    """The row groups that hold the partition, and the row that the first of them begins with."""
    groups: list[int] = []
    first, row = 0, 0
    for group in range(file.metadata.num_row_groups):
        n_rows = file.metadata.row_group(group).num_rows
        if row < partition.stop and row + n_rows > partition.start:
            first = first if groups else row
            groups.append(group)
        row += n_rows
    return groups, first


def _arrow_rows(batch: pa.RecordBatch, number: int, reading: Reading) -> Iterator[Row | Rejected]:
    texts = _raw_texts(batch.column(reading.text_column))
    ids = [_raw_ids(batch.column(name)) for name in reading.id_columns]
    for at, raw in enumerate(texts):
        yield _arrow_row(number + at, raw, tuple(column[at] for column in ids))


def _arrow_row(number: int, raw: bytes | None, ids: tuple[str, ...]) -> Row | Rejected:
    if raw is None:
        return Rejected(number, "missing text", "the text is null", "")
    try:
        return checked(number, raw.decode(), ids)
    except UnicodeDecodeError as error:
        return Rejected(number, "bad encoding", str(error), _excerpt(raw.decode("utf-8", "replace")))


def _raw_texts(column: pa.Array) -> list[bytes | None]:
    """Bytes, because Parquet promises UTF-8 and nobody checks."""
    import pyarrow as pa

    found: list[bytes | None] = column.cast(pa.large_binary()).to_pylist()
    return found


def _raw_ids(column: pa.Array) -> list[str]:
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        values = [(raw or b"").decode("utf-8", "replace") for raw in _raw_texts(column)]
    return [_id(value) for value in values]


def _line_excerpt(line: Line) -> str:
    content = line.excerpt if line.content is None else line.content
    return _excerpt(content[: 4 * _EXCERPT_CHARS].decode("utf-8", "replace"))


def _excerpt(text: str) -> str:
    return text[:_EXCERPT_CHARS]
