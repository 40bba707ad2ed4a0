"""Taking data apart: evenly, always the same way, and never the same text on both sides; and naming it."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from nlp.training_data import OUT_OF_SCOPE, EntityMark, Example, TrainingData, deduplicate, same_to_classifier, split

TEXTS = st.one_of(
    st.sampled_from(["Hola", "hola!", "¿hola?", "saldo 1", "saldo 22", "SÍ", "si", "", "!!", "?", "\ud800"]),
    st.text(max_size=6),
)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from("abc"), st.sampled_from(["", "es", "en"])), max_size=25)


def made(rows: list[tuple[str, str, str]]) -> TrainingData:
    outside = tuple(Example(text, OUT_OF_SCOPE, language) for text, _, language in rows[::7])
    return TrainingData(tuple(Example(*row) for row in rows), outside=outside)


def sides(data: TrainingData, share: float, seed: int = 0) -> tuple[list[Example], list[Example]]:
    kept, held = split(data, share, seed)
    return [*kept.examples, *kept.outside], [*held.examples, *held.outside]


@settings(max_examples=50, deadline=None)
@given(ROWS, st.floats(0.0, 0.99), st.integers(0, 3))
def test_nothing_is_lost_and_no_text_is_on_both_sides(
    rows: list[tuple[str, str, str]], share: float, seed: int
) -> None:
    data = made(rows)
    kept, held = sides(data, share, seed)
    assert Counter(kept) + Counter(held) == Counter((*data.examples, *data.outside))
    assert not {same_to_classifier(each.text) for each in kept} & {same_to_classifier(each.text) for each in held}


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 3))
def test_the_order_of_the_examples_decides_nothing(rows: list[tuple[str, str, str]], seed: int) -> None:
    data = TrainingData(tuple(Example(*row) for row in rows))
    mixed = msgspec.structs.replace(data, examples=tuple(random.Random(seed).sample(data.examples, len(data.examples))))
    assert Counter(split(data, 0.3, seed)[1].examples) == Counter(split(mixed, 0.3, seed)[1].examples)
    assert data.fingerprint == mixed.fingerprint


def many(count: int, intent: str) -> list[Example]:
    return [Example(f"{intent} {chr(97 + index % 26)}{chr(97 + index // 26)}", intent) for index in range(count)]


def test_each_intent_gives_its_share_and_keeps_something() -> None:
    data = TrainingData((*many(100, "many"), *many(10, "few"), *many(1, "one"), *many(50, "z")))
    held = Counter(each.intent for each in split(data, 0.2)[1].examples)
    assert held == {"many": 20, "few": 2, "z": 10}


def test_small_shares_of_many_intents_add_up() -> None:
    data = TrainingData(
        tuple(each for index in range(50) for each in many(4, chr(97 + index % 26) * (1 + index // 26)))
    )
    assert len(split(data, 0.1)[1].examples) == 20


def test_a_seed_gives_another_split_and_one_more_text_moves_few() -> None:
    data = TrainingData(tuple(many(200, "a")))
    first, other = set(split(data, 0.25, 1)[1].examples), set(split(data, 0.25, 2)[1].examples)
    assert first != other
    more = msgspec.structs.replace(data, examples=(*data.examples, Example("something new", "a")))
    assert len(first ^ set(split(more, 0.25, 1)[1].examples)) <= 3


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(Misconfigured, match="share"):
        split(TrainingData(()), share)


def test_of_repetitions_the_one_with_most_entities_stays() -> None:
    marked = Example("A LIMA", "fly", entities=(EntityMark("city", "LIMA", "LIMA", 2, 6),))
    data = TrainingData(
        (Example("a Lima", "fly"), Example("uno 1", "x"), marked, Example("a lima", "trip"), Example("uno 2", "x")),
        outside=(Example("x", OUT_OF_SCOPE), Example("X", OUT_OF_SCOPE)),
    )
    once = deduplicate(data)
    assert once.examples == (marked, Example("uno 1", "x"), Example("a lima", "trip"), Example("uno 2", "x"))
    assert [each.text for each in once.outside] == ["x"]
    assert deduplicate(once) == once


def test_the_fingerprint_names_all_that_is_learnt_from_and_nothing_else() -> None:
    mark = EntityMark("city", "Lima", "Lima", 2, 6)
    base = TrainingData(
        (Example("a Lima", "fly", "es", (mark,), "a.yml", 3), Example("b", "x")),
        {"lima": "LIM"}, {"zip": (r"\d",)}, {"city": ("Ica", "Lima")}, (Example("z", OUT_OF_SCOPE),),
    )  # fmt: skip
    replace = msgspec.structs.replace
    first, second = base.examples
    same = [
        replace(base, examples=(second, first, second)),
        replace(base, examples=(replace(first, file="b.csv", line=9, metadata=(("a", "b"),)), second)),
        replace(base, lookups={"city": ("Lima", "Ica", "Ica")}),
    ]
    other = [
        replace(base, examples=(first,)),
        replace(base, examples=(replace(first, text="a lima"), second)),
        replace(base, examples=(replace(first, intent="x"), second)),
        replace(base, examples=(replace(first, language="en"), second)),
        replace(base, examples=(replace(first, entities=()), second)),
        replace(base, examples=(replace(first, entities=(replace(mark, value="LIM"),)), second)),
        replace(base, examples=(replace(first, entities=(replace(mark, role="to"),)), second)),
        replace(base, synonyms={}),
        replace(base, regexes={"zip": (r"\d\d",)}),
        replace(base, lookups={"city": ("Lima",)}),
        replace(base, outside=()),
        replace(base, examples=(*base.examples, Example("z", "x")), outside=()),
    ]
    assert {each.fingerprint for each in same} == {base.fingerprint}
    assert len({each.fingerprint for each in (base, *other)}) == len(other) + 1
