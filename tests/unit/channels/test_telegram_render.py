"""How our messages look on Telegram."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.shortening import stands_for
from channels.telegram.render import TEXT_UNITS, is_group, message_reference, render
from gateway.core.channel import Call, Upload
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


def shown(*parts, recipient="5", reply_to=""):
    return render(Outgoing(uuid.uuid4(), uuid.uuid4(), 1, recipient, Author.BOT, parts, reply_to=reply_to))


def test_a_plain_text_is_one_call_without_any_markup():
    assert shown(Text("1 < 2 & *not bold*")) == (Call("sendMessage", {"chat_id": "5", "text": "1 < 2 & *not bold*"}),)


@given(st.text(max_size=3000))
def test_the_short_way_and_the_long_way_agree(text):
    try:
        [long_way] = shown(Text(text), reply_to="5:1")
    except (GiveUp, ValueError):
        return
    [short_way] = shown(Text(text))
    assert {**short_way.params, "reply_parameters": long_way.params["reply_parameters"]} == long_way.params


def test_entities_count_utf16_units():
    [call] = shown(Text("😀 **bold** [página](https://e.org)", markup="markdown"))
    assert call.params["text"] == "😀 bold página"
    assert call.params["entities"] == [
        {"type": "bold", "offset": 3, "length": 4},
        {"type": "text_link", "offset": 8, "length": 6, "url": "https://e.org"},
    ]


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="ab 😀\n", min_size=1, max_size=30), st.integers(100, 1000))
def test_each_piece_of_a_long_text_is_within_the_limit_and_its_entities_within_it(seed, times):
    text = f"**{(seed.replace('*', '') + 'w') * times}**"
    for call in shown(Text(text, markup="markdown")):
        length = len(str(call.params["text"]).encode("utf-16-le")) // 2
        assert length <= TEXT_UNITS
        assert all(0 <= e["offset"] < e["offset"] + e["length"] <= length for e in call.params.get("entities", []))


def test_buttons_carry_their_values_and_links_open_pages():
    [call] = shown(Choice("Pay?", (Option("Yes", "pay:yes"), Option("Site", url="https://e.org"), Option("No"))))
    assert call.params["reply_markup"] == {
        "inline_keyboard": [
            [
                {"text": "Yes", "callback_data": "pay:yes"},
                {"text": "Site", "url": "https://e.org"},
                {"text": "No", "callback_data": "No"},
            ]
        ]
    }
    assert call.losses == ()


def test_a_value_longer_than_64_bytes_is_shortened_and_still_stands_for_itself():
    value = "plan:" + "ñ" * 60
    [call] = shown(Choice("?", (Option("A", value),)))
    data = call.params["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    assert len(data.encode()) <= 64
    assert stands_for(data, value)


def test_a_list_has_one_option_a_row():
    [call] = shown(Choice("?", tuple(Option(str(n)) for n in range(12)), style="list"))
    assert [len(row) for row in call.params["reply_markup"]["inline_keyboard"]] == [1] * 12


def test_options_beyond_a_hundred_are_written_out():
    [call] = shown(Choice("?", tuple(Option(f"o{n}") for n in range(103)), style="list"))
    assert len(call.params["reply_markup"]["inline_keyboard"]) == 100
    assert call.params["text"].splitlines()[1:] == ["o100", "o101", "o102"]
    assert call.losses


def test_quick_replies_are_a_keyboard_that_goes_away():
    [call] = shown(Choice("?", (Option("Yes"), Option("No", "n")), style="quick_replies"))
    markup = call.params["reply_markup"]
    assert markup["keyboard"] == [[{"text": "Yes"}, {"text": "No"}]]
    assert markup["one_time_keyboard"]
    assert call.losses == ("value of a quick reply",)


def test_asking_for_phone_and_place_uses_the_apps_own_buttons_but_not_in_groups():
    choice = Choice("?", (Option("Phone", asks_for="phone"), Option("Place", asks_for="location")))
    [call] = shown(choice)
    assert call.params["reply_markup"]["keyboard"] == [
        [{"text": "Phone", "request_contact": True}, {"text": "Place", "request_location": True}]
    ]
    [call] = shown(choice, recipient="-100")
    assert call.params["reply_markup"]["keyboard"] == [[{"text": "Phone"}, {"text": "Place"}]]
    assert len(call.losses) == 2


def test_the_keyboard_stands_under_the_last_piece_of_a_long_question():
    calls = shown(Choice("word " * 2000, (Option("Yes"),)))
    assert len(calls) == 3
    assert ["reply_markup" in call.params for call in calls] == [False, False, True]


@pytest.mark.parametrize(
    ("media", "call"),
    [
        (
            Media("image", url="https://e.org/a.png", caption="c"),
            Call("sendPhoto", {"chat_id": "5", "photo": "https://e.org/a.png", "caption": "c"}),
        ),
        (Media("document", provider_ref="F1"), Call("sendDocument", {"chat_id": "5", "document": "F1"})),
        (
            Media("voice", blob="k", mime="audio/ogg"),
            Call("sendVoice", {"chat_id": "5"}, (Upload("voice", "k", "voice", "audio/ogg"),)),
        ),
        (
            Media("video", blob="k", url="https://e.org/v", provider_ref="F", name="v.mp4"),
            Call("sendVideo", {"chat_id": "5"}, (Upload("video", "k", "v.mp4"),)),
        ),
        (
            Media("video", url="https://e.org/v", provider_ref="F"),
            Call("sendVideo", {"chat_id": "5", "video": "https://e.org/v"}),
        ),
    ],
)
def test_files_go_out_from_our_store_first_then_by_address_then_by_handle(media, call):
    assert shown(media) == (call,)


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "../x", "attach://x", "ftp://e.org/x"])
def test_a_source_that_is_neither_address_nor_handle_is_not_passed_on(source):
    for media in (Media("document", provider_ref=source), Media("document", url=source)):
        with pytest.raises(GiveUp):
            shown(media)
    [call] = shown(Cards((Card("One", image_url=source),)))
    assert call.method == "sendMessage"


def test_a_long_caption_goes_on_below_the_file():
    calls = shown(Media("image", url="https://e.org/a.png", caption="word " * 300))
    assert [call.method for call in calls] == ["sendPhoto", "sendMessage"]
    assert len(calls[0].params["caption"]) <= 1024
    assert f"{calls[0].params['caption']} {calls[1].params['text'].strip()}" == ("word " * 300).strip()


def test_a_sticker_has_its_words_below():
    assert [call.method for call in shown(Media("sticker", provider_ref="F", caption="hi"))] == [
        "sendSticker",
        "sendMessage",
    ]


def test_places_and_cards_of_people():
    assert [call.method for call in shown(Location(1, 2), Location(1, 2, "Shop"), ContactCard("Ana", "+34"))] == [
        "sendLocation",
        "sendVenue",
        "sendContact",
    ]


def test_cards_become_messages_with_their_buttons_and_say_what_was_lost():
    cards = Cards((Card("One", "first", "https://e.org/1.png", (Option("Buy", "b1"),)), Card("Two")))
    first, second = shown(cards)
    assert (first.method, first.params["caption"], second.params["text"]) == ("sendPhoto", "One\nfirst", "Two")
    assert first.params["caption_entities"] == [{"type": "bold", "offset": 0, "length": 3}]
    assert first.params["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "b1"
    assert "carousel" in first.losses


def test_a_template_alone_is_given_up_and_beside_a_text_it_is_a_loss():
    with pytest.raises(GiveUp) as refusal:
        shown(Template("t", "es"))
    assert refusal.value.reason == "not_supported"
    [call] = shown(Template("t", "es"), Text("hi"))
    assert call.losses == ("template",)


def test_a_reply_quotes_the_first_call_and_survives_a_deleted_original():
    first, second = shown(Text("a"), Text("b"), reply_to="5:77")
    assert first.params["reply_parameters"] == {"message_id": 77, "allow_sending_without_reply": True}
    assert "reply_parameters" not in second.params


def test_a_reply_to_a_press_or_into_another_chat_is_sent_without_the_quote():
    assert "reply_parameters" not in shown(Text("a"), reply_to="cb:123")[0].params
    moved = shown(Text("a"), recipient="-1001", reply_to="-5:7")[0]
    assert "reply_parameters" not in moved.params
    assert moved.losses


def test_groups_are_told_by_their_ids():
    assert is_group("-1001")
    assert not is_group("1001")
    assert message_reference("-5:7") == ("-5", 7)
    assert message_reference("cb:7") is None
    assert message_reference("") is None
