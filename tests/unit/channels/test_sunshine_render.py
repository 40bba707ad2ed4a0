"""How a message of ours looks at Sunshine: text, buttons, lists, cards, files, and who speaks."""

import uuid
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from channels.formatting import Formatted, Span, SpanKind, Unit, from_markdown, measure
from channels.sunshine.render import render
from channels.sunshine.richtext import as_html, as_plain
from channels.sunshine.sandbox_rules import faults_of
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.specimen import specimen
from gateway.core.errors import GiveUp
from gateway.core.messages import (
    Author,
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Option,
    Outgoing,
    Template,
    Text,
)

MESSAGE_ID = uuid.UUID("019b7a50-0000-7000-8000-000000000001")


def calls(*parts, author=Author.BOT, name="", traits="web", language="es", reply_to="", links=None, **more):
    message = Outgoing(
        MESSAGE_ID,
        uuid.uuid4(),
        1,
        "c1",
        author,
        parts,
        name=name,
        traits=traits,
        language=language,
        reply_to=reply_to,
        links=links or {},
    )
    return render(SunshineSettings.model_validate({**specimen.settings_values, **more}), message)


def posted(*parts, **more):
    """The messages, once their files have an address."""
    return [call.params["message"] for call in calls(*parts, **more)]


def contents(*parts, **more):
    return [message["content"] for message in posted(*parts, **more)]


def test_every_call_names_the_message_and_its_own_place():
    messages = posted(Text("uno"), Text("dos"))
    assert [message["metadata"] for message in messages] == [
        {"tertulia_message": str(MESSAGE_ID), "tertulia_call": 0},
        {"tertulia_message": str(MESSAGE_ID), "tertulia_call": 1},
    ]


def test_the_bot_says_that_it_is_one_and_agents_have_their_names():
    [bot] = posted(Text("x"), display_name="Cumbre", avatar_url="https://cumbre.example/b.png")
    assert bot["author"] == {
        "type": "business",
        "subtypes": ["AI"],
        "displayName": "Cumbre",
        "avatarUrl": "https://cumbre.example/b.png",
    }
    [unmarked] = posted(Text("x"), marks_ai=False)
    assert unmarked["author"] == {"type": "business"}
    [agent] = posted(Text("x"), author=Author.AGENT, name="Luis", display_name="Cumbre")
    assert agent["author"] == {"type": "business", "displayName": "Luis"}


def test_formatting_goes_as_html_beside_plain_words():
    assert contents(Text("**Mini** y _Maxi_\n[web](https://e.org/?a=1&b=2) <3", markup="markdown")) == [
        {
            "type": "text",
            "text": "Mini y Maxi\nweb (https://e.org/?a=1&b=2) <3",
            "htmlText": '<strong>Mini</strong> y <em>Maxi</em><br><a href="https://e.org/?a=1&amp;b=2">web</a> &lt;3',
        }
    ]


def test_plain_text_stays_plain_whatever_it_holds():
    assert contents(Text("**no** <b>x</b> & y")) == [{"type": "text", "text": "**no** <b>x</b> & y"}]


def test_spans_that_cross_are_nested_and_a_link_to_itself_is_told_once():
    crossing = Formatted("abcdef", (Span(0, 4, SpanKind.BOLD), Span(2, 6, SpanKind.ITALIC)))
    assert as_html(crossing) == "<strong>ab<em>cd</em></strong>ef"
    url = "https://e.org/"
    assert as_plain(Formatted(url, (Span(0, len(url), SpanKind.LINK, url),))) == url


