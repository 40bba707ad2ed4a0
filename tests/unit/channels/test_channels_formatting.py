"""Markdown becomes spans, and cutting keeps words, spans and characters whole."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.formatting import (
    Formatted,
    Span,
    SpanKind,
    Unit,
    from_markdown,
    is_joined,
    measure,
    shorten,
    split,
    without_lone_surrogates,
)
from channels.shortening import shortened_value, stands_for


def shown(formatted):
    return [(span.kind.value, formatted.text[span.start : span.end], span.url) for span in formatted.spans]


@pytest.mark.parametrize(
    ("source", "text", "spans"),
    [
        ("plain", "plain", []),
        ("", "", []),
        ("**b** _j_ ~~s~~", "b j s", [("bold", "b", ""), ("italic", "j", ""), ("strike", "s", "")]),
        ("`a*b*`", "a*b*", [("code", "a*b*", "")]),
        ("```py\nx = 1\n```", "x = 1", [("pre", "x = 1", "")]),
        ("[our page](https://e.org/a_b)", "our page", [("link", "our page", "https://e.org/a_b")]),
        ("[bad](javascript:x)", "[bad](javascript:x)", []),
        ("[file](ftp://e.org)", "file", []),
        ("<https://e.org/>", "https://e.org/", [("link", "https://e.org/", "https://e.org/")]),
        ("**a *b* c**", "a b c", [("bold", "a b c", ""), ("italic", "b", "")]),
        (r"\*not\* italic", "*not* italic", []),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4", []),
        ("# title\n- one\n- two\n1. three\n> four", "# title\n- one\n- two\n1. three\n> four", []),
        ("*a*\n\n\nb", "a\n\n\nb", [("italic", "a", "")]),
        ("*a*\n```\nb\n```\nc", "a\nb\nc", [("italic", "a", ""), ("pre", "b", "")]),
        ("<b>x</b> & *y*", "<b>x</b> & y", [("italic", "y", "")]),
        ("unclosed **bold", "unclosed **bold", []),
        ("```", "```", []),
        ("*a* " * 10_000, "*a* " * 10_000, []),
    ],
)  # fmt: skip
def test_markdown_becomes_text_and_spans(source, text, spans):
    formatted = from_markdown(source)
    assert formatted.text == text
    assert shown(formatted) == spans


@given(st.text(alphabet="ab *_~`[]()\\<>\n😀é", max_size=60))
def test_any_markdown_gives_spans_inside_the_text(source):
    formatted = from_markdown(source)
    assert all(0 <= span.start < span.end <= len(formatted.text) for span in formatted.spans)
    assert list(formatted.spans) == sorted(formatted.spans, key=lambda span: (span.start, -span.end))


def test_a_cut_prefers_the_end_of_a_line():
    assert [piece.text for piece in split(Formatted("one two three\nfour five"), 18, Unit.UTF16)] == [
        "one two three",
        "four five",
    ]


def test_a_short_span_moves_whole_to_the_next_piece():
    pieces = split(from_markdown("aaaa bbbb **cccc dddd** eeee"), 14, Unit.UTF16)
    assert [piece.text for piece in pieces] == ["aaaa bbbb", "cccc dddd eeee"]
    assert [shown(piece) for piece in pieces] == [[], [("bold", "cccc dddd", "")]]


def test_a_span_longer_than_a_piece_is_closed_and_opened_again():
    pieces = split(from_markdown(f"**{'word ' * 9}word** end"), 20, Unit.UTF16)
    assert len(pieces) == 3
    assert [piece.spans[0].kind for piece in pieces] == [SpanKind.BOLD] * 3
    assert " ".join(piece.text for piece in pieces) == "word " * 10 + "end"


def test_a_word_longer_than_a_piece_is_cut_but_no_visible_character_is():
    family = "👨\u200d👩\u200d👧"
    for word in (family * 6, "e\u0301" * 20, "🇪🇸🇫🇷🇩🇪" * 4, "👍🏽" * 12):
        pieces = split(Formatted(word), 11, Unit.UTF16)
        assert "".join(piece.text for piece in pieces) == word
        for before, after in itertools.pairwise(pieces):
            assert not is_joined(before.text + after.text[:1], len(before.text))


def test_a_character_larger_than_the_limit_still_ends():
    assert [piece.text for piece in split(Formatted("😀😀"), 1, Unit.BYTES)] == ["😀", "😀"]


TEXTS = st.text(alphabet=st.sampled_from("ab \n\té😀🇪🇸\u0301\u200d👍🏽-"), max_size=120) | st.text(max_size=80)


@st.composite
def formatted_texts(draw):
    text = draw(TEXTS)
    ends = st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=4)
    spans = [Span(min(pair), max(pair), SpanKind.BOLD) for pair in draw(ends) if pair[0] != pair[1]]
    return Formatted(text, tuple(sorted(spans)))


@settings(max_examples=400, deadline=None)
@given(formatted_texts(), st.integers(6, 40), st.sampled_from(Unit))
def test_cutting_keeps_the_limit_and_loses_only_white_space_at_the_cuts(formatted, limit, unit):
    pieces = split(formatted, limit, unit)
    at = 0
    for piece in pieces:
        assert piece.text.strip()
        found = formatted.text.index(piece.text, at)
        assert not formatted.text[at:found].strip()
        at = found + len(piece.text)
        is_one_character = all(is_joined(piece.text, position) for position in range(1, len(piece.text)))
        assert measure(piece.text, unit) <= limit or is_one_character
        assert all(0 <= span.start < span.end <= len(piece.text) for span in piece.spans)
    assert not formatted.text[at:].strip()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet="abcé😀", min_size=1, max_size=9), min_size=1, max_size=30), st.integers(20, 40))
def test_no_word_that_fits_is_ever_cut(words, limit):
    pieces = split(Formatted(" ".join(words)), limit, Unit.UTF16)
    assert [word for piece in pieces for word in piece.text.split(" ")] == words


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=3))),
    st.integers(20, 40),
)
def test_no_span_that_fits_is_ever_cut(groups, limit):
    text, spans = "", []
    for is_bold, words in groups:
        text += " " if text else ""
        if is_bold:
            spans.append(Span(len(text), len(text) + len(" ".join(words)), SpanKind.BOLD))
        text += " ".join(words)
    pieces = split(Formatted(text, tuple(spans)), limit, Unit.UTF16)
    whole = [piece.text[span.start : span.end] for piece in pieces for span in piece.spans]
    assert whole == [text[span.start : span.end] for span in spans]


def test_shorten_says_that_something_is_missing_and_keeps_the_limit():
    assert shorten("short", 10) == "short"
    assert shorten("a longer text", 8) == "a longe…"
    assert measure(shorten("😀" * 9, 8, Unit.UTF16), Unit.UTF16) <= 8


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_stays():
    assert without_lone_surrogates("a\ud83d b 😀") == "a\ufffd b 😀"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(24, 80))
def test_a_shortened_value_keeps_the_limit_and_stands_for_its_origin(value, limit):
    short = shortened_value(value, limit)
    assert len(short.encode()) <= limit
    assert stands_for(short, value)
    assert stands_for(value, value)


def test_a_shortened_value_stands_for_no_other():
    short = shortened_value("pay:" + "x" * 100, 64)
    assert not stands_for(short, "pay:" + "x" * 99)
    assert not stands_for(short, short[:-1])
    assert not stands_for("", "a")
    assert shortened_value("pay:" + "x" * 100, 64) != shortened_value("pay:" + "x" * 101, 64)
