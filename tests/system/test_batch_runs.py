"""A run with real processes: it is complete or it can go on, whoever dies; what was begun otherwise is not touched."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
from batch_world import job as any_job
from batch_world import parts, store_model, write_chats

from gateway.core.errors import GiveUp, Misconfigured
from nlp.batch.job import Job, Partition
from nlp.batch.manifest import Manifest
from nlp.batch.places import Place, find_sources
from nlp.batch.plan import make_plan
from nlp.batch.run import Watch, run_job
from nlp.batch.runner import run_partitions
from nlp.batch.workspace import SUCCESS, held
from nlp.models.versions import ModelVersions

pytestmark = pytest.mark.system

NOT_WATCHED = Watch(planned=lambda _plan, _rows: None, hear=lambda _partition, _rows: None)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> ModelVersions:
    return store_model(tmp_path_factory.mktemp("models"))


@pytest.fixture
def job(stored, tmp_path) -> Callable[..., Job]:
    """Makes a job whose output is a folder of the test."""
    return lambda **changes: any_job(tmp_path / "out", stored, **changes)


@pytest.fixture
def chats(tmp_path) -> Path:
    return write_chats(tmp_path / "chats.jsonl")


def run(job: Job, path: Path, mode: str = "new", workers: int = 1, watch: Watch = NOT_WATCHED) -> Manifest:
    return run_job(job, find_sources(str(path)), mode, workers, watch)


def test_a_run_is_complete_only_with_its_mark_and_a_second_one_is_refused(job, chats, tmp_path):
    manifest = run(job(partition_rows=200), chats, workers=2)
    out = tmp_path / "out"
    assert (out / SUCCESS).exists()
    assert (manifest.rows, manifest.written) == (600, 598)
    assert sum(manifest.tasks["intent"].labels.values()) == 598
    assert manifest.quality.duplicates.is_exact
    assert manifest.quality.duplicates.share == pytest.approx(
        1 - manifest.quality.duplicates.different_texts / 598, abs=1e-4
    )
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith("part-")) == [
        "_SUCCESS", "_job.json", "_manifest.json", "_receipts", "_rejected",
    ]  # fmt: skip
    before = parts(out)
    with pytest.raises(Misconfigured, match="not empty: --resume goes on where it stopped"):
        run(job(partition_rows=200), chats)
    with pytest.raises(Misconfigured, match=r"output_format was \"parquet\", is \"csv\""):
        run(job(partition_rows=200, output_format="csv"), chats, "resume")
    chats.write_text(chats.read_text() + '\n{"text": "more"}')
    with pytest.raises(Misconfigured, match=r"chats.jsonl has changed"):
        run(job(partition_rows=200), chats, "resume")
    assert parts(out) == before
    assert (out / SUCCESS).exists()


def test_a_resumed_run_repeats_what_is_missing_or_damaged_and_nothing_else(job, chats, tmp_path):
    made = job(partition_rows=100)
    run(made, chats)
    out = tmp_path / "out"
    whole = parts(out)
    (out / SUCCESS).unlink()
    first, second, third, *kept = sorted(out.glob("part-*"))
    first.unlink()
    second.write_bytes(b"half")
    (out / "_receipts" / f"{third.stem}.json").write_bytes(b'{"format"')
    times = [path.stat().st_mtime_ns for path in kept]
    manifest = run(made, chats, "resume")
    assert manifest.this_run.kept == 3
    assert parts(out) == whole
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert (out / SUCCESS).exists()


def test_overwriting_removes_only_what_classify_made(job, chats, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.doc").write_text("years of work")
    for mode in ("new", "resume", "overwrite"):
        with pytest.raises(Misconfigured):
            run(job(), chats, mode)
    assert [path.name for path in out.iterdir()] == ["thesis.doc"]
    (out / "thesis.doc").unlink()
    run(job(), chats, "overwrite")
    run(job(output_format="csv"), chats, "overwrite")
    assert [path.suffix for path in out.glob("part-*")] == [".csv"]
    (out / "thesis.doc").write_text("years of work")
    with pytest.raises(Misconfigured, match=r"has not made \(thesis.doc\)"):
        run(job(), chats, "overwrite")
    assert (out / "thesis.doc").exists()


def test_a_folder_in_which_another_run_works_is_refused(job, chats, tmp_path):
    with held(Place(str(tmp_path / "out"))), pytest.raises(Misconfigured, match="another run works in"):
        run(job(), chats)


def _workers() -> list[psutil.Process]:
    """The processes of the run, and of no other test."""
    return [child for child in psutil.Process().children() if "nlp.batch.worker" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    """Its command line; empty when it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill_workers(_partition: Partition, rows: int) -> None:
    if rows > 0:
        for worker in _workers():
            worker.kill()


def test_a_process_that_dies_has_its_partition_done_by_another(job, tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("text\n" + "hola\n" * 6_000)
    made = job(partition_rows=3_000)
    killed: list[str] = []

    def kill_once(partition: Partition, rows: int) -> None:
        if not killed:
            killed.append(partition.id)
            _kill_workers(partition, rows)

    manifest = run(made, path, watch=Watch(planned=lambda _plan, _rows: None, hear=kill_once))
    assert killed
    assert manifest.written == 6_000


def test_a_partition_that_kills_twice_ends_the_run_with_its_name(job, tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("text\n" + "hola\n" * 3_000)
    with pytest.raises(
        GiveUp, match=r"died 2 times on many.csv, rows about 2 to 3001 \(part-00000-\w+\): exit code -9"
    ):
        run(job(), path, watch=Watch(planned=lambda _plan, _rows: None, hear=_kill_workers))
    assert not (tmp_path / "out" / SUCCESS).exists()


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """Also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_leaves_no_process_and_a_run_that_can_go_on(job, tmp_path, hears_ctrl_c):
    path = tmp_path / "many.csv"
    path.write_text("text\n" + "hola\n" * 6_000)
    made = job(partition_rows=2_000)
    watch = Watch(planned=lambda _plan, _rows: None, hear=lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(made, path, workers=2, watch=watch)
    assert _workers() == []
    assert not (tmp_path / "out" / SUCCESS).exists()
    assert run(made, path, "resume").written == 6_000


def test_a_file_that_is_changed_meanwhile_is_not_called_complete(job, chats, tmp_path):
    def change(_partition: Partition, _rows: int) -> None:
        chats.write_text(chats.read_text().replace("hola", "HOLA"))

    with pytest.raises(Misconfigured, match=r"chats.jsonl was changed while it was read"):
        run(job(), chats, watch=Watch(planned=lambda _plan, _rows: None, hear=change))
    assert not (tmp_path / "out" / SUCCESS).exists()
    assert run(job(), chats, "overwrite").written == 598


def test_a_model_that_changed_under_its_version_is_refused_by_the_process(job, chats):
    made = job()
    other = msgspec.structs.replace(made, models=(msgspec.structs.replace(made.models[0], fingerprint="0"),))
    plan = make_plan(other, find_sources(str(chats)).sources)
    with pytest.raises(Misconfigured, match="is not what it was when the job began"):
        asyncio.run(run_partitions(other, plan.partitions, 1))


def test_an_id_column_may_not_be_called_like_a_column_of_the_result(job, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,language\nhola,es\n")
    with pytest.raises(Misconfigured, match="a column 'language' of its own"):
        run(job(id_columns=("language",)), path)
    assert not (tmp_path / "out").exists()
