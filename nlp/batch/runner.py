"""Hands partitions to processes of this machine, one at a time to each, and bears with one that dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import IO, Self

import msgspec

from gateway.core.errors import GiveUp, Misconfigured
from nlp.batch.job import Job, Partition, Receipt
from nlp.batch.worker import Done, Failed, Progressed, Said

MAX_TRIES = 2
_LONGEST_ANSWER_BYTES = 1 << 24
_PATIENCE_S = 10.0
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS"), "1")
_FRUGAL = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2"}

Hear = Callable[[Partition, int], None]
"""Called with a partition and how many more of its rows are done (negative: they must be done again)."""


def available_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def run_partitions(
    job: Job,
    partitions: Sequence[Partition],
    workers: int,
    *,
    hear: Hear = lambda _partition, _rows: None,
    finished: Callable[[Receipt], None] = lambda _receipt: None,
) -> None:
    """Run all *partitions* on so many processes; *finished* gets each receipt, in any order.

    A process that dies has its partition tried once more. Raises ``GiveUp`` when that dies as well, ``Misconfigured``
    when something is wrong that trying does not mend; then, and when cancelled, the processes are gone.
    """
    waiting = deque(partitions)
    crew = _Crew(job, waiting, hear, finished)
    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(max(1, min(workers, len(partitions)))):
                lanes.create_task(crew.lane())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


class _Died(Exception):
    """A process ended without an answer; the message is the end of what it wrote."""


class _Crew:
    def __init__(self, job: Job, waiting: deque[Partition], hear: Hear, finished: Callable[[Receipt], None]) -> None:
        self._job = job
        self._waiting = waiting
        self._hear = hear
        self._finished = finished
        self._deaths: Counter[str] = Counter()

    async def lane(self) -> None:
        """One process after the other, as long as there is something to do."""
        while self._waiting:
            async with _Worker(self._job) as worker:
                with contextlib.suppress(_Died):
                    while self._waiting:
                        await self._work(worker, self._waiting.popleft())

    async def _work(self, worker: _Worker, partition: Partition) -> None:
        heard = 0

        def hear(rows: int) -> None:
            nonlocal heard
            heard += rows
            self._hear(partition, rows)

        try:
            receipt = await worker.work(partition, hear)
        except _Died as died:
            self._hear(partition, -heard)
            self._deaths[partition.id] += 1
            if self._deaths[partition.id] >= MAX_TRIES:
                raise GiveUp(
                    "exhausted", f"the process died {MAX_TRIES} times on {_described(partition)}: {died}"
                ) from None
            self._waiting.appendleft(partition)
            raise
        self._hear(partition, receipt.rows - heard)
        self._finished(receipt)


def _described(partition: Partition) -> str:
    last = partition.first_row + max(0, partition.rows - 1)
    return f"{partition.name}, rows about {partition.first_row} to {last} ({partition.id})"


class _Worker:
    """One process of ours. It is gone when the context is left."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the context is left
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nlp.batch.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            limit=_LONGEST_ANSWER_BYTES,
            env=dict(os.environ) | _ONE_THREAD | _FRUGAL,
            start_new_session=True,  # Ctrl-C is for the runner alone
        )  # fmt: skip
        with contextlib.suppress(ConnectionError):
            await self._send(self._job)
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        assert process is not None  # noqa: S101  # entered before
        assert process.stdin is not None  # noqa: S101  # a pipe
        process.stdin.close()
        if process.returncode is None and not asyncio.current_task().cancelling():  # type: ignore[union-attr]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _PATIENCE_S)
        if process.returncode is None:
            process.kill()
        await process.wait()
        self._errors.close()

    async def work(self, partition: Partition, hear: Callable[[int], None]) -> Receipt:
        """Its receipt. Raises ``_Died`` or ``Misconfigured``."""
        with contextlib.suppress(ConnectionError):
            await self._send(partition)
        while True:
            match await self._answer():
                case Done(receipt=receipt):
                    return receipt
                case Progressed(rows=rows):
                    hear(rows)
                case Failed(key=key, detail=detail):
                    raise Misconfigured(key, detail)

    async def _send(self, order: Job | Partition) -> None:
        assert self._process is not None  # noqa: S101  # entered before
        assert self._process.stdin is not None  # noqa: S101  # a pipe
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        await self._process.stdin.drain()

    async def _answer(self) -> Said:
        assert self._process is not None  # noqa: S101  # entered before
        assert self._process.stdout is not None  # noqa: S101  # a pipe
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise _Died(await self._last_words())
        said: Said = msgspec.json.decode(line, type=Said)
        return said

    async def _last_words(self) -> str:
        assert self._process is not None  # noqa: S101  # entered before
        code = await self._process.wait()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 2_000))
        written = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"exit code {code}" + (f", {written[-1]}" if written else "")
