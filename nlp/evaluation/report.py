"""What an evaluation found: the shape of ``tertulia evaluate --json``, and how it is made from predictions.

The shape is stable: fields are added with a default, never renamed, and ``format`` grows when a meaning changes.
Shares are from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from nlp.evaluation.metrics import (
    Bin,
    Booleans,
    Counts,
    Figure,
    Labels,
    Numbers,
    accuracy,
    auroc_figure,
    bootstrapped,
    calibration_error,
    caught_at,
    confusion,
    kept_and_caught,
    macro_f1,
    reliability,
    scores,
)

FORMAT = 1
MOST_CONFUSIONS = 50
MOST_EXAMPLES = 3
CURVE_POINTS = 41

Advice = Literal["enough", "more examples", "look at its confusions"]
"""What an author should do about a label; ``enough``: leave it alone."""

GOOD_F1 = 0.9
WORTHWHILE_GAIN = 0.03
FEW_EXAMPLES = 10


class Judged(msgspec.Struct, frozen=True):
    """One text that a model judged without having seen it. ``threshold`` is the model's own for ``score``."""

    text: str
    label: str
    predicted: str
    confidence: float
    score: float
    threshold: float


class LabelReport(msgspec.Struct, frozen=True):
    """How one label fares. ``texts`` have it, ``examples`` were there to learn from."""

    label: str
    precision: float
    recall: float
    f1: float
    texts: int
    examples: int


class Mistake(msgspec.Struct, frozen=True):
    text: str
    confidence: float


class Confusion(msgspec.Struct, frozen=True):
    """``texts`` of *label* were taken for *predicted*, which is ``share`` of the label's; the surest mistakes first."""

    label: str
    predicted: str
    texts: int
    share: float
    examples: tuple[Mistake, ...]


class ScopePoint(msgspec.Struct, frozen=True):
    """With this threshold: the share in scope that is kept, and the share out of scope that is caught."""

    threshold: float
    kept: float
    caught: float


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """How well texts that the bot is not made for are told from the others.

    ``source``: where texts out of scope came from, the author's ``examples`` or ``hidden labels`` (labels that a model
    was not shown). ``caught_at_95`` is the share caught when 95 % in scope are kept; ``in_use`` the model's threshold.
    """

    source: Literal["examples", "hidden labels"]
    inside: int
    outside: int
    auroc: Figure
    caught_at_95: float
    in_use: ScopePoint
    curve: tuple[ScopePoint, ...]


class CurvePoint(msgspec.Struct, frozen=True):
    """F1 after learning from so many examples; ``share`` is the part of all that they are."""

    share: float
    examples: float
    f1: float


class LabelCurve(msgspec.Struct, frozen=True):
    """Whether more examples help: ``gain`` is what the second half of them added to the F1."""

    label: str
    points: tuple[CurvePoint, ...]
    gain: float
    advice: Advice


class Learning(msgspec.Struct, frozen=True):
    """Macro F1 by share of the examples, and each label's own curve."""

    overall: tuple[CurvePoint, ...]
    labels: tuple[LabelCurve, ...]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of how well one task is understood. ``notes`` are for the author to read."""

    format: int = FORMAT
    task: str
    method: Literal["cross-validation", "test file"]
    model: str
    fingerprint: str
    folds: int
    texts: int
    accuracy: Figure
    macro_f1: Figure
    calibration_error: float
    reliability: tuple[Bin, ...]
    labels: tuple[LabelReport, ...]
    confusions: tuple[Confusion, ...]
    scope: Scope | None
    learning: Learning | None
    notes: tuple[str, ...]
    seconds: float


class Tally(msgspec.Struct, frozen=True):
    """Judged texts as arrays over one list of labels."""

    names: tuple[str, ...]
    truth: Labels
    predicted: Labels
    confidence: Numbers
    counts: Counts

    @property
    def is_right(self) -> Booleans:
        right: Booleans = self.truth == self.predicted
        return right


def tally(judged: Sequence[Judged]) -> Tally:
    """All labels that occur, sorted, and the texts' numbers in that list."""
    names = tuple(sorted({each.label for each in judged} | {each.predicted for each in judged}))
    number = {name: index for index, name in enumerate(names)}
    truth = np.array([number[each.label] for each in judged], dtype=np.int64)
    predicted = np.array([number[each.predicted] for each in judged], dtype=np.int64)
    confidence = np.array([each.confidence for each in judged], dtype=np.float64)
    return Tally(names, truth, predicted, confidence, confusion(truth, predicted, len(names)))


def accuracy_of(table: Tally) -> Figure:
    return bootstrapped(lambda rows: accuracy(table.truth[rows], table.predicted[rows]), len(table.truth))


def macro_f1_of(table: Tally) -> Figure:
    k = len(table.names)
    return bootstrapped(lambda rows: macro_f1(table.truth[rows], table.predicted[rows], k), len(table.truth))


