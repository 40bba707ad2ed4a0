"""Templates and conditions: Rasa's braces, Jinja in its sandbox, and a customer who tries to get through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from config.bot_templates import BadTemplate, Engine, escape_markdown
from gateway.core.errors import Misconfigured

engine = Engine()


def fill(source: str, *, is_markdown: bool = False, **values: object) -> str:
    return engine.template(source, is_markdown=is_markdown)(lambda: values)


def test_slots_are_filled_in_both_notations() -> None:
    assert fill("a {x} b {{ x }} c", x=1) == "a 1 b 1 c"
    assert fill("{ x }", x="y") == "y"


def test_a_missing_value_leaves_nothing() -> None:
    assert fill("a {x}{{ y }}.") == "a ."
    assert fill("a {x}.", x=None) == "a ."


def test_braces_that_are_no_slot_stay() -> None:
    assert fill("*123# {} { a b } 5 %") == "*123# {} { a b } 5 %"


@given(st.text(max_size=80))
def test_a_customers_text_is_never_read_as_a_template(text: str) -> None:
    assert fill("<{x}>", x=text) == f"<{text}>"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), max_size=60))
def test_a_customers_text_is_never_markdown(text: str) -> None:
    rendered = fill("hi {x}!", is_markdown=True, x=text)
    tokens = MarkdownIt().parse(rendered)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children or ()} <= {"text", "text_special"}
    assert "".join(child.content for child in tokens[1].children or ()) == f"hi {text}!"


def test_line_breaks_cannot_begin_a_heading_or_a_list() -> None:
    assert escape_markdown("a\n# b\n- c") == r"a \# b \- c"


@pytest.mark.parametrize(
    "source",
    ["{{ ''.__class__.__mro__ }}", "{{ x.__init__.__globals__ }}", "{{ 1 // 0 }}", "{{ slots.update({'a': 1}) }}"],
)
def test_a_template_that_goes_too_far_fails_as_a_mistake_of_the_author(source: str) -> None:
    with pytest.raises(Misconfigured, match="failed"):
        fill(source, x="a", slots={})


def test_a_condition_is_true_or_false_and_never_fails() -> None:
    holds = engine.condition("amount > 10 and zone == 'north'")
    assert holds({"amount": 11, "zone": "north"})
    assert not holds({"amount": 9, "zone": "north"})
    assert not holds({})
    assert not holds({"amount": "many"})
    assert not engine.condition("''.__class__.__mro__")({})


@pytest.mark.parametrize("source", ["{{ x", "{% if x %}", "{{ x | no_such_filter }}"])
def test_a_bad_template_is_found_when_it_is_compiled(source: str) -> None:
    with pytest.raises(BadTemplate):
        engine.template(source, is_markdown=False)


@pytest.mark.parametrize("source", ["size ==", "(", "a b"])
def test_a_bad_condition_is_found_when_it_is_compiled(source: str) -> None:
    with pytest.raises(BadTemplate):
        engine.condition(source)


def test_the_names_of_a_template_are_known() -> None:
    assert engine.names("{a} {{ b.c }} {% if d %}{% endif %}") == {"a", "b", "d"}
    assert engine.names("a == 1 or not b", is_condition=True) == {"a", "b"}
