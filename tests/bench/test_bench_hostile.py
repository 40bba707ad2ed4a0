"""The bench of hostile texts predicts them without harm, and tells of those that do harm."""

import msgspec

from gateway.app.bench.hostile import HostileReport, main, measure


def test_hostile_texts_are_predicted_without_harm(capsys):
    assert main(["--texts", "300", "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=HostileReport)
    assert report.faults == []
    assert [cost.reader for cost in report.costs] == ["intent", "sentiment", "language"]
    assert all(cost.mean_us > 0 and 0 < cost.slowest_ms < report.most_ms for cost in report.costs)


def test_a_text_that_fails_or_has_no_sound_answer_is_a_fault():
    def fails(text: str) -> str:
        if "\x00" in text:
            raise ValueError(text)
        return ""

    report = measure({"one": fails, "other": lambda text: "no prediction" if "@" in text else ""}, 300, 1)
    assert {fault.split(" on ")[0] for fault in report.faults} == {"one: ValueError", "other: no prediction"}