def calibration_of(table: Tally) -> tuple[float, tuple[Bin, ...]]:
    bins = reliability(table.confidence, table.is_right)
    return calibration_error(bins), bins


def labels_of(table: Tally, examples: Mapping[str, int]) -> tuple[LabelReport, ...]:
    """A report for each label that occurs, the weakest first."""
    found = scores(table.counts)
    reports = [
        LabelReport(
            label=name,
            precision=round(float(found.precision[index]), 4),
            recall=round(float(found.recall[index]), 4),
            f1=round(float(found.f1[index]), 4),
            texts=int(found.support[index]),
            examples=examples.get(name, 0),
        )
        for index, name in enumerate(table.names)
    ]
    return tuple(sorted(reports, key=lambda each: (each.f1, each.label)))


def confusions_of(table: Tally, judged: Sequence[Judged]) -> tuple[Confusion, ...]:
    """The pairs that are mixed up, the most frequent first."""
    wrong: dict[tuple[int, int], list[Judged]] = {}
    for each, truth, predicted in zip(judged, table.truth.tolist(), table.predicted.tolist(), strict=True):
        if truth != predicted:
            wrong.setdefault((truth, predicted), []).append(each)
    support = table.counts.sum(axis=1)
    ranked = sorted(wrong.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_CONFUSIONS]
    return tuple(
        Confusion(
            table.names[truth],
            table.names[predicted],
            len(members),
            round(len(members) / int(support[truth]), 4),
            tuple(
                Mistake(each.text[:200], round(each.confidence, 4))
                for each in sorted(members, key=lambda each: (-each.confidence, each.text))[:MOST_EXAMPLES]
            ),
        )
        for (truth, predicted), members in ranked
    )


def scope_of(
    inside: Sequence[Judged], outside: Sequence[Judged], source: Literal["examples", "hidden labels"]
) -> Scope | None:
    """How the scores of texts in and out of scope lie to each other; ``None`` without texts on one side."""
    if not inside or not outside:
        return None
    kept_scores, caught_scores = _scores(inside), _scores(outside)
    thresholds = np.unique(np.quantile(np.concatenate([kept_scores, caught_scores]), np.linspace(0, 1, CURVE_POINTS)))
    kept, caught = kept_and_caught(kept_scores, caught_scores, thresholds)
    curve = [_point(*each) for each in zip(thresholds.tolist(), kept.tolist(), caught.tolist(), strict=True)]
    return Scope(
        source=source,
        inside=len(inside),
        outside=len(outside),
        auroc=auroc_figure(kept_scores, caught_scores),
        caught_at_95=round(caught_at(kept_scores, caught_scores), 4),
        in_use=_point(
            float(np.median([each.threshold for each in (*inside, *outside)])),
            float(np.mean([each.score >= each.threshold for each in inside])),
            float(np.mean([each.score < each.threshold for each in outside])),
        ),
        curve=tuple(curve),
    )


def _scores(judged: Sequence[Judged]) -> Numbers:
    return np.array([each.score for each in judged], dtype=np.float64)


def _point(threshold: float, kept: float, caught: float) -> ScopePoint:
    return ScopePoint(round(threshold, 6), round(kept, 4), round(caught, 4))


def learning_of(
    by_share: Mapping[float, Sequence[Judged]], examples: Mapping[str, int], taught: float = 1.0
) -> Learning:
    """Curves from what was judged after learning from each share of the examples.

    *taught* is the part of *examples* that a whole share is (in cross-validation one fold is always held out).
    """
    tables = {share: tally(judged) for share, judged in sorted(by_share.items())}
    total = sum(examples.values())
    overall = tuple(
        CurvePoint(share, round(total * share * taught, 1), round(macro_f1(t.truth, t.predicted, len(t.names)), 4))
        for share, t in tables.items()
    )
    points: dict[str, list[CurvePoint]] = {}
    for share, table in tables.items():
        found = scores(table.counts)
        for index, name in enumerate(table.names):
            if found.support[index]:
                known = round(examples.get(name, 0) * share * taught, 1)
                points.setdefault(name, []).append(CurvePoint(share, known, round(float(found.f1[index]), 4)))
    curves = [_curve(name, tuple(found), examples.get(name, 0)) for name, found in points.items()]
    return Learning(overall, tuple(sorted(curves, key=lambda each: (-each.gain, each.label))))


def _curve(label: str, points: tuple[CurvePoint, ...], examples: int) -> LabelCurve:
    last = points[-1].f1
    half = next((point.f1 for point in reversed(points[:-1]) if point.share <= 0.5), points[0].f1)
    return LabelCurve(label, points, round(last - half, 4), advice_for(last, last - half, examples))


def advice_for(f1: float, gain: float, examples: int) -> Advice:
    """More examples where they still help or there are few; where they do not, the label is mixed up with others."""
    if f1 >= GOOD_F1:
        return "enough"
    if gain >= WORTHWHILE_GAIN or examples < FEW_EXAMPLES:
        return "more examples"
    return "look at its confusions"
