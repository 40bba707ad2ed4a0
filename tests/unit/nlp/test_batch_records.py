"""Whatever stands in a file, each of its rows is a text or is put aside with a reason, however the file is cut."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_world import planned, reasons, rows_of, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from nlp.batch import lines
from nlp.batch.records import MAX_TEXT_CHARS

in_any_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)


def test_csv_rows_come_with_their_lines_and_ids(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text('id,text\n7,"Muy bueno,\nvolveré"\n8,  mal  \n', encoding="utf-8")
    assert [(row.number, row.text, row.ids) for row in rows_of(path, id_columns=("id",))] == [
        (2, "Muy bueno,\nvolveré", ("7",)),
        (4, "mal", ("8",)),
    ]


def test_a_spreadsheets_csv_is_read_as_it_comes(tmp_path):
    path = tmp_path / "export.csv"
    path.write_bytes(b"\xef\xbb\xbfid;text\r\n1;hola, buenas\r\n2;adi\xc3\xb3s\r\n")
    assert texts(rows_of(path)) == ["hola, buenas", "adiós"]
    path.write_bytes("id;text\r\n1;adiós\r\n".encode("cp1252"))
    assert texts(rows_of(path, encoding="cp1252")) == ["adiós"]
    assert reasons(rows_of(path)) == {2: "bad encoding"}


def test_a_single_column_needs_no_quotes(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text('text\nhola, ¿qué tal; bien?\n"dos\nlíneas, ""así"""\n', encoding="utf-8")
    assert texts(rows_of(path)) == ["hola, ¿qué tal; bien?", 'dos\nlíneas, "así"']


def test_rows_of_csv_that_cannot_be_read_are_put_aside_and_their_neighbours_are_not(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_bytes(b'id,text\n1,uno\n2,"dos\n3,tres,drei\n4\n5,  \n6,\xff\n7,"a"b\n8,ocho\n')
    rows = rows_of(path)
    assert texts(rows) == ["uno", "ocho"]
    assert reasons(rows) == {
        3: "unparsable",
        4: "unparsable",
        5: "missing text",
        6: "empty text",
        7: "bad encoding",
        8: "unparsable",
    }


def test_json_lines_that_cannot_be_read_are_put_aside_and_their_neighbours_are_not(tmp_path):
    path = tmp_path / "chats.jsonl"
    bad = [b"{", b"[]", b'{"x": 1}', b'{"text": null}', b'{"text": 5}', b'{"text": " "}', b'{"text": "\xff"}']
    bad.append(b"[" * 5_000)
    path.write_bytes(b'{"text": "uno", "id": 1}\n\n' + b"\n".join(bad) + b'\n{"text": "dos", "id": {"a": "b"}}')
    rows = rows_of(path, id_columns=("id",))
    assert [(row.number, row.ids) for row in rows if row.number in (1, 11)] == [(1, ("1",)), (11, ('{"a": "b"}',))]
    assert list(reasons(rows).values()) == [
        "unparsable",
        "unparsable",
        "missing text",
        "missing text",
        "wrong type",
        "empty text",
        "bad encoding",
        "unparsable",
    ]


def test_a_line_of_any_length_is_put_aside_without_being_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MAX_RECORD_BYTES", 2_000)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 500)
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b'{"text": "uno"}\n{"text": "' + b"x" * 50_000 + b'"}\n{"text": "dos"}\n' + b"y" * 9_000)
    rows = rows_of(path)
    assert texts(rows) == ["uno", "dos"]
    assert reasons(rows) == {2: "too long", 4: "too long"}
    assert all(len(row.excerpt) <= 200 for row in rows if row.number in (2, 4))


def test_a_text_longer_than_any_message_is_put_aside(tmp_path):
    path = tmp_path / "chats.jsonl"
    long = [{"text": "a" * MAX_TEXT_CHARS}, {"text": "a" * (MAX_TEXT_CHARS + 1)}]
    path.write_text("\n".join(map(json.dumps, long)))
    assert reasons(rows_of(path)) == {2: "too long"}


def test_parquet_rows_are_counted_over_row_groups(tmp_path):
    path = tmp_path / "survey.parquet"
    table = pa.table({"n": range(10), "text": [f"texto {n}" if n % 4 else None for n in range(10)]})
    pq.write_table(table, path, row_group_size=4)
    rows = rows_of(path, partition_rows=3, id_columns=("n",))
    assert [row.number for row in rows] == list(range(1, 11))
    assert reasons(rows) == {1: "missing text", 5: "missing text", 9: "missing text"}
    assert rows[9].ids == ("9",)
    assert [(part.start, part.stop) for part in planned(path, partition_rows=3).partitions] == [
        (0, 3),
        (3, 6),
        (6, 9),
        (9, 10),
    ]


