"""Messenger on a port of 127.0.0.1, as Meta documents it: what it refuses, tells and shows."""

from __future__ import annotations

from channels._meta.messaging.sandbox import App, MessagingSandbox
from channels._meta.messaging.sandbox_rules import Rules, refusal
from channels.messenger.dialect import MESSENGER
from channels.sandboxes import Shade, Skin, Stage
from gateway.core.clock import Clock

RULES = Rules(
    text_chars=2000,
    quick_reply_types=frozenset({"text", "user_phone_number", "user_email"}),
    button_types=frozenset({"postback", "web_url", "phone_number", "account_link", "account_unlink", "game_play"}),
    upload_bytes={"image": 8_000_000, "audio": 25_000_000, "video": 25_000_000, "file": 25_000_000},
    reactions=frozenset({"love", "like", "dislike", "smile", "wow", "sad", "angry"}),
    window_subcode=2018278,
    has_personas=True,
)

APP = App(
    name="messenger",
    object="page",
    settings_key="page_id",
    mid_prefix="m_",
    rules=RULES,
    has_deliveries=True,
    sees_by_mid=False,
    has_places=True,
    fields=MESSENGER.fields,
    permissions=("pages_messaging", "pages_manage_metadata", "pages_show_list"),
    text_chars=2000,
    profile_fields=("name", "first_name", "last_name", "locale"),
    withheld=refusal(100, "(#100) No profile available for this user.", 2018218),
)

_SUBTITLE = {"es": "Suele responder al instante", "en": "Typically replies instantly", "pt": "Responde na hora"}


def skin(title: str) -> Skin:
    """White and round, own bubbles from blue to violet, chips for quick replies."""
    return Skin(
        app="Messenger",
        title=title,
        subtitle=_SUBTITLE,
        header=Shade("#ffffff", "#1c1c1e"),
        on_header=Shade("#050505", "#f5f6f7"),
        wallpaper=Shade("#ffffff", "#111113"),
        bubble=Shade("#f0f0f2", "#303034"),
        ink=Shade("#050505", "#f5f6f7"),
        own_bubble=Shade("#0a7cff", "#0a7cff"),
        own_bubble_to=Shade("#8b3ffc", "#8b3ffc"),
        own_ink=Shade("#ffffff", "#ffffff"),
        soft=Shade("#65676b", "#a8abb0"),
        accent=Shade("#0866ff", "#5ea1ff"),
        buttons="inside",
        ticks="below",
        tail=False,
        radius_px=20,
        times="gaps",
        faces=True,
        field={"es": "Aa", "en": "Aa", "pt": "Aa"},
    )


def messenger_sandbox(
    webhook_url: str = "", *, title: str = "Tertulia", clock: Clock | None = None, time_scale: float = 1.0
) -> MessagingSandbox:
    """A page of its own with people who write to it. Opened and closed as a context."""
    return MessagingSandbox(APP, skin(title), webhook_url, clock=clock, time_scale=time_scale)


def open_sandbox(stage: Stage) -> MessagingSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return messenger_sandbox(stage.webhook_url, title=stage.bot_name)
