"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from typing import cast

from channels.sunshine.parse import parse
from channels.sunshine.render import ACTIONS, ITEMS, MEDIA, TEXT_UNITS, render
from channels.sunshine.settings import SunshineSettings
from channels.sunshine.verify import verify
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
from gateway.core.errors import NotSupported
from gateway.core.inbound import Parsed
from gateway.core.messages import Outgoing


class SunshineChannel:
    """An app of Sunshine Conversations: the visitors of Zendesk's own widget, with us first on the switchboard."""

    name = "sunshine"
    settings: type[EndpointSettings] = SunshineSettings
    can_redeliver = True
    capabilities = Capabilities(
        text_units=TEXT_UNITS,
        media=MEDIA,
        buttons=ACTIONS,
        quick_replies=ACTIONS,
        list_rows=ITEMS,
        cards=ITEMS,
        has_location=True,
        has_receipts=True,
        has_typing=True,
    )

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The app, the only account of its endpoint. What is said in the widget may be said at any time."""
        rates = _own(settings).rates.as_rates()
        return (AccountSpec(name="app", external="", app="zendesk_messaging", rates=rates),)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(_own(settings), request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """Zendesk never asks: its webhooks are POST from the first."""
        del settings, request
        raise NotSupported("Sunshine Conversations has no handshake; its webhooks are POST")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        return parse(_own(settings), request.body)

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        return parse(_own(settings), raw)

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        return render(_own(settings), message)

    def is_group(self, recipient: str) -> bool:
        """A conversation of several people looks like any other, and has no rates of its own."""
        del recipient
        return False

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        del kept  # an app has nothing to remember
        from channels.sunshine.client import SunshineClient  # takes time to load, and not everybody talks

        return SunshineClient(_own(settings), read_blob)


def _own(settings: EndpointSettings) -> SunshineSettings:
    return cast("SunshineSettings", settings)


channel = SunshineChannel()
