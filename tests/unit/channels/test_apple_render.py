"""How messages look on an iPhone: by what the device can show, with ids that are the same at every try."""

import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.apple.render import LIST_ROWS, TEXT_CHARS, render
from channels.apple.specimen import specimen
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
    Unsupported,
)

MODERN = "AUTH,AUTH2,FORM,LIST,QUICK,TIME"
CUSTOMER = "urn:mbid:AQAAY/+a=="
MESSAGE_ID = uuid.UUID("0198c0de-0000-7000-8000-000000000001")
TWO = (Option("Sí", "yes"), Option("No", "no"))


def calls(*parts, traits=MODERN, **more):
    message = Outgoing(
        MESSAGE_ID, uuid.uuid4(), 1, CUSTOMER, more.pop("author", Author.BOT), parts, traits=traits, **more
    )
    made = render(message)
    assert [fault for call in made for fault in specimen.faults_of(call)] == []
    return made


def bodies(*parts, **more):
    return [call.params["message"] for call in calls(*parts, **more)]


def data(body):
    return body["interactiveData"]["data"]


# ---------------------------------------------------------------- words


def test_a_text_is_the_documented_body_and_is_marked_as_automatic():
    [call] = calls(Text("Hola"), language="pt-BR")
    assert call.params == {
        "message": {
            "v": 1,
            "id": str(MESSAGE_ID),
            "destinationId": CUSTOMER,
            "locale": "pt_BR",
            "type": "text",
            "body": "Hola",
        },
        "headers": {"auto-reply": "true"},
    }


@pytest.mark.parametrize(
    ("author", "headers"),
    [(Author.BOT, {"auto-reply": "true"}), (Author.SYSTEM, {"auto-reply": "true"}), (Author.AGENT, {})],
)
def test_only_a_person_speaks_without_the_mark_of_an_automaton(author, headers):
    [call] = calls(Text("Hola"), author=author)
    assert call.params["headers"] == headers


def test_no_locale_is_claimed_when_none_is_known():
    assert "locale" not in bodies(Text("Hola"))[0]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("**muy** _bien_ ~~mal~~ `x`", "muy bien mal x"),
        (
            "[aquí](https://example.org/a) y [allí](https://example.org/b).",
            "aquí (https://example.org/a) y allí (https://example.org/b).",
        ),
        ("<https://example.org/>", "https://example.org/"),
        ("[**aquí**](https://example.org/)", "aquí (https://example.org/)"),
        ("[a@example.org](mailto:a@example.org)", "a@example.org"),
    ],
)
def test_markdown_becomes_plain_words_with_the_targets_of_links_in_brackets(source, shown):
    assert bodies(Text(source, markup="markdown"))[0]["body"] == shown


def test_every_call_of_a_message_has_an_id_of_its_own_which_is_the_same_at_every_try():
    first, again = bodies(Text("palabra " * 4000)), bodies(Text("palabra " * 4000))
    ids = [body["id"] for body in first]
    assert len(ids) == len(set(ids)) > 2
    assert ids == [body["id"] for body in again]
    assert ids[0] == str(MESSAGE_ID)
    assert all(len(body["body"]) <= TEXT_CHARS for body in first)


# ---------------------------------------------------------------- choices


def test_two_to_five_answers_are_quick_replies_on_a_device_that_has_them():
    [body] = bodies(Choice("¿Seguro?", TWO))
    assert body["type"] == "interactive"
    assert data(body) == {
        "version": "1.0",
        "requestIdentifier": str(MESSAGE_ID),
        "quick-reply": {
            "summaryText": "¿Seguro?",
            "items": [{"identifier": "yes", "title": "Sí"}, {"identifier": "no", "title": "No"}],
        },
    }


def test_more_answers_are_a_list_and_its_bubble_asks():
    [body] = bodies(Choice("¿Cuál?", tuple(Option(f"Plan {n}", f"p{n}", description="rápido") for n in range(8))))
    [section] = data(body)["listPicker"]["sections"]
    assert [item["identifier"] for item in section["items"]] == [f"p{n}" for n in range(8)]
    assert section["items"][3] == {
        "identifier": "p3",
        "title": "Plan 3",
        "subtitle": "rápido",
        "order": 3,
        "style": "icon",
    }
    assert data(body)["receivedMessage"]["title"] == "¿Cuál?"


def test_an_old_device_gets_numbers_and_the_loss_is_named():
    [call] = calls(Choice("¿Seguro?", TWO), traits="")
    assert call.params["message"]["body"] == "¿Seguro?\n\n1. Sí\n2. No"
    assert call.losses == ("options as numbers",)


@pytest.mark.parametrize(
    ("traits", "key"), [("LIST", "listPicker"), ("QUICK", "quick-reply"), ("LIST,QUICK", "quick-reply")]
)
def test_what_the_device_has_is_used(traits, key):
    [body] = bodies(Choice("¿Seguro?", TWO), traits=traits)
    assert key in data(body)


def test_one_answer_alone_is_a_list_or_a_number():
    [listed] = bodies(Choice("¿Seguro?", TWO[:1]))
    assert "listPicker" in data(listed)
    [numbered] = bodies(Choice("¿Seguro?", TWO[:1]), traits="QUICK")
    assert numbered["body"] == "¿Seguro?\n\n1. Sí"


