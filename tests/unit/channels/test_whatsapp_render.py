"""How a message of ours looks on WhatsApp: marks, limits, degradation, whom it is for."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.formatting import Formatted, Unit, measure
from channels.whatsapp.markup import with_marks, written
from channels.whatsapp.render import is_group, render
from channels.whatsapp.sandbox_phone import runs_of
from channels.whatsapp.sandbox_rules import faults
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

MESSAGE_ID = uuid.UUID("01980000-0000-7000-8000-000000000001")


def outgoing(*parts, recipient="ES.1234567890", reply_to="", language="es", links=None):
    return Outgoing(
        MESSAGE_ID,
        uuid.uuid4(),
        1,
        recipient,
        Author.BOT,
        parts,
        reply_to=reply_to,
        language=language,
        links=links or {},
    )


def bodies(*parts, **more):
    calls = render(outgoing(*parts, **more))
    for call in calls:
        assert faults(call.params) == [] or call.uploads
    return [call.params for call in calls]


def body(*parts, **more):
    [only] = bodies(*parts, **more)
    return only


def losses(*parts, **more):
    return [loss for call in render(outgoing(*parts, **more)) for loss in call.losses]


# ---------------------------------------------------------------- whom it is for


@pytest.mark.parametrize(
    ("recipient", "fields"),
    [
        ("ES.1234567890", {"recipient_type": "individual", "recipient": "ES.1234567890"}),
        ("PT.ENT.998877", {"recipient_type": "individual", "recipient": "PT.ENT.998877"}),
        ("+34600111222", {"recipient_type": "individual", "to": "34600111222"}),
        ("34600111222", {"recipient_type": "individual", "to": "34600111222"}),
        ("HBgLMTIzNDU2", {"recipient_type": "group", "to": "HBgLMTIzNDU2"}),
    ],
)
def test_a_recipient_is_named_in_the_field_of_its_form(recipient, fields):
    sent = body(Text("hola"), recipient=recipient)
    assert {key: sent[key] for key in ("recipient_type", "recipient", "to") if key in sent} == fields
    assert is_group(recipient) == (fields["recipient_type"] == "group")


def test_every_call_carries_the_message_s_id_and_only_the_first_quotes():
    sent = bodies(Text("uno"), Text("dos"), reply_to="wamid.abc")
    assert {one["biz_opaque_callback_data"] for one in sent} == {str(MESSAGE_ID)}
    assert sent[0]["context"] == {"message_id": "wamid.abc"}
    assert "context" not in sent[1]


def test_nothing_is_quoted_that_is_no_message_of_whatsapp_s_and_a_reaction_quotes_nothing():
    assert "context" not in body(Text("x"), reply_to="7000:5")
    assert "context" not in body(Reaction("wamid.abc", ("👍",)), reply_to="wamid.abc")


# ---------------------------------------------------------------- marks


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("**bold** and *italic* and ~~gone~~", "*bold* and _italic_ and ~gone~"),
        ("`code` here", "`code` here"),
        ("```\na = 1\nb = 2\n```", "```a = 1\nb = 2```"),
        ("[the site](https://example.org/a)", "the site (https://example.org/a)"),
        ("<https://example.org/a>", "https://example.org/a"),
        ("[a@example.org](mailto:a@example.org)", "a@example.org"),
        ("**[the site](https://example.org/a)** now", "*the site* (https://example.org/a) now"),
        ("***both***", "*_both_*"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("un**believ**able", "unbelievable"),
        ("**2 * 3**", "2 * 3"),
        ("nothing special", "nothing special"),
    ],
)
def test_markdown_becomes_whatsapp_s_own_marks_where_the_app_reads_them(source, shown):
    assert body(Text(source, "markdown"))["text"]["body"] == shown


def test_a_plain_text_stays_as_it_was_written():
    assert body(Text("2 * 3 * 4 _x_ ~y~"))["text"]["body"] == "2 * 3 * 4 _x_ ~y~"


def test_a_link_is_previewed_and_a_text_without_one_is_not():
    assert body(Text("see https://example.org/"))["text"]["preview_url"] is True
    assert "preview_url" not in body(Text("see you"))["text"]


def test_a_long_formatted_text_is_cut_between_words_with_its_marks_closed_and_opened_again():
    pieces = [one["text"]["body"] for one in bodies(Text(f"**{'word ' * 2000}end**", "markdown"))]
    assert len(pieces) == 3
    assert all(piece.startswith("*") and piece.endswith("*") and len(piece) <= 4096 for piece in pieces)
    assert " ".join(piece.strip("*") for piece in pieces) == "word " * 2000 + "end"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab *_~`\n[](https://x.y)é😀", min_size=1, max_size=300), st.integers(8, 60))
def test_marks_never_push_a_piece_over_the_limit(source, limit):
    for piece in written(source, limit, is_markdown=True):
        assert measure(piece, Unit.UTF16) <= limit


def test_what_we_mark_is_what_the_app_shows():
    [text] = written("Hi **Ana _and_ Leo**, `x = 1`, ~~old~~: [here](https://example.org/)", 4096, is_markdown=True)
    runs = runs_of(text)
    assert "".join(run.text for run in runs) == "Hi Ana and Leo, x = 1, old: here (https://example.org/)"
    looks = {run.text: run.look for run in runs if run.look}
    assert looks == {
        "Ana ": ("bold",),
        "and": ("bold", "italic"),
        " Leo": ("bold",),
        "x = 1": ("code",),
        "old": ("strike",),
    }


def test_a_text_without_spans_is_not_touched():
    assert with_marks(Formatted("*a*")) == "*a*"


# ---------------------------------------------------------------- choices


def options(count, **more):
    return tuple(Option(f"Plan {number}", f"plan_{number}", **more) for number in range(count))


def test_three_options_are_buttons_and_four_a_list():
    three = body(Choice("¿Cuál?", options(3)))["interactive"]
    assert three["type"] == "button"
    assert [button["reply"] for button in three["action"]["buttons"]] == [
        {"id": f"plan_{number}", "title": f"Plan {number}"} for number in range(3)
    ]
    four = body(Choice("¿Cuál?", options(4)))["interactive"]
    assert four["type"] == "list"
    assert four["action"]["button"] == "Ver opciones"
    assert [row["id"] for row in four["action"]["sections"][0]["rows"]] == [f"plan_{n}" for n in range(4)]


def test_the_button_that_opens_a_list_speaks_the_conversation_s_language():
    for language, label in (("pt-BR", "Ver opções"), ("en", "See options"), ("de", "See options"), ("", "See options")):
        shown = body(Choice("?", options(5), style="list"), language=language)["interactive"]
        assert shown["action"]["button"] == label


def test_a_list_keeps_descriptions_and_tells_the_end_of_a_long_label_below_it():
    rows = body(
        Choice(
            "?", (Option("Corto", "1", description="algo más"), Option("Una etiqueta que no cabe aquí", "2")), "list"
        )
    )["interactive"]["action"]["sections"][0]["rows"]
    assert rows[0] == {"id": "1", "title": "Corto", "description": "algo más"}
    assert len(rows[1]["title"]) <= 24
    assert rows[1]["description"] == "Una etiqueta que no cabe aquí"


def test_labels_too_long_for_buttons_stand_whole_in_a_list():
    plans = Choice("¿Cuál?", (Option("Esencial · 10 GB · $35.900", "a"), Option("Plus · 25 GB · $49.900", "b")))
    shown = body(plans)["interactive"]
    assert shown["type"] == "list"
    assert shown["action"]["sections"][0]["rows"] == [
        {"id": "a", "title": "Esencial · 10 GB · $35.…", "description": "Esencial · 10 GB · $35.900"},
        {"id": "b", "title": "Plus · 25 GB · $49.900"},
    ]
    assert "buttons as list" in losses(plans)


def test_more_than_ten_options_are_numbers():
    text = body(Choice("¿Cuál?", options(12), style="list"))["text"]["body"]
    assert text.splitlines()[2:4] == ["1. Plan 0", "2. Plan 1"]
    assert "options as numbers" in losses(Choice("¿Cuál?", options(12), style="list"))


def test_one_option_that_opens_a_page_is_a_button_and_among_others_a_line_of_text():
    one = body(Choice("Mira", (Option("Web", url="https://example.org/"),)))["interactive"]
    assert one["type"] == "cta_url"
    assert one["action"]["parameters"] == {"display_text": "Web", "url": "https://example.org/"}
    mixed = body(Choice("Mira", (Option("Sí", "y"), Option("Web", url="https://example.org/"))))["interactive"]
    assert mixed["type"] == "button"
    assert "Web: https://example.org/" in mixed["body"]["text"]


def test_asking_for_the_place_is_the_app_s_own_request():
    shown = body(Choice("¿Dónde está?", (Option("Aquí", asks_for="location"),)))["interactive"]
    assert (shown["type"], shown["action"]) == ("location_request_message", {"name": "send_location"})


def test_asking_for_the_number_is_the_app_s_own_request_and_beside_other_options_a_line():
    shown = body(Choice("¿Su número?", (Option("Compartir", asks_for="phone"),)))["interactive"]
    assert (shown["type"], shown["action"]) == ("request_contact_info", {"name": "request_contact_info"})
    mixed = Choice("¿Su número?", (Option("Compartir", asks_for="phone"), Option("No", "no")))
    assert body(mixed)["interactive"]["type"] == "button"
    assert "button that asks for the phone" in losses(mixed)


def test_values_too_long_are_shortened_and_equal_ones_cannot_both_be_offered():
    long = body(Choice("?", (Option("A", "v" * 400), Option("B", "w" * 400))))["interactive"]
    assert all(len(button["reply"]["id"].encode()) <= 256 for button in long["action"]["buttons"])
    same = Choice("?", (Option("A", "x"), Option("B", "x")))
    assert len(body(same)["interactive"]["action"]["buttons"]) == 1
    assert "options with the same value" in losses(same)


def test_a_question_too_long_for_buttons_goes_before_them():
    sent = bodies(Choice("word " * 600, options(2)))
    assert [one["type"] for one in sent] == ["text", "text", "interactive"]
    assert len(sent[-1]["interactive"]["body"]["text"]) <= 1024


# ---------------------------------------------------------------- cards


def card(number, *picked, image="https://example.org/{}.png"):
    return Card(f"Plan {number}", "Rápido", image.format(number), picked)


def test_cards_with_pictures_and_like_buttons_lie_side_by_side():
    pages = Cards(tuple(card(n, Option("Ver", url=f"https://example.org/{n}")) for n in range(3)))
    shown = body(pages)["interactive"]
    assert shown["type"] == "carousel"
    assert [one["card_index"] for one in shown["action"]["cards"]] == [0, 1, 2]
    assert shown["action"]["cards"][1]["body"]["text"] == "Plan 1\nRápido"
    answers = Cards(tuple(card(n, Option("Quiero", f"want_{n}"), Option("Más", f"more_{n}")) for n in range(2)))
    buttons = body(answers)["interactive"]["action"]["cards"][0]["action"]["buttons"]
    assert [button["quick_reply"]["id"] for button in buttons] == ["want_0", "more_0"]


@pytest.mark.parametrize(
    "cards",
    [
        Cards((card(1, Option("Ver", "1")),)),
        Cards((card(1, Option("Ver", "1")), card(2))),
        Cards((card(1, Option("Ver", "1")), card(2, Option("Ver", "2"), image=""))),
        Cards((card(1, Option("Ver", "1")), card(2, Option("Ver", url="https://example.org/")))),
        Cards((card(1, Option("Ver", "same")), card(2, Option("Ver", "same")))),
        Cards((card(1, Option("Un botón demasiado largo", "1")), card(2, Option("Ver", "2")))),
        Cards(tuple(card(n, Option("Ver", f"{n}")) for n in range(11))),
        Cards((Card("x" * 200, "", "https://example.org/1.png", (Option("Ver", "1"),)), card(2, Option("Ver", "2")))),
    ],
)
def test_other_cards_are_told_and_every_answer_stays_choosable(cards):
    sent = bodies(cards)
    assert all(one.get("interactive", {}).get("type") != "carousel" for one in sent)
    assert "carousel" in losses(cards)


# ---------------------------------------------------------------- files


def test_a_file_of_ours_goes_by_its_link_and_is_uploaded_only_without_one():
    picture = Media("image", blob="k", name="a.png", mime="image/png", caption="mira")
    assert body(picture, links={"k": "https://gw.example/k"})["image"] == {
        "link": "https://gw.example/k",
        "caption": "mira",
    }
    [call] = render(outgoing(picture))
    assert [(upload.field, upload.blob, upload.mime) for upload in call.uploads] == [("image", "k", "image/png")]
    assert call.params["image"] == {"caption": "mira"}


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        (Media("image", url="https://x.y/a", mime="image/gif"), "document"),
        (Media("image", url="https://x.y/a", mime="image/jpeg", size_bytes=6_000_000), "document"),
        (Media("video", url="https://x.y/a", mime="video/quicktime"), "document"),
        (Media("audio", url="https://x.y/a", mime="audio/wav"), "document"),
        (Media("voice", url="https://x.y/a", mime="audio/ogg; codecs=opus"), "audio"),
        (Media("sticker", url="https://x.y/a", mime="image/png"), "image"),
        (Media("sticker", url="https://x.y/a", mime="image/webp"), "sticker"),
        (Media("animation", url="https://x.y/a", mime="video/mp4"), "video"),
        (Media("document", url="https://x.y/a"), "document"),
    ],
)
def test_what_the_app_does_not_play_goes_as_the_next_of_kin(media, kind):
    assert body(media)["type"] == kind
    is_lossless = media.kind == kind or (media.kind, kind) == ("voice", "audio")
    assert bool(losses(media)) == (not is_lossless)


def test_a_voice_note_says_that_it_is_one():
    assert body(Media("voice", url="https://x.y/a"))["audio"] == {"link": "https://x.y/a", "voice": True}


def test_the_words_of_a_sound_or_a_sticker_follow_it():
    sent = bodies(Media("audio", url="https://x.y/a", caption="escucha"))
    assert [one["type"] for one in sent] == ["audio", "text"]
    assert sent[1]["text"]["body"] == "escucha"


def test_a_long_caption_goes_on_in_texts_with_nothing_lost():
    caption = " ".join(f"w{number}" for number in range(600))
    first, *rest = bodies(Media("image", url="https://x.y/a", caption=caption))
    shown = [first["image"]["caption"], *(one["text"]["body"] for one in rest)]
    assert " ".join(shown) == caption


def test_a_document_keeps_its_name_within_the_limit():
    assert body(Media("document", url="https://x.y/a", name="f" * 300))["document"]["filename"].endswith("…")


def test_a_file_that_nobody_can_fetch_is_refused_or_told():
    with pytest.raises(GiveUp):
        render(outgoing(Media("image", provider_ref="not a media id")))
    assert body(Media("image", provider_ref="1479537139650973"))["image"] == {"id": "1479537139650973"}
    assert body(Media("image", url="ftp://x.y/a", caption="words"))["text"]["body"] == "words"


# ---------------------------------------------------------------- the rest


def test_places_people_and_reactions_have_forms_of_their_own():
    assert body(Location(40.4, -3.7, "Sol", "Madrid"))["location"] == {
        "latitude": 40.4,
        "longitude": -3.7,
        "name": "Sol",
        "address": "Madrid",
    }
    assert body(ContactCard("Ana", "+34600000000"))["contacts"] == [
        {"name": {"formatted_name": "Ana", "first_name": "Ana"}, "phones": [{"phone": "+34600000000"}]}
    ]
    assert body(Reaction("wamid.x", ()))["reaction"] == {"message_id": "wamid.x", "emoji": ""}
    assert "further reactions" in losses(Reaction("wamid.x", ("👍", "🎉")))


def test_a_template_has_its_values_in_order_without_line_breaks():
    shown = body(Template("cita_manana", "pt-BR", ("Ana", "mañana\na las 9", " ")))["template"]
    assert shown["language"] == {"code": "pt_BR"}
    assert [value["text"] for value in shown["components"][0]["parameters"]] == ["Ana", "mañana a las 9", "-"]
    assert "empty value of a template" in losses(Template("cita_manana", "es", ("",)))
    assert "components" not in body(Template("hola", "es"))["template"]


def test_a_template_without_a_language_takes_the_conversation_s():
    assert body(Template("hola", ""), language="en-US")["template"]["language"] == {"code": "en_US"}


def test_parts_go_in_order():
    sent = bodies(Text("uno"), Media("image", url="https://x.y/a"), Choice("¿?", options(2)), Location(1, 2))
    assert [one["type"] for one in sent] == ["text", "image", "interactive", "location"]
