"""The adapter itself: what discovery finds, joined from the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from channels.telephone import international
from channels.twilio.contents import LIST_ITEMS, QUICK_REPLIES
from channels.twilio.parse import parse, replay
from channels.twilio.render import TEXT_UNITS, WHATSAPP_MEDIA, render
from channels.twilio.settings import WHATSAPP, WINDOWS, TwilioSettings
from channels.twilio.verify import verify
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
from gateway.core.errors import BadPayload, NotSupported
from gateway.core.inbound import AddressKey, Parsed
from gateway.core.messages import Outgoing


class TwilioChannel:
    """WhatsApp and text messages through Twilio. The clock dates what comes in: Twilio gives no times."""

    name = "twilio"
    settings: type[EndpointSettings] = TwilioSettings
    can_redeliver = False
    by_app: Mapping[str, Capabilities] = {
        "whatsapp": Capabilities(
            text_units=TEXT_UNITS,
            media=WHATSAPP_MEDIA,
            buttons=QUICK_REPLIES,
            quick_replies=QUICK_REPLIES,
            list_rows=LIST_ITEMS,
            has_templates=True,
            has_location=True,
            has_receipts=True,
            has_typing=True,
        ),
        "sms": Capabilities(
            text_units=TEXT_UNITS, media=frozenset(), has_templates=True, has_receipts=True, answers_opt_out=True
        ),
    }
    capabilities = by_app["whatsapp"]

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The senders, by their addresses."""
        return tuple(
            AccountSpec(
                name=name,
                external=account.address,
                app=account.app,
                rates=account.rates.as_rates(account.app),
                window=WINDOWS[account.app],
            )
            for name, account in _own(settings).accounts.items()
        )

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        verify(_own(settings), request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        """Twilio never asks; a number that is set to GET would, and ``connect`` sets it to POST."""
        del settings, request
        raise NotSupported("Twilio has no handshake; set the webhook's method to POST")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        return parse(_own(settings), request, self._clock.now())

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        return replay(_own(settings), raw, self._clock.now())

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        return render(_own(settings), message)

    def address_of(self, account: AccountSpec, written: AddressKey) -> AddressKey:
        """A number as Twilio writes it for the account's app; WhatsApp's user id as it is."""
        if written.kind == "phone":
            number = international(written.value.removeprefix(WHATSAPP))
            return AddressKey("phone", f"{WHATSAPP}{number}" if account.app == "whatsapp" else number)
        if written.kind != "bsuid" or account.app != "whatsapp":
            raise BadPayload("Twilio knows people by phone, and on WhatsApp also by bsuid")
        return written

    def is_group(self, recipient: str) -> bool:
        """Twilio knows no groups here."""
        del recipient
        return False

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        del read_blob  # Twilio takes no uploads: it fetches from addresses
        from channels.twilio.client import TwilioClient  # not everybody talks

        return TwilioClient(_own(settings), kept)


def _own(settings: EndpointSettings) -> TwilioSettings:
    return cast("TwilioSettings", settings)


channel = TwilioChannel(SystemClock())
