"""The measuring command: its figures are those that one would work out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.app.bench.nlu import main
from gateway.app.bench.nlu_figures import Drawn, auroc, intervals, macro_f1, scope_figures

KNOWN = [("my balance", "balance"), ("check balance", "balance"), ("my bill", "bill"), ("pay the bill", "bill")]


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps({"text": text, "intent": intent}) + "\n" for text, intent in rows))


def test_measures_each_set_and_names_what_it_skips(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "shop" / "train.jsonl", [*KNOWN, ("not learnt", "oos")])
    write(tmp_path / "shop" / "test.jsonl", [*KNOWN[:3], ("the bill", "balance"), ("zzz qqq", "oos"), ("xxx", "oos")])
    write(tmp_path / "other" / "questions.jsonl", [("a", "b")])
    assert main(["--data", str(tmp_path), "--json"]) == 0
    shown = capfd.readouterr()
    measured = json.loads(shown.out)
    assert list(measured) == ["shop"]
    assert "other: skipped" in shown.err
    shop = measured["shop"]
    assert (shop["acc"], shop["auroc"], shop["r95"], shop["caught"]) == (75.0, 100.0, 100.0, 100.0)
    assert shop["intervals"]["acc"][0] < 75.0 < shop["intervals"]["acc"][1]
    assert shop["fit_s"] >= 0
    assert shop["us_one"] > 0
    assert 20 < shop["memory_mb"] < 300


def test_a_line_that_is_not_understood_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train.jsonl", KNOWN)
    (tmp_path / "test.jsonl").write_text('{"text": "my bill", "intent": "bill"}\n{"text": 3}\n')
    assert main(["--data", str(tmp_path)]) == 1
    assert "test.jsonl:2:" in capfd.readouterr().err


def test_figures_are_those_of_their_definitions() -> None:
    meant, said = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert macro_f1(meant, said) == pytest.approx((2 / 3 + 0.5 + 0.0) / 3)
    assert auroc(np.array([0.5, 0.9]), np.array([0.5, 0.1])) == pytest.approx(3.5 / 4)
    drawn = Drawn(meant, said, np.array([0.2, 0.4, 0.6, 0.8]), np.array([0.1, 0.5]), 0.3)
    figures = scope_figures(drawn)
    assert (figures.acc, figures.kept, figures.caught) == (0.5, 0.75, 0.5)
    assert figures.r95 == 0.5
    low, high = intervals(drawn)["acc"]
    assert 0.0 <= low < 0.5 < high <= 1.0
    assert "auroc" not in intervals(drawn._replace(outside=np.zeros(0)))
