"""A partition gives the same files wherever it is worked on, with the labels that a customer's message gets."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import fsspec
import msgspec
import pyarrow.parquet as pq
import pytest
from batch_world import job as any_job
from batch_world import parts, store_model, write_chats

from nlp.batch.classifier import Classifier, open_classifier
from nlp.batch.job import Job, Partition, Receipt
from nlp.batch.models import open_model
from nlp.batch.partition import run_partition
from nlp.batch.places import Place, find_sources
from nlp.batch.plan import make_plan
from nlp.models.versions import ModelVersions


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> ModelVersions:
    return store_model(tmp_path_factory.mktemp("models"))


@pytest.fixture
def job(stored, tmp_path) -> Callable[..., Job]:
    """Makes a job whose output is a folder of the test."""
    return lambda output=tmp_path / "out", **changes: any_job(output, stored, **changes)


@pytest.fixture(scope="module")
def classifier(stored) -> Classifier:
    return open_classifier(any_job("nowhere", stored))


@pytest.fixture
def chats(tmp_path) -> Path:
    return write_chats(tmp_path / "chats.jsonl")


def run_here(job: Job, path: Path, classifier: Classifier) -> list[Receipt]:
    Place(job.output).prepare("_receipts", "_rejected", "_aside")
    plan = make_plan(job, find_sources(str(path)).sources)
    return [run_partition(job, partition, classifier=classifier) for partition in plan.partitions]


def test_labels_are_those_of_the_model_itself(job, chats, classifier, tmp_path):
    made = job(id_columns=("id",), partition_rows=200)
    run_here(made, chats, classifier)
    model = open_model(made.models[0])
    rows = [row for path in sorted((tmp_path / "out").glob("part-*")) for row in pq.read_table(path).to_pylist()]
    texts = {n + 1: json.loads(line)["text"] for n, line in enumerate(chats.read_text().splitlines()) if n != 100}
    assert [row["row"] for row in rows] == [n for n in range(1, 601) if n not in (101, 501)]
    for row in rows:
        (expected,) = model.predict([texts[row["row"]]])
        assert row["intent"] == expected.candidates[0].intent
        assert row["intent_in_scope"] == expected.is_in_scope
        assert row["intent_score"] == pytest.approx(expected.score, abs=1e-5)
        assert [each["label"] for each in row["intent_candidates"]] == [each.intent for each in expected.candidates]
        assert row["id"] == str(row["row"] - 1)
        assert row["file"] == "chats.jsonl"


def test_the_same_partition_gives_the_same_bytes_in_both_formats(job, chats, classifier, tmp_path):
    for output_format in ("parquet", "csv"):
        first = job(output=tmp_path / f"{output_format}1", output_format=output_format, partition_rows=250)
        second = msgspec.structs.replace(first, output=str(tmp_path / f"{output_format}2"))
        receipts = run_here(first, chats, classifier)
        again = run_here(second, chats, classifier)
        assert parts(tmp_path / f"{output_format}1") == parts(tmp_path / f"{output_format}2")
        assert [msgspec.structs.replace(receipt, seconds=0) for receipt in receipts] == [
            msgspec.structs.replace(receipt, seconds=0) for receipt in again
        ]


def test_job_and_partition_travel_as_json_to_whoever_works_on_them(job, chats, classifier, tmp_path):
    (receipt,) = run_here(job(extract=("number",)), chats, open_classifier(job(extract=("number",))))
    elsewhere = job(output=tmp_path / "elsewhere", extract=("number",))
    Place(elsewhere.output).prepare("_receipts", "_rejected", "_aside")
    (partition,) = make_plan(elsewhere, find_sources(str(chats)).sources).partitions
    again = run_partition(
        msgspec.json.decode(msgspec.json.encode(elsewhere), type=Job),
        msgspec.json.decode(msgspec.json.encode(partition), type=Partition),
    )
    assert msgspec.structs.replace(again, seconds=receipt.seconds) == receipt
    assert receipt.tally.entities["number"] > 500


def test_csv_results_can_be_read_back(job, chats, classifier, tmp_path):
    run_here(job(output_format="csv", id_columns=("id",)), chats, classifier)
    (path,) = (tmp_path / "out").glob("part-*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 598
    assert rows[0]["intent"] == "greet"
    assert json.loads(rows[0]["intent_candidates"])[0]["label"] == "greet"


def test_rows_that_were_put_aside_tell_where_and_why(job, chats, classifier, tmp_path):
    receipts = run_here(job(partition_rows=250), chats, classifier)
    paths = sorted((tmp_path / "out/_rejected").glob("*"))
    aside = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    assert [(each["file"], each["row"], each["reason"]) for each in aside] == [
        ("chats.jsonl", 101, "unparsable"),
        ("chats.jsonl", 501, "empty text"),
    ]
    assert [dict(receipt.rejected) for receipt in receipts] == [{"unparsable": 1}, {}, {"empty text": 1}]
    assert [(receipt.rows, receipt.written) for receipt in receipts] == [(250, 249), (250, 250), (100, 99)]


def test_a_bucket_will_do_for_input_and_output(job, chats, classifier):
    files = fsspec.filesystem("memory")
    files.pipe_file("/shop/chats.jsonl", chats.read_bytes())
    made = job(output="memory://shop/result")
    Place(made.output).prepare("_receipts", "_rejected")
    plan = make_plan(made, find_sources("memory://shop/*.jsonl").sources)
    (receipt,) = [run_partition(made, partition, classifier=classifier) for partition in plan.partitions]
    assert {file.name for file in receipt.files} == {
        path.removeprefix("/shop/result/") for path in files.find("/shop/result") if "_receipts" not in path
    }
    files.rm("/shop", recursive=True)


def test_hostile_texts_are_labelled_like_any_other(job, classifier, tmp_path):
    hostile = [
        "\0",
        "\u200b",
        "\u202eabc",
        "🙂" * 1_000,
        "a" * 99_999,
        "x\u0301" * 5_000,
        "\ufeff",
        "0" * 3_000,
        "'; --",
    ]
    path = tmp_path / "hostile.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "id": text}) for text in hostile))
    for output_format in ("parquet", "csv"):
        out = tmp_path / output_format
        (receipt,) = run_here(job(output=out, output_format=output_format, id_columns=("id",)), path, classifier)
        assert receipt.written == len(hostile)
