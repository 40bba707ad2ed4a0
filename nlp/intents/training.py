"""Fits a classifier from examples with scikit-learn, and calibrates it on predictions made out of fold."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from gateway.core.errors import Misconfigured
from nlp.intents.features import CHAR_NGRAMS, WORD, WORD_NGRAMS, Floats
from nlp.intents.model import Calibration, ModelInfo, Weights, expected_calibration_error
from nlp.text import for_intents
from nlp.training_data import TrainingData

REGULARISATION = 0.5  # LinearSVC's C
FOLDS = 5
REJECTED_SHARE = 0.025
"""The share of in-scope texts that the default threshold turns away (nlp.md: 2 to 3 %)."""

UNSEEN_WEIGHTS = (0.5, 1.0)
"""What unseen words and unseen character n-grams take from a text's fit (docs/decisions/0003-intent-prediction.md)."""

_SEED = 0
_QUANTILES = 201
_LIBRARIES = ("numpy", "scipy", "scikit-learn")

Labels = NDArray[np.int64]
Counts = tuple[sparse.csr_matrix, sparse.csr_matrix]


def fit(
    data: TrainingData, trained_at: datetime, report: Callable[[str], None] = lambda _line: None
) -> tuple[ModelInfo, Weights]:
    """Train on *data*; the same data gives the same model. *report* hears one line a step.

    Raises ``Misconfigured`` when there are fewer than two intents.
    """
    started = time.perf_counter()
    texts, intents, labels = _rows(data)
    report(f"{len(texts)} texts, {len(intents)} intents")
    readers = _readers()
    counts: Counts = (readers[0].fit_transform(texts), readers[1].fit_transform(texts))
    is_unigram = np.array([" " not in word for word in readers[0].get_feature_names_out()])
    decisions, unseen = _out_of_fold(counts, is_unigram, labels, len(intents), report)
    calibration = _calibrate(decisions, unseen, labels)
    metrics = _metrics(decisions, labels, calibration)
    everything = np.arange(len(texts))
    idf = _idf(counts, everything)
    weights, bias = _fit_linear(_weigh(counts, idf), labels, len(intents))
    metrics["seconds"] = round(time.perf_counter() - started, 3)
    info = ModelInfo(
        intents=intents,
        fingerprint=data.fingerprint,
        calibration=calibration,
        metrics=metrics,
        settings={"kind": "linear_svc", "C": REGULARISATION, "folds": FOLDS, "rejected_share": REJECTED_SHARE},
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
        trained_at=trained_at.isoformat(timespec="seconds"),
    )
    words, grams = (reader.get_feature_names_out().tolist() for reader in readers)
    return info, Weights(words, grams, np.concatenate(idf).astype(np.float32), weights, bias)


def _rows(data: TrainingData) -> tuple[list[str], tuple[str, ...], Labels]:
    """Normalised texts without repetitions, the intents' names, and each text's intent by number."""
    pairs = sorted({(for_intents(example.text), example.intent) for example in data.examples})
    intents = tuple(sorted({intent for _, intent in pairs}))
    if len(intents) < 2:
        raise Misconfigured("bot.path", f"nlu/ has {len(intents)} intent(s); a classifier needs two or more")
    number = {intent: index for index, intent in enumerate(intents)}
    return [text for text, _ in pairs], intents, np.array([number[intent] for _, intent in pairs], dtype=np.int64)


def _readers() -> tuple[CountVectorizer, CountVectorizer]:
    return (
        CountVectorizer(ngram_range=WORD_NGRAMS, token_pattern=WORD, lowercase=False, dtype=np.float32),
        CountVectorizer(analyzer="char_wb", ngram_range=CHAR_NGRAMS, lowercase=False, dtype=np.float32),
    )


def _idf(counts: Counts, rows: Labels) -> list[Floats]:
    """Smoothed inverse document frequency over *rows*; 0 for what does not occur there, as if it were unknown."""
    found: list[Floats] = []
    for block in counts:
        seen = np.bincount(block[rows].indices, minlength=block.shape[1])
        idf = TfidfTransformer().fit(block[rows]).idf_
        found.append(np.where(seen > 0, idf, 0.0).astype(np.float32))
    return found


def _weigh(counts: Counts, idf: list[Floats]) -> sparse.csr_matrix:
    """TF-IDF rows, sublinear, each block of length 1."""
    blocks: list[sparse.csr_matrix] = []
    for block, weights in zip(counts, idf, strict=True):
        weighed = block.astype(np.float32)
        weighed.data = (1.0 + np.log(weighed.data)) * weights[weighed.indices]
        blocks.append(normalize(weighed, copy=False))
    return sparse.hstack(blocks, format="csr")


