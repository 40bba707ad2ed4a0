"""What is stored comes back as it was, and no status ever goes back."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.messages import (
    STATUS_RANK,
    AnyPart,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Option,
    Parts,
    Reaction,
    Selection,
    Status,
    Template,
    Text,
    Unsupported,
    decode_parts,
    encode_parts,
    is_forward,
    plain_text,
)

words = st.text(max_size=30)
finite = st.floats(allow_nan=False, allow_infinity=False)
markups = st.sampled_from(["plain", "markdown"])
options = st.lists(st.builds(Option, words, words, words, st.sampled_from(["", "phone", "location"])), max_size=3).map(
    tuple
)
cards = st.lists(st.builds(Card, words, words, words, options), max_size=3).map(tuple)
kinds = st.sampled_from(["image", "audio", "voice", "video", "document", "sticker", "animation"])
one_part: st.SearchStrategy[AnyPart] = st.one_of(
    st.builds(Text, words, markups),
    st.builds(Media, kinds, words, words, words, words, words, words, st.integers(0, 2**40), words, words),
    st.builds(Location, finite, finite, words, words, st.booleans()),
    st.builds(ContactCard, words, words, st.booleans()),
    st.builds(Choice, words, options, st.sampled_from(["buttons", "quick_replies", "list"]), markups),
    st.builds(Cards, cards),
    st.builds(Template, words, words, st.lists(words, max_size=3).map(tuple)),
    st.builds(Selection, words, words, words),
    st.builds(Reaction, words, st.lists(words, max_size=3).map(tuple)),
    st.builds(Unsupported, words),
)
several_parts = st.lists(one_part, max_size=5).map(tuple)
statuses = st.sampled_from(Status)


@settings(deadline=None)
@given(several_parts)
def test_parts_come_back_as_they_were_stored(parts: Parts) -> None:
    encoded = encode_parts(parts)
    assert decode_parts(encoded) == parts
    assert decode_parts(encoded.decode()) == parts
    assert encode_parts(decode_parts(encoded)) == encoded


@settings(deadline=None)
@given(several_parts)
def test_what_a_reader_reads_has_no_empty_parts_and_every_word_of_a_text(parts: Parts) -> None:
    read = plain_text(parts)
    for part in parts:
        if isinstance(part, Text | Choice):
            assert part.text in read
    assert read == "\n".join(line for line in (plain_text((part,)) for part in parts) if line)


def test_every_status_has_a_rank() -> None:
    assert set(STATUS_RANK) == set(Status)


def test_forward_is_a_partial_order() -> None:
    for a, b, c in itertools.product(Status, repeat=3):
        assert not is_forward(a, a)
        assert not (is_forward(a, b) and is_forward(b, a))
        if is_forward(a, b) and is_forward(b, c):
            assert is_forward(a, c)


def moved(reports: Sequence[Status], start: Status = Status.QUEUED) -> list[Status]:
    path = [start]
    for proposed in reports:
        if is_forward(path[-1], proposed):
            path.append(proposed)
    return path


@given(st.lists(statuses, max_size=12))
def test_a_status_never_returns_to_what_it_was(reports: list[Status]) -> None:
    path = moved(reports)
    assert len(set(path)) == len(path)
    assert path == sorted(path, key=STATUS_RANK.__getitem__)


@given(st.lists(statuses.filter(lambda status: status is not Status.WITHDRAWN), max_size=8), st.randoms())
def test_reports_in_any_order_and_repeated_end_in_the_same_status(reports: list[Status], chance: random.Random) -> None:
    shuffled = reports * 2
    chance.shuffle(shuffled)
    assert moved(shuffled)[-1] == moved(reports)[-1]


def test_what_was_delivered_has_not_failed_and_what_failed_was_not_only_sent() -> None:
    assert is_forward(Status.FAILED, Status.DELIVERED)
    assert not is_forward(Status.DELIVERED, Status.FAILED)
    assert is_forward(Status.SENT, Status.FAILED)
    assert not is_forward(Status.WITHDRAWN, Status.SENT)
