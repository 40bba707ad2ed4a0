"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from typing import cast

from channels.telegram.parse import parse
from channels.telegram.render import MAX_BUTTONS, MAX_ROWS, TEXT_UNITS, is_group, render
from channels.telegram.settings import TelegramSettings
from channels.telegram.verify import verify
from gateway.core.channel import (
    AccountSpec,
    BlobReader,
    Call,
    Capabilities,
    Client,
    EndpointSettings,
    Kept,
    WebhookAnswer,
    WebhookRequest,
)
from gateway.core.clock import Clock, SystemClock
from gateway.core.errors import NotSupported
from gateway.core.inbound import Parsed
from gateway.core.messages import Outgoing


class TelegramChannel:
    """A bot of Telegram. The clock dates presses of buttons, for which Telegram gives no time."""

    name = "telegram"
    settings: type[EndpointSettings] = TelegramSettings
    can_redeliver = True
    capabilities = Capabilities(
        text_units=TEXT_UNITS,
        media=frozenset({"image", "audio", "voice", "video", "document", "sticker", "animation"}),
        buttons=MAX_BUTTONS,
        quick_replies=MAX_BUTTONS,
        list_rows=MAX_ROWS,
        has_location=True,
        has_contact=True,
        has_reactions_in=True,
        has_edits_in=True,
        has_typing=True,
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The bot, the only account of its endpoint."""
        return (AccountSpec(name="bot", external="", app="telegram", rates=_own(settings).rates.as_rates()),)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(_own(settings), request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """Telegram never asks: it only opens a connection."""
        del settings, request
        raise NotSupported("Telegram has no handshake; its webhooks are POST")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        return parse(_own(settings), request.body, self._clock.now())

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        return parse(_own(settings), raw, self._clock.now())

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        del settings  # a bot's settings change nothing about how a message looks
        return render(message)

    def is_group(self, recipient: str) -> bool:
        return is_group(recipient)

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        del kept  # a bot has nothing to remember
        from channels.telegram.client import TelegramClient  # costs a quarter of a second, and not everybody talks

        return TelegramClient(_own(settings), read_blob)


def _own(settings: EndpointSettings) -> TelegramSettings:
    return cast("TelegramSettings", settings)


channel = TelegramChannel(SystemClock())