def test_two_answers_that_mean_the_same_are_numbers():
    [body] = bodies(Choice("¿Seguro?", (Option("Sí", "y"), Option("Claro", "y"))))
    assert body["body"] == "¿Seguro?\n\n1. Sí\n2. Claro"


def test_a_long_question_goes_before_the_list_and_its_last_line_stays_in_the_bubble():
    question = "Tenemos varios planes para ti.\n" + "Cada uno con lo suyo. " * 12 + "\n¿Cuál prefieres?"
    text, body = bodies(Choice(question, tuple(Option(f"Plan {n}", str(n)) for n in range(7))))
    assert text["body"] == question
    assert data(body)["receivedMessage"]["title"] == "¿Cuál prefieres?"
    assert text["id"] != body["id"] == data(body)["requestIdentifier"]


def test_more_rows_than_a_list_has_are_numbers():
    [call] = calls(Choice("¿Cuál?", tuple(Option(f"o{n}", str(n)) for n in range(LIST_ROWS + 1))))
    assert call.params["message"]["body"].endswith(f"{LIST_ROWS + 1}. o{LIST_ROWS}")


def test_a_page_to_open_is_a_link_with_a_picture_below_the_question():
    text, link = bodies(Choice("Todo en la web", (Option("Abrir", url="https://example.org/a"),)))
    assert text["body"] == "Todo en la web"
    assert (link["type"], link["richLinkData"]["url"], link["richLinkData"]["title"]) == (
        "richLink",
        "https://example.org/a",
        "Abrir",
    )


def test_cards_become_a_list():
    cards = Cards(tuple(Card(f"Plan {n}", "rápido", options=(Option("Elegir", f"p{n}"),)) for n in range(6)))
    [picker] = bodies(cards)
    items = data(picker)["listPicker"]["sections"][0]["items"]
    told = [(item["title"], item["subtitle"], item["identifier"]) for item in items]
    assert told[:2] == [("Plan 0", "rápido", "p0"), ("Plan 1", "rápido", "p1")]


# ---------------------------------------------------------------- files, places, and what has no form here


def test_a_file_of_ours_is_attached_with_a_mark_in_the_words():
    [call] = calls(Media("image", blob="k", name="a.png", mime="image/png", caption="Mira\ufffc"))
    assert call.params["message"]["body"] == "Mira \ufffc"
    [upload] = call.uploads
    assert (upload.blob, upload.name, upload.mime) == ("k", "a.png", "image/png")


def test_a_file_that_lies_elsewhere_is_told_by_its_address():
    [call] = calls(Media("video", url="https://example.org/v.mp4", caption="Mira"))
    assert call.params["message"]["body"] == "Mira\nhttps://example.org/v.mp4"
    assert call.losses == ("video as a link",)


def test_a_picture_that_lies_elsewhere_is_to_be_attached():
    [call] = calls(Media("image", url="https://example.org/a.png", caption="Mira"))
    assert call.params["message"]["body"] == "Mira \ufffc"
    assert call.params["picture"] == "https://example.org/a.png"
    assert call.losses == ()


@pytest.mark.parametrize("url", ["ftp://example.org/a.png", "https://example.org/" + "a" * 2000, "file:///etc/passwd"])
def test_what_is_no_address_of_a_picture_is_only_told(url):
    [call] = calls(Media("image", url=url))
    assert "picture" not in call.params
    assert call.params["message"]["body"] == url


def test_a_place_is_a_link_to_the_phones_maps():
    [body] = bodies(Location(40.4168, -3.7038, "Tienda", "Sol 1"))
    assert body["richLinkData"]["url"] == "https://maps.apple.com/?ll=40.416800,-3.703800&q=Tienda"
    assert body["richLinkData"]["title"] == "Tienda · Sol 1"


def test_a_contact_card_is_words():
    [call] = calls(ContactCard("Ana", "+34600000000"))
    assert call.params["message"]["body"] == "Ana: +34600000000"
    assert call.losses == ("contact card",)


def test_what_has_no_form_is_a_loss_of_its_neighbour_or_given_up():
    [call] = calls(Template("t", "es"), Text("Hola"), Unsupported("dice"), reply_to="m-1")
    assert set(call.losses) == {"template", "dice", "quoted message"}
    with pytest.raises(GiveUp) as raised:
        calls(Template("t", "es"))
    assert raised.value.reason == "not_supported"


OPTIONS = st.builds(Option, label=st.text(max_size=60), value=st.text(max_size=300), description=st.text(max_size=200))


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=700),
    st.lists(OPTIONS, max_size=40),
    st.sampled_from(["buttons", "quick_replies", "list"]),
    st.sampled_from(["", "QUICK", "LIST", "LIST,QUICK"]),
)
def test_any_choice_is_within_the_limits_and_a_device_without_buttons_gets_none(question, options, style, traits):
    try:
        made = calls(Choice(question, tuple(options), style), traits=traits)
    except GiveUp:
        return
    shown = msgspec.json.encode([call.params["message"] for call in made]).decode()
    assert "interactiveData" not in shown or traits
