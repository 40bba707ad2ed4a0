"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from typing import cast

from channels.apple.parse import parse, replay
from channels.apple.render import LIST_ROWS, MEDIA, QUICK_REPLIES, TEXT_CHARS, render
from channels.apple.settings import AppleSettings
from channels.apple.verify import verify
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
from gateway.core.clock import Clock, SystemClock
from gateway.core.errors import NotSupported
from gateway.core.inbound import Parsed
from gateway.core.messages import Outgoing


class AppleChannel:
    """An MSP id and its businesses. The clock dates what comes in, for which Apple gives no time, and signs."""

    name = "apple"
    settings: type[EndpointSettings] = AppleSettings
    can_redeliver = False
    capabilities = Capabilities(
        text_units=TEXT_CHARS,
        media=MEDIA,
        quick_replies=QUICK_REPLIES.stop - 1,
        list_rows=LIST_ROWS,
        has_location=True,
        has_typing=True,
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """One account a business. A conversation has no time limit, and only customers begin one."""
        own = _own(settings)
        return tuple(
            AccountSpec(name, account.business_id, "apple_messages", own.rates.as_rates(), Window())
            for name, account in own.accounts.items()
        )

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(_own(settings), request, self._clock.now().timestamp())

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """Apple never asks: an address is entered on its pages."""
        del settings, request
        raise NotSupported("Apple has no handshake; its webhooks are POST")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        del settings  # nothing about how a webhook is read is a setting
        return parse(request, self._clock.now())

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        del settings
        return replay(raw, self._clock.now())

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        del settings  # an endpoint's settings change nothing about how a message looks
        return render(message)

    def is_group(self, recipient: str) -> bool:
        """A business talks to one customer at a time."""
        del recipient
        return False

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        del kept  # all that must be remembered is in the messages' own ids
        from channels.apple.client import AppleClient  # the cipher's library is slow to load, and not everybody talks

        return AppleClient(_own(settings), read_blob, self._clock)


def _own(settings: EndpointSettings) -> AppleSettings:
    return cast("AppleSettings", settings)


channel = AppleChannel(SystemClock())