def test_ids_of_any_type_are_taken_over_as_text(tmp_path):
    path = tmp_path / "survey.parquet"
    ids = {
        "a.b": [7],
        "when": pa.array([0], pa.timestamp("s")),
        "raw": [b"x\xff"],
        "none": pa.nulls(1),
        "list": [["é"]],
        "ok": [True],
    }
    pq.write_table(pa.table({"text": ["hola"], **ids}), path)
    (row,) = rows_of(path, id_columns=tuple(ids))
    assert row.ids == ("7", "1970-01-01 00:00:00", "x\ufffd", "", '["é"]', "true")


def test_parquet_texts_may_be_coded_and_may_be_wrong(tmp_path):
    path = tmp_path / "survey.parquet"
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0"), pa.py_buffer(b"\xff\xffok"))
    pq.write_table(pa.table({"text": broken}), path)
    assert reasons(rows_of(path)) == {1: "bad encoding"}
    pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode()}), path)
    assert texts(rows_of(path)) == ["a", "b", "a"]


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["id", "text"], *rows])
    return text.getvalue().encode("utf-8", "replace")


fields = st.text(st.sampled_from('ab,"\n\r\t é\0'), max_size=12)


@in_any_folder
@given(rows=st.lists(st.tuples(fields, fields).map(list), min_size=1, max_size=30), size=st.integers(1, 7))
def test_well_formed_csv_gives_the_same_rows_however_it_is_cut(tmp_path, rows, size):
    path = tmp_path / "any.csv"
    path.write_bytes(_csv(rows))
    assert rows_of(path, partition_rows=size) == rows_of(path)


@in_any_folder
@given(content=st.text(st.sampled_from('ab,"\n\r;é'), max_size=200), size=st.integers(1, 5))
def test_any_csv_gives_the_same_texts_however_it_is_cut(tmp_path, content, size):
    path = tmp_path / "any.csv"
    path.write_bytes(b"id,text\n" + content.encode())
    whole, cut = rows_of(path), rows_of(path, partition_rows=size)
    assert texts(cut) == texts(whole)
    assert reasons(cut) == reasons(whole)


@in_any_folder
@given(
    pieces=st.lists(st.sampled_from([b'{"text": "a"}', b'{"text": ""}', b"", b"{", b"\xff", b"\r"]), max_size=30),
    size=st.integers(1, 5),
)
def test_any_json_lines_give_the_same_rows_however_they_are_cut(tmp_path, pieces, size):
    path = tmp_path / "any.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "first"}\n' + b"\n".join(pieces)))
    assert rows_of(path, partition_rows=size) == rows_of(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"id,Text\n1,hola\n", "--text-column: a.csv has no column 'text'; did you mean 'Text'?"),
        ("a.csv", b"text,text\n1,hola\n", "several columns 'text'"),
        ("a.csv", b'"id,text\n1,hola\n', "a.csv:1: the header cannot be read"),
        ("a.jsonl", b'{"review": "hola"}\n', "none of the first 1 objects has 'text'. It has: review"),
        ("a.jsonl", b"hola\n", "none of the first 1 lines is a JSON object"),
        ("a.jsonl.gz", b"hola\n", "a.jsonl.gz: Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "hola"}\n' * 99, mtime=0)[:-20], "a.jsonl.gz: "),
        ("a.parquet", b"hola", "a.parquet is not Parquet"),
        ("a.txt", b"hola", "holds no file to read (there is a.txt)"),
    ],
)
def test_what_cannot_be_read_at_all_is_said_before_anything_is_done(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Misconfigured) as refused:
        planned(tmp_path)
    assert said in str(refused.value)


def test_a_column_of_numbers_is_no_text(tmp_path):
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(Misconfigured, match="holds int64, not text"):
        planned(tmp_path)


def test_a_folder_is_read_in_the_order_of_names_without_results_of_other_runs(tmp_path):
    for name in ("b/2.csv", "b/1.csv", "_rejected/x.csv", ".hidden.csv", "a.jsonl", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "hola"}\n' if name.endswith("jsonl") else "text\nhola\n")
    assert [source.name for source in planned(tmp_path).sources] == ["a.jsonl", "b/1.csv", "b/2.csv"]
    assert [source.name for source in planned(tmp_path / "b" / "*.csv").sources] == ["1.csv", "2.csv"]
    with pytest.raises(Misconfigured, match="no file or folder"):
        planned(tmp_path / "missing.csv")


def test_an_empty_file_has_no_partitions(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "b.csv").write_bytes(b"id,text\n")
    (tmp_path / "c.jsonl").write_bytes(b"")
    assert planned(tmp_path).partitions == ()


def test_names_of_partitions_depend_on_the_files_alone(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "hola\n" * 10)
    ids = [part.id for part in planned(path, partition_rows=4).partitions]
    assert ids == [part.id for part in planned(Path(str(path)), partition_rows=4).partitions]
    assert len(set(ids)) == 3
    assert ids == sorted(ids)
