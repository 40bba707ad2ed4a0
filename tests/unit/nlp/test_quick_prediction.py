"""A prediction is the same to the bit alone and in company, and as scipy and numpy reckon it row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from nlp.intents import Model
from nlp.intents.features import Vectoriser
from nlp.intents.machine import Machine
from nlp.intents.network import Network
from nlp.intents.product import times
from nlp.intents.scale import Scale
from nlp.intents.signals import Head
from nlp.text import for_intents

CHATS = (
    "¿Cuánto saldo me queda en el 1234567?",
    "quiero recargar 20 al 987654321 por favor",
    "NADIE ME CONTESTA!!! pésimo",
    "thank you so much, you saved my day 😍",
    "isn't good",
    "no no no no señal señal",
    "asdf qwer",
    "",
    "\x00",
    "\ud800",
    "🙂🙂🙂",
    "x" * 5_000,
    "saldo " * 500,
)
TEXTS = st.one_of(st.sampled_from(CHATS), st.text(max_size=40), st.text("aeinos ñ019.!", max_size=40))


@given(st.lists(TEXTS, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_company_changes_no_bit(model: Model, texts: list[str]) -> None:
    assert model.predict(texts) == [model.predict([text])[0] for text in texts]
    alone = np.concatenate([model.probabilities([text]) for text in texts])
    assert model.probabilities(texts).tobytes() == alone.tobytes()


def test_candidates_are_the_most_probable_in_order(model: Model) -> None:
    texts = [*CHATS]
    for row, prediction in zip(model.probabilities(texts), model.predict(texts), strict=True):
        order = np.argsort(-row, kind="stable")[:5]
        assert [each.intent for each in prediction.candidates] == [model.info.intents[column] for column in order]
        assert [each.confidence for each in prediction.candidates] == row[order].tolist()


@given(st.lists(TEXTS, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_score_is_the_place_among_the_texts_in_scope(model: Model, texts: list[str]) -> None:
    calibration = model.info.calibration
    signals = model._machine.read(model._rows(texts)).signals
    expected = placed(calibration.head.fit(signals), calibration.in_scope, calibration.sample_size)
    assert [each.score for each in model.predict(texts)] == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.floats(-50, 50, width=32), min_size=3, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_signals_are_placed_as_by_interpolation(signals: list[float]) -> None:
    head = Head(("a", "b", "c"), (0.1, -2.0, 3.3), (1.0, 0.3, 7.0), (0.5, -0.2, 1.1))
    in_scope = (-4.0, -1.5, -1.5, 0.25, 3.0, 9.5)
    expected = placed(head.fit(np.array([signals], np.float32)), in_scope, 40)
    assert Scale(head, in_scope, 40).score(signals) == pytest.approx(expected[0], rel=1e-12)


def test_a_quantile_has_its_own_share_and_a_figure_that_is_none_has_none() -> None:
    scale = Scale(Head(("a",), (0.0,), (1.0,), (1.0,)), (0.0, 1.0, 2.0), 9)
    assert [scale.score([value]) for value in (0.0, 1.0, 2.0)] == [0.1, 0.5, 0.9]
    assert scale.score([-100.0]) < scale.score([-1.0]) < 0.1 < 0.9 < scale.score([3.0]) <= 1.0
    assert np.isnan(scale.score([float("nan")]))


def placed(fit: np.ndarray, in_scope: tuple[float, ...], sample_size: int) -> np.ndarray:
    grid = np.asarray(in_scope, dtype=np.float64)
    lowest = 1.0 / (sample_size + 1)
    shares = np.linspace(lowest, 1.0 - lowest, len(grid))
    below = lowest * np.exp(4.0 * np.minimum(fit - grid[0], 0.0))
    above = 1.0 - lowest * np.exp(4.0 * np.minimum(grid[-1] - fit, 0.0))
    return np.where(fit < grid[0], below, np.where(fit > grid[-1], above, np.interp(fit, grid, shares)))


@given(arrays.arrays(np.float32, (4, 30), elements=st.sampled_from((0.0, 0.0, 0.0, 0.3, 1.7, -0.1))), st.integers(2, 9))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_product_is_that_of_a_sparse_array(order: str, rows: np.ndarray, n_columns: int) -> None:
    dense = np.asarray(np.random.default_rng(n_columns).standard_normal((30, n_columns)), np.float32, order=order)
    matrix = sparse.csr_array(rows)
    found = times(matrix.indptr, matrix.indices, matrix.data, dense)
    assert found.tobytes() == (matrix @ dense).astype(np.float32).tobytes()


@given(st.lists(TEXTS, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_rows_alone_are_those_of_a_batch(texts: list[str]) -> None:
    vectoriser = Vectoriser(
        ("saldo", "quiero", "no", "no no"), (" n", "no", "o ", " no ", "xx"), np.linspace(0.5, 3.0, 9, dtype=np.float32)
    )
    read = [for_intents(text) for text in texts]
    together = vectoriser.read(read)
    for number, text in enumerate(read):
        alone = vectoriser.read([text])
        mine = slice(together.starts[number], together.starts[number + 1])
        assert alone.columns.tolist() == together.columns[mine].tolist()
        assert alone.values.tobytes() == together.values[mine].tobytes()
        assert alone.unseen.tobytes() == together.unseen[number : number + 1].tobytes()
    assert together.matrix.shape == (len(texts), vectoriser.n_features)


def test_a_network_reads_its_own_features_only() -> None:
    random = np.random.default_rng(3)
    network = Network(
        random.standard_normal((3, 4), dtype=np.float32),
        np.zeros(4, np.float32),
        random.standard_normal((4, 2), dtype=np.float32),
        np.zeros(2, np.float32),
    )
    kept = np.ones((5, 4), np.float32)
    linear = random.standard_normal((4, 2), dtype=np.float32)
    machine = Machine(linear, np.zeros(2, np.float32), network, np.array([0, 2, 3]), kept)
    rows = Vectoriser(("a", "b"), (" a", " b"), np.ones(4, np.float32)).read(["a b", "b", "", "a"])
    narrow = sparse.csr_array(rows.matrix.toarray()[:, [0, 2, 3]])
    np.testing.assert_array_equal(machine.logits(rows), network.logits(network.hidden(narrow)))
    np.testing.assert_array_equal(machine.read(rows).logits, machine.logits(rows))
    np.testing.assert_array_equal(machine.decide(rows), rows.matrix @ linear)
