"""The parse bench measures every channel that is found, and tells of messages that were not understood."""

import msgspec

from channels.discovery import discover
from gateway.app.bench import parse
from gateway.app.bench.parse import ParseReport, main, measure


def test_every_channel_is_measured_with_its_proof(capsys):
    assert main(["--messages", "100", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=ParseReport)
    assert [cost.channel for cost in report.costs] == list(discover())
    assert report.faults == []
    for cost in report.costs:
        assert cost.parse_us > 0
        assert cost.message_us == cost.verify_us + cost.parse_us


def test_a_message_that_is_not_understood_is_a_fault(monkeypatch):
    telegram = discover()["telegram"]
    monkeypatch.setattr(parse, "discover", lambda: {"telegram": telegram})
    monkeypatch.setattr(type(telegram), "parse", lambda *_: [])
    assert measure(100).faults == ["telegram: 100 of 100 messages were not understood"]
