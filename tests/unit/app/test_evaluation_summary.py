"""What an author reads after an evaluation: sentences, weak labels, confusions, advice."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.app.commands.evaluate import show
from gateway.app.commands.terminal import LOOK
from nlp.evaluation.metrics import Bin, Figure
from nlp.evaluation.report import (
    Confusion,
    CurvePoint,
    Evaluation,
    LabelCurve,
    LabelReport,
    Learning,
    Mistake,
    Scope,
    ScopePoint,
)

FIGURE = Figure(0.86, 0.84, 0.88)


@pytest.fixture
def evaluation() -> Evaluation:
    curves = (
        LabelCurve("bill", (CurvePoint(0.5, 10, 0.6), CurvePoint(1.0, 20, 0.7)), 0.1, "more examples"),
        LabelCurve("[odd]", (CurvePoint(0.5, 2, 0.5), CurvePoint(1.0, 4, 0.5)), 0.0, "more examples"),
        LabelCurve("plans", (CurvePoint(0.5, 20, 0.8), CurvePoint(1.0, 40, 0.8)), 0.0, "look at its confusions"),
    )
    return Evaluation(
        task="intent",
        method="cross-validation",
        model="",
        fingerprint="f",
        folds=5,
        texts=100,
        accuracy=FIGURE,
        macro_f1=FIGURE,
        calibration_error=0.12,
        reliability=(Bin(0.9, 1.0, 100, 0.95, 0.83),),
        labels=(LabelReport("[odd]", 0.5, 0.5, 0.5, 4, 4), LabelReport("bill", 0.7, 0.7, 0.7, 20, 25)),
        confusions=(Confusion("bill", "plans", 3, 0.15, (Mistake("[/] \x1b[31m what do I owe", 0.9),)),),
        scope=Scope(
            source="examples",
            inside=90,
            outside=10,
            auroc=FIGURE,
            caught_at_95=0.5,
            in_use=ScopePoint(0.02, 0.97, 0.6),
            curve=(ScopePoint(0.01, 0.99, 0.3), ScopePoint(0.1, 0.9, 0.8)),
        ),
        learning=Learning((CurvePoint(0.5, 50, 0.7), CurvePoint(1.0, 100, 0.8)), curves),
        notes=("'x' is no label",),
        seconds=1.0,
    )


def told(evaluation: Evaluation, width: int = 120) -> str:
    file = io.StringIO()
    show(evaluation, Console(theme=LOOK, highlight=False, file=file, width=width))
    return " ".join(file.getvalue().split())


def test_summary_says_it_in_sentences_and_what_to_do(evaluation: Evaluation) -> None:
    text = told(evaluation)
    assert "86.0 of 100 texts are understood (between 84.0 and 88.0; 100 texts" in text
    assert "be careful" in text
    assert "60% of foreign texts are caught, and 3.0% of the good ones turned away too" in text
    assert "Write more examples for: bill (+10%), [odd] (only 4)" in text
    assert "part it from its neighbours: plans" in text
    assert "70% with 50 → 80% with 100 examples" in text
    assert "'x' is no label" in text


def test_words_of_customers_are_shown_as_they_are_and_steer_no_terminal(evaluation: Evaluation) -> None:
    text = told(evaluation)
    assert "[/]" in text
    assert "\x1b[31m" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_summary_fits_any_width(evaluation: Evaluation, width: int) -> None:
    file = io.StringIO()
    show(evaluation, Console(theme=LOOK, highlight=False, file=file, width=width))
    assert max(len(line) for line in file.getvalue().splitlines()) <= width
