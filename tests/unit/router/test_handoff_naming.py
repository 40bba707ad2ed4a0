"""An agent's name before their words, where the app shows none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.messages import Choice, Location, Media, Option, Text
from gateway.router.naming import LONGEST_NAME, with_name


def test_the_name_stands_before_the_first_words_only() -> None:
    parts = (Media("image", provider_ref="x"), Text("hello"), Text("there"))
    assert with_name(parts, "Marta") == (parts[0], Text("Marta: hello"), parts[2])
    assert with_name((Media("image", caption="look"),), "Marta") == (Media("image", caption="Marta: look"),)
    choice = Choice("which?", (Option("a", "a"),))
    assert with_name((choice,), "Marta")[0].text == "Marta: which?"  # type: ignore[union-attr]


def test_what_has_no_words_and_who_has_no_name_stay_as_they_are() -> None:
    assert with_name((Location(1.0, 2.0),), "Marta") == (Location(1.0, 2.0),)
    assert with_name((Text("hello"),), " ") == (Text("hello"),)


def test_a_name_is_no_markup_and_no_second_line() -> None:
    (part,) = with_name((Text("hello", "markdown"),), "*M*\n[x](http://y)")
    assert part == Text(r"\*M\* \[x\]\(http\:\/\/y\): hello", "markdown")


@given(name=st.text(max_size=200), said=st.text(min_size=1, max_size=50))
def test_the_words_themselves_are_never_changed(name: str, said: str) -> None:
    (part,) = with_name((Text(said),), name)
    assert isinstance(part, Text)
    assert part.text.endswith(said)
    assert len(part.text) <= len(said) + LONGEST_NAME + 2
