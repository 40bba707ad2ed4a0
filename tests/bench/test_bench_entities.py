"""The entities bench reads hostile texts, and tells of those that do harm."""

import msgspec

from gateway.app.bench.entities import EntitiesReport, hostile, main, measure
from nlp.entities import Extractor


def test_messages_and_hostile_texts_are_measured(capsys):
    assert main(["--texts", "300", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=EntitiesReport)
    assert report.faults == []
    assert {cost.message: cost.entities for cost in report.costs}["nothing to find"] == 0
    assert {cost.message: cost.entities for cost in report.costs}["numbers and a day"] == 3
    assert all(cost.us > 0 for cost in report.costs)
    assert 0 < report.slowest_ms < report.most_ms


def test_a_text_that_fails_is_a_fault(monkeypatch):
    monkeypatch.setattr(Extractor, "extract", _fails_on_zero)
    report = measure(100, 1)
    assert report.faults
    assert all("ValueError" in fault for fault in report.faults)


def test_hostile_texts_are_the_same_for_the_same_seed():
    assert list(hostile(200, 3)) == list(hostile(200, 3))
    assert max(map(len, hostile(60, 3))) > 100
    assert max(map(len, hostile(5_010, 3))) >= 50_000


def _fails_on_zero(self, text, language, at, time_zone):
    if "\x00" in text:
        raise ValueError(text)
    return ()
