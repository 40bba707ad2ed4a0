"""Whether a candidate may be promoted: not worse on fixed tests, and of one mind with the live model on real texts.

Both questions are asked of both models on the same texts, at the same moment. Texts are looked at and forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from nlp.intents import Prediction

T = TypeVar("T")

OUT_OF_SCOPE = ""
"""What a text means that is none of the model's business."""

OUT_OF_SCOPE_NAMES = frozenset({"", "oos", "out_of_scope", "None", "nlu_fallback"})
"""How authors call it among their tests."""

MOST_PAIRS = 10
BATCH = 64


class Predictor(Protocol):
    """What the gate needs of a model."""

    def predict(self, texts: Sequence[str]) -> Sequence[Prediction]: ...


class TestText(msgspec.Struct, frozen=True):
    """A text of the bot's fixed tests, and what it means."""

    __test__ = False

    text: str
    label: str


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """``allowed_loss`` is on the fixed tests, ``allowed_loss_unfixed`` on metrics out of fold, both as shares.

    ``least_agreement`` counts from *least_texts* recent texts on.
    """

    allowed_loss: float
    allowed_loss_unfixed: float
    least_agreement: float
    least_texts: int


class Answer(msgspec.Struct, frozen=True):
    """What a model makes of one text: a label, or :data:`OUT_OF_SCOPE`."""

    label: str
    confidence: float


class Change(msgspec.Struct, frozen=True):
    """So many recent texts are understood otherwise."""

    live: str
    candidate: str
    times: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate beside the live model, in figures. ``None``: there is nothing to tell it from.

    ``measured_on``: ``tests`` (the same texts for both), or ``out_of_fold`` (each on its own examples).
    """

    candidate: str
    live: str
    measured_on: Literal["tests", "out_of_fold", "nothing"]
    tests: int = 0
    candidate_accuracy: float | None = None
    live_accuracy: float | None = None
    texts: int = 0
    agreement: float | None = None
    changes: tuple[Change, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def is_let_through(self) -> bool:
        return not self.refusals


class Contender(msgspec.Struct, frozen=True):
    """One of the two: its version, its model, and its accuracy out of fold where that is known."""

    version: str
    model: Predictor
    accuracy: float | None = None


def compare(
    candidate: Contender,
    live: Contender | None,
    tests: Sequence[TestText],
    recent: Sequence[str],
    thresholds: Thresholds,
) -> Comparison:
    """Hold *candidate* against *live*; without a live model nothing is refused. Costs a prediction a text and model."""
    ours, theirs = (_accuracy(each, tests) for each in (candidate, live))
    measured_on: Literal["tests", "out_of_fold", "nothing"] = "out_of_fold" if ours is not None else "nothing"
    if tests:
        measured_on = "tests"
    agreement, changes = _agreement(candidate.model, live.model, recent) if live is not None else (None, ())
    comparison = Comparison(
        candidate=candidate.version,
        live=live.version if live is not None else "",
        measured_on=measured_on,
        tests=len(tests),
        candidate_accuracy=_rounded(ours),
        live_accuracy=_rounded(theirs),
        texts=len(recent) if live is not None else 0,
        agreement=_rounded(agreement),
        changes=changes,
    )
    return msgspec.structs.replace(comparison, refusals=tuple(_refusals(comparison, thresholds)))


def accuracy(model: Predictor, tests: Sequence[TestText]) -> float:
    """The share of *tests* that are understood. What is out of scope must be turned away; the rest counts by label."""
    right = 0
    for part in _batches(tests):
        for test, prediction in zip(part, model.predict([test.text for test in part]), strict=True):
            if test.label in OUT_OF_SCOPE_NAMES:
                right += not prediction.is_in_scope
            else:
                right += answer_of(prediction).label == test.label
    return right / len(tests)


def _accuracy(contender: Contender | None, tests: Sequence[TestText]) -> float | None:
    if contender is None:
        return None
    return accuracy(contender.model, tests) if tests else contender.accuracy


def answers(model: Predictor, texts: Sequence[str]) -> list[Answer]:
    """What a model makes of each text."""
    found: list[Answer] = []
    for part in _batches(texts):
        found += map(answer_of, model.predict(part))
    return found


def answer_of(prediction: Prediction) -> Answer:
    """A prediction as one label."""
    if not prediction.is_in_scope or not prediction.candidates:
        return Answer(OUT_OF_SCOPE, prediction.score)
    return Answer(prediction.candidates[0].intent, prediction.candidates[0].confidence)


def _agreement(candidate: Predictor, live: Predictor, texts: Sequence[str]) -> tuple[float | None, tuple[Change, ...]]:
    if not texts:
        return None, ()
    pairs = [
        (theirs.label, ours.label) for ours, theirs in zip(answers(candidate, texts), answers(live, texts), strict=True)
    ]
    changed = Counter(pair for pair in pairs if pair[0] != pair[1])
    ranked = sorted(changed.items(), key=lambda item: (-item[1], item[0]))[:MOST_PAIRS]
    changes = tuple(Change(theirs, ours, times) for (theirs, ours), times in ranked)
    return 1.0 - changed.total() / len(texts), changes


def _refusals(comparison: Comparison, thresholds: Thresholds) -> Iterator[str]:
    ours, theirs = comparison.candidate_accuracy, comparison.live_accuracy
    is_fixed = comparison.measured_on == "tests"
    allowed = thresholds.allowed_loss if is_fixed else thresholds.allowed_loss_unfixed
    if ours is not None and theirs is not None and ours < theirs - allowed - 1e-9:
        where = f"on the {comparison.tests} fixed tests" if is_fixed else "on texts that each had not seen"
        yield (
            f"{comparison.candidate} is worse {where}: {ours:.1%} right, {comparison.live} has {theirs:.1%}"
            f" ({allowed:.1%} may be lost)"
        )
    agreement = comparison.agreement
    if agreement is None or comparison.texts < thresholds.least_texts:
        return
    if agreement < thresholds.least_agreement:
        yield (
            f"{comparison.candidate} agrees with {comparison.live} on {agreement:.1%} of {comparison.texts} recent"
            f" texts; at least {thresholds.least_agreement:.1%} are wanted"
        )


def _batches(members: Sequence[T]) -> Iterator[Sequence[T]]:
    return (members[first : first + BATCH] for first in range(0, len(members), BATCH))


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
