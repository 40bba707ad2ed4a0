"""Names of visitors and of their conversations, which nobody can make up or take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from channels.webchat.tokens import Seals
from channels.webchat.visitors import (
    MAX_NUMBER,
    MAX_TITLE_CHARS,
    Visitor,
    anonymous_id,
    conversation_name,
    identified_id,
    number_of,
    title_of,
)
from gateway.core.clock import ManualClock
from gateway.core.inbound import AddressKey
from gateway.core.messages import Media, Text

SEALS = Seals(bytes(32), ManualClock())


def test_strangers_never_have_the_same_id() -> None:
    assert len({anonymous_id() for _ in range(1000)}) == 1000


def test_a_person_has_the_same_id_on_every_device_and_it_tells_nothing() -> None:
    assert identified_id(SEALS, "ana@example.org") == identified_id(SEALS, "ana@example.org")
    assert identified_id(SEALS, "ana@example.org") != identified_id(SEALS, "bea@example.org")
    assert "ana" not in identified_id(SEALS, "ana@example.org")


def test_an_address_names_the_visitor_and_the_conversation() -> None:
    assert Visitor("v_x").address(3) == AddressKey("visitor", "v_x/3")


@given(st.integers(0, MAX_NUMBER))
def test_a_conversation_is_found_by_its_name(number: int) -> None:
    assert number_of(SEALS, "v_ana", conversation_name(SEALS, "v_ana", number)) == number


@given(st.integers(0, MAX_NUMBER))
def test_another_visitor_has_no_use_of_the_name(number: int) -> None:
    assert number_of(SEALS, "v_bea", conversation_name(SEALS, "v_ana", number)) is None


def test_another_site_has_no_use_of_the_name() -> None:
    name = conversation_name(Seals(b"x" * 32, ManualClock()), "v_ana", 0)
    assert number_of(SEALS, "v_ana", name) is None


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: "c_" + text))
def test_names_that_were_made_up_lead_nowhere(name: str) -> None:
    assert number_of(SEALS, "v_ana", name) is None


def test_a_name_with_another_number_leads_nowhere() -> None:
    first, second = conversation_name(SEALS, "v_ana", 0), conversation_name(SEALS, "v_ana", 1)
    assert number_of(SEALS, "v_ana", second[:6] + first[6:]) is None


def test_a_title_is_the_beginning_of_the_first_message() -> None:
    assert title_of((Text("  My  bill\nis wrong "),), (Text("thanks"),)) == "My bill is wrong"


def test_a_title_comes_from_the_last_message_when_the_first_has_no_words() -> None:
    assert title_of((Media("image", blob="x"),), (Text("What do you see?"),)) == "What do you see?"


def test_a_long_title_is_cut_between_words() -> None:
    title = title_of((Text("palabra " * 40),), ())
    assert title.endswith("palabra…")
    assert len(title) <= MAX_TITLE_CHARS


@given(st.text())
def test_a_title_is_one_short_line(text: str) -> None:
    title = title_of((Text(text),), ())
    assert len(title) <= MAX_TITLE_CHARS
    assert "\n" not in title
