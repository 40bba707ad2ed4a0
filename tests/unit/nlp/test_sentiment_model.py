"""The feelings are learnt from our own texts, kept, and told apart on texts that were written for tests."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import UTC, datetime

import pytest

from nlp.intents import Model
from nlp.intents.model import ModelInfo, Weights
from nlp.intents.storage import pack, unpack
from nlp.sentiment import LABELS, NEGATIVE, NEUTRAL, POSITIVE, feeling_of, feelings, fit, training_data
from nlp.sentiment.training import LANGUAGES, held_out
from nlp.text import phrase
from nlp.training_data import Example, TrainingData

HOSTILE = ["", " ", "\x00", "\ud800", "\u202eabc", "\u200b", "😡" * 3_000, "a" * 100_000, "مرحبا", "no " * 30_000]


@pytest.fixture(scope="module")
def fitted() -> tuple[ModelInfo, Weights]:
    return fit(training_data(), datetime.now(UTC))


@pytest.fixture(scope="module")
def model(fitted: tuple[ModelInfo, Weights]) -> Model:
    return Model(*fitted)


def test_each_language_has_at_least_150_texts_of_each_label() -> None:
    counts = Counter((one.language, one.intent) for one in training_data().examples)
    assert set(counts) == {(language, label) for language in LANGUAGES for label in LABELS}
    assert min(counts.values()) >= 150


def test_no_text_for_measuring_is_learnt_from() -> None:
    learnt = {phrase(one.text) for one in training_data().examples} - {""}
    assert not [one.text for one in held_out().examples if phrase(one.text) in learnt]


def test_at_least_120_texts_a_language_are_held_out() -> None:
    assert min(Counter(one.language for one in held_out().examples).values()) >= 120


@pytest.mark.parametrize("language", LANGUAGES)
def test_negative_or_not_is_right_three_times_of_four_on_texts_it_has_not_seen(model: Model, language: str) -> None:
    tests = [one for one in held_out().examples if one.language == language]
    found = feelings(model, [one.text for one in tests])
    right = [(mine.label == NEGATIVE) == (one.intent == NEGATIVE) for mine, one in zip(found, tests, strict=True)]
    assert statistics.mean(right) >= 0.75


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("PÉSIMO SERVICIO, NADIE CONTESTA!!!", NEGATIVE),
        ("this is terrible, I am furious", NEGATIVE),
        ("que vergonha, péssimo atendimento", NEGATIVE),
        ("excelente, muchísimas gracias por la ayuda", POSITIVE),
        ("perfect, thank you so much", POSITIVE),
        ("adorei, muito obrigada", POSITIVE),
        ("¿a qué hora abren el sábado?", NEUTRAL),
        ("what documents do I need", NEUTRAL),
        ("qual é o horário de atendimento", NEUTRAL),
    ],
)
def test_clear_texts_are_clear(model: Model, text: str, label: str) -> None:
    assert feelings(model, [text])[0].label == label


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xyzzy",
        "Juan Pérez",
        "no",
        "M",
        "Bogotá",
        "你好",
        "مرحبا",
        "300 555 0142",
        "NO TENGO SEÑAL",
        "my sim is blocked",
    ],
)
def test_answers_and_problems_that_are_told_calmly_are_neutral(model: Model, text: str) -> None:
    assert feelings(model, [text])[0].label == NEUTRAL


def test_any_string_has_a_feeling(model: Model) -> None:
    found = feelings(model, HOSTILE)
    assert len(found) == len(HOSTILE)
    assert all(0.0 <= one.negative <= 1.0 for one in found)


def test_a_batch_feels_as_each_text_alone(model: Model) -> None:
    texts = ["NO SIRVE", "gracias!!", "mi pedido es el 12"]
    together = [one.label for one in feelings(model, texts)]
    assert together == [feelings(model, [text])[0].label for text in texts]


def test_it_reads_the_same_after_being_packed(fitted: tuple[ModelInfo, Weights], model: Model) -> None:
    text = "NOT GOOD!!! 😡"
    assert feelings(unpack(pack(*fitted)), [text]) == feelings(model, [text])


def test_texts_of_the_author_are_learnt_too(model: Model) -> None:
    added = TrainingData((Example("el bondi nunca pasa", NEGATIVE),))
    assert training_data(added).fingerprint != model.info.fingerprint


def test_a_feeling_is_what_the_prediction_says(model: Model) -> None:
    texts = [*HOSTILE, *(one.text for one in held_out().examples)]
    assert feelings(model, texts) == [feeling_of(each) for each in model.predict(texts)]
    assert feelings(model, texts[:60]) == [feelings(model, [text])[0] for text in texts[:60]]
