"""A whole job: from what was asked for to ``_SUCCESS``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

import msgspec

from nlp.batch.job import Job, Receipt
from nlp.batch.manifest import Manifest, ThisRun, make_manifest
from nlp.batch.outputs import columns, require_parquet
from nlp.batch.places import Found, Place
from nlp.batch.plan import Plan, make_plan
from nlp.batch.runner import Hear, run_partitions
from nlp.batch.workspace import Mode, Workspace, held


class Watch(msgspec.Struct, frozen=True):
    """What a run tells while it goes on."""

    planned: Callable[[Plan, int], None]
    """The plan, and how many of its rows were finished by an earlier run."""

    hear: Hear


async def run_job(job: Job, found: Found, mode: Mode, workers: int, watch: Watch) -> Manifest:
    """Do it, or what is left of it. Same input, models and settings give the same parts, interrupted or not.

    Raises ``Misconfigured`` (nothing was changed) or ``GiveUp``; finished partitions stay, and a resumed run goes on.
    """
    if job.output_format == "parquet" or any(source.kind == "parquet" for source in found.sources):
        require_parquet()
    columns(job)
    with held(Place(job.output)) as workspace:
        return await _run(job, found, mode, workers, watch, workspace)


async def _run(job: Job, found: Found, mode: Mode, workers: int, watch: Watch, workspace: Workspace) -> Manifest:
    started_at, started = datetime.now(UTC), perf_counter()
    if mode == "new":
        workspace.refuse_if_begun()
    begun = workspace.begun() if mode == "resume" else None
    if not job.understanding.at:
        at = begun.at if begun is not None else started_at.isoformat(timespec="seconds")
        job = msgspec.structs.replace(job, understanding=msgspec.structs.replace(job.understanding, at=at))
    plan = make_plan(job, found.sources)
    if begun is not None:
        workspace.go_on(begun, job, plan)
    else:
        if mode == "overwrite":
            workspace.clear()
        workspace.begin(job, plan, started_at)
    receipts = workspace.receipts(job, plan)
    kept = len(receipts)
    watch.planned(plan, sum(receipt.rows for receipt in receipts.values()))
    left = [partition for partition in plan.partitions if partition.id not in receipts]

    def keep(receipt: Receipt) -> None:
        receipts[receipt.partition] = receipt

    await run_partitions(job, left, workers, hear=watch.hear, finished=keep)
    seconds = perf_counter() - started
    texts = sum(receipts[partition.id].rows for partition in left)
    manifest = make_manifest(
        job,
        plan,
        [receipts[partition.id] for partition in plan.partitions],
        found.ignored,
        begun.started_at if begun else started_at,
        ThisRun(
            started_at=started_at,
            seconds=round(seconds, 3),
            partitions=len(plan.partitions),
            kept=kept,
            texts_per_s=round(texts / seconds, 1),
        ),
        datetime.now(UTC),
        workers,
    )
    workspace.finish(manifest)
    return manifest
