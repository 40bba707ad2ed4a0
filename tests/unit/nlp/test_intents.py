"""The classifier: equal to scikit-learn's own prediction, calibrated, and honest about what it does not know."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from gateway.core.errors import Misconfigured
from nlp.intents import QUICK, Model, train
from nlp.intents.model import expected_calibration_error
from nlp.text import for_intents
from nlp.training_data import Example, TrainingData

OUTSIDE = """\
cuál es la capital de francia
cuéntame un chiste
quién ganó el partido de anoche
receta de arroz con pollo
recomiéndame una película
vendo un carro usado
mi perro se enfermó
who won the world cup
how do i cook pasta
my dog is sick
play some music
write a poem about the sea
asdf qwer zxcv
lorem ipsum dolor sit amet
🙂🙂🙂
""".splitlines()


def split(data: TrainingData, share: float) -> tuple[TrainingData, list[Example]]:
    examples = list(data.examples)
    random.Random(7).shuffle(examples)
    cut = int(len(examples) * share)
    return TrainingData(tuple(examples[:cut])), examples[cut:]


@pytest.fixture(scope="module")
def held_out(telecom: TrainingData) -> tuple[Model, list[Example]]:
    learnt, rest = split(telecom, 0.8)
    return train(learnt, options=QUICK), rest


def scikit_learns_own(data: TrainingData) -> object:
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", lowercase=False, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), lowercase=False, sublinear_tf=True),
    )
    pairs = sorted({(for_intents(each.text), each.intent) for each in data.examples})
    machine = LinearSVC(C=0.5, random_state=0, max_iter=20_000)
    return make_pipeline(features, machine).fit([text for text, _ in pairs], [intent for _, intent in pairs])


def test_decisions_equal_those_of_scikit_learn(model: Model, telecom: TrainingData) -> None:
    texts = [each.text for each in telecom.examples] + [
        "Quiero   ver\tmi SALDO, por favór!!",
        "no no no no señal señal",
        "a",
        "ñ ç ß ﬁ",
        "un texto largo " * 30,
        "$ 10.000",
        "hello world foo bar",
    ]
    theirs = scikit_learns_own(telecom)
    expected = theirs.decision_function([for_intents(text) for text in texts])
    np.testing.assert_allclose(model.decisions(texts), expected, atol=4e-3)  # float16 weights
    taken = [each.candidates[0].intent for each in model.predict(texts)]
    is_clear = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-2
    theirs_taken = theirs.predict([for_intents(text) for text in texts])
    assert all(ours == other for ours, other, clear in zip(taken, theirs_taken, is_clear, strict=True) if clear)


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_text_is_predicted_alike_alone_and_in_company(model: Model, texts: list[str]) -> None:
    together = model.predict(texts)
    assert len(together) == len(texts)
    for text, prediction in zip(texts, together, strict=True):
        alone = model.predict([text])[0]
        assert abs(alone.score - prediction.score) < 1e-4
        assert sum(each.confidence for each in prediction.candidates) <= 1.0 + 1e-5
        assert 0.0 <= prediction.score <= 1.0
        confidences = [each.confidence for each in prediction.candidates]
        assert confidences == sorted(confidences, reverse=True)


@pytest.mark.parametrize("text", ["", " ", "\x00", "🙂", "\u200b\u200f", "x" * 100_000, "ﷺ" * 5_000, "\ud800"])
def test_hostile_texts_are_out_of_scope(model: Model, text: str) -> None:
    [prediction] = model.predict([text])
    assert len(prediction.candidates) == 5
    assert not prediction.is_in_scope


def test_only_the_beginning_of_a_long_text_is_read(model: Model) -> None:
    begun = ("saldo " * 400)[:2_000]
    assert model.predict([begun + "factura " * 50_000]) == model.predict([begun])


def test_no_texts_give_no_predictions(model: Model) -> None:
    assert model.predict([]) == []


def test_case_accents_and_digits_do_not_matter(model: Model) -> None:
    plain, fancy = model.predict(["cuanto cuesta 10 gb de internet movil", "CUÁNTO cuesta 25 GB de Internet Móvil"])
    assert plain == fancy


def test_held_out_texts_are_understood_and_probabilities_mean_what_they_say(
    held_out: tuple[Model, list[Example]],
) -> None:
    model, rest = held_out
    predictions = model.predict([each.text for each in rest])
    is_right = np.array([p.candidates[0].intent == each.intent for p, each in zip(predictions, rest, strict=True)])
    confidence = np.array([prediction.candidates[0].confidence for prediction in predictions])
    assert is_right.mean() > 0.75
    assert expected_calibration_error(confidence, is_right) < 0.12
    assert is_right[confidence > 0.9].mean() > 0.93
    assert np.mean([prediction.is_in_scope for prediction in predictions]) > 0.9


def test_what_the_bot_was_not_made_for_scores_below_what_it_was(
    model: Model, held_out: tuple[Model, list[Example]]
) -> None:
    learnt, rest = held_out
    inside = np.array([each.score for each in learnt.predict([each.text for each in rest])])
    outside = np.array([each.score for each in learnt.predict(OUTSIDE)])
    auroc = np.mean(inside[:, None] > outside[None, :])
    assert auroc > 0.85
    nonsense = model.predict(["asdf qwer zxcv", "lorem ipsum dolor sit amet", "🙂🙂🙂"])
    assert not any(each.is_in_scope for each in nonsense)


def test_the_default_threshold_turns_away_few_texts_in_scope(model: Model) -> None:
    calibration = model.info.calibration
    assert calibration.threshold == 0.025
    assert list(calibration.in_scope) == sorted(calibration.in_scope)


def test_training_again_gives_the_same_model(telecom: TrainingData, model: Model) -> None:
    again = train(telecom, options=QUICK)
    texts = [each.text for each in telecom.examples[:50]]
    assert again.predict(texts) == model.predict(texts)


def test_two_intents_and_single_examples_can_be_learnt() -> None:
    data = TrainingData((Example("my balance", "balance"), Example("hello", "greet"), Example("hi there", "greet")))
    model = train(data)
    assert [each.candidates[0].intent for each in model.predict(["balance", "hello"])] == ["balance", "greet"]


def test_one_intent_cannot_be_learnt() -> None:
    with pytest.raises(Misconfigured, match="needs two or more"):
        train(TrainingData((Example("hello", "greet"),)))
