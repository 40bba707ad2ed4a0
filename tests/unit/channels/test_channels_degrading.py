"""What an app cannot show is degraded by rule: within its limits, with the loss named, and every option choosable."""

from hypothesis import given, settings
from hypothesis import strategies as st

from channels.degrading import Fitted, Limits, fitted, numbered
from channels.formatting import measure
from gateway.core.messages import (
    Card,
    Cards,
    Choice,
    ContactCard,
    Location,
    Media,
    Option,
    Template,
    Text,
    Unsupported,
)

WORDS = Limits()
RICH = Limits(
    choice_units=100,
    buttons=3,
    button_units=20,
    url_buttons=1,
    list_rows=10,
    row_units=24,
    row_description_units=72,
    media=frozenset({"image", "document"}),
)
SHOWY = Limits(buttons=3, url_buttons=3, mixes_urls=True, quick_replies=13, cards=10, media=frozenset({"image"}))


def options(*labels):
    return tuple(Option(label, label.lower()) for label in labels)


def only(parts, limits):
    [one] = fitted(parts, limits)
    return one


def test_what_fits_stays_as_it_is():
    for part in (Text("hola"), Choice("¿Cuál?", options("Uno", "Dos")), Media("image", url="https://e.org/a.png")):
        assert fitted((part,), RICH) == (Fitted(part),)


def test_a_choice_without_buttons_becomes_numbers_that_can_be_typed_back():
    shown = only((Choice("¿Cuál?", options("Uno", "Dos")),), WORDS)
    assert shown.part == Text("¿Cuál?\n\n1. Uno\n2. Dos")
    assert shown.losses == ("options as numbers",)
    assert [option.value for option in numbered(options("Uno", "Dos"))] == ["uno", "dos"]


def test_more_options_than_buttons_become_a_list_and_more_than_a_list_become_numbers():
    four = only((Choice("¿Cuál?", options("A", "B", "C", "D")),), RICH)
    assert isinstance(four.part, Choice)
    assert (four.part.style, four.losses) == ("list", ("buttons as list",))
    many = only((Choice("¿Cuál?", options(*(f"Opción {n}" for n in range(11)))),), RICH)
    assert isinstance(many.part, Text)
    assert many.part.text.endswith("11. Opción 10")


def test_a_label_too_long_for_a_button_goes_to_where_it_fits_whole():
    shown = only((Choice("¿Cuál?", options("Veintidós caracteres..", "B")),), RICH)
    assert isinstance(shown.part, Choice)
    assert shown.part.style == "list"


def test_a_label_that_no_button_shows_whole_is_told_in_the_question():
    plans = (Option("Esencial · 10 GB · $35.900", "a"), Option("Todo", "b"))
    shown = only((Choice("¿Cuál?", plans),), Limits(buttons=3))
    assert isinstance(shown.part, Choice)
    assert shown.part.text == "¿Cuál?\n\nEsencial · 10 GB · $35.900"
    assert [option.label for option in shown.part.options] == ["Esencial · 10 GB ·…", "Todo"]
    assert shown.losses == ("end of a label",)


def test_labels_that_would_look_alike_when_shortened_become_numbers():
    long = "una etiqueta demasiado larga para cualquier botón"
    shown = only((Choice("¿Cuál?", (Option(f"{long} 1", "1"), Option(f"{long} 2", "2"))),), RICH)
    assert isinstance(shown.part, Text)
    assert f"2. {long} 2" in shown.part.text


def test_a_link_beside_answers_is_told_where_they_do_not_mix():
    mixed = (*options("Sí"), Option("Web", url="https://e.org/"))
    shown = only((Choice("¿Vas?", mixed),), RICH)
    assert shown.part == Choice("¿Vas?\n\nWeb: https://e.org/", options("Sí"))
    assert shown.losses == ("link as a button",)
    alone = only((Choice("¿Vas?", (Option("Web", url="https://e.org/"),)),), RICH)
    assert isinstance(alone.part, Choice)
    assert only((Choice("¿Vas?", mixed),), SHOWY).losses == ()


def test_a_long_question_is_asked_in_pieces_with_the_options_under_the_last():
    *before, last = fitted((Choice("palabra " * 40, options("Sí", "No")),), RICH)
    assert before
    assert all(isinstance(each.part, Text) for each in before)
    assert isinstance(last.part, Choice)
    assert last.losses == ("question in one piece",)


def test_a_carousel_becomes_pictures_and_a_list_by_the_titles_of_its_cards():
    cards = Cards(
        (
            Card("Básico", "5 GB", "https://e.org/1.png", (Option("Elegir", "basic"),)),
            Card("Total", "50 GB", "https://e.org/2.png", (Option("Elegir", "total"),)),
        )
    )
    first, second, choice = fitted((cards,), RICH)
    assert first == Fitted(Media("image", url="https://e.org/1.png", caption="Básico\n5 GB"), ("carousel",))
    assert isinstance(second.part, Media)
    assert isinstance(choice.part, Choice)
    assert choice.part.text == "Elegir:"
    assert [(o.label, o.value, o.description) for o in choice.part.options] == [
        ("Básico", "basic", "5 GB"),
        ("Total", "total", "50 GB"),
    ]
    numbers = fitted((cards,), WORDS)
    assert isinstance(numbers[-1].part, Text)
    assert "2. Total: 50 GB" in numbers[-1].part.text


