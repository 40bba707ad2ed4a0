"""Cuts the input into partitions, and finds out before anything is done what cannot be read."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import msgspec

from gateway.core.errors import Misconfigured
from nlp.batch.job import Job, Partition, Reading, Source
from nlp.batch.lines import CsvRecords, Line, delimiter_of, read_lines
from nlp.batch.places import digest, opened, storage_errors
from nlp.batch.records import open_parquet

_PEEKED_ROWS = 1_000
_MOST_OF_A_ZIPPED_FILE = 64
"""Partitions of one zipped file: each is unzipped from the beginning."""

_BOM = b"\xef\xbb\xbf"


class Plan(msgspec.Struct, frozen=True):
    """The input as it was found, and its partitions, numbered in the order of the files' names."""

    sources: tuple[Source, ...]
    partitions: tuple[Partition, ...]

    @property
    def rows(self) -> int:
        """About how many: a line that is put aside may count double."""
        return sum(partition.rows for partition in self.partitions)


class _Cut(msgspec.Struct, frozen=True):
    """A range of a file before it has a number."""

    start: int
    stop: int
    first_row: int
    rows: int


class _Shape(msgspec.Struct, frozen=True):
    """What a file's first lines tell, and where it can be cut."""

    cuts: tuple[_Cut, ...]
    header: tuple[str, ...] = ()
    delimiter: str = ","


def make_plan(job: Job, sources: Sequence[Source]) -> Plan:
    """Read all files once: checksums, columns, cuts. Same files, same plan.

    Raises ``Misconfigured`` when a file cannot be read, or lacks a column that was asked for.
    """
    partitions: list[Partition] = []
    seen: list[Source] = []
    for source in sources:
        with storage_errors("IN", source.name):
            with opened(source.url, is_gzipped=False) as file:
                size_bytes, sha256 = digest(file)
            shape = _shape(source, job.reading, job.partition_rows)
        rows = sum(cut.rows for cut in shape.cuts)
        seen.append(msgspec.structs.replace(source, size_bytes=size_bytes, sha256=sha256, rows=rows))
        partitions += [
            Partition(
                number=number,
                url=source.url,
                name=source.name,
                kind=source.kind,
                is_gzipped=source.is_gzipped,
                start=cut.start,
                stop=cut.stop,
                first_row=cut.first_row,
                rows=cut.rows,
                header=shape.header,
                delimiter=shape.delimiter,
            )
            for number, cut in enumerate(shape.cuts, start=len(partitions))
        ]
    return Plan(tuple(seen), tuple(partitions))


def _shape(source: Source, reading: Reading, rows: int) -> _Shape:
    if source.kind == "parquet":
        return _parquet_shape(source, reading, rows)
    with opened(source.url, is_gzipped=source.is_gzipped) as file:
        shape = (
            _csv_shape(file, source, reading, rows)
            if source.kind == "csv"
            else _json_shape(file, source, reading, rows)
        )
    return msgspec.structs.replace(shape, cuts=_joined(shape.cuts)) if source.is_gzipped else shape


def _csv_shape(file: IO[bytes], source: Source, reading: Reading, rows: int) -> _Shape:
    first = next(read_lines(file, 0, None), None)
    if first is None:
        return _Shape(())
    if first.content is None:
        raise Misconfigured("IN", f"{source.name}:1: the header is too long")
    bom = len(_BOM) if first.content.startswith(_BOM) else 0
    header_line = msgspec.structs.replace(first, content=first.content[bom:])
    delimiter = delimiter_of(header_line, source.name, reading.encoding)
    lines = read_lines(file, bom, None)
    records = iter(CsvRecords(lines, delimiter, reading.encoding))
    header = next(records)
    if header.problem:
        raise Misconfigured("IN", f"{source.name}:1: the header cannot be read: {header.problem}")
    columns = tuple(header.fields)
    _require_columns(source, columns, reading)
    starts = ((record.line.offset, record.line.number) for record in records)
    return _Shape(_cut(starts, rows, file.tell), columns, delimiter)


