"""How messages look on WhatsApp and as text messages."""

import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.twilio.contents import Layout, read_layout
from channels.twilio.markup import texts_for
from channels.twilio.render import render
from channels.twilio.sandbox_rules import check_content
from channels.twilio.segments import segments
from channels.twilio.settings import TwilioSettings
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
    Reaction,
    Template,
    Text,
)

WA, SMS, MMS = "whatsapp:+15005550010", "+15005550020", "+15005550030"
WELCOME = "HX" + "1" * 32
VALUES = {
    "account_sid": "AC" + "0" * 32,
    "auth_token": "t",
    "accounts": {"wa": {"address": WA}, "sms": {"address": SMS}, "mms": {"address": MMS, "has_mms": True}},
    "templates": {"welcome": WELCOME},
}
SETTINGS = TwilioSettings.model_validate(VALUES)
MESSAGE_ID = uuid.UUID(int=7)


def message(*parts, account=WA, recipient="whatsapp:+34600000002", **more):
    return Outgoing(MESSAGE_ID, uuid.UUID(int=8), 1, recipient, Author.BOT, parts, account=account, **more)


def shown(*parts, given_settings=SETTINGS, **more):
    return render(given_settings, message(*parts, **more))


def bodies(*parts, **more):
    return [call.params.get("Body") for call in shown(*parts, **more)]


# ---------------------------------------------------------------- who and how


def test_a_text_goes_from_the_account_to_the_recipient_with_our_own_reference():
    [call] = shown(Text("hola"))
    assert call.method == "Messages"
    assert call.params == {
        "To": "whatsapp:+34600000002",
        "From": WA,
        "StatusCallback": f"ref={MESSAGE_ID}",
        "Body": "hola",
    }


def test_the_reply_goes_to_the_number_that_wrote_from_the_number_that_was_written_to():
    [call] = shown(Text("hola"), recipient="whatsapp:ID.7", traits="whatsapp:+34600000002")
    assert (call.params["To"], call.params["From"]) == ("whatsapp:+34600000002", WA)
    [pooled] = shown(Text("hola"), account=SMS, recipient="+346", traits="+346 +15005550029")
    assert (pooled.params["To"], pooled.params["From"]) == ("+346", "+15005550029")
    [unheard] = shown(Text("hola"), recipient="whatsapp:ID.7")
    assert unheard.params["To"] == "whatsapp:ID.7"


def test_a_services_parameters_and_those_of_the_settings_go_along():
    accounts = {"sms": {"address": SMS, "messaging_service_sid": "MG" + "0" * 32}, "wa": {"address": WA}}
    values = {**VALUES, "accounts": accounts, "validity_period_s": 600, "smart_encoded": True}
    given_settings = TwilioSettings.model_validate(values)
    [call] = shown(Text("hola"), given_settings=given_settings, account=SMS, recipient="+346")
    assert call.params["MessagingServiceSid"] == "MG" + "0" * 32
    assert (call.params["ValidityPeriod"], call.params["SmartEncoded"]) == ("600", "true")
    [on_whatsapp] = shown(Text("hola"), given_settings=given_settings)
    assert "SmartEncoded" not in on_whatsapp.params


# ---------------------------------------------------------------- text

MARKED = "**a b** _c_ ~~d~~ `e` [f](https://x.example/) [https://y.example/](https://y.example/)"


def test_formatting_becomes_the_apps_own():
    assert bodies(Text(MARKED, "markdown")) == ["*a b* _c_ ~d~ `e` f (https://x.example/) https://y.example/"]
    plain = bodies(Text(MARKED, "markdown"), account=SMS, recipient="+346")
    assert plain == ["a b c d e f (https://x.example/) https://y.example/"]


def test_signs_stand_close_to_the_words_of_each_line():
    assert texts_for("whatsapp", "**a\nb** c", is_markdown=True, limit=100) == ["*a*\n*b* c"]
    assert texts_for("whatsapp", "**a _b_**", is_markdown=True, limit=100) == ["*a _b_*"]
    assert texts_for("whatsapp", "```\nx\ny\n```", is_markdown=True, limit=100) == ["```x\ny```"]
    assert texts_for("whatsapp", "**[a](https://x.example)** b", is_markdown=True, limit=100) == [
        "*a* (https://x.example) b"
    ]


