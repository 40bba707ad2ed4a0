"""Fits a classifier from examples, and calibrates it on predictions made out of fold."""

from __future__ import annotations

import importlib.metadata
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from threadpoolctl import threadpool_limits

from gateway.core.errors import Misconfigured
from nlp.intents.corpus import Corpus, Labels, Vocabulary
from nlp.intents.damage import damaged
from nlp.intents.encoding import EncoderFailed, open_encoder
from nlp.intents.features import CHAR_NGRAMS, WORD_NGRAMS, Floats
from nlp.intents.fitting import Fitted, fit_machine
from nlp.intents.machine import Reading
from nlp.intents.model import (
    Calibration,
    Confusion,
    CurvePoint,
    ModelInfo,
    Weights,
    expected_calibration_error,
    joined_probabilities,
)
from nlp.intents.network import NetworkOptions
from nlp.intents.options import DEFAULTS, FitOptions
from nlp.intents.rejecting import ENOUGH_OUTSIDE, hidden_together, learn_head
from nlp.intents.scale import Scale
from nlp.intents.signals import LINEAR, TEXT, Head
from nlp.signals import read_by, without_moods
from nlp.text import for_intents
from nlp.training_data import TrainingData

REJECTED_SHARE = 0.025
"""The share of in-scope texts that the default threshold turns away (nlp.md: 2 to 3 %)."""

_SEED = 0
_QUANTILES = 201
_LIBRARIES = ("numpy", "scipy", "scikit-learn")
_MANY_TEXTS = 1_000  # from here on three folds will do
_FEWEST_HIDEABLE = 4  # intents
_MOST_CONFUSIONS = 50
_CURVE = 41
_NEVER_HELD_OUT = -1
_DENSE_WEIGHTS = (0.5, 1.0, 1.5)
_CLEARLY = 0.98  # of the loss: a network must earn its keep

Report = Callable[[str], None]


class _Rows(NamedTuple):
    """Normalised texts without repetitions, their labels, and the fold that holds each out."""

    texts: list[str]
    shown: list[str]
    intents: tuple[str, ...]
    labels: Labels
    fold_of: Labels
    outside: list[str]
    regularisation: float


class _OutOfFold(NamedTuple):
    """Readings of the texts ``rows`` by models that had not seen them."""

    rows: Labels
    reading: Reading


def fit(
    data: TrainingData,
    trained_at: datetime,
    report: Report = lambda _line: None,
    options: FitOptions = DEFAULTS,
) -> tuple[ModelInfo, Weights]:
    """Train on *data* with one thread; the same data gives the same model. *report* hears one line a step.

    Raises ``Misconfigured`` when there are fewer than two intents.
    """
    started = time.perf_counter()
    rows = _rows(data, options)
    report(f"{len(rows.texts)} texts, {len(rows.intents)} intents")
    with threadpool_limits(1):  # small products: more threads would only wait for one another
        return _fit(rows, data.fingerprint, started, trained_at, report, options)


def _fit(
    rows: _Rows, fingerprint: str, started: float, trained_at: datetime, report: Report, options: FitOptions
) -> tuple[ModelInfo, Weights]:
    encoder = open_encoder(options.encoder)
    vocabulary = Vocabulary(rows.texts, encoder)
    try:
        corpora = _weighted(_corpora(vocabulary, rows, options, report), rows)
    except EncoderFailed as error:
        raise Misconfigured("models", f"the encoder fails, so nothing was trained: {error}") from error
    layers, own = _out_of_fold(corpora, rows, options, report)
    labels = rows.labels[own.rows]
    scales = _scales(own.reading, labels)
    inside, outside, kind = _scope(vocabulary, corpora, rows, layers, report)
    report("the model that stays")
    fitted = fit_machine(corpora, rows.labels, len(rows.intents), layers, report, rows.regularisation)
    head = learn_head(fitted.machine.signal_names, inside, outside)
    calibration = _calibrate(scales, head.fit(own.reading.signals), head)
    probabilities = joined_probabilities(own.reading, *scales)
    curve, scope_metrics = _scope_curve(calibration, inside, outside)
    seconds = round(time.perf_counter() - started, 3)
    info = ModelInfo(
        intents=rows.intents,
        fingerprint=fingerprint,
        calibration=calibration,
        metrics=_metrics(probabilities, labels) | scope_metrics | {"texts": float(len(rows.texts)), "seconds": seconds},
        settings=_settings(rows, layers, corpora, kind)
        | {"reads": options.reads, "encoder": options.encoder, "dense_weight": corpora[0].dense_weight}
        | {"dense_size": 0 if encoder is None else encoder.size},
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
        trained_at=trained_at.isoformat(timespec="seconds"),
        confusions=_confusions(probabilities, labels, rows.intents),
        curve=curve,
    )
    idf = np.concatenate(fitted.idf).astype(np.float32)
    return info, Weights(vocabulary.words, vocabulary.grams, idf, fitted.machine, rows.shown, rows.labels)


