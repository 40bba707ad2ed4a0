"""What visitors carry: believed when it is ours, for its purpose and in time, and nothing else."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.webchat.tokens import Seals, from_base64, to_base64
from channels.webchat.visitors import Visitor
from gateway.core.clock import ManualClock

SECRET = bytes(range(32))
SECRET_OF_ANOTHER_SITE = bytes(32)
ANA = Visitor("v_ana", is_identified=True, name="Ana", details={"email": "ana@example.org"}, language="es")

SUBPROTOCOL_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, 5.6.2: what a sub-protocol may be made of."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def seals(clock: ManualClock) -> Seals:
    return Seals(SECRET, clock)


def test_what_was_sealed_comes_back(seals: Seals) -> None:
    sealed = seals.seal("session", ANA, seals.now_s() + 60)
    assert seals.open("session", Visitor, sealed) == ANA


def test_a_seal_holds_until_its_time_and_not_a_second_longer(seals: Seals) -> None:
    sealed = seals.seal("session", ANA, seals.now_s() + 60)
    assert seals.open("session", Visitor, sealed) is not None
    assert seals.open("session", Visitor, seals.seal("session", ANA, seals.now_s())) is None


async def test_time_ends_a_seal(seals: Seals, clock: ManualClock) -> None:
    sealed = seals.seal("session", ANA, seals.now_s() + 60)
    await clock.advance(59)
    assert seals.open("session", Visitor, sealed) == ANA
    await clock.advance(1)
    assert seals.open("session", Visitor, sealed) is None


def test_a_ticket_is_no_session_and_a_session_no_ticket(seals: Seals) -> None:
    until_s = seals.now_s() + 60
    assert seals.open("session", Visitor, seals.seal("ticket", ANA, until_s)) is None
    assert seals.open("ticket", Visitor, seals.seal("session", ANA, until_s)) is None


def test_another_site_opens_nothing(seals: Seals, clock: ManualClock) -> None:
    sealed = seals.seal("session", ANA, seals.now_s() + 60)
    assert Seals(SECRET_OF_ANOTHER_SITE, clock).open("session", Visitor, sealed) is None


def test_a_seal_tells_nothing_of_what_is_in_it(seals: Seals) -> None:
    sealed = seals.seal("ticket", ANA, seals.now_s() + 60)
    raw = from_base64(sealed)
    assert raw is not None
    assert b"ana" not in raw.lower()


def test_a_seal_may_stand_in_a_subprotocol(seals: Seals) -> None:
    assert SUBPROTOCOL_TOKEN.fullmatch("tertulia.v1." + seals.seal("session", ANA, seals.now_s() + 60))


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_changed_bit_breaks_a_seal(position: int, bit: int) -> None:
    seals = Seals(SECRET, ManualClock())
    raw = bytearray(from_base64(seals.seal("session", ANA, seals.now_s() + 60)) or b"")
    raw[position % len(raw)] ^= 1 << bit
    assert seals.open("session", Visitor, to_base64(bytes(raw))) is None


@given(st.text(max_size=200) | st.binary(max_size=200).map(to_base64))
def test_nothing_that_was_made_up_opens(made_up: str) -> None:
    assert Seals(SECRET, ManualClock()).open("session", Visitor, made_up) is None


@pytest.mark.parametrize(
    "change", [lambda s: s + "=", lambda s: s + " ", lambda s: s[:-1], lambda s: "", lambda s: s * 99]
)
def test_another_way_of_writing_the_same_seal_does_not_open(seals: Seals, change: object) -> None:
    sealed = seals.seal("session", ANA, seals.now_s() + 60)
    assert seals.open("session", Visitor, change(sealed)) is None  # type: ignore[operator]


def test_a_seal_of_another_shape_does_not_open(seals: Seals) -> None:
    class Other(msgspec.Struct):
        number: int

    assert seals.open("session", Visitor, seals.seal("session", Other(1), seals.now_s() + 60)) is None


def test_marks_differ_by_what_they_are_for_and_by_site(seals: Seals, clock: ManualClock) -> None:
    marks = {
        seals.mark("person", "ana", 16),
        seals.mark("conversation", "ana", 16),
        seals.mark("person", "bea", 16),
        Seals(SECRET_OF_ANOTHER_SITE, clock).mark("person", "ana", 16),
    }
    assert len(marks) == 4
    assert seals.mark("person", "ana", 16) == seals.mark("person", "ana", 16)


@given(st.binary(max_size=100))
def test_base64_has_one_way_of_writing(raw: bytes) -> None:
    text = to_base64(raw)
    assert from_base64(text) == (raw or None)
    assert from_base64(text + "A") != raw
