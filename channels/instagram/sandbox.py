"""Instagram's direct messages on a port of 127.0.0.1, as Meta documents them: what they refuse, tell and show."""

from __future__ import annotations

from channels._meta.messaging.sandbox import App, MessagingSandbox
from channels._meta.messaging.sandbox_rules import Rules, refusal
from channels.instagram.dialect import INSTAGRAM
from channels.sandboxes import Shade, Skin, Stage
from gateway.core.clock import Clock

RULES = Rules(
    text_bytes=1000,
    quick_reply_types=frozenset({"text", "user_phone_number", "user_email"}),
    button_types=frozenset({"postback", "web_url"}),
    upload_bytes={"image": 8_000_000, "audio": 25_000_000, "video": 25_000_000, "file": 25_000_000},
    reactions=frozenset({"love"}),
    window_subcode=2534022,
)

APP = App(
    name="instagram",
    object="instagram",
    settings_key="instagram_id",
    mid_prefix="aWdf",
    rules=RULES,
    has_deliveries=False,
    sees_by_mid=True,
    has_places=False,
    fields=INSTAGRAM.fields,
    permissions=("instagram_basic", "instagram_manage_messages", "pages_manage_metadata"),
    text_chars=1000,
    profile_fields=("name", "username"),
    withheld=refusal(230, "(#230) User consent is required to access user profile", status=403),
)

_SUBTITLE = {"es": "Cuenta de empresa", "en": "Business account", "pt": "Conta comercial"}
_FIELD = {"es": "Enviar mensaje…", "en": "Message…", "pt": "Mensagem…"}


def skin(title: str) -> Skin:
    """Dark as most know it, own bubbles from violet to blue-violet, chips for quick replies, the account's face."""
    return Skin(
        app="Instagram",
        title=title,
        subtitle=_SUBTITLE,
        header=Shade("#0c0f14", "#000000"),
        on_header=Shade("#f5f5f5", "#f5f5f5"),
        wallpaper=Shade("#0c0f14", "#000000"),
        bubble=Shade("#262a31", "#26262a"),
        ink=Shade("#f5f5f5", "#f5f5f5"),
        own_bubble=Shade("#b426c9", "#b426c9"),
        own_bubble_to=Shade("#5b51f5", "#5b51f5"),
        own_ink=Shade("#ffffff", "#ffffff"),
        soft=Shade("#a3a8b0", "#a8a8a8"),
        accent=Shade("#8ea2ff", "#8ea2ff"),
        buttons="inside",
        ticks="below",
        tail=False,
        radius_px=22,
        times="gaps",
        faces=True,
        field=_FIELD,
    )


def instagram_sandbox(
    webhook_url: str = "", *, title: str = "Tertulia", clock: Clock | None = None, time_scale: float = 1.0
) -> MessagingSandbox:
    """An account of its own with people who write to it. Opened and closed as a context."""
    account_id = "17841400000000001"
    return MessagingSandbox(APP, skin(title), webhook_url, account_id=account_id, clock=clock, time_scale=time_scale)


def open_sandbox(stage: Stage) -> MessagingSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return instagram_sandbox(stage.webhook_url, title=stage.bot_name)
