"""Model folders: what was stored comes back, and what is damaged is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.core.errors import Misconfigured
from nlp.intents import latest_version, load, load_or_train, train
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


def test_a_stored_model_predicts_as_before(tmp_path: Path) -> None:
    trained = train(DATA, tmp_path)
    loaded = load(tmp_path)
    assert loaded.predict(TEXTS) == trained.predict(TEXTS)
    assert loaded.info == trained.info
    assert loaded.info.version == "v0001"
    assert loaded.info.fingerprint == DATA.fingerprint
    assert set(loaded.info.metrics) >= {"accuracy", "calibration_error", "seconds", "texts"}


def test_versions_count_up_and_latest_names_the_last(tmp_path: Path) -> None:
    assert latest_version(tmp_path) == ""
    train(DATA, tmp_path)
    train(DATA, tmp_path)
    assert latest_version(tmp_path) == "v0002"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "v0001", "v0002"]
    assert load(tmp_path, "v0001").info.version == "v0001"


def test_a_model_is_trained_only_when_its_data_changed(tmp_path: Path) -> None:
    assert load_or_train(DATA, tmp_path).info.version == "v0001"
    assert load_or_train(DATA, tmp_path).info.version == "v0001"
    changed = TrainingData((*DATA.examples, Example("recibo de luz", "bill")))
    assert load_or_train(changed, tmp_path).info.version == "v0002"


def test_nothing_is_pickled(tmp_path: Path) -> None:
    train(DATA, tmp_path)
    assert sorted(path.name for path in (tmp_path / "v0001").iterdir()) == ["model.json", "weights.npz"]
    assert b"numpy" not in (tmp_path / "v0001" / "weights.npz").read_bytes()


def test_without_a_model_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="run `tertulia train`"):
        load(tmp_path)


def flip_a_byte(place: Path) -> None:
    content = bytearray((place / "weights.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (place / "weights.npz").write_bytes(content)


def truncate(place: Path) -> None:
    content = (place / "weights.npz").read_bytes()
    (place / "weights.npz").write_bytes(content[: len(content) // 2])


def break_json(place: Path) -> None:
    (place / "model.json").write_text('{"format": 2, "weights')


def change_format(place: Path) -> None:
    described = json.loads((place / "model.json").read_text())
    (place / "model.json").write_text(json.dumps({**described, "format": 99}))


def remove_weights(place: Path) -> None:
    (place / "weights.npz").unlink()


def drop_an_intent(place: Path) -> None:
    described = json.loads((place / "model.json").read_text())
    described["info"]["intents"].append("third")
    (place / "model.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flip_a_byte, "checksum differs"),
        (truncate, "checksum differs"),
        (break_json, "not understood"),
        (change_format, "has format 99, this release reads format 2"),
        (remove_weights, "No such file"),
        (drop_an_intent, "do not belong together"),
    ],
)
def test_a_damaged_model_is_refused_with_its_place(tmp_path: Path, damage, words: str) -> None:
    train(DATA, tmp_path)
    damage(tmp_path / "v0001")
    with pytest.raises(Misconfigured, match=words) as caught:
        load(tmp_path)
    assert "v0001" in str(caught.value)


def test_a_latest_that_names_nonsense_is_refused(tmp_path: Path) -> None:
    train(DATA, tmp_path)
    (tmp_path / "latest").write_text("../../etc")
    with pytest.raises(Misconfigured, match="does not name a version"):
        load(tmp_path)