def test_a_text_that_looks_formatted_stays_as_it_was_written():
    assert bodies(Text("2 * 3 * 4")) == ["2 * 3 * 4"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["**fett** ", "_kursiv_ ", "wort ", "😀 ", "[a](https://x.example/) ", "`c`\n"]), max_size=400
    )
)
def test_no_piece_is_longer_than_it_may_be(words):
    for piece in texts_for("whatsapp", "".join(words), is_markdown=True, limit=160):
        assert len(piece.encode("utf-16-le")) // 2 <= 160


def test_a_long_text_is_cut_at_1600_units_between_words():
    pieces = bodies(Text("palabra " * 500))
    assert [len(piece) <= 1600 for piece in pieces] == [True] * 3
    assert " ".join(pieces).split() == ["palabra"] * 500


@pytest.mark.parametrize(
    ("text", "count", "encoding"),
    [
        ("a" * 160, 1, "GSM-7"),
        ("a" * 161, 2, "GSM-7"),
        ("a" * 306, 2, "GSM-7"),
        ("a" * 307, 3, "GSM-7"),
        ("€" * 80, 1, "GSM-7"),
        ("€" * 81, 2, "GSM-7"),
        ("a" * 152 + "€" + "a" * 152, 3, "GSM-7"),  # the euro does not stand across two segments
        ("ñ" * 160, 1, "GSM-7"),
        ("á" * 70, 1, "UCS-2"),
        ("á" * 71, 2, "UCS-2"),
        ("á" * 134, 2, "UCS-2"),
        ("á" * 135, 3, "UCS-2"),
        ("😀" * 35, 1, "UCS-2"),
        ("😀" * 67, 3, "UCS-2"),  # 33 in a segment: none is cut in two
        ("", 1, "GSM-7"),
    ],
)
def test_segments_are_counted_as_operators_bill_them(text, count, encoding):
    found = segments(text)
    assert (found.count, found.encoding) == (count, encoding)


def test_typographic_signs_cost_nothing_when_twilio_replaces_them():
    assert segments("“a”" * 40).encoding == "UCS-2"
    assert segments("“a”" * 40, smart_encoded=True).encoding == "GSM-7"


def test_a_text_message_tells_how_many_segments_it_takes():
    [short] = shown(Text("hola"), account=SMS, recipient="+346")
    [long] = shown(Text("ó" * 100), account=SMS, recipient="+346")
    assert short.losses == ()
    assert long.losses == ("one segment: 2 in UCS-2",)
    assert shown(Text("**ó** " * 100, "markdown"))[0].losses == ()


# ---------------------------------------------------------------- files and places


def test_a_file_of_ours_goes_by_its_link_with_its_words():
    [call] = shown(Media("image", blob="k", caption="mira"), links={"k": "https://gw.example/m/k"})
    assert call.params["MediaUrl"] == ["https://gw.example/m/k"]
    assert call.params["Body"] == "mira"
    assert call.losses == ()


def test_a_sound_has_no_words_below_it():
    sound, words = shown(Media("voice", url="https://x.example/a.ogg", caption="oye"))
    assert "Body" not in sound.params
    assert sound.losses == ("caption",)
    assert words.params["Body"] == "oye"


def test_a_file_without_a_link_leaves_its_words_and_names_the_loss():
    [call] = shown(Media("document", blob="k", caption="tu factura", name="f.pdf"))
    assert call.params["Body"] == "tu factura\nf.pdf"
    assert "file without a public address" in call.losses
    with pytest.raises(GiveUp) as refusal:
        shown(Media("image", provider_ref="https://api.twilio.com/ME1"))
    assert refusal.value.reason == "not_supported"


def test_a_text_message_holds_a_files_address_unless_the_number_can_send_files():
    picture = Media("image", url="https://x.example/a.png", caption="mira")
    [as_words] = shown(picture, account=SMS, recipient="+346")
    assert as_words.params["Body"] == "mira\nhttps://x.example/a.png"
    assert as_words.losses == ("image",)
    [as_file] = shown(picture, account=MMS, recipient="+346")
    assert (as_file.params["MediaUrl"], as_file.params["Body"]) == (["https://x.example/a.png"], "mira")


def test_a_long_caption_goes_on_in_messages_of_its_own():
    first, *rest = shown(Media("image", url="https://x.example/a.png", caption="palabra " * 200))
    assert len(str(first.params["Body"])) <= 1024
    assert first.losses == ("caption in one piece",)
    assert all("MediaUrl" not in call.params for call in rest)


def test_a_place_is_a_map_on_whatsapp_and_words_elsewhere():
    place = Location(40.4, -3.7, "Tienda | Sol", "Mayor 1")
    [call] = shown(place)
    assert call.params["PersistentAction"] == ["geo:40.400000,-3.700000|Tienda / Sol, Mayor 1"]
    assert call.params["Body"] == "Tienda / Sol, Mayor 1"
    [words] = shown(place, account=SMS, recipient="+346")
    assert "maps.google.com" in words.params["Body"]
    assert words.losses == ("map",)


