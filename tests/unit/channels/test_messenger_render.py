"""What a message of ours looks like in Messenger, call by call."""

import uuid

import pytest

from channels.discovery import read_settings
from channels.messenger import channel
from channels.messenger.specimen import specimen
from channels.shortening import stands_for
from gateway.core.errors import GiveUp
from gateway.core.messages import (
    Author,
    Card,
    Cards,
    Choice,
    Location,
    Media,
    Option,
    Outgoing,
    Reaction,
    Template,
    Text,
    Unsupported,
)

SETTINGS = read_settings(channel, "main", specimen.settings_values)
MESSAGE_ID = uuid.UUID("0197e3a4-5b6c-7d8e-9f01-23456789abcd")


def render(*parts, settings=SETTINGS, recipient="42", author=Author.BOT, **more):
    message = Outgoing(MESSAGE_ID, uuid.uuid4(), 1, recipient, author, parts, **more)
    calls = channel.render(settings, message)
    assert [fault for call in calls for fault in specimen.faults_of(call)] == []
    return calls


def messages(*parts, **more):
    return [call.params["message"] for call in render(*parts, **more)]


def test_a_short_text_is_one_call_with_our_id_in_it():
    [call] = render(Text("hola"))
    assert call.params == {
        "recipient": {"id": "42"},
        "messaging_type": "RESPONSE",
        "message": {"text": "hola", "metadata": f"tertulia:{MESSAGE_ID}"},
    }


def test_a_guest_is_written_to_by_the_name_that_the_plugin_gave():
    assert render(Text("hola"), recipient="user_ref:g-1")[0].params["recipient"] == {"user_ref": "g-1"}


def test_each_call_of_a_message_bears_its_id_and_its_number():
    marks = [message["metadata"] for message in messages(Text("uno"), Text("dos"), Text("tres"))]
    assert marks == [f"tertulia:{MESSAGE_ID}", f"tertulia:{MESSAGE_ID}#1", f"tertulia:{MESSAGE_ID}#2"]


def test_a_long_text_is_cut_between_words():
    pieces = [message["text"] for message in messages(Text(("palabra " * 600).strip()))]
    assert len(pieces) == 3
    assert all(len(piece) <= 2000 and piece.endswith("palabra") for piece in pieces)


def test_marks_are_dropped_and_a_link_keeps_its_target():
    source = "**Hola** _Ana_: [tu factura](https://example.org/f), <https://example.org>, [x@y.es](mailto:x@y.es)"
    [message] = messages(Text(source, "markdown"))
    assert message["text"] == "Hola Ana: tu factura (https://example.org/f), https://example.org, x@y.es"


def test_plain_text_keeps_its_stars():
    assert messages(Text("2*3*4"))[0]["text"] == "2*3*4"


def test_an_agents_late_word_bears_the_tag():
    [call] = render(Text("ya está"), author=Author.AGENT, is_late=True)
    assert (call.params["messaging_type"], call.params["tag"]) == ("MESSAGE_TAG", "HUMAN_AGENT")
    not_allowed = SETTINGS.model_copy(update={"has_human_agent": False})
    for other in (
        render(Text("ya está"), author=Author.AGENT),
        render(Text("ya está"), author=Author.BOT, is_late=True),
        render(Text("ya está"), author=Author.AGENT, is_late=True, settings=not_allowed),
    ):
        assert other[0].params["messaging_type"] == "RESPONSE"


def test_without_leave_for_agents_their_window_is_a_day():
    assert channel.accounts(SETTINGS)[0].window.agent_s == 7 * 86400
    narrowed = SETTINGS.model_copy(update={"has_human_agent": False})
    assert channel.accounts(narrowed)[0].window.agent_s == 86400


def test_the_first_call_quotes_the_message_that_it_answers():
    first, second = render(Text("uno"), Text("dos"), reply_to="m_AbC-9_x")
    assert first.params["reply_to"] == {"mid": "m_AbC-9_x"}
    assert "reply_to" not in second.params
    assert "reply_to" not in render(Text("uno"), reply_to="p:42:17:ab")[0].params


def test_three_options_are_buttons_and_a_link_may_be_among_them():
    [message] = messages(
        Choice("¿Cuál?", (Option("Sí", "yes"), Option("No", "no"), Option("Web", url="https://a.example/")))
    )
    payload = message["attachment"]["payload"]
    assert payload["text"] == "¿Cuál?"
    assert payload["buttons"] == [
        {"type": "postback", "title": "Sí", "payload": "yes"},
        {"type": "postback", "title": "No", "payload": "no"},
        {"type": "web_url", "title": "Web", "url": "https://a.example/"},
    ]


