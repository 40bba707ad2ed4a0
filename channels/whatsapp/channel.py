"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from typing import cast

from channels._meta.handshake import answer_handshake
from channels.telephone import international
from channels.whatsapp.parse import parse
from channels.whatsapp.render import BUTTONS, CARDS, MEDIA, ROWS, TEXT_UNITS, is_group, render
from channels.whatsapp.settings import WhatsAppSettings
from channels.whatsapp.verify import verify
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
from gateway.core.errors import BadPayload
from gateway.core.inbound import AddressKey, Parsed
from gateway.core.messages import Outgoing


class WhatsAppChannel:
    """The numbers behind a Meta app. The clock dates notices for which Meta gives no time."""

    name = "whatsapp"
    settings: type[EndpointSettings] = WhatsAppSettings
    can_redeliver = True
    capabilities = Capabilities(
        text_units=TEXT_UNITS,
        media=MEDIA,
        buttons=BUTTONS,
        list_rows=ROWS,
        cards=CARDS,
        has_templates=True,
        has_location=True,
        has_contact=True,
        has_reactions_in=True,
        has_edits_in=True,
        has_receipts=True,
        has_typing=True,
    )

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The numbers, by their names in the settings."""
        return _own(settings).specs()

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(_own(settings), request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """Meta's question when the webhook's address is saved."""
        return answer_handshake(request, _own(settings).verify_token)

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        return parse(_own(settings), request.body, self._clock.now())

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        return parse(_own(settings), raw, self._clock.now())

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        del settings  # a number's settings change nothing about how a message looks
        return render(message)

    def address_of(self, account: AccountSpec, written: AddressKey) -> AddressKey:
        """A number in its international form; the user id and the group as Meta writes them."""
        del account
        if written.kind == "phone":
            return AddressKey("phone", international(written.value))
        if written.kind not in {"bsuid", "group"}:
            raise BadPayload("WhatsApp knows people by phone or bsuid, and groups by group")
        return written

    def is_group(self, recipient: str) -> bool:
        return is_group(recipient)

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        from channels.whatsapp.client import WhatsAppClient  # the session's library is slow to load

        return WhatsAppClient(_own(settings), read_blob, kept, self._clock)


def _own(settings: EndpointSettings) -> WhatsAppSettings:
    return cast("WhatsAppSettings", settings)


channel = WhatsAppChannel(SystemClock())
