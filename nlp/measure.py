"""Measures the classifier on a folder of JSON lines: ``python -m nlp.measure FOLDER …``.

A folder holds ``train.jsonl`` and ``test.jsonl`` with ``text`` and ``intent``; the intent ``oos`` is out of scope.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nlp.intents.model import Model, Prediction
from nlp.intents.training import fit
from nlp.training_data import Example, TrainingData

OUT_OF_SCOPE = "oos"
_BATCH = 64


class _Line(msgspec.Struct, frozen=True):
    text: str
    intent: str


class Measured(msgspec.Struct, frozen=True):
    """Percentages; ``auroc`` and ``r95`` (out-of-scope texts caught with 95 % of the others kept) where there are any.

    ``kept`` and ``caught`` are the same at the model's own threshold. ``us_per_text`` in batches of 64.
    """

    acc: float
    fit_s: float
    us_per_text: float
    auroc: float | None = None
    r95: float | None = None
    kept: float | None = None
    caught: float | None = None


def measure(folder: Path) -> Measured:
    """Train on the one file, test on the other."""
    training = [line for line in _read(folder / "train.jsonl") if line.intent != OUT_OF_SCOPE]
    test = _read(folder / "test.jsonl")
    started = time.perf_counter()
    model = Model(*fit(TrainingData(tuple(Example(line.text, line.intent) for line in training)), datetime.now(UTC)))
    fitted = time.perf_counter()
    predictions = _predict(model, [line.text for line in test])
    predicted = time.perf_counter()
    is_inside = np.array([line.intent != OUT_OF_SCOPE for line in test])
    is_right = np.array([p.candidates[0].intent == line.intent for p, line in zip(predictions, test, strict=True)])
    return Measured(
        acc=_percent(float(is_right[is_inside].mean())),
        fit_s=round(fitted - started, 1),
        us_per_text=round((predicted - fitted) / len(test) * 1e6, 1),
        **_scope(np.array([each.score for each in predictions]), is_inside, model.info.calibration.threshold),
    )


def _scope(scores: NDArray[np.float64], is_inside: NDArray[np.bool_], threshold: float) -> dict[str, float]:
    inside, outside = scores[is_inside], scores[~is_inside]
    if not len(outside):
        return {}
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left") + np.searchsorted(ordered, outside, "right")
    return {
        "auroc": _percent(1.0 - float(below.mean()) / (2 * len(inside))),
        "r95": _percent(float((outside < np.quantile(inside, 0.05)).mean())),
        "kept": _percent(float((inside >= threshold).mean())),
        "caught": _percent(float((outside < threshold).mean())),
    }


def _predict(model: Model, texts: list[str]) -> list[Prediction]:
    found: list[Prediction] = []
    for start in range(0, len(texts), _BATCH):
        found += model.predict(texts[start : start + _BATCH])
    return found


def _read(path: Path) -> list[_Line]:
    return [msgspec.json.decode(line, type=_Line) for line in path.read_bytes().splitlines() if line]


def _percent(share: float) -> float:
    return round(share * 100, 1)


if __name__ == "__main__":
    measured = {Path(name).name: measure(Path(name)) for name in sys.argv[1:]}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(measured)).decode() + "\n")
