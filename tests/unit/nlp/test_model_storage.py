"""A model as files: what was packed comes back, and what is damaged is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gateway.core.errors import Misconfigured
from nlp.intents import QUICK, Model
from nlp.intents.storage import FORMAT, pack, unpack
from nlp.intents.training import fit
from nlp.training_data import Example, TrainingData

DATA = TrainingData(
    tuple(
        Example(text, intent)
        for intent, texts in {
            "balance": ["my balance", "how much is left", "saldo", "cuánto me queda"],
            "bill": ["my bill", "how much do i owe", "factura", "pagar recibo"],
        }.items()
        for text in texts
    )
)
TEXTS = ["my balance please", "pagar la factura", "xyz", ""]


def packed() -> tuple[Model, dict[str, bytes]]:
    info, weights = fit(DATA, datetime.now(UTC), options=QUICK)
    return Model(info, weights), pack(info, weights)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return packed()[1]


def test_an_unpacked_model_predicts_as_before() -> None:
    trained, files = packed()
    loaded = unpack(files)
    assert loaded.predict(TEXTS) == trained.predict(TEXTS)
    assert loaded.info == trained.info
    assert loaded.info.fingerprint == DATA.fingerprint
    assert set(loaded.info.metrics) >= {"accuracy", "calibration_error", "seconds", "texts"}


def test_nothing_is_pickled(files: dict[str, bytes]) -> None:
    assert sorted(files) == ["model.json", "weights.npz"]
    assert b"numpy" not in files["weights.npz"]


def flip_a_byte(files: dict[str, bytes]) -> None:
    content = bytearray(files["weights.npz"])
    content[len(content) // 2] ^= 0xFF
    files["weights.npz"] = bytes(content)


def truncate(files: dict[str, bytes]) -> None:
    files["weights.npz"] = files["weights.npz"][: len(files["weights.npz"]) // 2]


def break_json(files: dict[str, bytes]) -> None:
    files["model.json"] = b'{"format": 2, "weights'


def change_format(files: dict[str, bytes]) -> None:
    files["model.json"] = json.dumps({**json.loads(files["model.json"]), "format": 99}).encode()


def remove_weights(files: dict[str, bytes]) -> None:
    del files["weights.npz"]


def add_an_intent(files: dict[str, bytes]) -> None:
    described = json.loads(files["model.json"])
    described["info"]["intents"].append("third")
    files["model.json"] = json.dumps(described).encode()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, "checksum differs"),
        (truncate, "checksum differs"),
        (break_json, "not understood"),
        (change_format, rf"has format 99, this release reads format {FORMAT}"),
        (remove_weights, r"weights\.npz: not there"),
        (add_an_intent, "do not belong together"),
    ],
)
def test_damaged_files_are_refused(
    files: dict[str, bytes], damage: Callable[[dict[str, bytes]], None], words: str
) -> None:
    damaged = dict(files)
    damage(damaged)
    with pytest.raises(Misconfigured, match=words):
        unpack(damaged)
