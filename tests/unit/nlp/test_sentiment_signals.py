"""The signals of a mood survive the folding that makes all texts alike."""

from __future__ import annotations

import pytest

from gateway.core.errors import Misconfigured
from nlp.signals import for_sentiment, read_by
from nlp.text import for_intents


def signals(text: str) -> set[str]:
    return {word for word in for_sentiment(text).split() if word.startswith("_") and word.endswith("_")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NADIE ME CONTESTA", "_capitals_"),
        ("geniaaaal", "_stretched_"),
        ("ya basta!!", "_shouts_"),
        ("hasta cuando???", "_presses_"),
        ("a qué hora abren?", "_asks_"),
        ("claro...", "_trails_"),
        ("👏🏽", "_happy_"),
        ("otra vez 🙄", "_wry_"),
        ("pésimo", "_cross_"),
        ("péssimo atendimento", "_cross_"),
        ("excelente", "_glad_"),
        ("not bad at all", "_fine_"),
        ("no está nada mal", "_fine_"),
        ("isn't good", "_lacks_"),
    ],
)
def test_a_signal_becomes_a_word(text: str, expected: str) -> None:
    assert expected in signals(text)


@pytest.mark.parametrize("text", ["buenos días", "PDF", "RFC XAXX010101000", "no, gracias", "OK"])
def test_politeness_and_codes_are_no_signal(text: str) -> None:
    assert not signals(text)


def test_a_not_reaches_to_the_next_stop_only() -> None:
    assert "_glad_" in signals("no. bueno entonces")
    assert "_lacks_" in signals("no es bueno")


def test_signals_are_kept_where_the_text_is_cut() -> None:
    read = read_by("sentiment")("pésimo " + "x " * 50_000)
    assert "_cross_" in read
    assert len(read) <= 2_000


@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "\u202eabc", "\u200b" * 50, "😡" * 5_000, "no " * 30_000])
def test_any_string_is_read(text: str) -> None:
    assert len(for_sentiment(text)) < 2_300


def test_reading_for_intents_is_the_usual_one() -> None:
    assert read_by("intents") is for_intents


def test_an_unknown_way_of_read_by_is_refused() -> None:
    with pytest.raises(Misconfigured, match="train again"):
        read_by("smells")
