"""A whole job: from what was asked for to ``_SUCCESS``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

import msgspec

from gateway.core.errors import Misconfigured
from nlp.batch.job import Job
from nlp.batch.manifest import Gathered, Manifest, ThisRun, make_manifest
from nlp.batch.outputs import columns, require_parquet
from nlp.batch.places import Found, Place, state_of
from nlp.batch.plan import Plan, make_plan
from nlp.batch.runner import Hear, run_partitions
from nlp.batch.workspace import Mode, Workspace, held


class Watch(msgspec.Struct, frozen=True):
    """What a run tells while it goes on."""

    planned: Callable[[Plan, int], None]
    """The plan, and how many of its rows were finished by an earlier run."""

    hear: Hear


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before the work begins. *gathered* is what an earlier run finished, *first_started_at* its start.

    *states* tell for each file's address whether it was written again since.
    """

    job: Job
    plan: Plan
    ignored: tuple[str, ...]
    states: dict[str, str]
    gathered: Gathered
    first_started_at: datetime
    started_at: datetime
    started: float


def run_job(job: Job, found: Found, mode: Mode, workers: int, watch: Watch) -> Manifest:
    """Do it, or what is left of it. Same input, models and settings give the same parts, interrupted or not.

    Raises ``Misconfigured``, ``GiveUp`` or ``KeyboardInterrupt``; finished partitions stay, and a resumed run goes on.
    """
    if job.output_format == "parquet" or any(source.kind == "parquet" for source in found.sources):
        require_parquet()
    columns(job)
    with held(Place(job.output)) as workspace:
        prepared = prepare(job, found, mode, workspace)
        watch.planned(prepared.plan, prepared.gathered.rows)
        return asyncio.run(carry_out(prepared, workers, watch.hear, workspace))


def prepare(job: Job, found: Found, mode: Mode, workspace: Workspace) -> Prepared:
    """Read the input through, and write down what will be done. Raises ``Misconfigured``; then nothing was changed."""
    started_at, started = datetime.now(UTC), perf_counter()
    if mode == "new":
        workspace.refuse_if_begun()
    begun = workspace.begun() if mode == "resume" else None
    if not job.understanding.at:
        at = begun.at if begun is not None else started_at.isoformat(timespec="seconds")
        job = msgspec.structs.replace(job, understanding=msgspec.structs.replace(job.understanding, at=at))
    states = {source.url: state_of(source.url) for source in found.sources}
    plan = make_plan(job, found.sources)
    if begun is not None:
        workspace.go_on(begun, job, plan)
    else:
        if mode == "overwrite":
            workspace.clear()
        workspace.begin(job, plan, started_at)
    gathered = Gathered()
    for receipt in workspace.receipts(job, plan):
        gathered.take(receipt)
    return Prepared(
        job=job,
        plan=plan,
        ignored=found.ignored,
        states=states,
        gathered=gathered,
        first_started_at=begun.started_at if begun is not None else started_at,
        started_at=started_at,
        started=started,
    )


async def carry_out(prepared: Prepared, workers: int, hear: Hear, workspace: Workspace) -> Manifest:
    """Do what is left, and mark the result as complete.

    Raises as :func:`run_partitions`, and ``Misconfigured`` when a file was changed meanwhile.
    """
    plan, gathered = prepared.plan, prepared.gathered
    left = [partition for partition in plan.partitions if partition not in gathered]
    kept, kept_rows = len(gathered), gathered.rows
    await run_partitions(prepared.job, left, workers, hear=hear, finished=gathered.take)
    for url, state in prepared.states.items():
        if state_of(url) != state:
            raise Misconfigured("IN", f"{url} was changed while it was read: begin anew with --overwrite")
    seconds = perf_counter() - prepared.started
    this_run = ThisRun(
        started_at=prepared.started_at,
        ended_at=datetime.now(UTC),
        seconds=round(seconds, 3),
        workers=workers,
        partitions=len(plan.partitions),
        kept=kept,
        rows_per_s=round((gathered.rows - kept_rows) / seconds, 1),
    )
    manifest = make_manifest(prepared.job, plan, gathered, prepared.ignored, prepared.first_started_at, this_run)
    workspace.finish(manifest)
    return manifest
