"""A process that works on partitions: a job on the first line of its input, then a partition a line, answers out.

    python -m nlp.batch.worker

It ends when its input ends, or when nobody listens any more; then nothing half done is left in place.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import IO

import msgspec

from gateway.core.errors import Misconfigured, TertuliaError
from nlp.batch.classifier import open_classifier
from nlp.batch.job import Job, Partition, Receipt
from nlp.batch.partition import run_partition


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The partition is complete."""

    receipt: Receipt


class Progressed(msgspec.Struct, frozen=True, tag="progressed"):
    """So many more rows of the partition were read."""

    rows: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """Something that trying again does not mend."""

    key: str
    detail: str


Said = Done | Progressed | Failed

_REPORTED_ROWS = 1_024


class _Voice:
    """Answers on standard output, a JSON object a line."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._unreported = 0

    def say(self, said: Said) -> None:
        self._out.write(msgspec.json.encode(said) + b"\n")
        self._out.flush()

    def progress(self, rows: int) -> None:
        self._unreported += rows
        if self._unreported >= _REPORTED_ROWS:
            self.say(Progressed(self._unreported))
            self._unreported = 0

    def done(self, receipt: Receipt) -> None:
        self._unreported = 0
        self.say(Done(receipt))


def work(orders: IO[bytes], out: IO[bytes]) -> None:
    """Work on every partition that is ordered."""
    voice = _Voice(out)
    try:
        job = msgspec.json.decode(orders.readline(), type=Job)
        classifier = open_classifier(job)
        for line in orders:
            partition = msgspec.json.decode(line, type=Partition)
            voice.done(run_partition(job, partition, classifier=classifier, report=voice.progress))
    except Misconfigured as error:
        voice.say(Failed(error.key, error.detail))
    except TertuliaError as error:
        voice.say(Failed("models", str(error) or type(error).__name__))


def main() -> None:
    """Standard input to standard output, which belongs to the answers alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides what Ctrl-C means
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        work(sys.stdin.buffer, answers)
    except BrokenPipeError:
        os._exit(1)  # the runner is gone; what was aside stays aside


if __name__ == "__main__":
    main()
