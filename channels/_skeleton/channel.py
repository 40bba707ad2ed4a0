"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from typing import cast

from channels._skeleton.parse import parse, replay
from channels._skeleton.render import MEDIA, QUICK_REPLIES, TEXT_CHARS, render
from channels._skeleton.settings import SkeletonSettings
from channels._skeleton.verify import verify
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
    Window,
)
from gateway.core.errors import NotSupported
from gateway.core.inbound import Parsed
from gateway.core.messages import Outgoing


class SkeletonChannel:
    """One account of the provider."""

    name = "_skeleton"
    settings: type[EndpointSettings] = SkeletonSettings
    can_redeliver = True
    capabilities = Capabilities(
        text_units=TEXT_CHARS, media=MEDIA, quick_replies=QUICK_REPLIES, has_receipts=True, has_typing=True
    )

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The only account; it may say anything at any time, to whoever wrote before."""
        return (AccountSpec("main", "", "skeleton", _own(settings).rates.as_rates(), Window()),)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(_own(settings), request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        del settings, request
        raise NotSupported("there is no handshake; webhooks are POST")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        del settings
        return parse(request.body)

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        del settings
        return replay(raw)

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        del settings
        return render(message)

    def is_group(self, recipient: str) -> bool:
        del recipient
        return False

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        del read_blob, kept  # files go by their address, and nothing must outlive a restart
        from channels._skeleton.client import SkeletonClient  # not everybody talks

        return SkeletonClient(_own(settings))


def _own(settings: EndpointSettings) -> SkeletonSettings:
    return cast("SkeletonSettings", settings)


channel = SkeletonChannel()
