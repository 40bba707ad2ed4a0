"""One partition, from its rows to its part file and its receipt. It knows of no other, and of nothing global."""

from __future__ import annotations

import hashlib
import io
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING

import msgspec

from nlp.batch.classifier import BATCH, Classifier, open_classifier
from nlp.batch.job import FORMAT, Job, OutputFile, Partition, Receipt
from nlp.batch.outputs import open_writer, suffix
from nlp.batch.places import Place, flush, storage_errors
from nlp.batch.quality import Counting
from nlp.batch.records import Rejected, Row, read_rows

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

RECEIPTS = "_receipts"
REJECTED = "_rejected"
ASIDE = "_aside"


def run_partition(
    job: Job,
    partition: Partition,
    *,
    classifier: Classifier | None = None,
    report: Callable[[int], None] = lambda _rows: None,
) -> Receipt:
    """Classify the partition's rows and put part, rejected rows and receipt in their places, in this order.

    The same job and partition give the same bytes, wherever and however often this runs; only the receipt's seconds
    differ. *report* hears how many rows were done, a batch at a time. Raises ``Misconfigured`` when a file cannot be
    read or written; then no receipt is left.
    """
    started = time.perf_counter()
    classifier = classifier or open_classifier(job)
    place = Place(job.output)
    work = _Work(job, partition, classifier, place)
    for batch in _batches(_rows(job, partition), BATCH):
        work.take(batch)
        report(len(batch))
    receipt = work.finish(time.perf_counter() - started)
    place.write(receipt_name(partition), msgspec.json.encode(receipt))
    return receipt


def receipt_name(partition: Partition) -> str:
    return f"{RECEIPTS}/{partition.id}.json"


def is_complete(place: Place, job: Job, partition: Partition, receipt: Receipt) -> bool:
    """Whether a receipt is of this job, and the files are those that it tells of."""
    return (
        receipt.format == FORMAT
        and receipt.job == job.fingerprint
        and receipt.partition == partition.id
        and all(place.checksum(file.name) == (file.size_bytes, file.sha256) for file in receipt.files)
    )


def _rows(job: Job, partition: Partition) -> Iterator[Row | Rejected]:
    with storage_errors("IN", partition.name):
        yield from read_rows(partition, job.reading)


def _batches(rows: Iterable[Row | Rejected], size: int) -> Iterator[list[Row | Rejected]]:
    waiting = iter(rows)
    while batch := list(itertools.islice(waiting, size)):
        yield batch


class _Work:
    """The files and counts of one partition while it is worked on."""

    def __init__(self, job: Job, partition: Partition, classifier: Classifier, place: Place) -> None:
        self._job = job
        self._partition = partition
        self._classifier = classifier
        self._part = _File(place, f"{partition.id}{suffix(job.output_format)}")
        self._writer = open_writer(job, partition.name, self._part.stream)
        self._rejects = _Rejects(place, partition)
        self._counting = Counting(classifier.tasks)
        self._rows = self._written = 0

    def take(self, batch: list[Row | Rejected]) -> None:
        rows = [row for row in batch if isinstance(row, Row)]
        for row in batch:
            if isinstance(row, Rejected):
                self._rejects.write(row)
        self._rows += len(batch)
        if not rows:
            return
        answers = self._classifier.answer([row.text for row in rows])
        self._writer.write(list(zip(rows, answers, strict=True)))
        self._written += len(rows)
        for answer in answers:
            self._counting.count_text(answer.text, answer.language, [entity.kind for entity in answer.entities])
            for task, prediction in zip(self._classifier.tasks, answer.predictions, strict=True):
                best = prediction.candidates[0]
                self._counting.count_label(
                    task, best.intent, best.confidence, prediction.score, is_in_scope=prediction.is_in_scope
                )

    def finish(self, seconds: float) -> Receipt:
        self._writer.close()
        files = [self._part.finish(), *self._rejects.finish()]
        return Receipt(
            format=FORMAT,
            job=self._job.fingerprint,
            partition=self._partition.id,
            rows=self._rows,
            written=self._written,
            rejected=self._rejects.counts,
            files=tuple(files),
            tally=self._counting.tally(),
            seconds=round(seconds, 3),
        )


class _Hashing(io.BufferedIOBase):
    """A file for writing that knows the hash of what was written."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self.file = file
        self.hashed = hashlib.sha256()
        self.size_bytes = 0
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer, /) -> int:
        piece = bytes(content)
        with storage_errors("OUT", self._path):
            self.file.write(piece)
        self.hashed.update(piece)
        self.size_bytes += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self.size_bytes


class _File:
    """A file that is written aside, and moved into its place when it is whole."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        self._aside = place.aside(name)
        with storage_errors("OUT", place.path(name)):
            self.stream = _Hashing(place.open(self._aside), place.path(name))

    def finish(self) -> OutputFile:
        with storage_errors("OUT", self._place.path(self._name)):
            flush(self.stream.file)
            self.stream.file.close()
            self._place.move(self._aside, self._name)
        return OutputFile(self._name, self.stream.size_bytes, self.stream.hashed.hexdigest())


class _Rejects:
    """The rows that were put aside, a JSON object a line; without any there is no file."""

    def __init__(self, place: Place, partition: Partition) -> None:
        self._place = place
        self._partition = partition
        self._file: _File | None = None
        self.counts: dict[str, int] = {}

    def write(self, row: Rejected) -> None:
        if self._file is None:
            self._file = _File(self._place, f"{REJECTED}/{self._partition.id}.jsonl")
        self.counts[row.reason] = self.counts.get(row.reason, 0) + 1
        described = {"file": self._partition.name, "row": row.number} | {
            name: str(getattr(row, name)).encode("utf-8", "replace").decode()
            for name in ("reason", "detail", "excerpt")
        }
        self._file.stream.write(msgspec.json.encode(described) + b"\n")

    def finish(self) -> Iterator[OutputFile]:
        if self._file is not None:
            yield self._file.finish()
