"""The output folder: whose it is, what is finished in it, and when it may be called complete."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

import msgspec

from gateway.core.errors import Misconfigured
from nlp.batch.job import FORMAT, Job, Partition, Receipt, Source
from nlp.batch.manifest import Manifest
from nlp.batch.partition import ASIDE, RECEIPTS, REJECTED, is_complete, receipt_name
from nlp.batch.places import Place, storage_errors
from nlp.batch.plan import Plan

JOB = "_job.json"
MANIFEST = "_manifest.json"
SUCCESS = "_SUCCESS"
_LOCK = "_lock"
_OURS = frozenset({JOB, MANIFEST, SUCCESS, _LOCK, RECEIPTS, REJECTED, ASIDE})

Mode = Literal["new", "resume", "overwrite"]


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``_job.json``: under which settings, and of which input, the parts are."""

    format: int
    started_at: datetime
    at: str
    settings: dict[str, object]
    sources: tuple[Source, ...]
    partitions: tuple[Partition, ...]


class Workspace:
    """One output folder, held by this process alone (where it is local)."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def begun(self) -> Begun | None:
        """What an earlier run began here; ``None`` when the folder is empty. Raises ``Misconfigured``."""
        names = [name for name in self.place.names() if name != _LOCK]
        if not names:
            return None
        if JOB not in names:
            raise Misconfigured("OUT", f"{self.place.url} is not empty, and was not made by `classify`: name another")
        try:
            return msgspec.json.decode(self.place.read(JOB), type=Begun)
        except msgspec.MsgspecError as error:
            raise Misconfigured(
                "OUT", f"{self.place.path(JOB)} is not understood ({error}): --overwrite begins anew"
            ) from error

    def refuse_if_begun(self) -> None:
        """For a new run: raises ``Misconfigured`` when the folder holds anything."""
        if any(name != _LOCK for name in self.place.names()):
            raise Misconfigured(
                "OUT", f"{self.place.url} is not empty: --resume goes on where it stopped, --overwrite begins anew"
            )

    def clear(self) -> None:
        """Remove what an earlier run left. Raises ``Misconfigured``, and removes nothing, when there is more."""
        names = self.place.names()
        foreign = [name for name in names if name not in _OURS and not name.startswith("part-")]
        if foreign or (JOB not in names and any(name != _LOCK for name in names)):
            seen = ", ".join((foreign or names)[:3])
            raise Misconfigured("OUT", f"{self.place.url} holds what `classify` has not made ({seen}): name another")
        for name in sorted(names, key=lambda name: name == JOB):  # while it is there, it may be cleared again
            if name != _LOCK:
                self.place.remove(name)

    def begin(self, job: Job, plan: Plan, started_at: datetime) -> None:
        """Write down what is going to be done."""
        self.place.prepare(RECEIPTS, REJECTED, *([ASIDE] if self.place.is_local else []))
        begun = Begun(
            format=FORMAT,
            started_at=started_at,
            at=job.understanding.at,
            settings=job.settings,
            sources=plan.sources,
            partitions=plan.partitions,
        )
        self.place.write(JOB, msgspec.json.format(msgspec.json.encode(begun)))

    def go_on(self, begun: Begun, job: Job, plan: Plan) -> None:
        """Make ready to finish what was begun. Raises ``Misconfigured`` when settings or input are others now."""
        different = _differences(begun, job, plan)
        if different:
            raise Misconfigured(
                "OUT",
                f"{self.place.url} was begun differently ({'; '.join(different)}): "
                "ask for the same again, or --overwrite",
            )
        self.place.remove(SUCCESS)
        self.place.remove(ASIDE)
        self.place.prepare(RECEIPTS, REJECTED, *([ASIDE] if self.place.is_local else []))

    def receipts(self, job: Job, plan: Plan) -> Iterator[Receipt]:
        """The receipts of complete partitions; their files are read and compared."""
        there = set(self.place.names_in(RECEIPTS))
        for partition in plan.partitions:
            name = receipt_name(partition)
            if name.rsplit("/", 1)[-1] not in there:
                continue
            try:
                receipt = msgspec.json.decode(self.place.read(name), type=Receipt)
            except msgspec.MsgspecError:
                continue
            if is_complete(self.place, job, partition, receipt):
                yield receipt

    def finish(self, manifest: Manifest) -> None:
        """The manifest, and last of all the mark that says: this is everything."""
        self.place.write(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self.place.remove(ASIDE)
        for folder in (REJECTED,):
            if not self.place.names_in(folder):
                self.place.remove(folder)
        with storage_errors("OUT", self.place.path(SUCCESS)):
            self.place.open(SUCCESS).close()


@contextmanager
def held(place: Place) -> Iterator[Workspace]:
    """The folder for this process alone. Raises ``Misconfigured`` when another one works in it."""
    if not place.is_local:
        yield Workspace(place)
        return
    was_there = Path(place.root).exists()
    place.prepare()
    lock = Path(place.path(_LOCK))
    with storage_errors("OUT", str(lock)):
        opened = lock.open("ab")
    with opened as file:
        if not _is_ours(file, lock):
            raise Misconfigured("OUT", f"another run works in {place.url} at this moment")
        try:
            yield Workspace(place)
        finally:
            lock.unlink(missing_ok=True)
            if not was_there and not os.listdir(place.root):  # noqa: PTH208  # we made it, and could not use it
                Path(place.root).rmdir()


def _is_ours(file: IO[bytes], path: Path) -> bool:
    """Take the lock, if it is free and still the one that others will look for."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            raise
        return False


def _differences(begun: Begun, job: Job, plan: Plan) -> list[str]:
    if begun.format != FORMAT:
        return [f"format {begun.format}, this release writes {FORMAT}"]
    found = list(_unequal(begun.settings, job.settings, ""))
    before = {source.name: source.sha256 for source in begun.sources}
    after = {source.name: source.sha256 for source in plan.sources}
    found += [f"{name} is gone" for name in before.keys() - after.keys()]
    found += [f"{name} is new" for name in after.keys() - before.keys()]
    found += [f"{name} has changed" for name in before.keys() & after.keys() if before[name] != after[name]]
    if not found and _ids(begun.partitions) != _ids(plan.partitions):
        found.append("the input is cut otherwise")
    return sorted(found)


def _unequal(before: object, now: object, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _unequal(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
    elif before != now:
        yield f"{path} was {_shown(before)}, is {_shown(now)}"


def _shown(value: object) -> str:
    return "absent" if value is None else msgspec.json.encode(value).decode()


def _ids(partitions: Sequence[Partition]) -> list[str]:
    return [partition.id for partition in partitions]
