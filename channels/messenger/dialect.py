"""What Messenger can show and what it calls things, after Meta's documentation of 2026."""

from __future__ import annotations

from channels._meta.messaging.dialect import Dialect
from channels.degrading import Limits
from channels.formatting import Unit

MESSENGER = Dialect(
    name="messenger",
    object="page",
    address_kind="psid",
    app="messenger",
    text_units=2000,
    text_unit=Unit.UTF16,
    limits=Limits(
        unit=Unit.UTF16,
        choice_units=640,
        buttons=3,
        button_units=20,
        url_buttons=3,
        mixes_urls=True,
        quick_replies=13,
        quick_reply_units=20,
        cards=10,
        card_buttons=3,
        card_title_units=80,
        card_subtitle_units=80,
        media=frozenset({"image", "audio", "video", "document"}),
        has_reactions=True,
        asks_for=frozenset({"phone"}),
    ),
    media_types={"image": "image", "audio": "audio", "video": "video", "document": "file"},
    upload_bytes={"image": 8_000_000, "audio": 25_000_000, "video": 25_000_000, "file": 25_000_000},
    reactions={
        "❤": "love",
        "❤️": "love",
        "😍": "love",
        "👍": "like",
        "👎": "dislike",
        "😆": "smile",
        "😂": "smile",
        "😀": "smile",
        "😮": "wow",
        "😢": "sad",
        "😡": "angry",
    },
    fields=(
        "messages",
        "messaging_postbacks",
        "messaging_optins",
        "message_deliveries",
        "message_reads",
        "message_echoes",
        "message_reactions",
        "message_edits",
        "messaging_referrals",
        "messaging_handovers",
        "messaging_policy_enforcement",
        "standby",
    ),
    permissions=("pages_messaging", "pages_manage_metadata"),
    profile_fields=("first_name", "last_name", "name"),
    has_personas=True,
)
"""Meta does not say what a *character* is; counting UTF-16 units is the strictest reading."""
