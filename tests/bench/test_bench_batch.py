"""The batch bench in a short form: killed halfway and resumed the result is the same, and the labels are online's."""

import msgspec

from config.settings import load_settings
from gateway.app.bench.batch import BatchReport, made_lines, main


def test_a_killed_run_resumes_to_the_same_bytes_and_to_the_labels_that_online_gives(capsys):
    options = ("--texts", "5000", "--partition-rows", "500", "--workers", "2", "--quick", "--json")
    assert main(options) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=BatchReport)
    assert report.faults == []
    assert report.texts == 5_000
    assert report.is_identical
    assert 0 < report.kept_partitions < report.partitions == 10
    assert report.different == 0
    assert 4_900 < report.compared < 5_000
    assert report.compared_alone >= 2_000
    assert 0 < report.peak_mb < 1_000


def test_the_texts_are_the_same_each_time_and_nearly_all_different():
    first = list(made_lines(load_settings(None), 2_000))
    assert first == list(made_lines(load_settings(None), 2_000))
    texts = [msgspec.json.decode(line)["text"] for line in first]
    assert len(set(texts)) > 1_700
    assert " " in texts
