"""The figures are those of scikit-learn, and the intervals hold what they claim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as known
from sklearn.calibration import calibration_curve

from nlp.evaluation.metrics import (
    accuracy,
    auroc,
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

K = 5
PAIRS = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1, max_size=60)


@settings(max_examples=30)
@given(PAIRS)
def test_counts_and_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    counts = confusion(truth, predicted, K)
    assert (counts == known.confusion_matrix(truth, predicted, labels=range(K))).all()
    ours = scores(counts)
    theirs = known.precision_recall_fscore_support(truth, predicted, labels=range(K), zero_division=0.0)
    for mine, other in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        assert mine == pytest.approx(other)
    assert accuracy(truth, predicted) == pytest.approx(known.accuracy_score(truth, predicted))
    expected = known.f1_score(truth, predicted, average="macro", zero_division=0.0)
    assert macro_f1(truth, predicted, K) == pytest.approx(expected)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=40), st.lists(st.integers(0, 20), min_size=1, max_size=40))
def test_auroc_counts_ties_by_half(inside: list[int], outside: list[int]) -> None:
    good, bad = np.array(inside, dtype=np.float64), np.array(outside, dtype=np.float64)
    expected = known.roc_auc_score([1] * len(good) + [0] * len(bad), np.concatenate([good, bad]))
    assert auroc(good, bad) == pytest.approx(expected)


def test_reliability_has_the_bins_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    claimed = random.random(500)
    is_right = random.random(500) < claimed
    bins = reliability(claimed, is_right)
    right, mean = calibration_curve(is_right, claimed, n_bins=10)
    assert [each.right for each in bins] == pytest.approx(right)
    assert [each.claimed for each in bins] == pytest.approx(mean)
    assert sum(each.texts for each in bins) == 500


def test_a_claim_of_one_is_in_the_last_bin_and_a_perfect_claim_costs_nothing() -> None:
    bins = reliability(np.array([1.0, 1.0]), np.array([True, True]))
    assert [(each.low, each.texts) for each in bins] == [(0.9, 2)]
    assert calibration_error(bins) == 0.0
    assert calibration_error(reliability(np.array([0.9, 0.9]), np.array([False, False]))) == pytest.approx(0.9)
    assert calibration_error(()) == 0.0


def test_threshold_keeps_what_reaches_it_and_catches_what_is_below() -> None:
    inside, outside = np.array([0.2, 0.5, 0.9]), np.array([0.1, 0.5])
    kept, caught = kept_and_caught(inside, outside, np.array([0.0, 0.5, 1.0]))
    assert kept.tolist() == pytest.approx([1.0, 2 / 3, 0.0])
    assert caught.tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_caught_at_asks_for_the_threshold_that_keeps_so_many() -> None:
    inside = np.linspace(0.0, 1.0, 101)
    assert caught_at(inside, np.array([0.01, 0.04, 0.06, 0.5])) == 0.5
    assert caught_at(inside, np.array([])) == 0.0


def test_interval_holds_the_value_narrows_with_more_texts_and_is_always_the_same() -> None:
    is_right = np.arange(1_000) % 10 > 0
    few = bootstrapped(lambda rows: float(is_right[:50][rows].mean()), 50)
    many = bootstrapped(lambda rows: float(is_right[rows].mean()), 1_000)
    assert few.low <= 0.9 <= few.high
    assert many.value == 0.9
    assert many.high - many.low < few.high - few.low
    assert many == bootstrapped(lambda rows: float(is_right[rows].mean()), 1_000)
    assert 0.87 < many.low < many.high < 0.93  # the normal approximation says 0.881 to 0.919


def test_nothing_or_one_text_is_measured_without_an_error() -> None:
    nothing = np.array([], dtype=np.int64)
    assert accuracy(nothing, nothing) == 0.0
    assert macro_f1(nothing, nothing, 3) == 0.0
    one = np.array([0], dtype=np.int64)
    assert bootstrapped(lambda rows: accuracy(one[rows], one[rows]), 1).low == 1.0
    assert auroc_figure(np.array([1.0]), np.array([0.0])).value == 1.0