def test_more_options_are_quick_replies_and_still_more_are_numbers():
    options = tuple(Option(f"Opción {n}", f"o{n}") for n in range(1, 14))
    [message] = messages(Choice("¿Cuál?", options))
    assert [reply["payload"] for reply in message["quick_replies"]] == [f"o{n}" for n in range(1, 14)]
    [call] = render(Choice("¿Cuál?", (*options, Option("Otra", "x"))))
    assert "14. Otra" in call.params["message"]["text"]
    assert "options as numbers" in call.losses


def test_asking_for_the_phone_is_a_quick_reply():
    [message] = messages(Choice("¿Tu número?", (Option("Mi número", asks_for="phone"),), "quick_replies"))
    assert message["quick_replies"] == [{"content_type": "user_phone_number"}]


def test_a_long_question_goes_before_its_buttons():
    first, second = messages(Choice("pregunta " * 100, (Option("Sí", "yes"),)))
    assert "text" in first
    assert second["attachment"]["payload"]["template_type"] == "button"


def test_a_long_value_travels_short_and_is_known_again():
    value = "v" * 1500
    [message] = messages(Choice("?", (Option("Sí", value),)))
    assert stands_for(message["attachment"]["payload"]["buttons"][0]["payload"], value)


def test_cards_lie_side_by_side_and_eleven_make_two_rows():
    [message] = messages(
        Cards((Card("Mini", "9 €", "https://a.example/m.png", (Option("Quiero", "mini"),)), Card("Max")))
    )
    first, bare = message["attachment"]["payload"]["elements"]
    assert first["buttons"] == [{"type": "postback", "title": "Quiero", "payload": "mini"}]
    assert set(bare) == {"title", "subtitle"}
    rows = messages(Cards(tuple(Card(f"No. {n}", "x") for n in range(11))))
    assert [len(row["attachment"]["payload"]["elements"]) for row in rows] == [6, 5]


@pytest.mark.parametrize(
    ("kind", "type_", "is_heavy"),
    [
        ("image", "image", False),
        ("audio", "audio", True),
        ("voice", "audio", True),
        ("video", "video", True),
        ("animation", "video", True),
        ("document", "file", False),
        ("sticker", "image", False),
    ],
)
def test_a_file_goes_by_its_address_and_heavy_ones_are_told(kind, type_, is_heavy):
    [call] = render(Media(kind, url="https://a.example/f"))
    attachment = call.params["message"]["attachment"]
    assert (attachment, call.is_heavy) == ({"type": type_, "payload": {"url": "https://a.example/f"}}, is_heavy)


def test_our_own_copy_goes_by_a_link_and_is_uploaded_without_one():
    media = Media("document", blob="k", url="https://elsewhere.example/", name="a.pdf", mime="application/pdf")
    [linked] = render(media, links={"k": "https://gateway.example/media/k"})
    assert linked.params["message"]["attachment"]["payload"] == {"url": "https://gateway.example/media/k"}
    [uploaded] = render(media)
    [upload] = uploaded.uploads
    assert (upload.field, upload.blob, upload.name, upload.mime) == ("filedata", "k", "a.pdf", "application/pdf")


def test_a_caption_follows_as_a_text():
    first, second = render(Media("image", url="https://a.example/f", caption="tu factura"))
    assert first.losses == ("caption",)
    assert second.params["message"]["text"] == "tu factura"


def test_a_place_becomes_words():
    [call] = render(Location(40.4, -3.7, "Tienda", "Mayor 1"))
    assert call.losses == ("map",)
    assert call.params["message"]["text"].startswith("Tienda\nMayor 1\nhttps://")


def test_a_reaction_is_sent_in_metas_words_and_taken_back():
    [call] = render(Reaction("m_AbC", ("👍",)))
    assert call.params == {
        "recipient": {"id": "42"},
        "sender_action": "react",
        "payload": {"message_id": "m_AbC", "reaction": "like"},
    }
    assert render(Reaction("m_AbC"))[0].params["sender_action"] == "unreact"
    with pytest.raises(GiveUp, match="not_supported"):
        render(Reaction("m_AbC", ("🦄",)))


def test_what_cannot_be_shown_is_named_and_nothing_at_all_is_refused():
    [call] = render(Unsupported("dice"), Text("hola"), Template("t", "es"))
    assert set(call.losses) == {"dice", "template"}
    for nothing in (Template("t", "es"), Text(" "), Media("image"), Choice("", ()), Cards(())):
        with pytest.raises(GiveUp, match="not_supported"):
            render(nothing)


def test_the_documented_rates_are_the_defaults_and_can_be_set_for_one_page():
    [account] = channel.accounts(SETTINGS)
    assert (account.rates.per_s, account.rates.heavy_per_s) == (300, 10)
    values = dict(specimen.settings_values)
    values["accounts"] = {"shop": {"page_id": "1", "access_token": "x", "rates": {"per_s": 5}}}
    assert channel.accounts(read_settings(channel, "main", values))[0].rates.per_s == 5
