"""How good the coarse signal is, per language, beside two simpler ways to get it.

The texts of ``held_out/`` were never used to choose anything. F1 is in percent; *counting* adds up the words of
:mod:`nlp.moods` and nothing else, *words only* is the same classifier without the signals of :mod:`nlp.signals`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np

from nlp.intents.model import Model, expected_calibration_error
from nlp.sentiment.feeling import LABELS, NEGATIVE, NEUTRAL, POSITIVE, Label, feelings
from nlp.sentiment.training import LANGUAGES, fit, held_out, training_data
from nlp.signals import for_sentiment
from nlp.training_data import Example

BATCH = 64


class Figures(msgspec.Struct, frozen=True):
    """One way, one language. ``macro_f1`` over the three labels, ``negative_f1`` of negative or not; percent."""

    way: str
    language: str
    texts: int
    macro_f1: float
    negative_f1: float
    negative_precision: float
    negative_recall: float


class Measured(msgspec.Struct, frozen=True):
    """``calibration_error`` is of the probability of *negative*; ``us_per_text`` is of one core, in batches of 64."""

    figures: tuple[Figures, ...]
    calibration_error: float
    us_per_text: float
    learnt_from: int
    fit_s: float


def measure() -> Measured:
    """Train on the texts of the package, judge the ones written apart; half a minute at most."""
    from nlp.intents.options import QUICK
    from nlp.intents.training import fit as fit_intents

    data, tests = training_data(), held_out().examples
    started = time.perf_counter()
    model = Model(*fit(data, datetime.now(UTC)))
    fitted = time.perf_counter()
    plain = Model(*fit_intents(data, datetime.now(UTC), options=QUICK))
    ways: tuple[tuple[str, Callable[[Sequence[str]], list[Label]]], ...] = (
        ("tertulia", lambda texts: [one.label for one in feelings(model, texts)]),
        ("words only", lambda texts: [one.label for one in feelings(plain, texts)]),
        ("counting", lambda texts: [_counted(text) for text in texts]),
    )
    figures = [_figures(name, language, tests, way) for name, way in ways for language in LANGUAGES]
    texts = [one.text for one in tests]
    negative = np.array([one.negative for one in feelings(model, texts)])
    is_negative = np.array([one.intent == NEGATIVE for one in tests])
    error = expected_calibration_error(np.maximum(negative, 1 - negative), (negative >= 0.5) == is_negative)
    return Measured(tuple(figures), round(error, 3), _us_per_text(model, texts), len(data.examples), fitted - started)


def as_table(measured: Measured) -> str:
    """For a terminal."""
    lines = [f"{'':12}{'':4}{'texts':>6}{'macro F1':>10}{'negative F1':>13}{'precision':>11}{'recall':>8}"]
    lines += [
        f"{one.way:12}{one.language:4}{one.texts:6}{one.macro_f1:10.1f}{one.negative_f1:13.1f}"
        f"{one.negative_precision:11.1f}{one.negative_recall:8.1f}"
        for one in measured.figures
    ]
    lines.append(
        f"learnt from {measured.learnt_from} texts in {measured.fit_s:.1f} s; {measured.us_per_text:.0f} µs a text in "
        f"batches of {BATCH}; calibration error of 'negative' {measured.calibration_error:.3f}"
    )
    return "\n".join(lines) + "\n"


def _figures(
    name: str, language: str, tests: Sequence[Example], way: Callable[[Sequence[str]], list[Label]]
) -> Figures:
    mine = [one for one in tests if one.language == language]
    meant = [one.intent for one in mine]
    said = way([one.text for one in mine])
    scores = {label: _scores(meant, said, label) for label in LABELS}
    precision, recall, negative_f1 = scores[NEGATIVE]
    macro = sum(f1 for _, _, f1 in scores.values()) / len(LABELS)
    return Figures(
        name, language, len(mine), *(round(100 * share, 1) for share in (macro, negative_f1, precision, recall))
    )


def _scores(meant: Sequence[str], said: Sequence[str], label: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of one label."""
    both = sum(a == b == label for a, b in zip(meant, said, strict=True))
    precision = both / max(1, said.count(label))
    recall = both / max(1, meant.count(label))
    return precision, recall, 2 * both / max(1, said.count(label) + meant.count(label))


def _counted(text: str) -> Label:
    words = for_sentiment(text).split()
    good = words.count("_glad_") + words.count("_fine_") + words.count("_happy_")
    bad = words.count("_cross_") + words.count("_lacks_") + words.count("_angry_") + words.count("_upset_")
    if good == bad:
        return NEUTRAL
    return POSITIVE if good > bad else NEGATIVE


def _us_per_text(model: Model, texts: Sequence[str]) -> float:
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    best = float("inf")
    for _ in range(5):
        started = time.thread_time()
        for batch in batches:
            feelings(model, batch)
        best = min(best, time.thread_time() - started)
    return best / len(texts) * 1e6
