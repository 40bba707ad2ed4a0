"""`tertulia classify` as an operator meets it: clear words for what is wrong, an end in order, and a way back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from batch_world import TELECOM, store_model, write_chats

from config.bot import load_bot
from config.settings import load_settings
from gateway.app.bench.processes import tertulia
from gateway.app.commands.classify import Asked, make_job
from gateway.store.database import Database
from gateway.store.models import ModelPointers
from nlp.models.versions import ModelPlace, ModelVersions, place_of

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    """A data folder with a model and without a database."""
    folder = tmp_path_factory.mktemp("data")
    store_model(folder / "models", place_of(load_bot(TELECOM).name))
    return folder


@pytest.fixture
def call(data_dir, tmp_path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command in the test's folder."""
    env = dict(os.environ) | {"TERTULIA__DATA_DIR": str(data_dir), "COLUMNS": "200"}

    def start(*arguments: str, ignores: signal.Signals | None = None) -> subprocess.Popen[str]:
        before = signal.signal(ignores, signal.SIG_IGN) if ignores else None
        try:
            return _started(*arguments)
        finally:
            if ignores:
                signal.signal(ignores, before)

    def _started(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            tertulia("classify", *arguments),
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.csv", "out"), "IN: there is no file or folder missing.csv"),
        (("chats.jsonl", "out", "--text-column", "txt"), "has 'txt'; did you mean 'text'? It has: id, text"),
        (("chats.jsonl", "out", "--id-column", "nr"), "--id-column: chats.jsonl: none of the first"),
        (("chats.jsonl", "out", "--task", "weather"), "weather"),
        (("chats.jsonl", "out", "--model", "v0099"), "there is no version v0099 of 'intent'"),
        (("chats.jsonl", "out", "--format", "xml"), "--format: 'xml' is not known: parquet or csv"),
        (("chats.jsonl", "out", "--extract", "smell"), "--extract: 'smell' is not known: amount, "),
        (("chats.jsonl", "out", "--language", "fr"), "--language: the bot speaks es, en, not 'fr'"),
        (("chats.jsonl", "out", "--encoding", "utf-16"), "--encoding: utf-16 cannot be read line by line"),
        (("chats.jsonl", "out", "--resume", "--overwrite"), "--resume: goes on where --overwrite begins anew"),
        ((".", "out"), "OUT: out lies within ."),
        (("chats.jsonl", "full"), "OUT: "),
        (("chats.jsonl", "chats.jsonl/out"), "OUT: "),
    ],
)
def test_what_is_wrong_is_one_line_and_changes_nothing(call, tmp_path, arguments, said):
    write_chats(tmp_path / "chats.jsonl")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.doc").write_text("years of work")
    code, out, err = ended(call(*arguments))
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["chats.jsonl", "full", "thesis.doc"]


def test_several_kinds_of_entities_come_with_the_labels_and_json_tells_it_all(call, tmp_path):
    (tmp_path / "a.csv").write_text('id;text\n1;"te debo 20 mil pesos"\n2;hola\n')
    code, out, err = ended(
        call("a.csv", "out", "--extract", "amount,number", "--format", "csv", "--json", "--workers", "1")
    )
    assert code == 0, err
    manifest = msgspec.json.decode(out)
    assert manifest["written"] == 2
    assert manifest["entities"] == {"amount": 1}
    (part,) = (tmp_path / "out").glob("part-*.csv")
    assert '""amount"":20000' in part.read_text()


def test_the_version_that_serves_is_taken_and_not_the_newest(data_dir, tmp_path, dsn):
    place = place_of(load_bot(TELECOM).name)
    first = ModelVersions(str(data_dir / "models")).names(place)[-1]
    second = store_model(data_dir / "models", place).names(place)[-1]
    asyncio.run(_promote(dsn, place, first))
    settings = load_settings(None, overrides={"data_dir": str(data_dir), "database": {"url": dsn}})
    asked = {"source": "a.csv", "target": str(tmp_path / "out"), "tasks": ("intent",)}
    assert make_job(settings, Asked(**asked)).models[0].version == first
    assert make_job(settings, Asked(**asked, model=second)).models[0].version == second
    without_database = load_settings(None, overrides={"data_dir": str(data_dir)})
    assert make_job(without_database, Asked(**asked)).models[0].version == second


async def _promote(dsn: str, place: ModelPlace, version: str) -> None:
    database = Database(dsn)
    pointers = ModelPointers(database, place.bot, place.task)
    await pointers.promote(version, expected="", by="tests", why="", is_forced=False)
    await database.close()


@pytest.mark.parametrize(
    ("number", "ignored"),
    [(signal.SIGINT, None), (signal.SIGTERM, None), (signal.SIGTERM, signal.SIGINT)],
    ids=["ctrl-c", "terminated", "terminated in the background"],
)
def test_a_signal_ends_it_in_order_and_resume_finishes_it(call, tmp_path, number, ignored):
    (tmp_path / "many.csv").write_text("text\n" + "hola, cuánto debo\n" * 60_000)
    arguments = ("many.csv", "out", "--workers", "2", "--partition-rows", "2000")
    process = call(*arguments, ignores=ignored)  # as a shell does with what it starts in the background
    give_up = time.monotonic() + 60
    while not list((tmp_path / "out").glob("_receipts/*.json")) and time.monotonic() < give_up:
        time.sleep(0.01)
    children = psutil.Process(process.pid).children()
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == 128 + number
    assert "--resume goes on from there" in err
    assert not any(child.is_running() for child in children)
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    code, out, err = ended(call(*arguments, "--resume"))
    assert code == 0, err
    assert "60,000 texts in out" in out
    assert (tmp_path / "out" / "_SUCCESS").exists()
