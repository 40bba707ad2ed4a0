"""The adapter of an app of the Messenger Platform; each channel gives it a dialect, its settings and its own proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from channels._meta.handshake import answer_handshake
from channels._meta.messaging.dialect import DAY_S, Dialect
from channels._meta.messaging.settings import MessagingSettings
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
from gateway.core.clock import Clock
from gateway.core.inbound import Parsed
from gateway.core.messages import MediaKind, Outgoing

Verify = Callable[[MessagingSettings, WebhookRequest], None]
Parse = Callable[[MessagingSettings, bytes], list[Parsed]]
Render = Callable[[MessagingSettings, Outgoing], tuple[Call, ...]]


class MessagingChannel:
    """One app. The clock paces sends; nothing that is parsed or rendered depends on it."""

    can_redeliver = True

    def __init__(
        self,
        dialect: Dialect,
        settings: type[MessagingSettings],
        clock: Clock,
        *,
        verify: Verify,
        parse: Parse,
        render: Render,
    ) -> None:
        self._dialect = dialect
        self._verify = verify
        self._parse = parse
        self._render = render
        self._clock = clock
        self.name = dialect.name
        self.settings: type[EndpointSettings] = settings
        self.capabilities = capabilities_of(dialect)

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:
        """The pages or profiles of the app."""
        own = _own(settings)
        window = self._window(own)
        return tuple(
            AccountSpec(name, account.external_id, self._dialect.app, (account.rates or own.rates).as_rates(), window)
            for name, account in own.by_name.items()
        )

    def _window(self, settings: MessagingSettings) -> Window:
        """What people say late needs Meta's leave."""
        allowed = self._dialect.window
        if settings.has_human_agent:
            return allowed
        return Window(free_s=allowed.free_s, ad_s=allowed.ad_s, agent_s=DAY_S)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None:
        self._verify(_own(settings), request)

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:
        return answer_handshake(request, _own(settings).verify_token)

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:
        return self._parse(_own(settings), request.body)

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:
        return self._parse(_own(settings), raw)

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:
        return self._render(_own(settings), message)

    def is_group(self, recipient: str) -> bool:
        """There are only people here."""
        del recipient
        return False

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Client:
        from channels._meta.messaging.client import MessagingClient  # costs time, and not everybody talks

        return MessagingClient(self._dialect, _own(settings), read_blob, self._clock, kept)


def capabilities_of(dialect: Dialect) -> Capabilities:
    """What the app can show."""
    limits = dialect.limits
    kinds: frozenset[MediaKind] = limits.media
    return Capabilities(
        text_units=dialect.text_units,
        media=kinds,
        buttons=limits.buttons,
        quick_replies=limits.quick_replies,
        list_rows=limits.list_rows,
        cards=limits.cards,
        has_templates=limits.has_templates,
        has_location=limits.has_location,
        has_contact=limits.has_contact,
        has_reactions_in=True,
        has_edits_in=True,
        has_receipts=True,
        has_typing=True,
        shows_speaker=dialect.has_personas,
    )


def _own(settings: EndpointSettings) -> MessagingSettings:
    return cast("MessagingSettings", settings)
