"""An agent's HTML becomes words that every channel can show; a customer's words become nothing else than words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.formatting import SpanKind, from_markdown
from gateway.core.messages import Text
from handoff.desks.zendesk.markup import agent_text, as_markdown, escaped, harmless, one_line


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hola</p><p>¿qué tal?</p>", "Hola\n\n¿qué tal?"),
        ("<div>uno<br>dos</div>", "uno\ndos"),
        ("<ul><li>uno</li><li>dos</li></ul>", "- uno\n- dos"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("<script>alert(1)</script><style>p{}</style>bien", "bien"),
        ('<img src="x" onerror="alert(1)">bien<iframe src="//x"></iframe>', "bien"),
        ("2 * 3 * 4 _y_ `z` [n](u)", "2 * 3 * 4 _y_ `z` [n](u)"),
        ("<a href='javascript:alert(1)'>pulse</a>", "pulse"),
        ("<a href='https://example.com/a'>https://example.com/a</a>", "https://example.com/a"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("<b> </b>x", "x"),
        ("{{ ticket.id }} {% raw %}", "{{ ticket.id }} {% raw %}"),
    ],
)
def test_html_is_read_as_its_words(html: str, text: str) -> None:
    assert from_markdown(as_markdown(html)).text.strip() == text


def test_bold_italic_code_and_links_stay() -> None:
    found = from_markdown(
        as_markdown("<p>Ya <strong>lo</strong> <em>miro</em>: <code>x*y</code> <a href='https://a.b/c(d)'>aquí</a></p>")
    )
    assert found.text == "Ya lo miro: x*y aquí"
    kinds = {span.kind: found.text[span.start : span.end] for span in found.spans}
    assert kinds == {SpanKind.BOLD: "lo", SpanKind.ITALIC: "miro", SpanKind.CODE: "x*y", SpanKind.LINK: "aquí"}
    assert [span.url for span in found.spans if span.url] == ["https://a.b/c(d)"]


def test_plain_words_are_taken_where_there_is_no_html() -> None:
    assert agent_text("", "2 * 3 * 4\r\nfin\x00") == Text("2 * 3 * 4\nfin")
    assert agent_text("<p> </p>", "") is None
    assert agent_text("<p>hola</p>", "otra") == Text("hola")


@settings(max_examples=50)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf"))))
def test_words_without_markup_keep_every_character(words: str) -> None:
    assert from_markdown(escaped(words)).text == words


@settings(max_examples=50)
@given(st.text())
def test_any_html_ends_and_leaves_no_script(html: str) -> None:
    as_markdown(html)
    agent_text(html, html)


@pytest.mark.parametrize("nested", ["<b>" * 3000 + "x", "<div>" * 20_000, "<a href=" * 1000, "<table>" * 2000])
def test_deep_html_takes_no_time(nested: str) -> None:
    as_markdown(nested)


@settings(max_examples=50)
@given(st.text(alphabet="{}%a \n"))
def test_no_placeholder_of_zendesk_is_left_in_a_customers_words(words: str) -> None:
    found = harmless(words)
    for sign in ("{{", "{%", "}}", "%}"):
        assert sign not in found
    assert found.replace("\u2060", "") == words


def test_one_line_has_one_line() -> None:
    assert one_line("a\nb\r\nc\u2028d\x00e\t f", 100) == "a b c d" + "e f"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"
