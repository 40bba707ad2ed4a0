"""Has models judge texts that they have not seen: by cross-validation, with labels hidden, on a file of tests.

The classifier is handed in as a function that learns, so that what is measured is what serves.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np

from gateway.core.errors import Misconfigured
from nlp.evaluation.report import (
    Evaluation,
    Judged,
    Learning,
    Scope,
    accuracy_of,
    calibration_of,
    confusions_of,
    labels_of,
    learning_of,
    macro_f1_of,
    scope_of,
    tally,
)
from nlp.intents.model import Prediction
from nlp.text import for_intents
from nlp.training_data import OUT_OF_SCOPE, Example, TrainingData

FOLDS = 5
HIDING_ROUNDS = 3
CURVE_FOLDS = 3
CURVE_SHARES = (0.25, 0.5, 1.0)
FEWEST_LABELS_TO_HIDE = 4
_BATCH = 64
_SEED = 0

IS_OUTSIDE = frozenset({OUT_OF_SCOPE, "nlu_fallback"})
"""Labels whose texts no bot is made for: ours, which readers give to all of them, and what Rasa predicts."""

Report = Callable[[str], None]


class Classifier(Protocol):
    """What judges: n texts in, n predictions out."""

    def predict(self, texts: Sequence[str]) -> Sequence[Prediction]: ...


class Taught(msgspec.Struct, frozen=True):
    """A classifier and the threshold that it rejects below."""

    classifier: Classifier
    threshold: float


Teach = Callable[[TrainingData], Taught]


class Plan(msgspec.Struct, frozen=True):
    """What to measure. ``folds`` at least 2; hiding labels and learning curves cost further training."""

    task: str = "intent"
    folds: int = FOLDS
    hides_labels: bool = True
    draws_curves: bool = True


def cross_validate(
    data: TrainingData,
    teach: Teach,
    plan: Plan,
    report: Report = lambda _line: None,
    teach_quickly: Teach | None = None,
) -> Evaluation:
    """Judge every example by a classifier that learnt from the others. The same data gives the same figures.

    Takes as long as training ``folds`` times; then, with *teach_quickly* where it is given, three times with hidden
    labels and nine times for the curves.
    Raises ``Misconfigured`` when there is too little to hold anything out.
    """
    started = time.perf_counter()
    examples = distinct((*data.examples, *data.outside))
    known = [example for example in examples if example.intent not in IS_OUTSIDE]
    counts = Counter(example.intent for example in known)
    if len(counts) < 2 or max(counts.values()) < 2:
        raise Misconfigured("bot.path", "cross-validation needs two labels or more, with two examples or more")
    folds = max(2, min(plan.folds, len(examples)))
    fold_of = folds_of(examples, folds)
    by_fold: list[list[Judged]] = []
    for fold in range(folds):
        report(f"fold {fold + 1} of {folds}")
        held_out = [example for example, its in zip(examples, fold_of, strict=True) if its == fold]
        rest = [example for example, its in zip(examples, fold_of, strict=True) if its != fold]
        by_fold.append(judge(_taught(data, rest, teach), held_out))
    everything = [each for judged in by_fold for each in judged]
    judged = [each for each in everything if each.label not in IS_OUTSIDE]
    outside = [each for each in everything if each.label in IS_OUTSIDE]
    if outside or not plan.hides_labels:
        scope = scope_of(judged, outside, "examples")
    else:
        scope = hide_labels(data, known, teach_quickly or teach, report)
    learning = _curves(data, examples, fold_of, folds, teach_quickly or teach, report) if plan.draws_curves else None
    return _evaluation(
        judged,
        counts,
        plan.task,
        scope=scope,
        learning=learning,
        started=started,
        folds=folds,
        fingerprint=data.fingerprint,
    )


def judge_file(
    taught: Taught,
    tests: Sequence[Example],
    examples: Mapping[str, int],
    *,
    task: str,
    model: str,
    fingerprint: str,
    known: Iterable[str],
    seen: frozenset[str] = frozenset(),
) -> Evaluation:
    """How a model that was trained before does on *tests*. *known* are its labels, *examples* what each had.

    *seen* are texts (as the classifier reads them) that it learnt from: those among the tests are told in the notes.
    Raises ``Misconfigured`` when no test has a label in scope.
    """
    started = time.perf_counter()
    everything = judge(taught, tests)
    judged = [each for each in everything if each.label not in IS_OUTSIDE]
    if not judged:
        raise Misconfigured("--test", "holds no text with a label in scope")
    outside = [each for each in everything if each.label in IS_OUTSIDE]
    notes = [*_unknown(judged, frozenset(known)), *_learnt_before(tests, seen)]
    return _evaluation(
        judged,
        examples,
        task,
        scope=scope_of(judged, outside, "examples"),
        started=started,
        model=model,
        fingerprint=fingerprint,
        notes=notes,
    )


def hide_labels(
    data: TrainingData, examples: Sequence[Example], teach: Teach, report: Report = lambda _line: None
) -> Scope | None:
    """Texts out of scope for a bot that has none: in each round some labels are not taught, and play that part.

    A fifth of the other examples is held out and plays in scope. ``None`` with fewer than four labels.
    """
    labels = sorted({example.intent for example in examples})
    if len(labels) < FEWEST_LABELS_TO_HIDE:
        return None
    inside: list[Judged] = []
    outside: list[Judged] = []
    shuffled = np.random.default_rng(_SEED).permutation(np.array(labels)).tolist()
    fold_of = folds_of(examples, FOLDS)
    for turn in range(HIDING_ROUNDS):
        report(f"hiding labels, round {turn + 1} of {HIDING_ROUNDS}")
        hidden = frozenset(shuffled[turn :: max(HIDING_ROUNDS, 4)])
        pairs = list(zip(examples, fold_of, strict=True))
        taught = _taught(data, [e for e, fold in pairs if e.intent not in hidden and fold != turn], teach)
        inside += judge(taught, [e for e, fold in pairs if e.intent not in hidden and fold == turn])
        outside += judge(taught, [e for e, _ in pairs if e.intent in hidden])
    return scope_of(inside, outside, "hidden labels")


def judge(taught: Taught, examples: Sequence[Example]) -> list[Judged]:
    """One verdict for each example, in order. A classifier without a candidate says nothing (``""``)."""
    found: list[Judged] = []
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        for example, prediction in zip(batch, taught.classifier.predict([e.text for e in batch]), strict=True):
            best = prediction.candidates[0] if prediction.candidates else None
            found.append(
                Judged(
                    example.text,
                    example.intent,
                    best.intent if best else "",
                    best.confidence if best else 0.0,
                    prediction.score,
                    taught.threshold,
                )
            )
    return found


def distinct(examples: Sequence[Example]) -> list[Example]:
    """The examples without those that read the same, in a fixed order: a copy in two folds would be no test."""
    found: dict[tuple[str, str], Example] = {}
    for example in examples:
        found.setdefault((for_intents(example.text), example.intent), example)
    return [found[key] for key in sorted(found)]


def folds_of(examples: Sequence[Example], folds: int) -> list[int]:
    """A fold for each example, every label spread evenly over the folds; always the same."""
    random = np.random.default_rng(_SEED)
    members: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        members.setdefault(example.intent, []).append(index)
    fold_of = [0] * len(examples)
    for number, label in enumerate(sorted(members)):
        for place, index in enumerate(random.permutation(members[label]).tolist()):
            fold_of[index] = (place + number) % folds
    return fold_of


def _taught(data: TrainingData, examples: Sequence[Example], teach: Teach) -> Taught:
    inside = tuple(example for example in examples if example.intent not in IS_OUTSIDE)
    outside = tuple(example for example in examples if example.intent in IS_OUTSIDE)
    return teach(msgspec.structs.replace(data, examples=inside, outside=outside))


def _curves(
    data: TrainingData,
    examples: Sequence[Example],
    fold_of: Sequence[int],
    of_folds: int,
    teach: Teach,
    report: Report,
) -> Learning:
    """The first folds again, after learning from a part of the other examples only, and from all of them."""
    folds = min(CURVE_FOLDS, of_folds)
    by_share: dict[float, list[Judged]] = {share: [] for share in CURVE_SHARES}
    pairs = list(zip(examples, fold_of, strict=True))
    for share in CURVE_SHARES:
        for fold in range(folds):
            report(f"learning from {share:.0%} of the examples, {fold + 1} of {folds}")
            taught = _taught(data, part_of([e for e, its in pairs if its != fold], share), teach)
            held_out = [e for e, its in pairs if its == fold and e.intent not in IS_OUTSIDE]
            by_share[share] += judge(taught, held_out)
    counts = Counter(e.intent for e in examples if e.intent not in IS_OUTSIDE)
    return learning_of(by_share, counts, taught=1.0 - 1.0 / of_folds)


def part_of(examples: Sequence[Example], share: float) -> list[Example]:
    """That share of each label's examples, one at least; always the same ones."""
    random = np.random.default_rng(_SEED)
    members: dict[str, list[Example]] = {}
    for example in examples:
        members.setdefault(example.intent, []).append(example)
    found: list[Example] = []
    for label in sorted(members):
        order = random.permutation(len(members[label])).tolist()
        found += [members[label][index] for index in order[: max(1, round(len(order) * share))]]
    return found