def _rows(data: TrainingData, options: FitOptions) -> _Rows:
    shown: dict[tuple[str, str], str] = {}
    normalise = read_by(options.reads)
    for example in data.examples:
        pair = (normalise(example.text), example.intent)
        shown[pair] = min(shown.get(pair, example.text), example.text)
    pairs = sorted(shown)
    intents = tuple(sorted({intent for _, intent in pairs}))
    if len(intents) < 2:
        raise Misconfigured("bot.path", f"nlu/ has {len(intents)} intent(s); a classifier needs two or more")
    number = {intent: index for index, intent in enumerate(intents)}
    labels = np.array([number[intent] for _, intent in pairs], dtype=np.int64)
    sizes = np.bincount(labels)
    names = [
        (text, index)
        for index, intent in enumerate(intents)
        if sizes[index] <= options.names_up_to and (text := _words_of_name(intent)) and (text, intent) not in shown
    ]
    fold_of = _folds(labels, _n_folds(len(labels)))
    return _Rows(
        [text for text, _ in pairs] + [text for text, _ in names],
        [shown[pair][:500] for pair in pairs] + [text for text, _ in names],
        intents,
        np.concatenate([labels, np.array([index for _, index in names], dtype=np.int64)]),
        np.concatenate([fold_of, np.full(len(names), _NEVER_HELD_OUT)]),
        sorted({normalise(example.text) for example in data.outside}),
        options.regularisation,
    )


