"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from channels.doors import DoorParts, Doors
from channels.webchat.client import WebchatClient, script_tag
from channels.webchat.parse import parse
from channels.webchat.render import TEXT_UNITS, render
from channels.webchat.settings import WebchatSettings
from channels.webchat.verify import verify
from gateway.core.channel import (
    AccountSpec,
    BlobReader,
    Call,
    Capabilities,
    Client,
    EndpointSettings,
    Kept,
    Rates,
    WebhookAnswer,
    WebhookRequest,
)
from gateway.core.errors import NotSupported
from gateway.core.inbound import Parsed
from gateway.core.messages import Outgoing


class WebchatChannel:
    """A web site or an app that speaks our own protocol."""

    name = "webchat"
    settings: type[EndpointSettings] = WebchatSettings
    can_redeliver = True
    capabilities = Capabilities(
        text_units=TEXT_UNITS,
        media=frozenset({"image", "audio", "voice", "video", "document", "sticker", "animation"}),
        buttons=100,
        quick_replies=100,
        list_rows=100,
        cards=50,
        has_location=True,
        has_contact=True,
        has_receipts=True,
        has_typing=True,
        repeats_harmlessly=True,
        shows_speaker=True,
    )

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The site, the only account of its endpoint. Nothing limits how fast we may talk to ourselves."""
        del settings
        return (AccountSpec(name="site", external="", app="web_chat", rates=Rates()),)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(settings, request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """There is no provider that could ask."""
        del settings, request
        raise NotSupported("a web chat has no webhooks")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        del settings
        return parse(request.body)

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        del settings
        return parse(raw)

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        del settings
        return render(message)

    def is_group(self, recipient: str) -> bool:
        del recipient
        return False

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        del settings, read_blob, kept
        return WebchatClient()

    def doors(self, parts: DoorParts) -> Doors:
        from channels.webchat.doors import WebchatDoors  # a web server's business, which parsing has no need of

        return WebchatDoors(parts)

    def invitation(self, endpoint: str, address: str) -> str:
        return script_tag(endpoint, address)


channel = WebchatChannel()
