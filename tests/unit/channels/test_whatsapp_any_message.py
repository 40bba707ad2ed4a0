"""Whatever an author writes, WhatsApp takes what we make of it, and every answer stays within reach."""

import uuid

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.shortening import stands_for
from channels.whatsapp.render import render
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
    Selection,
    Template,
    Text,
    Unsupported,
)

ODD = st.sampled_from(["", " ", "\n", "\0", "\ud800", "😀" * 30, "word " * 300, "x" * 1500, "á" * 25, "*_~`", "a\tb"])
WORDS = ODD | st.text(max_size=40) | st.text(alphabet="ab *_~`\n[](https://x.y)é😀", max_size=120)
URLS = st.sampled_from(
    ["", "https://example.org/", "http://example.org/a b", "ftp://example.org/", "https://x.y/\ud800"]
)
OPTIONS = st.builds(Option, WORDS, WORDS, URLS, st.sampled_from(["", "", "", "phone", "location"]), WORDS)
MARKUPS = st.sampled_from(["plain", "markdown"])
KINDS = st.sampled_from(["image", "audio", "voice", "video", "document", "sticker", "animation"])
MIMES = st.sampled_from(
    ["", "image/png", "image/gif", "image/webp", "video/mp4", "audio/ogg; codecs=opus", "text/plain"]
)

PARTS = st.one_of(
    st.builds(Text, WORDS, MARKUPS),
    st.builds(
        Media,
        KINDS,
        provider_ref=st.sampled_from(["", "123456789", "../x"]),
        url=URLS,
        caption=WORDS,
        name=WORDS,
        mime=MIMES,
        size_bytes=st.sampled_from([0, 10**6, 10**7, 10**9]),
    ),
    st.builds(Location, st.floats(-90, 90), st.floats(-180, 180), WORDS, WORDS),
    st.builds(ContactCard, WORDS, WORDS),
    st.builds(
        Choice,
        WORDS,
        st.lists(OPTIONS, max_size=14).map(tuple),
        st.sampled_from(["buttons", "quick_replies", "list"]),
        MARKUPS,
    ),
    st.lists(st.builds(Card, WORDS, WORDS, URLS, st.lists(OPTIONS, max_size=4).map(tuple)), max_size=12)
    .map(tuple)
    .map(Cards),
    st.builds(
        Template, st.just("cita_manana"), st.sampled_from(["es", "pt-BR"]), st.lists(WORDS, max_size=4).map(tuple)
    ),
    st.builds(Selection, WORDS, WORDS),
    st.builds(Reaction, st.just("wamid.x"), st.lists(st.sampled_from("👍🎉"), max_size=2).map(tuple)),
    st.builds(Unsupported, st.just("dice")),
)


def calls_for(parts):
    message = Outgoing(uuid.uuid4(), uuid.uuid4(), 1, "ES.123", Author.BOT, tuple(parts), language="es")
    try:
        return render(message)
    except GiveUp:
        return ()


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=3))
def test_every_message_is_taken_and_can_be_written_as_json(parts):
    for call in calls_for(parts):
        sent = msgspec.json.decode(msgspec.json.encode(call.params))
        assert faults(sent) == []


def answers(call):
    """The values of all that can be pressed in a call."""
    action = call.params.get("interactive", {}).get("action", {})
    yield from (button["reply"]["id"] for button in action.get("buttons", ()))
    yield from (row["id"] for section in action.get("sections", ()) for row in section["rows"])


LABELS = st.text(alphabet="abcdefgh ", min_size=1, max_size=80).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(LABELS, min_size=1, max_size=10, unique_by=str.strip),
    st.sampled_from(["buttons", "quick_replies", "list"]),
    st.integers(1, 400),
)
def test_every_option_can_be_pressed_or_is_a_numbered_line(labels, style, length):
    options = tuple(Option(label, f"{number}-{'v' * length}") for number, label in enumerate(labels))
    calls = calls_for([Choice("¿Cuál?", options, style)])
    offered = [value for call in calls for value in answers(call)]
    lines = [line for call in calls for line in call.params.get("text", {}).get("body", "").splitlines()]
    for number, option in enumerate(options, 1):
        is_pressable = any(stands_for(value, option.value) for value in offered)
        assert is_pressable or any(line.startswith(f"{number}. ") for line in lines)
