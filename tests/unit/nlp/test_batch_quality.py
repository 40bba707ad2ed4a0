"""Counts over partitions are the counts over all rows, in whatever order they are added."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.batch.job import Tally
from nlp.batch.quality import SKETCH_SIZE, Counting, add, bucket, duplicates, length_quantiles


def counted(texts: list[str]) -> Tally:
    counting = Counting(["intent"])
    for text in texts:
        counting.count_text(text, "es", ["number"] * (len(text) % 3))
        counting.count_label("intent", text[:1] or "none", 0.5, 0.25, is_in_scope=len(text) % 2 == 0)
    return counting.tally()


def made(n: int, different: int) -> list[str]:
    chance = random.Random(n)
    return [
        f"{chance.randrange(different)} {'x' * chance.randrange(300)}"[: chance.randrange(4, 300)] for _ in range(n)
    ]


@settings(max_examples=15)
@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=6), order=st.randoms())
def test_adding_partitions_gives_the_tally_of_all_rows(sizes, order):
    pieces = [made(size, 5_000) for size in sizes]
    tallies = [counted(piece) for piece in pieces]
    order.shuffle(tallies)
    assert add(tallies) == counted([text for piece in pieces for text in piece])


def test_repeated_texts_are_counted_exactly_while_they_are_few():
    found = duplicates(counted(["hola"] * 30 + ["adiós"] * 10 + ["una vez"]))
    assert (found.different_texts, found.is_exact) == (3, True)
    assert found.share == pytest.approx(38 / 41)


@pytest.mark.parametrize("different", [3_000, 20_000, 10**9])
def test_repeated_texts_are_estimated_when_they_are_many(different):
    chance = random.Random(different)
    texts = [str(chance.randrange(different)) for _ in range(30_000)]
    tally = counted(texts)
    found = duplicates(tally)
    assert len(tally.sketch) == SKETCH_SIZE
    assert not found.is_exact
    assert found.share == pytest.approx(1 - len(set(texts)) / len(texts), abs=0.03)
    assert found.different_texts == pytest.approx(len(set(texts)), rel=0.1)


def test_nothing_at_all_has_no_repetitions():
    assert duplicates(counted([])).share == 0.0
    assert length_quantiles(counted([])) == {"longest": 0} | dict.fromkeys(length_quantiles(counted([])), 0)


def test_lengths_are_exact_up_to_a_hundred_and_to_two_digits_above():
    assert [bucket(length) for length in (0, 7, 99, 100, 129, 999, 12_345)] == [0, 7, 99, 100, 120, 990, 12_000]
    found = length_quantiles(counted(["x" * n for n in range(1, 101)]))
    assert found == {"p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95, "p99": 99, "longest": 100}
