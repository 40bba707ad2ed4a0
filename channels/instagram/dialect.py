"""What Instagram's direct messages can show and what they call things, after Meta's documentation of 2026."""

from __future__ import annotations

from channels._meta.messaging.dialect import Dialect
from channels.degrading import Limits
from channels.formatting import Unit

INSTAGRAM = Dialect(
    name="instagram",
    object="instagram",
    address_kind="igsid",
    app="instagram",
    text_units=1000,
    text_unit=Unit.BYTES,
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
    ),
    media_types={"image": "image", "audio": "audio", "video": "video", "document": "file"},
    upload_bytes={"image": 8_000_000, "audio": 25_000_000, "video": 25_000_000, "file": 25_000_000},
    reactions={"❤": "love", "❤️": "love"},
    fields=(
        "messages",
        "messaging_postbacks",
        "messaging_seen",
        "message_echoes",
        "message_reactions",
        "message_edit",
        "messaging_referral",
        "messaging_handover",
        "messaging_policy_enforcement",
        "standby",
    ),
    permissions=("instagram_basic", "instagram_manage_messages", "pages_manage_metadata"),
    profile_fields=("name", "username"),
)