def _json_shape(file: IO[bytes], source: Source, reading: Reading, rows: int) -> _Shape:
    lines = (line for line in read_lines(file, 0, None) if line.content is None or line.content.strip())
    peeked = list(itertools.islice(lines, _PEEKED_ROWS))
    _require_keys(source, peeked, reading)
    starts = ((line.offset, line.number) for line in itertools.chain(peeked, lines))
    return _Shape(_cut(starts, rows, file.tell))


def _parquet_shape(source: Source, reading: Reading, rows: int) -> _Shape:
    import pyarrow as pa

    try:
        with open_parquet(source.url) as file:
            schema, total = file.schema_arrow, file.metadata.num_rows
    except pa.ArrowException as error:
        raise Misconfigured("IN", f"{source.name} is not Parquet, or not whole: {error}") from error
    _require_columns(source, tuple(schema.names), reading)
    kind = schema.field(reading.text_column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise Misconfigured(
            "--text-column", f"{source.name}: the column '{reading.text_column}' holds {kind}, not text"
        )
    starts = range(0, total, rows)
    return _Shape(tuple(_Cut(start, min(start + rows, total), start + 1, min(rows, total - start)) for start in starts))


def _cut(starts: Iterator[tuple[int, int]], rows: int, length: Callable[[], int]) -> tuple[_Cut, ...]:
    """Cut before every *rows*-th record. *starts*: offsets, line numbers; *length*: the file's, once it was read."""
    begins: list[tuple[int, int]] = []
    count = 0
    for offset, number in starts:
        if count % rows == 0:
            begins.append((offset, number))
        count += 1
    stops = [offset for offset, _ in begins[1:]] + [length()]
    counts = [min(rows, count - at * rows) for at in range(len(begins))]
    return tuple(
        _Cut(offset, stop, number, count)
        for (offset, number), stop, count in zip(begins, stops[: len(begins)], counts, strict=True)
    )


def _joined(cuts: Sequence[_Cut]) -> tuple[_Cut, ...]:
    """Neighbours joined, so that there are not too many."""
    size = -(-len(cuts) // _MOST_OF_A_ZIPPED_FILE) or 1
    groups = [cuts[at : at + size] for at in range(0, len(cuts), size)]
    return tuple(
        _Cut(group[0].start, group[-1].stop, group[0].first_row, sum(cut.rows for cut in group)) for group in groups
    )


def _require_columns(source: Source, columns: Sequence[str], reading: Reading) -> None:
    for option, wanted in (
        ("--text-column", reading.text_column),
        *(("--id-column", name) for name in reading.id_columns),
    ):
        if wanted not in columns:
            raise Misconfigured(option, f"{source.name} has no column '{wanted}'{_similar(wanted, columns)}")
        if columns.count(wanted) > 1:
            raise Misconfigured(option, f"{source.name} has several columns '{wanted}': rename all but one")


def _require_keys(source: Source, lines: Sequence[Line], reading: Reading) -> None:
    """Refuse a file in whose beginning no object has the keys; single rows without them are put aside later."""
    objects = [found for line in lines if (found := _object(line)) is not None]
    keys = list(dict.fromkeys(key for found in objects for key in found))
    for option, wanted in (
        ("--text-column", reading.text_column),
        *(("--id-column", name) for name in reading.id_columns),
    ):
        if objects and wanted not in keys:
            raise Misconfigured(
                option,
                f"{source.name}: none of the first {len(objects)} objects has '{wanted}'{_similar(wanted, keys)}",
            )
    if lines and not objects:
        raise Misconfigured("IN", f"{source.name}: none of the first {len(lines)} lines is a JSON object")


def _object(line: Line) -> dict[str, object] | None:
    try:
        found = msgspec.json.decode((line.content or b"").removeprefix(_BOM))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _similar(wanted: str, columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:20]) + (" …" if len(columns) > 20 else "")
    close = difflib.get_close_matches(wanted, columns, n=1)
    return f"; did you mean '{close[0]}'? It has: {shown}" if close else f". It has: {shown}"