def _fit_linear(rows: sparse.csr_matrix, labels: Labels, n_intents: int) -> tuple[Floats, Floats]:
    """One against the rest; an intent without an example among *rows* gets a decision value of -1 everywhere."""
    machine = LinearSVC(C=REGULARISATION, random_state=_SEED, max_iter=20_000).fit(rows, labels)
    present = machine.classes_
    coefficients, intercepts = machine.coef_, machine.intercept_
    if len(present) == 2:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.array([-intercepts[0], intercepts[0]])
    weights = np.zeros((rows.shape[1], n_intents), dtype=np.float32)
    bias = np.full(n_intents, -1.0, dtype=np.float32)
    weights[:, present] = coefficients.T.astype(np.float16)
    bias[present] = intercepts
    return weights, bias


def _out_of_fold(
    counts: Counts, is_unigram: NDArray[np.bool_], labels: Labels, n_intents: int, report: Callable[[str], None]
) -> tuple[Floats, Floats]:
    """Decision values ``(n, n_intents)`` and unseen shares ``(n, 2)`` of each text by a model that has not seen it."""
    fold_of = _folds(labels)
    decisions = np.zeros((len(labels), n_intents), dtype=np.float32)
    unseen = np.zeros((len(labels), 2), dtype=np.float32)
    for fold in range(FOLDS):
        training, held_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        if len(np.unique(labels[training])) < 2 or not len(held_out):
            continue
        idf = _idf(counts, training)
        rows = _weigh(counts, idf)
        weights, bias = _fit_linear(rows[training], labels[training], n_intents)
        decisions[held_out] = rows[held_out] @ weights + bias
        unseen[held_out, 0] = _unseen_share(counts[0][held_out], is_unigram, idf[0] > 0)
        unseen[held_out, 1] = _unseen_share(counts[1][held_out], np.ones(len(idf[1]), dtype=np.bool_), idf[1] > 0)
        report(f"fold {fold + 1} of {FOLDS}")
    return decisions, unseen


def _unseen_share(counts: sparse.csr_matrix, counted: NDArray[np.bool_], is_known: NDArray[np.bool_]) -> Floats:
    """For each row, the share of its *counted* n-grams that are not known; 1 where it has none."""
    total = counts @ counted.astype(np.float32)
    known = counts @ (counted & is_known).astype(np.float32)
    share: Floats = np.where(total > 0, 1.0 - known / np.maximum(total, 1.0), 1.0)
    return share


def _folds(labels: Labels) -> Labels:
    """A fold for each text, every intent spread evenly over the folds."""
    random = np.random.default_rng(_SEED)
    fold_of = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        fold_of[members] = (np.arange(len(members)) + label) % FOLDS
    return fold_of


def _calibrate(decisions: Floats, unseen: Floats, labels: Labels) -> Calibration:
    """The temperature with the best likelihood, and how well in-scope texts fit.

    Only those that were understood count: to turn away a text that would be answered wrongly is no loss.
    """

    def loss(log_temperature: float) -> float:
        scaled = decisions / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        likelihood = scaled[np.arange(len(labels)), labels] - np.log(np.exp(scaled).sum(axis=1))
        return float(-likelihood.mean())

    temperature = float(np.exp(optimize.minimize_scalar(loss, bounds=(-4.0, 2.0), method="bounded").x))
    is_right = decisions.argmax(axis=1) == labels
    fits = decisions.max(axis=1) - unseen @ np.array(UNSEEN_WEIGHTS, dtype=np.float32)
    understood = fits[is_right] if is_right.any() else fits
    rising = np.maximum.accumulate(np.quantile(understood, np.linspace(0.0, 1.0, _QUANTILES)))
    in_scope = tuple(float(value) for value in rising)
    return Calibration(temperature, UNSEEN_WEIGHTS, in_scope, len(understood), REJECTED_SHARE)


def _metrics(decisions: Floats, labels: Labels, calibration: Calibration) -> dict[str, float]:
    scaled = decisions / calibration.temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    probabilities = np.exp(scaled)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    is_right = decisions.argmax(axis=1) == labels
    return {
        "texts": float(len(labels)),
        "accuracy": round(float(is_right.mean()), 4),
        "calibration_error": round(expected_calibration_error(probabilities.max(axis=1), is_right), 4),
    }