def test_a_carousel_without_pictures_is_told_once():
    cards = Cards(
        (
            Card("Básico", "5 GB", options=(Option("Elegir", "basic"),)),
            Card("Total", "50 GB", options=(Option("Elegir", "total"),)),
        )
    )
    assert fitted((cards,), WORDS) == (
        Fitted(Text("Elegir:\n\n1. Básico: 5 GB\n2. Total: 50 GB"), ("carousel", "options as numbers")),
    )
    listed = only((cards,), RICH)
    assert isinstance(listed.part, Choice)
    assert [(option.label, option.description) for option in listed.part.options] == [
        ("Básico", "5 GB"),
        ("Total", "50 GB"),
    ]


def test_a_carousel_keeps_its_cards_and_tells_the_buttons_that_do_not_fit():
    card = Card("Plan", "x", "", options("A", "B", "C", "D"))
    carousel, rest = fitted((Cards((card,)),), SHOWY)
    assert isinstance(carousel.part, Cards)
    assert [option.label for option in carousel.part.cards[0].options] == ["A", "B", "C"]
    assert carousel.losses == ("buttons of a card",)
    assert isinstance(rest.part, Choice)
    assert rest.part.options[0].value == "d"


def test_too_many_cards_become_even_carousels():
    shown = fitted((Cards(tuple(Card(f"Plan {n}") for n in range(11))),), Limits(cards=10, min_cards=2))
    assert [len(each.part.cards) for each in shown if isinstance(each.part, Cards)] == [6, 5]


def test_places_contacts_files_and_templates_become_words_or_are_named_as_lost():
    shop = Location(40.4168, -3.7038, "Tienda", "Sol 1")
    assert only((shop,), WORDS).part == Text("Tienda\nSol 1\nhttps://maps.google.com/?q=40.416800,-3.703800")
    assert only((ContactCard("Ana", "+34600000000"),), WORDS).part == Text("Ana: +34600000000")
    assert only((Media("sticker", url="https://e.org/s"),), RICH).losses == ("sticker as image",)
    assert only((Media("video", url="https://e.org/v", caption="mira"),), WORDS).part == Text("mira\nhttps://e.org/v")
    assert only((Template("welcome", "es"),), WORDS) == Fitted(None, ("template",))
    assert only((Unsupported("dice"),), WORDS) == Fitted(None, ("dice",))


LABELS = st.text(min_size=1, max_size=40)
OPTIONS = st.lists(
    st.builds(Option, label=LABELS, value=st.text(max_size=8), description=st.text(max_size=90))
    | st.builds(Option, label=LABELS, url=st.just("https://e.org/")),
    max_size=15,
).map(tuple)
CHOICES = st.builds(Choice, text=st.text(max_size=250), options=OPTIONS, style=st.sampled_from(["buttons", "list"]))
CARDS = st.lists(
    st.builds(
        Card,
        title=st.text(max_size=100),
        subtitle=st.text(max_size=100),
        image_url=st.sampled_from(["", "https://e.org/1.png"]),
        options=OPTIONS,
    ),
    max_size=12,
).map(lambda cards: Cards(tuple(cards)))


def answers_of(parts):
    for part in parts:
        if isinstance(part, Choice):
            holders = [("", part.options)]
        else:
            holders = [(clean(card.title) or card.subtitle, card.options) for card in part.cards]
        for title, options in holders:
            yield from ((option, title) for option in numbered(options))


def clean(words):
    return words.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").strip()


@settings(max_examples=120, deadline=None)
@given(st.lists(CHOICES | CARDS, max_size=2).map(tuple), st.sampled_from([WORDS, RICH, SHOWY]))
def test_whatever_comes_out_is_within_the_limits_and_no_answer_is_lost(parts, limits):
    shown = [each.part for each in fitted(parts, limits)]
    found = []
    for part in shown:
        assert isinstance(part, Text | Choice | Cards | Media)
        if isinstance(part, Choice):
            room = {
                "buttons": (limits.buttons, limits.button_units),
                "quick_replies": (limits.quick_replies, limits.quick_reply_units),
                "list": (limits.list_rows, limits.row_units),
            }[part.style]
            assert 0 < len(part.options) <= room[0]
            assert part.text.strip()
            assert measure(part.text, limits.unit) <= limits.choice_units
            assert all(0 < measure(option.label, limits.unit) <= room[1] for option in part.options)
            assert len({option.label for option in part.options}) == len(part.options)
            found.extend(option.value for option in part.options)
        elif isinstance(part, Cards):
            assert limits.min_cards <= len(part.cards) <= limits.cards
            assert all(len(card.options) <= limits.card_buttons and card.title for card in part.cards)
            found.extend(option.value for card in part.cards for option in card.options)
    words = "\n".join(part.text for part in shown if isinstance(part, Text))
    for option, title in answers_of(parts):
        named = {clean(words) for words in (option.label, title)} - {""}
        value = option.value if option.value.strip() else clean(option.label)
        assert value in found or any(name in words for name in named)