def _words_of_name(intent: str) -> str:
    """``RefundStatus``, ``refund_status``, ``faq/refund-status`` -> the words of it."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", intent)
    return for_intents(" ".join(re.findall(r"[^\W_]+", apart)))


def _n_folds(n_texts: int) -> int:
    return 3 if n_texts > _MANY_TEXTS else 5


def _folds(labels: Labels, n_folds: int) -> Labels:
    """A fold for each text, every intent spread evenly over the folds."""
    random = np.random.default_rng(_SEED)
    fold_of = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        fold_of[members] = (np.arange(len(members)) + label) % n_folds
    return fold_of


def _layers(rows: _Rows, options: FitOptions) -> NetworkOptions | None:
    is_tried = options.network == "always" or (
        options.network == "auto" and len(rows.texts) >= options.network_from_texts
    )
    return options.layers if is_tried else None


def _corpora(vocabulary: Vocabulary, rows: _Rows, options: FitOptions, report: Report) -> list[Corpus]:
    """The texts, and damaged copies of them where they help."""
    clean = vocabulary.read(rows.texts)
    if options.reads == "sentiment":  # so that words count beside the moods that lists give them
        return [clean, vocabulary.read([without_moods(text) for text in rows.texts])]
    is_rich = len(rows.texts) >= options.damage_from_texts * len(rows.intents)
    if options.damage == "never" or (options.damage == "auto" and not is_rich):
        return [clean]
    copies = [vocabulary.read(damaged(rows.texts, seed)) for seed in range(1, options.copies + 1)]
    if options.damage == "always" or _copies_help(clean, copies, rows, vocabulary):
        report("damaged copies help")
        return [clean, *copies]
    report("damaged copies do not help")
    return [clean]


def _weighted(corpora: list[Corpus], rows: _Rows) -> list[Corpus]:
    """With the weight of sentence vectors that the linear model does best with on a fold it has not seen."""
    clean = corpora[0]
    if clean.dense is None:
        return corpora
    training, held_out = np.flatnonzero(rows.fold_of != 0), np.flatnonzero(rows.fold_of == 0)
    right: list[tuple[int, float]] = []
    for weight in _DENSE_WEIGHTS:
        tried = clean._replace(dense_weight=weight)
        fitted = fit_machine([tried.chosen(training)], rows.labels[training], len(rows.intents), None)
        said = fitted.read(tried.chosen(held_out)).decisions.argmax(axis=1)
        right.append((int((said == rows.labels[held_out]).sum()), -weight))
    chosen = -max(right)[1]
    return [corpus._replace(dense_weight=chosen) for corpus in corpora]


def _copies_help(clean: Corpus, copies: list[Corpus], rows: _Rows, vocabulary: Vocabulary) -> bool:
    """On one fold that the linear model has not seen: damaged texts are understood better, others not worse."""
    training, held_out = np.flatnonzero(rows.fold_of != 0), np.flatnonzero(rows.fold_of == 0)
    fresh = vocabulary.read(damaged([rows.texts[row] for row in held_out], len(copies) + 1))
    labels, n_labels = rows.labels, len(rows.intents)
    right: list[tuple[int, int]] = []
    for variants in ([clean], [clean, *copies]):
        fitted = fit_machine([each.chosen(training) for each in variants], labels[training], n_labels, None)
        found = [fitted.read(texts).decisions.argmax(axis=1) for texts in (clean.chosen(held_out), fresh)]
        right.append((int((found[0] == labels[held_out]).sum()), int((found[1] == labels[held_out]).sum())))
    (clean_without, damaged_without), (clean_with, damaged_with) = right
    return clean_with >= clean_without and damaged_with > damaged_without


def _out_of_fold(
    corpora: list[Corpus], rows: _Rows, options: FitOptions, report: Report
) -> tuple[NetworkOptions | None, _OutOfFold]:
    """Every text read by a model that has seen neither it nor a copy of it; and whether with a network.

    A network that does not help on the first fold is not tried on the others.
    """
    layers = _layers(rows, options)
    n_folds = _n_folds(int((rows.fold_of >= 0).sum()))
    found: list[_OutOfFold] = []
    for fold in range(n_folds):
        training, held_out = np.flatnonzero(rows.fold_of != fold), np.flatnonzero(rows.fold_of == fold)
        if len(np.unique(rows.labels[training])) < 2 or not len(held_out):
            continue
        report(f"cross-validation {fold + 1} of {n_folds}")
        fitted = _fit_part(corpora, rows, training, layers)
        reading = fitted.read(corpora[0].chosen(held_out))
        if not found and options.network == "auto" and not _helps(reading, rows.labels[held_out]):
            layers, reading = None, _without_network(reading)
        found.append(_OutOfFold(held_out, reading))
    if not found:  # two intents of one text each: nothing can be held out
        everything = np.arange(len(rows.labels))
        fitted = _fit_part(corpora, rows, everything, layers)
        found.append(_OutOfFold(everything, fitted.read(corpora[0])))
    return layers, _OutOfFold(np.concatenate([each.rows for each in found]), _joined([each.reading for each in found]))


def _helps(reading: Reading, labels: Labels) -> bool:
    """Whether the network makes held-out texts clearly likelier, and no more of them wrong."""
    if reading.logits is None:
        return False
    alone, both = _likeliest(_without_network(reading), labels), _likeliest(reading, labels)
    right = [int((joined_probabilities(reading, *found.x).argmax(axis=1) == labels).sum()) for found in (alone, both)]
    return right[1] >= right[0] and both.fun < _CLEARLY * alone.fun


def _fit_part(corpora: list[Corpus], rows: _Rows, part: Labels, layers: NetworkOptions | None) -> Fitted:
    parts = [each.chosen(part) for each in corpora]
    return fit_machine(parts, rows.labels[part], len(rows.intents), layers, regularisation=rows.regularisation)


def _joined(readings: Sequence[Reading]) -> Reading:
    logits = [each.logits for each in readings if each.logits is not None]
    return Reading(
        np.concatenate([each.decisions for each in readings]),
        np.concatenate(logits) if logits else None,
        np.concatenate([each.signals for each in readings]),
    )


def _without_network(reading: Reading) -> Reading:
    chosen = [*range(len(LINEAR)), *range(reading.signals.shape[1])[-len(TEXT) :]]
    return Reading(reading.decisions, None, reading.signals[:, chosen])


def _scope(
    vocabulary: Vocabulary, corpora: list[Corpus], rows: _Rows, layers: NetworkOptions | None, report: Report
) -> tuple[Floats, Floats, str]:
    """Signals of texts in scope and out of scope, by models that saw neither; and where the latter come from."""
    clean = corpora[0]
    given = vocabulary.read(rows.outside)._replace(dense_weight=clean.dense_weight) if rows.outside else None
    is_given = len(rows.outside) >= ENOUGH_OUTSIDE
    n_folds = min(_n_folds(len(rows.labels)), len(rows.intents))
    is_hideable = len(rows.intents) >= _FEWEST_HIDEABLE and not is_given
    hidden_in = np.full(len(rows.intents), _NEVER_HELD_OUT)
    if is_hideable:
        hidden_in = hidden_together(clean.weighed(clean.idf()).matrix, rows.labels, len(rows.intents), n_folds)
    inside: list[Floats] = []
    outside: list[Floats] = []
    for fold in range(n_folds):
        is_hidden = hidden_in[rows.labels] == fold
        is_held_out = (rows.fold_of == fold) & ~is_hidden
        training = np.flatnonzero(~is_hidden & ~is_held_out)
        if len(np.unique(rows.labels[training])) < 2:
            continue
        report(f"out of scope {fold + 1} of {n_folds}")
        fitted = _fit_part(corpora, rows, training, layers)
        inside.append(fitted.read(clean.chosen(np.flatnonzero(is_held_out))).signals)
        if is_hideable:
            outside.append(fitted.read(clean.chosen(np.flatnonzero(is_hidden))).signals)
        if given is not None and fold < len(rows.outside):
            outside.append(fitted.read(given.chosen(np.arange(fold, len(rows.outside), n_folds))).signals)
    kind = "given" if is_given else "hidden intents" if is_hideable else "none"
    if not inside:
        everything = _fit_part(corpora, rows, np.arange(len(rows.labels)), layers)
        inside = [everything.read(clean).signals]
    width = inside[0].shape[1]
    empty = np.zeros((0, width), dtype=np.float32)
    return np.concatenate(inside), np.concatenate([empty, *outside]), kind


def _scales(reading: Reading, labels: Labels) -> tuple[float, float]:
    """The weights of decisions and logits in the probabilities."""
    found = _likeliest(reading, labels).x
    return float(found[0]), float(found[1])


def _likeliest(reading: Reading, labels: Labels) -> optimize.OptimizeResult:
    """The scales with the best likelihood; that of a network that is not there is 0."""

    def loss(scales: NDArray[np.float64]) -> float:
        values = reading.decisions * scales[0]
        if reading.logits is not None:
            values = values + reading.logits * scales[1]
        values = values - values.max(axis=1, keepdims=True)
        likelihood = values[np.arange(len(labels)), labels] - np.log(np.exp(values).sum(axis=1))
        return float(-likelihood.mean())

    begun, most = ([5.0, 0.0], 0.0) if reading.logits is None else ([2.0, 0.5], 10.0)
    return optimize.minimize(loss, begun, bounds=[(0.05, 50.0), (0.0, most)], method="L-BFGS-B")


def _calibrate(scales: tuple[float, float], fits: Floats, head: Head) -> Calibration:
    rising = np.maximum.accumulate(np.quantile(fits, np.linspace(0.0, 1.0, _QUANTILES)))
    in_scope = tuple(float(value) for value in rising)
    return Calibration(*scales, head, in_scope, len(fits), REJECTED_SHARE)


def _metrics(probabilities: Floats, labels: Labels) -> dict[str, float]:
    said = probabilities.argmax(axis=1)
    is_right = said == labels
    return {
        "accuracy": round(float(is_right.mean()), 4),
        "macro_f1": round(_macro_f1(said, labels), 4),
        "calibration_error": round(expected_calibration_error(probabilities.max(axis=1), is_right), 4),
    }


def _macro_f1(said: Labels, meant: Labels) -> float:
    n_labels = int(max(said.max(), meant.max())) + 1
    right = np.bincount(meant[said == meant], minlength=n_labels)
    total = np.bincount(said, minlength=n_labels) + np.bincount(meant, minlength=n_labels)
    occurs = np.bincount(meant, minlength=n_labels) > 0
    return float((2.0 * right[occurs] / total[occurs]).mean())


def _scope_curve(
    calibration: Calibration, inside: Floats, outside: Floats
) -> tuple[tuple[CurvePoint, ...], dict[str, float]]:
    """What each threshold would keep and catch, and how well the two can be told apart at all."""
    if not len(outside):
        return (), {}
    scale = Scale(calibration.head, calibration.in_scope, calibration.sample_size)
    kept, caught = (np.array([scale.score(row) for row in each.tolist()]) for each in (inside, outside))
    thresholds = np.round(np.linspace(0.0, 0.5, _CURVE), 4)
    ordered = np.sort(kept)
    below = np.searchsorted(ordered, caught, "left") + np.searchsorted(ordered, caught, "right")
    curve = tuple(
        CurvePoint(float(at), round(float((kept >= at).mean()), 4), round(float((caught < at).mean()), 4))
        for at in thresholds
    )
    return curve, {
        "auroc": round(1.0 - float(below.mean()) / (2 * len(kept)), 4),
        "r95": round(float((caught < np.quantile(kept, 0.05)).mean()), 4),
    }


def _confusions(probabilities: Floats, labels: Labels, intents: tuple[str, ...]) -> tuple[Confusion, ...]:
    said = probabilities.argmax(axis=1)
    pairs = Counter(zip(labels[said != labels].tolist(), said[said != labels].tolist(), strict=True))
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CONFUSIONS]
    return tuple(Confusion(intents[meant], intents[taken], count) for (meant, taken), count in ranked)


def _settings(
    rows: _Rows, layers: NetworkOptions | None, corpora: Sequence[Corpus], kind: str
) -> dict[str, str | float]:
    return {
        "kind": "linear" if layers is None else "linear and network",
        "C": rows.regularisation,
        "hidden": 0 if layers is None else layers.hidden,
        "damaged_copies": len(corpora) - 1,
        "words": "{}-{}".format(*WORD_NGRAMS),
        "characters": "{}-{}".format(*CHAR_NGRAMS),
        "folds": _n_folds(len(rows.labels)),
        "outside": kind,
        "rejected_share": REJECTED_SHARE,
        "seed": _SEED,
    }
