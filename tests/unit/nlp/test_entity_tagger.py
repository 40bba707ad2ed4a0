"""Annotated entities: learnt from the examples, kept as files, refused when they are not ours."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.core.errors import Misconfigured
from nlp.entities import Extractor
from nlp.entities.storage import INFO_FILE, WEIGHTS_FILE, pack, unpack
from nlp.entities.tagger import Tagger
from nlp.entities.training import FEWEST_MARKS, fit, learnable_kinds
from nlp.training_data import EntityMark, Example, TrainingData

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
CITIES = ("Bogotá", "Lima", "Quito", "Buenos Aires", "Santiago", "Cali", "Madrid", "Cusco")
SENTENCES = (
    ("vuelo de ", "from", " a ", "to", ""),
    ("quiero ir de ", "from", " a ", "to", " mañana"),
    ("un pasaje a ", "to", " desde ", "from", ""),
    ("cuánto cuesta volar a ", "to", "", "", ""),
    ("salgo de ", "from", " por favor", "", ""),
    ("i want to fly from ", "from", " to ", "to", " please"),
)
OTHERS = ("no tengo señal", "quiero cambiar de plan", "de nada", "gracias por todo", "desde ayer a la noche", "hello")


def examples(count: int) -> tuple[Example, ...]:
    chance = random.Random(3)
    made = [Example(text, "talk") for text in OTHERS]
    for _ in range(count):
        text, marks = "", []
        first, role, middle, other_role, last = chance.choice(SENTENCES)
        for words, its_role in ((first, role), (middle, other_role)):
            text += words
            if its_role:
                city = chance.choice(CITIES)
                marks.append(EntityMark("city", city, city, len(text), len(text) + len(city), its_role))
                text += city
        made.append(Example(text + last, "fly", "", tuple(marks)))
    return tuple(made)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData(examples(120), synonyms={"la capital": "Bogotá"})


@pytest.fixture(scope="module")
def tagger(data: TrainingData) -> Tagger:
    learnt = fit(data, AT)
    assert learnt is not None
    return learnt


def found(extractor: Extractor, text: str) -> Sequence[tuple[object, str]]:
    return [(entity.value, entity.role) for entity in extractor.extract(text, "es", AT, "America/Bogota")]


def test_cities_are_found_by_their_neighbours_with_their_roles(data: TrainingData, tagger: Tagger) -> None:
    extractor = Extractor(data, ("es", "en"), tagger=tagger)
    assert found(extractor, "quiero un vuelo de Arequipa a lima") == [("Arequipa", "from"), ("Lima", "to")]
    assert found(extractor, "un pasaje a la capital desde quitto") == [("Bogotá", "to"), ("Quito", "from")]
    assert found(extractor, "i want to fly from Barranquilla to Cali") == [("Barranquilla", "from"), ("Cali", "to")]
    assert found(extractor, "de nada, gracias por todo") == []
    for entity in extractor.extract("quiero un vuelo de Arequipa a lima", "es", AT, "UTC"):
        assert (entity.kind, entity.source) == ("city", "annotated")
        assert 0.5 <= entity.confidence <= 1.0


def test_the_figures_are_those_of_texts_that_it_had_not_seen(tagger: Tagger, data: TrainingData) -> None:
    assert set(tagger.info.metrics) == {"f1", "f1:city"}
    assert 0.85 < tagger.info.metrics["f1"] <= 1.0
    assert tagger.info.kinds == {"city"}
    assert tagger.info.fingerprint == data.fingerprint


def test_the_same_examples_give_the_same_tagger(data: TrainingData, tagger: Tagger) -> None:
    again = fit(data, AT)
    assert again is not None
    assert pack(again) == pack(tagger)


def test_few_annotations_or_few_words_teach_no_tagger() -> None:
    few = TrainingData(examples(FEWEST_MARKS // 4))
    assert fit(few, AT) is None
    one = EntityMark("thing", "it", "it", 5, 7)
    assert learnable_kinds(TrainingData(tuple(Example("take it", "x", "", (one,)) for _ in range(50)))) == frozenset()
    assert pack(None) == {}
    assert unpack({}) is None
    assert unpack({"model.json": b"{}"}) is None


def test_files_bring_back_the_same_finds(data: TrainingData, tagger: Tagger) -> None:
    again = unpack(pack(tagger))
    assert again is not None
    assert again.info == tagger.info
    for text in ("vuelo de Arequipa a Lima", "salgo de Cusco por favor", "no tengo señal"):
        assert found(Extractor(data, ("es",), tagger=again), text) == found(
            Extractor(data, ("es",), tagger=tagger), text
        )


def _drop_a_feature(files: dict[str, bytes]) -> None:
    stored = msgspec.json.decode(files[INFO_FILE])
    stored["info"]["features"].pop()
    files[INFO_FILE] = msgspec.json.encode(stored)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda files: files.pop(WEIGHTS_FILE), "entities.npz is missing"),
        (lambda files: files.pop(INFO_FILE), "entities.json is missing"),
        (lambda files: files.update({WEIGHTS_FILE: files[WEIGHTS_FILE][:-9]}), "checksum differs"),
        (lambda files: files.update({INFO_FILE: files[INFO_FILE][:40]}), "is not understood"),
        (lambda files: files.update({INFO_FILE: b'{"format":9}'}), "has format 9, this version reads 1: train again"),
        (lambda files: files.update({INFO_FILE: b"[" * 100_000}), "is not understood"),
        (lambda files: _rewrite(files, b"no zip at all"), "is not understood"),
        (_drop_a_feature, "does not fit its names"),
    ],
)
def test_files_that_were_harmed_are_refused(tagger: Tagger, harm: object, message: str) -> None:
    files = pack(tagger)
    assert callable(harm)
    harm(files)
    with pytest.raises(Misconfigured) as refused:
        unpack(files)
    assert message in refused.value.detail


def _rewrite(files: dict[str, bytes], weights: bytes) -> None:
    import hashlib

    stored = msgspec.json.decode(files[INFO_FILE])
    stored["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    files.update({INFO_FILE: msgspec.json.encode(stored), WEIGHTS_FILE: weights})
