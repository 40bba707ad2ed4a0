"""What is to be done, what a piece of it is, and what a finished piece says: all of it plain JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

FORMAT = 1
"""Of the job, the receipts and the manifest. Another release that changes one of them raises it."""

Kind = Literal["csv", "jsonl", "parquet"]
OutputFormat = Literal["csv", "parquet"]
Reason = Literal["bad encoding", "wrong type", "missing text", "empty text", "too long", "unparsable"]
"""Why a row was put aside."""


class ModelRef(msgspec.Struct, frozen=True):
    """One model: the column that it fills (*task*), where it lies (*url*, *bot*), and the hash of its files."""

    task: str
    url: str
    bot: str
    version: str
    fingerprint: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are taken out of the files."""

    text_column: str = "text"
    id_columns: tuple[str, ...] = ()
    encoding: str = "utf-8"


class Understanding(msgspec.Struct, frozen=True, kw_only=True):
    """The bot whose languages and examples are used. *language* is fixed when it is not empty.

    *at* (ISO 8601, with zone) is what "tomorrow" in a text is counted from; empty: when the job began.
    *bot_version* is the hash of the folder.
    """

    bot_folder: str
    bot_version: str
    languages: tuple[str, ...]
    time_zone: str
    country: str = ""
    at: str = ""
    language: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a partition needs besides itself. *output* is a folder or an address that fsspec knows."""

    output: str
    models: tuple[ModelRef, ...]
    understanding: Understanding
    reading: Reading = Reading()
    extract: tuple[str, ...] = ()
    output_format: OutputFormat = "parquet"
    partition_rows: int = 20_000

    @property
    def settings(self) -> dict[str, object]:
        """What decides about the content of the result; where things lie does not."""
        described: dict[str, object] = msgspec.json.decode(msgspec.json.encode(self))
        del described["output"]
        described["models"] = {model.task: f"{model.version} {model.fingerprint}" for model in self.models}
        understanding = msgspec.json.decode(msgspec.json.encode(self.understanding), type=dict[str, object])
        del understanding["bot_folder"]
        return described | {"understanding": understanding}

    @property
    def fingerprint(self) -> str:
        """Same fingerprint, same rows out of the same rows."""
        return hashlib.sha256(msgspec.json.encode([FORMAT, self.settings], order="deterministic")).hexdigest()[:16]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One input file. *name* is what the results call it; *sha256* is of the file as it lies there."""

    url: str
    name: str
    kind: Kind
    is_gzipped: bool
    size_bytes: int
    sha256: str = ""
    rows: int = 0


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """A range of one file: bytes (after unzipping) from *start* to *stop* for lines of text, rows for Parquet.

    *first_row* is the line (or the row, from 1) that stands at *start*; *rows* is about how many there are.
    """

    number: int
    url: str
    name: str
    kind: Kind
    is_gzipped: bool
    start: int
    stop: int
    first_row: int
    rows: int
    header: tuple[str, ...] = ()
    delimiter: str = ","

    @property
    def id(self) -> str:
        """Deterministic, and in the order of the input."""
        place = hashlib.sha256(msgspec.json.encode([self.name, self.start, self.stop])).hexdigest()[:8]
        return f"part-{self.number:05d}-{place}"


class TaskTally(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one task. *confidence_sum* is of the first candidates' probabilities."""

    labels: Mapping[str, int] = {}
    in_scope_labels: Mapping[str, int] = {}
    out_of_scope: int = 0
    confidence_sum: float = 0.0
    score_sum: float = 0.0


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted over the rows of a partition, in bounded space; two of them can be added.

    *lengths* is a histogram of characters (bucket's lower end → texts); *sketch* the texts with the smallest hashes
    and how often each occurred (see :mod:`nlp.batch.quality`); *longest* in characters.
    """

    texts: int = 0
    tasks: Mapping[str, TaskTally] = {}
    languages: Mapping[str, int] = {}
    entities: Mapping[str, int] = {}
    lengths: Mapping[int, int] = {}
    longest: int = 0
    sketch: Mapping[str, int] = {}


class OutputFile(msgspec.Struct, frozen=True):
    """A file of the result, relative to the output folder."""

    name: str
    size_bytes: int
    sha256: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Says that a partition is complete, under which settings, and what it holds."""

    format: int
    job: str
    partition: str
    rows: int
    written: int
    rejected: Mapping[str, int]
    files: tuple[OutputFile, ...]
    tally: Tally
    seconds: float