class _Shown(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.open = "", []

    def handle_starttag(self, tag, attrs):
        del attrs
        if tag == "br":
            self.text += "\n"
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@hypothesis_settings(max_examples=80, deadline=None)
@given(st.text(alphabet="ab *_~`[]()<>&\"'\n\\", max_size=60))
def test_any_formatted_text_is_well_formed_html_with_the_same_words(source):
    formatted = from_markdown(source)
    reader = _Shown()
    reader.feed(as_html(formatted))
    reader.close()
    assert reader.open == []
    assert reader.text == formatted.text


def test_a_long_formatted_text_is_within_the_limit_in_both_forms_and_loses_no_word():
    source = " ".join(f"**palabra{n}** & [enlace](https://e.org/{n})" for n in range(300))
    made = contents(Text(source, markup="markdown"))
    assert len(made) > 3
    for content in made:
        assert measure(content["text"], Unit.UTF16) <= 4096
        assert measure(content.get("htmlText", ""), Unit.UTF16) <= 4096
    shown = " ".join(content["text"] for content in made)
    assert all(f"palabra{n} &" in shown for n in range(300))


def test_buttons_answer_or_open_pages_under_the_words():
    choice = Choice("¿Cuál?", (Option("Mini", "mini"), Option("Web", url="https://e.org/")))
    assert contents(choice) == [
        {
            "type": "text",
            "text": "¿Cuál?",
            "actions": [
                {"type": "postback", "text": "Mini", "payload": "mini"},
                {"type": "link", "text": "Web", "uri": "https://e.org/"},
            ],
        }
    ]


def test_quick_replies_are_replies_and_nothing_else():
    choice = Choice("¿Cuál?", (Option("Sí", "y"), Option("No", "n")), style="quick_replies")
    [content] = contents(choice)
    assert [action["type"] for action in content["actions"]] == ["reply", "reply"]


def test_a_request_for_the_place_stands_apart_from_replies():
    options = (Option("Dónde estoy", asks_for="location"), Option("No importa", "no"))
    [asking, replies] = contents(Choice("¿Dónde?", options, style="quick_replies"))
    assert asking["actions"] == [{"type": "locationRequest", "text": "Dónde estoy"}]
    assert replies == {"type": "text", "actions": [{"type": "reply", "text": "No importa", "payload": "no"}]}


def test_a_list_with_second_lines_has_a_button_in_the_language_of_the_conversation():
    choice = Choice("¿Plan?", (Option("Mini", "mini", description="10 GB"), Option("Maxi", "maxi")), style="list")
    for language, label in (("es-CO", "Elegir"), ("pt-BR", "Escolher"), ("de", "Choose")):
        [question, rows] = contents(choice, language=language)
        assert question == {"type": "text", "text": "¿Plan?"}
        assert rows["items"][0] == {
            "title": "Mini",
            "description": "10 GB",
            "actions": [{"type": "postback", "text": label, "payload": "mini"}],
        }


def test_a_list_of_bare_lines_is_buttons():
    [content] = contents(Choice("¿Plan?", tuple(Option(f"o{n}") for n in range(9)), style="list"))
    assert len(content["actions"]) == 9


def test_labels_are_cut_at_what_the_customers_app_shows():
    label = "Un plan que tiene un nombre bastante largo, la verdad"
    card = Card("Mini", options=(Option(label, "x"),))
    for traits, length in (("web", 40), ("ios", 40), ("messenger", 20), ("whatsapp", 20)):
        [content] = contents(Cards((card,)), traits=traits)
        shown = content["items"][0]["actions"][0]["text"]
        assert len(shown) <= length
        assert shown.endswith("…")


def test_a_label_too_long_for_a_button_is_a_line_of_a_list():
    label = "Un plan que tiene un nombre bastante largo, la verdad"
    [question, rows] = calls(Choice("¿?", (Option(label, "x"), Option("b"))))
    assert [item["title"] for item in rows.params["message"]["content"]["items"]] == [label, "b"]
    assert question.losses == ("buttons as list",)
    [content] = contents(Choice("¿?", (Option("Un plan de treinta letras", "x"), Option("b"))))
    assert content["type"] == "text"
    [_, rows] = contents(Choice("¿?", (Option("Un plan de treinta letras", "x"), Option("b"))), traits="messenger")
    assert rows["type"] == "list"


def test_a_long_value_travels_short():
    [content] = contents(Choice("¿?", (Option("a", "v" * 5000), Option("b"))))
    assert len(content["actions"][0]["payload"]) == 1000


def test_a_carousel_has_cards_with_pictures_and_buttons():
    card = Card("Mini", "10 GB", "https://e.org/m.png", (Option("Elegir", "mini"), Option("Ver", url="https://e.org/")))
    [content] = contents(Cards((card, Card("Maxi", options=(Option("Elegir", "maxi"),)))))
    assert content["type"] == "carousel"
    assert content["items"][0] == {
        "title": "Mini",
        "description": "10 GB",
        "mediaUrl": "https://e.org/m.png",
        "actions": [
            {"type": "postback", "text": "Elegir", "payload": "mini"},
            {"type": "link", "text": "Ver", "uri": "https://e.org/"},
        ],
    }


def test_twelve_cards_are_two_carousels():
    cards = tuple(Card(f"c{n}", options=(Option("Elegir", str(n)),)) for n in range(12))
    assert [len(content["items"]) for content in contents(Cards(cards))] == [6, 6]


def test_cards_without_a_button_go_one_below_the_other():
    made = calls(Cards((Card("Mini", "10 GB", "https://e.org/m.png"), Card("Maxi", options=(Option("Elegir", "x"),)))))
    kinds = [call.params["message"]["content"]["type"] for call in made]
    assert kinds[0] == "image"
    assert "carousel" not in kinds
    assert "carousel" in made[0].losses


def test_our_own_file_is_uploaded_and_otherwise_fetched_by_its_link():
    media = Media("document", blob="k", name="a.pdf", mime="application/pdf", caption="La factura")
    links = {"k": "https://gateway.example/media/k"}
    [call] = calls(media, links=links)
    [upload] = call.uploads
    assert (upload.blob, upload.name, upload.mime) == ("k", "a.pdf", "application/pdf")
    content = {"type": "file", "altText": "a.pdf", "text": "La factura"}
    assert call.params["message"]["content"] == content
    [linked] = calls(media, links=links, uploads_files=False)
    assert linked.uploads == ()
    assert linked.params["message"]["content"] == {**content, "mediaUrl": links["k"]}
    [unlinked] = calls(media, uploads_files=False)
    assert len(unlinked.uploads) == 1


@pytest.mark.parametrize(
    ("kind", "mime", "shown"),
    [
        ("image", "image/png", "image"),
        ("sticker", "image/webp", "image"),
        ("animation", "image/gif", "image"),
        ("animation", "video/mp4", "file"),
        ("video", "video/mp4", "file"),
        ("voice", "audio/ogg", "file"),
        ("document", "", "file"),
    ],
)
def test_pictures_are_images_and_all_else_is_a_file(kind, mime, shown):
    [content] = contents(Media(kind, url="https://e.org/f", mime=mime))
    assert (content["type"], content["mediaUrl"]) == (shown, "https://e.org/f")


def test_a_caption_that_is_too_long_goes_on_below():
    [first, *rest] = calls(Media("image", url="https://e.org/f", caption="palabra " * 1000))
    assert first.losses == ("caption in one piece",)
    assert [call.params["message"]["content"]["type"] for call in rest] == ["text"]


def test_a_place_has_coordinates_and_a_name():
    assert contents(Location(4.6482, -74.0628, "Oficina", "Calle 60")) == [
        {
            "type": "location",
            "coordinates": {"lat": 4.6482, "long": -74.0628},
            "location": {"name": "Oficina", "address": "Calle 60"},
        }
    ]


def test_a_quote_and_a_contact_card_are_named_as_lost():
    [call] = calls(ContactCard("Ana", "+573000000000"), reply_to="m1")
    assert call.params["message"]["content"]["text"] == "Ana: +573000000000"
    assert call.losses == ("quote", "contact card")


def test_a_template_alone_is_refused():
    with pytest.raises(GiveUp) as refused:
        calls(Template("welcome", "es"))
    assert refused.value.reason == "not_supported"


OPTIONS = st.lists(
    st.builds(
        Option,
        st.text(max_size=60),
        st.text(max_size=30),
        st.sampled_from(["", "", "https://e.org/", "ftp://e.org/", "javascript:x"]),
        st.sampled_from(["", "", "phone", "location"]),
        st.text(max_size=200),
    ),
    max_size=14,
).map(tuple)
PARTS = st.one_of(
    st.builds(Choice, st.text(max_size=50), OPTIONS, st.sampled_from(["buttons", "quick_replies", "list"])),
    st.lists(
        st.builds(Card, st.text(max_size=200), st.text(max_size=200), st.sampled_from(["", "https://e.org/"]), OPTIONS),
        max_size=12,
    ).map(lambda cards: Cards(tuple(cards))),
    st.builds(Text, st.text(max_size=100), st.sampled_from(["plain", "markdown"])),
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(PARTS, st.sampled_from(["web", "messenger"]))
def test_no_part_breaks_sunshines_rules(part, traits):
    try:
        made = posted(part, traits=traits)
    except GiveUp:
        return
    assert [fault for message in made for fault in faults_of(message)] == []
