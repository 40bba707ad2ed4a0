"""The measuring tool: its figures are those that one would work out by hand."""

from __future__ import annotations

import json
from pathlib import Path

from nlp.measure import measure


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("".join(json.dumps({"text": text, "intent": intent}) + "\n" for text, intent in rows))


def test_measures_accuracy_and_what_is_out_of_scope(tmp_path: Path) -> None:
    known = [("my balance", "balance"), ("check balance", "balance"), ("my bill", "bill"), ("pay the bill", "bill")]
    write(tmp_path / "train.jsonl", [*known, ("not learnt", "oos")])
    write(tmp_path / "test.jsonl", [*known[:3], ("the bill", "balance"), ("zzz qqq", "oos"), ("xxx", "oos")])
    measured = measure(tmp_path)
    assert measured.acc == 75.0
    assert (measured.auroc, measured.r95, measured.caught) == (100.0, 100.0, 100.0)


def test_without_texts_out_of_scope_only_the_accuracy_is_told(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", [("my balance", "balance"), ("my bill", "bill")])
    write(tmp_path / "test.jsonl", [("balance", "balance")])
    measured = measure(tmp_path)
    assert (measured.acc, measured.auroc, measured.kept) == (100.0, None, None)
