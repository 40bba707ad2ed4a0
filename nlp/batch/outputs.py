"""Answers as columns, and columns as a part file: Parquet with zstd, or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Protocol, cast

import msgspec

from gateway.core.errors import Misconfigured
from nlp.batch.classifier import Answer
from nlp.batch.job import Job, OutputFormat
from nlp.batch.records import Row
from nlp.intents import Prediction

if TYPE_CHECKING:
    import pyarrow as pa

    from nlp.entities.found import Entity

_DIGITS = 6
_GROUP_ROWS = 20_000
ENTITIES = "entities"
_ENTITY_WORDS = ("kind", "text", "value", "role", "group", "source")
_ENTITY_PLACES = ("start", "end", "confidence")

Cell = object


class Writer(Protocol):
    """Takes rows, and is closed once. Same rows, same bytes."""

    def write(self, rows: Sequence[tuple[Row, Answer]]) -> None: ...

    def close(self) -> None: ...


def suffix(output_format: OutputFormat) -> str:
    return ".parquet" if output_format == "parquet" else ".csv"


def columns(job: Job) -> list[str]:
    """The names of the result's columns. Raises ``Misconfigured`` when an id column is called like one of ours."""
    names = [
        "file",
        "row",
        *job.reading.id_columns,
        "language",
        *(name for model in job.models for name in _task_columns(model.task)),
        *([ENTITIES] if job.extract else []),
    ]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Misconfigured("--id-column", f"the result has a column '{twice[0]}' of its own; rename it in the input")
    return names


def open_writer(job: Job, name: str, file: io.BufferedIOBase) -> Writer:
    """A writer of the job's format for rows of the input file *name*."""
    return ParquetRows(job, name, file) if job.output_format == "parquet" else CsvRows(job, name, file)


def require_parquet() -> None:
    """Raises ``Misconfigured`` when pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401  # only whether it is there
    except ImportError:
        raise Misconfigured(
            "--format", "Parquet needs pyarrow: pip install 'tertulia[batch]', or ask for --format csv"
        ) from None


class CsvRows:
    """Rows as CSV in UTF-8 with a header; candidates as JSON."""

    def __init__(self, job: Job, name: str, file: io.BufferedIOBase) -> None:
        self._name = name
        self._text = io.TextIOWrapper(cast("IO[bytes]", file), encoding="utf-8", errors="surrogatepass", newline="")
        self._has_entities = bool(job.extract)
        self._rows = csv.writer(self._text, lineterminator="\n")
        self._rows.writerow(columns(job))

    def write(self, rows: Sequence[tuple[Row, Answer]]) -> None:
        self._rows.writerows(self._cells(row, answer) for row, answer in rows)

    def close(self) -> None:
        self._text.flush()
        self._text.detach()

    def _cells(self, row: Row, answer: Answer) -> list[Cell]:
        cells: list[Cell] = [self._name, row.number, *row.ids, answer.language]
        for prediction in answer.predictions:
            best = prediction.candidates[0]
            cells += [
                best.intent,
                round(best.confidence, _DIGITS),
                round(prediction.score, _DIGITS),
                "true" if prediction.is_in_scope else "false",
                _json(_candidates(prediction)),
            ]
        if self._has_entities:
            cells.append(_json([_fields(entity) for entity in answer.entities]))
        return cells


class ParquetRows:
    """Rows as Parquet, compressed with zstd, in row groups of 20,000."""

    def __init__(self, job: Job, name: str, file: io.BufferedIOBase) -> None:
        import pyarrow.parquet as pq

        self._name = name
        self._tasks = [model.task for model in job.models]
        self._id_columns = job.reading.id_columns
        self._has_entities = bool(job.extract)
        self._schema = schema(job)
        self._file = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._batches: list[pa.RecordBatch] = []
        self._waiting = 0

    def write(self, rows: Sequence[tuple[Row, Answer]]) -> None:
        import pyarrow as pa

        arrays = [pa.array(values, field.type) for values, field in zip(self._values(rows), self._schema, strict=True)]
        self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._waiting += len(rows)
        if self._waiting >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._batches:
            self._file.write_table(pa.Table.from_batches(self._batches).combine_chunks(), row_group_size=_GROUP_ROWS)
        self._batches, self._waiting = [], 0

    def _values(self, rows: Sequence[tuple[Row, Answer]]) -> list[Sequence[Cell]]:
        values: list[Sequence[Cell]] = [[self._name] * len(rows), [row.number for row, _ in rows]]
        values += [[_valid(row.ids[at]) for row, _ in rows] for at in range(len(self._id_columns))]
        values.append([answer.language for _, answer in rows])
        for at in range(len(self._tasks)):
            predictions = [answer.predictions[at] for _, answer in rows]
            values += [
                [prediction.candidates[0].intent for prediction in predictions],
                [round(prediction.candidates[0].confidence, _DIGITS) for prediction in predictions],
                [round(prediction.score, _DIGITS) for prediction in predictions],
                [prediction.is_in_scope for prediction in predictions],
                [_candidates(prediction) for prediction in predictions],
            ]
        if self._has_entities:
            values.append([[_entity(entity) for entity in answer.entities] for _, answer in rows])
        return values


def schema(job: Job) -> pa.Schema:
    """The result's columns with their types."""
    import pyarrow as pa

    candidates = pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))
    of_task = (pa.string(), pa.float64(), pa.float64(), pa.bool_(), candidates)
    fields = [("file", pa.string()), ("row", pa.int64())]
    fields += [(name, pa.string()) for name in (*job.reading.id_columns, "language")]
    for model in job.models:
        fields += list(zip(_task_columns(model.task), of_task, strict=True))
    if job.extract:
        words = [(name, pa.string()) for name in _ENTITY_WORDS]
        places = zip(_ENTITY_PLACES, (pa.int32(), pa.int32(), pa.float64()), strict=True)
        fields.append((ENTITIES, pa.list_(pa.struct([*words, *places]))))
    return pa.schema(fields)


def _task_columns(task: str) -> tuple[str, str, str, str, str]:
    return task, f"{task}_confidence", f"{task}_score", f"{task}_in_scope", f"{task}_candidates"


def _candidates(prediction: Prediction) -> list[dict[str, Cell]]:
    return [
        {"label": candidate.intent, "probability": round(candidate.confidence, _DIGITS)}
        for candidate in prediction.candidates
    ]


def _entity(entity: Entity) -> dict[str, Cell]:
    """As Parquet holds it: the value, whatever its shape, as JSON."""
    return _fields(entity) | {"text": _valid(entity.text), "value": _json(entity.value)}


def _fields(entity: Entity) -> dict[str, Cell]:
    return {name: getattr(entity, name) for name in (*_ENTITY_WORDS, *_ENTITY_PLACES)}


def _json(content: object) -> str:
    """JSON in UTF-8; where a lone surrogate is in the way, with escapes."""
    try:
        return msgspec.json.encode(content).decode()
    except UnicodeEncodeError:
        return json.dumps(content, ensure_ascii=True)


def _valid(text: str) -> str:
    """Parquet holds UTF-8 only: a lone surrogate of a JSON escape becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