# ---------------------------------------------------------------- choices

YES_NO = (Option("Sí", "yes"), Option("No", "no"))


def test_up_to_three_buttons_are_a_layout_with_its_words():
    [call] = shown(Choice("**¿Vienes?**", YES_NO, markup="markdown"))
    assert call.params["Layout"] == "quick-reply/2"
    assert json.loads(call.params["ContentVariables"]) == {
        "1": "*¿Vienes?*",
        "2": "Sí",
        "3": "yes",
        "4": "No",
        "5": "no",
    }
    assert "Body" not in call.params


def test_more_are_a_list_whose_lines_have_descriptions():
    options = tuple(Option(f"Plan {n}", f"p{n}", description="5 GB" if n == 1 else "") for n in range(4))
    [call] = shown(Choice("¿Cuál?", options), language="es-MX")
    assert call.params["Layout"] == "list-picker/4"
    variables = json.loads(call.params["ContentVariables"])
    assert (variables["1"], variables["2"]) == ("¿Cuál?", "Ver opciones")
    assert [variables[str(n)] for n in range(3, 9)] == ["Plan 0", "p0", "·", "Plan 1", "p1", "5 GB"]
    assert all(variables.values())


def test_beyond_a_list_and_in_a_text_message_options_are_numbers():
    many = Choice("¿Cuál?", tuple(Option(f"o{n}", str(n)) for n in range(11)), style="list")
    [call] = shown(many)
    assert "1. o0" in call.params["Body"]
    [text] = shown(Choice("¿Vienes?", YES_NO), account=SMS, recipient="+346")
    assert text.params["Body"] == "¿Vienes?\n\n1. Sí\n2. No"
    assert "options as numbers" in text.losses


def test_a_long_value_is_shortened_to_what_a_button_carries():
    [call] = shown(Choice("¿?", (Option("a", "ñ" * 200),)))
    assert len(json.loads(call.params["ContentVariables"])["3"].encode()) <= 200


def test_a_question_that_grows_by_its_signs_still_fits():
    calls = shown(Choice("**x** " * 200, YES_NO, markup="markdown"))
    assert len(json.loads(calls[-1].params["ContentVariables"])["1"]) <= 1024


def test_cards_become_words_and_one_choice():
    calls = shown(
        Cards(
            (
                Card("Mini", "5 GB", options=(Option("Elegir", "mini"),)),
                Card("Maxi", options=(Option("Elegir", "maxi"),)),
            )
        )
    )
    assert calls[-1].params["Layout"] == "list-picker/2"
    assert "carousel" in calls[0].losses


@pytest.mark.parametrize(
    "layout", [Layout("quick-reply", n) for n in (1, 2, 3)] + [Layout("list-picker", n) for n in range(1, 11)]
)
def test_a_layout_is_a_content_that_can_be_made_and_is_found_by_its_name(layout):
    assert check_content(json.loads(layout.definition()))
    assert read_layout(layout.name) == layout


@pytest.mark.parametrize("name", ["", "quick-reply/4", "list-picker/0", "list-picker/11", "other/1", "quick-reply/x"])
def test_other_layouts_do_not_exist(name):
    with pytest.raises(ValueError, match="no layout"):
        read_layout(name)


# ---------------------------------------------------------------- the rest


def test_a_template_goes_by_its_content_with_its_values_by_number():
    [call] = shown(Template("welcome", "es", ("Ana", "a\0b")))
    assert call.params["ContentSid"] == WELCOME
    assert json.loads(call.params["ContentVariables"]) == {"1": "Ana", "2": "a\ufffdb"}
    [bare] = shown(Template("welcome", "es"))
    assert "ContentVariables" not in bare.params


def test_a_template_that_nobody_named_is_refused_alone_and_a_loss_beside_others():
    with pytest.raises(GiveUp):
        shown(Template("other", "es"))
    [call] = shown(Template("other", "es"), Text("hola"))
    assert call.losses == ("template",)


def test_what_cannot_be_shown_is_named():
    [call] = shown(Text("hola"), Reaction("SM1", ("👍",)), reply_to="SM2")
    assert set(call.losses) == {"reaction", "quoted message"}
    [contact] = shown(ContactCard("Ana", "+34600"))
    assert contact.params["Body"] == "Ana: +34600"
    assert contact.losses == ("contact card",)
