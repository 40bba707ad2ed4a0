"""The network and the reject head: they learn, they choose honestly, and company changes no prediction."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from gateway.core.errors import Misconfigured
from nlp.intents import QUICK, FitOptions, Model
from nlp.intents.damage import damaged
from nlp.intents.encoding import EncoderFailed, open_encoder
from nlp.intents.network import NetworkOptions, fit_network
from nlp.intents.rejecting import hidden_together, learn_head
from nlp.intents.signals import alike, whole
from nlp.intents.storage import pack, unpack
from nlp.intents.training import fit
from nlp.training_data import Example, TrainingData

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL = NetworkOptions(hidden=24, epochs=2, least_steps=40)
WITH_NETWORK = FitOptions(network="always", damage="always", copies=1, layers=SMALL)

_THINGS = {
    "balance": ("saldo", "balance", "what is left", "lo que me queda"),
    "bill": ("factura", "bill", "recibo", "invoice"),
    "roaming": ("roaming", "use it abroad", "viajar al exterior", "otro país"),
    "outage": ("no tengo señal", "internet is down", "se cayó la red", "no signal"),
    "cancel": ("cancelar la línea", "close my account", "darme de baja", "end my contract"),
    "agent": ("hablar con un asesor", "talk to a person", "quiero un humano", "a real agent"),
}
_AROUND = ("{}", "hola, {}", "{} por favor", "hi, {} please", "necesito ayuda: {}", "{} today", "quiero saber de {}")


def sample(things: dict[str, tuple[str, ...]] = _THINGS) -> tuple[Example, ...]:
    return tuple(
        Example(around.format(thing), intent)
        for intent, several in things.items()
        for thing in several
        for around in _AROUND
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(*fit(TrainingData(sample()), NOW, options=WITH_NETWORK))


def test_a_network_takes_part_and_comes_back_from_its_files(model: Model) -> None:
    assert model.info.settings["kind"] == "linear and network"
    assert model.info.settings["damaged_copies"] == 1
    info, weights = fit(TrainingData(sample()), NOW, options=WITH_NETWORK)
    again = unpack(pack(info, weights))
    texts = ["mi saldo por favor", "se cayo la red", "zzz", ""]
    assert again.predict(texts) == model.predict(texts)
    assert [each.candidates[0].intent for each in again.predict(texts)][:2] == ["balance", "outage"]


@given(st.lists(st.text(max_size=40) | st.sampled_from([each.text for each in sample()]), min_size=1, max_size=70))
@settings(max_examples=15, deadline=None)
def test_company_changes_nothing_to_the_bit(model: Model, texts: list[str]) -> None:
    together = model.predict(texts)
    assert together == [model.predict([text])[0] for text in texts]
    np.testing.assert_array_equal(
        model.probabilities(texts), np.concatenate([model.probabilities([text]) for text in texts])
    )


def test_probabilities_stand_in_the_order_of_the_intents(model: Model) -> None:
    found = model.probabilities(["factura", "roaming"])
    assert found.shape == (2, len(model.info.intents))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)
    assert [model.info.intents[column] for column in found.argmax(axis=1)] == ["bill", "roaming"]
    assert model.probabilities([]).shape == (0, len(model.info.intents))


def test_what_was_learnt_is_described(model: Model) -> None:
    metrics = model.info.metrics
    assert set(metrics) >= {"accuracy", "macro_f1", "calibration_error", "auroc", "r95", "texts", "seconds"}
    curve = model.info.curve
    assert [point.threshold for point in curve] == sorted(point.threshold for point in curve)
    assert [point.kept for point in curve] == sorted((point.kept for point in curve), reverse=True)
    assert [point.caught for point in curve] == sorted(point.caught for point in curve)
    for pair in model.info.confusions:
        assert pair.count > 0
        assert pair.meant != pair.said


def test_an_explanation_names_examples_words_and_what_spoke_against(model: Model) -> None:
    clear = model.explain("quiero ver mi factura por favor")
    assert clear.prediction == model.predict(["quiero ver mi factura por favor"])[0]
    assert clear.nearest[0].intent == "bill"
    assert [each.similarity for each in clear.nearest] == sorted((e.similarity for e in clear.nearest), reverse=True)
    assert clear.words[0].word == "factura"
    odd = model.explain("xyzzy plugh")
    assert not odd.prediction.is_in_scope
    assert 1 <= len(odd.reasons) <= 3
    assert model.explain("").nearest == ()
    assert len(model.explain("saldo " * 5_000).words) <= 40


def hostile(count: int) -> list[str]:
    dice = random.Random(5)
    alphabets = [
        "abc é ñ",
        "אבגד ",
        "\x00\u200b\u200f\ufeff",
        "🙂👩‍👩‍👧‍👦",
        "\ud800\udfff",
        "ﷺ㋿",
        "\u0301\u0300a",
        "0123 $%&/()",
    ]
    return [
        "".join(dice.choice(alphabets[dice.randrange(len(alphabets))]) for _ in range(dice.randrange(80)))
        for _ in range(count)
    ] + ["", "x" * 100_000, "a " * 50_000, "\x00" * 100_000, "ﷺ" * 100_000, "\n" * 9_000]


def test_hostile_strings_are_harmless_and_cost_bounded_time(model: Model) -> None:
    texts = hostile(600)
    started = time.process_time()
    found = [
        prediction for start in range(0, len(texts), 64) for prediction in model.predict(texts[start : start + 64])
    ]
    assert time.process_time() - started < 10
    assert len(found) == len(texts)
    assert all(0.0 <= each.score <= 1.0 and len(each.candidates) == 5 for each in found)


def test_real_examples_of_what_is_out_of_scope_take_over() -> None:
    outside = tuple(Example(f"{what} {n}", "out_of_scope") for n in "abcdefghijklm" for what in (
        "receta de arroz", "who won the match", "cuenta un chiste", "weather in", "letra de la canción",
    ))  # fmt: skip
    without = fit(TrainingData(sample()), NOW, options=QUICK)[0]
    info, weights = fit(TrainingData(sample(), outside=outside), NOW, options=QUICK)
    assert without.settings["outside"] == "hidden intents"
    assert info.settings["outside"] == "given"
    learnt = Model(info, weights)
    assert not any(each.is_in_scope for each in learnt.predict(["receta de arroz con pollo", "weather in paris"]))
    assert learnt.predict(["hola, factura por favor"])[0].is_in_scope


def test_two_intents_leave_none_to_hide() -> None:
    data = TrainingData(sample({name: _THINGS[name] for name in ("balance", "bill")}))
    info, weights = fit(data, NOW, options=QUICK)
    assert (info.settings["outside"], info.curve) == ("none", ())
    assert Model(info, weights).predict(["mi saldo"])[0].candidates[0].intent == "balance"


def test_few_examples_also_learn_from_the_name_of_their_intent() -> None:
    named = (Example("quiero eso", "RefundStatus"), Example("dame aquello", "track_order"), Example("ya", "hours"))
    model = Model(*fit(TrainingData(named), NOW, options=QUICK))
    assert model.predict(["my refund"])[0].candidates[0].intent == "RefundStatus"
    assert model.predict(["track it"])[0].candidates[0].intent == "track_order"


def test_a_network_learns_what_no_linear_model_can() -> None:
    corners = sparse.csr_matrix(np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]] * 30, np.float32))
    labels = np.array([0, 0, 1, 1] * 30)
    options = NetworkOptions(hidden=32, epochs=25, least_steps=1, drop=0.0, hidden_drop=0.0, rate=1e-2)
    network = fit_network([corners], labels, 2, options)
    said = network.logits(network.hidden(sparse.csr_array(corners))).argmax(axis=1)
    assert (said == labels).all()


def test_a_network_is_the_same_each_time() -> None:
    rows = sparse.random(60, 40, density=0.2, format="csr", dtype=np.float32, random_state=np.random.default_rng(3))
    labels = np.arange(60) % 3
    options = msgspec.structs.replace(SMALL, epochs=2)
    one, other = (fit_network([rows, rows], labels, 3, options) for _ in range(2))
    np.testing.assert_array_equal(one.first, other.first)
    np.testing.assert_array_equal(one.second, other.second)


def test_likeness_is_a_cosine_and_exact() -> None:
    rows = np.abs(np.random.default_rng(1).standard_normal((5, 256))).astype(np.float32)
    integers = whole(rows)
    assert (integers == np.rint(integers)).all()
    np.testing.assert_allclose(np.diag(alike(integers, integers)), 1.0, atol=1e-6)
    exact = rows @ rows.T / np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(rows, axis=1))
    np.testing.assert_allclose(alike(integers, integers), exact, atol=5e-3)
    assert alike(whole(np.zeros((1, 256), np.float32)), integers).tolist() == [[0.0] * 5]


def test_a_head_without_anything_outside_believes_what_is_believed() -> None:
    inside = np.random.default_rng(2).standard_normal((50, 2)).astype(np.float32)
    head = learn_head(("highest", "unseen_words"), inside, np.zeros((0, 2), np.float32))
    high, low = head.fit(np.array([[1.0, 0.0], [1.0, 3.0]], np.float32))
    assert high > low
    outside = inside - np.array([3.0, 0.0], np.float32)
    learnt = learn_head(("highest", "unseen_words"), inside, outside)
    assert learnt.weights[0] > abs(learnt.weights[1])


def test_like_intents_are_hidden_together() -> None:
    rows = sparse.csr_array(np.repeat(np.array([[1, 0.1], [0.1, 1], [1, 0.2], [0.2, 1]], np.float32), 3, axis=0))
    folds = hidden_together(rows, np.repeat(np.arange(4), 3), 4, 2)
    assert folds[0] == folds[2] != folds[1]
    assert folds[1] == folds[3]


def test_damage_is_seeded_and_touches_about_its_share_of_letters() -> None:
    texts = ["quiero saber cuánto me queda de saldo este mes"] * 200
    once = damaged(texts, 1)
    assert once == damaged(texts, 1) != damaged(texts, 2)
    assert damaged(["", "123 45"], 1, share=1.0) == ["", "123 45"]
    assert 0.9 < np.mean([text != spoilt for text, spoilt in zip(texts, once, strict=True)]) <= 1.0
    assert damaged(texts, 1, share=0.0) == texts


def test_one_intent_is_refused() -> None:
    with pytest.raises(Misconfigured, match="needs two or more"):
        fit(TrainingData((Example("hello", "greet"),)), NOW)


class Meanings:
    """An encoder that knows two directions: money and network."""

    name, size = "meanings", 2

    def __init__(self, *, is_broken: bool = False) -> None:
        self.is_broken = is_broken

    def encode(self, texts):
        if self.is_broken:
            raise EncoderFailed("no vectors today")
        money = [float(any(word in text for word in ("saldo", "balance", "plata", "money"))) for text in texts]
        return np.array([[each, 1.0 - each] for each in money], dtype=np.float32).reshape(-1, 2)


def test_sentence_vectors_stand_beside_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Meanings()
    for place in ("nlp.intents.training.open_encoder", "nlp.intents.model.open_encoder"):
        monkeypatch.setattr(place, lambda name: encoder if name else None)
    data = TrainingData(sample({name: _THINGS[name] for name in ("balance", "outage")}))
    options = msgspec.structs.replace(QUICK, encoder="meanings")
    model = unpack(pack(*fit(data, NOW, options=options)))
    assert model.info.settings["dense_size"] == 2
    assert model.predict(["money plata"])[0].candidates[0].intent == "balance"
    assert model.predict(["x", "money"]) == [model.predict(["x"])[0], model.predict(["money"])[0]]
    encoder.is_broken = True
    [abstained] = model.predict(["saldo"])
    assert (abstained.score, abstained.is_in_scope) == (0.0, False)
    with pytest.raises(Misconfigured, match="nothing was trained"):
        fit(data, NOW, options=options)


def test_an_encoder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="not known"):
        open_encoder("word2vec")
    with pytest.raises(Misconfigured, match=r"has no model\.onnx; put a sentence model"):
        open_encoder(f"folder:{tmp_path}")
    with pytest.raises(Misconfigured, match=r"is not there; put a sentence model"):
        open_encoder(f"folder:{tmp_path / 'nowhere'}")
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(Misconfigured, match=r"cannot be opened|tertulia\[embeddings\]"):
        open_encoder(f"folder:{tmp_path}")
    assert open_encoder("") is None
