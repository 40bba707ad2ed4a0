"""What a finished run says about itself: counts, label shares, the quality of the data, what it was made with."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from nlp.batch.job import FORMAT, Job, OutputFile, Partition, Receipt, Source, Tally, TaskTally
from nlp.batch.plan import Plan
from nlp.batch.quality import Duplicates, add, duplicates, length_quantiles

_LIBRARIES = ("tertulia", "numpy", "scipy", "msgspec", "fsspec", "pyarrow", "py3langid")
_SHARE_DIGITS = 4


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One task. *label_shares* count each text's first candidate, also out of scope; largest first."""

    model: str
    fingerprint: str
    labels: Mapping[str, int]
    label_shares: Mapping[str, float]
    in_scope_labels: Mapping[str, int]
    mean_confidence: float
    mean_score: float
    out_of_scope: int
    out_of_scope_share: float


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How the data looks. Shares are of the rows (*rejected*, *empty*) or of the texts."""

    rejected_share: float
    empty_share: float
    duplicates: Duplicates
    language_shares: Mapping[str, float]
    length_chars: Mapping[str, int]


class ThisRun(msgspec.Struct, frozen=True, kw_only=True):
    """The call that finished the work. *kept* partitions were complete before it began.

    *rows_per_s* counts the rows that it did itself, over all its *seconds*, its start and the planning included.
    """

    started_at: datetime
    ended_at: datetime
    seconds: float
    workers: int
    partitions: int
    kept: int
    rows_per_s: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``_manifest.json``."""

    format: int
    job: str
    settings: Mapping[str, object]
    data_fingerprint: str
    started_at: datetime
    ended_at: datetime
    this_run: ThisRun
    rows: int
    written: int
    rejected: Mapping[str, int]
    tasks: Mapping[str, TaskSummary]
    entities: Mapping[str, int]
    quality: Quality
    sources: Sequence[Source]
    ignored: Sequence[str]
    files: Sequence[OutputFile]
    libraries: Mapping[str, str]


class Gathered:
    """What the receipts say together, without keeping them: there may be very many."""

    def __init__(self) -> None:
        self.rows = 0
        self.written = 0
        self.rejected: Counter[str] = Counter()
        self.tally = Tally()
        self._files: dict[str, tuple[OutputFile, ...]] = {}

    def take(self, receipt: Receipt) -> None:
        self.rows += receipt.rows
        self.written += receipt.written
        self.rejected.update(receipt.rejected)
        self.tally = add((self.tally, receipt.tally))
        self._files[receipt.partition] = receipt.files

    def __contains__(self, partition: Partition) -> bool:
        return partition.id in self._files

    def __len__(self) -> int:
        return len(self._files)

    def files(self, plan: Plan) -> list[OutputFile]:
        """All files, in the partitions' order."""
        return [file for partition in plan.partitions for file in self._files[partition.id]]


def make_manifest(
    job: Job, plan: Plan, gathered: Gathered, ignored: Sequence[str], started_at: datetime, this_run: ThisRun
) -> Manifest:
    """The manifest of a run whose receipts were all gathered."""
    tally = gathered.tally
    return Manifest(
        format=FORMAT,
        job=job.fingerprint,
        settings=job.settings,
        data_fingerprint=data_fingerprint(plan.sources),
        started_at=started_at,
        ended_at=this_run.ended_at,
        this_run=this_run,
        rows=gathered.rows,
        written=gathered.written,
        rejected=dict(sorted(gathered.rejected.items())),
        tasks={
            model.task: _summary(
                model.version, model.fingerprint, tally.tasks.get(model.task, TaskTally()), tally.texts
            )
            for model in job.models
        },
        entities=tally.entities,
        quality=_quality(tally, gathered.rows, gathered.rejected),
        sources=plan.sources,
        ignored=ignored,
        files=gathered.files(plan),
        libraries=_versions(),
    )


def data_fingerprint(sources: Sequence[Source]) -> str:
    """Names the input: same files under the same names, same fingerprint."""
    described = [[source.name, source.sha256] for source in sources]
    return hashlib.sha256(msgspec.json.encode(described)).hexdigest()[:16]


def _summary(version: str, fingerprint: str, task: TaskTally, texts: int) -> TaskSummary:
    ranked = dict(sorted(task.labels.items(), key=lambda item: (-item[1], item[0])))
    return TaskSummary(
        model=version,
        fingerprint=fingerprint,
        labels=ranked,
        label_shares={label: _share(count, texts) for label, count in ranked.items()},
        in_scope_labels=task.in_scope_labels,
        mean_confidence=_share(task.confidence_sum, texts),
        mean_score=_share(task.score_sum, texts),
        out_of_scope=task.out_of_scope,
        out_of_scope_share=_share(task.out_of_scope, texts),
    )


def _quality(tally: Tally, rows: int, rejected: Mapping[str, int]) -> Quality:
    found = duplicates(tally)
    return Quality(
        rejected_share=_share(sum(rejected.values()), rows),
        empty_share=_share(rejected.get("empty text", 0) + rejected.get("missing text", 0), rows),
        duplicates=msgspec.structs.replace(found, share=round(found.share, _SHARE_DIGITS)),
        language_shares={language: _share(count, tally.texts) for language, count in tally.languages.items()},
        length_chars=length_quantiles(tally),
    )


def _share(part: float, whole: int) -> float:
    return round(part / whole, _SHARE_DIGITS) if whole else 0.0


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