def _evaluation(
    judged: Sequence[Judged],
    examples: Mapping[str, int],
    task: str,
    *,
    scope: Scope | None,
    started: float,
    learning: Learning | None = None,
    folds: int = 0,
    model: str = "",
    fingerprint: str = "",
    notes: Sequence[str] = (),
) -> Evaluation:
    table = tally(judged)
    error, bins = calibration_of(table)
    return Evaluation(
        task=task,
        method="cross-validation" if folds else "test file",
        model=model,
        fingerprint=fingerprint,
        folds=folds,
        texts=len(judged),
        accuracy=accuracy_of(table),
        macro_f1=macro_f1_of(table),
        calibration_error=error,
        reliability=bins,
        labels=labels_of(table, examples),
        confusions=confusions_of(table, judged),
        scope=scope,
        learning=learning,
        notes=tuple(notes),
        seconds=round(time.perf_counter() - started, 2),
    )


def _unknown(judged: Sequence[Judged], known: frozenset[str]) -> Iterable[str]:
    unknown = Counter(each.label for each in judged if each.label not in known)
    for label, texts in sorted(unknown.items()):
        yield f"'{label}' ({texts} tests) is no label of this model: all of them count as wrong"


def _learnt_before(tests: Sequence[Example], seen: frozenset[str]) -> Iterable[str]:
    repeated = sum(for_intents(test.text) in seen for test in tests)
    if repeated:
        yield f"{repeated} of {len(tests)} tests are among the examples: the figures flatter"
