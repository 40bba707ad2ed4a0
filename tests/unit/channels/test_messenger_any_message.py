"""Whatever an author writes: Meta would take every call, and no option is lost on the way."""

import json
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.discovery import discover, read_settings
from channels.shortening import stands_for
from channels.specimen import specimen_of
from gateway.core.errors import GiveUp
from gateway.core.messages import Author, Card, Cards, Choice, Media, Option, Outgoing, Text

APPS = ("messenger", "instagram")

words = st.one_of(
    st.text(max_size=30), st.sampled_from(["", " ", "Sí", "x" * 90, "😀" * 25, "ñ" * 700, "a\0b", "\ud800"])
)
urls = st.sampled_from(["", "https://a.example/", "http://a.example/x", "ftp://a.example", "javascript:x"])
options = st.builds(
    Option, label=words, value=words, url=urls, asks_for=st.sampled_from(["", "", "", "phone", "location"])
)
choices = st.builds(
    Choice,
    text=words,
    options=st.lists(options, max_size=16).map(tuple),
    style=st.sampled_from(["buttons", "quick_replies", "list"]),
    markup=st.sampled_from(["plain", "markdown"]),
)
cards = st.builds(Card, title=words, subtitle=words, image_url=urls, options=st.lists(options, max_size=5).map(tuple))
carousels = st.builds(Cards, st.lists(cards, max_size=12).map(tuple))
media = st.builds(
    Media,
    kind=st.sampled_from(["image", "audio", "voice", "video", "document", "sticker", "animation"]),
    url=urls,
    blob=st.sampled_from(["", "k"]),
    caption=words,
)
texts = st.builds(Text, words, st.sampled_from(["plain", "markdown"]))
messages = st.lists(st.one_of(texts, choices, carousels, media), min_size=1, max_size=4).map(tuple)


def rendered(app, parts, links=None):
    channel, specimen = discover()[app], specimen_of(app)
    endpoint = read_settings(channel, "main", specimen.settings_values)
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, "42", Author.BOT, parts, links=links or {})
    calls = channel.render(endpoint, message)
    json.dumps([call.params for call in calls]).encode()
    return calls, [fault for call in calls for fault in specimen.faults_of(call)]


@pytest.mark.parametrize("app", APPS)
def test_every_call_of_any_message_would_be_taken(app):
    @settings(max_examples=40, deadline=None)
    @given(messages, st.booleans())
    def check(parts, has_link):
        try:
            _, faults = rendered(app, parts, {"k": "https://gateway.example/k"} if has_link else None)
        except GiveUp as refusal:
            assert refusal.reason == "not_supported"  # noqa: PT017  most messages can be shown
            return
        assert faults == []

    check()


@pytest.mark.parametrize("app", APPS)
def test_no_option_is_lost(app):
    @settings(max_examples=40, deadline=None)
    @given(choices)
    def check(choice):
        answers = [
            option for option in choice.options if option.label.strip() and not option.url and not option.asks_for
        ]
        if not answers:
            return
        calls, _ = rendered(app, (choice,))
        pressed = list(payloads([call.params for call in calls]))
        shown = "\n".join(specimen_of(app).text_of(call) for call in calls)
        if pressed:
            assert len(pressed) == len(answers)
            for payload, option in zip(pressed, answers, strict=True):
                assert stands_for(payload, clean(option.value if option.value.strip() else option.label.strip()))
        else:
            assert all(f"{number}." in shown for number in range(1, len(answers) + 1))

    check()


def clean(text):
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def payloads(found):
    if isinstance(found, dict):
        for name, value in found.items():
            if name == "payload" and isinstance(value, str):
                yield value
            else:
                yield from payloads(value)
    if isinstance(found, list):
        for value in found:
            yield from payloads(value)
