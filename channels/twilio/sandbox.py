"""A local stand-in for Twilio: its API for one account, and people with WhatsApp and with text messages.

    async with TwilioSandbox(webhook_url="http://127.0.0.1:8080/webhooks/twilio/main") as sandbox:
        ana = sandbox.person("Ana", language="es", has_started=False)
        await ana.writes("hola")
        reply = await ana.next_reply(timeout_s=5)

It follows Twilio's documented rules and no wishes of ours, and signs with Twilio's own code. The token is new at every
start. Wrong on demand: ``sandbox.server`` (calls) and ``sandbox.sender`` (webhooks), as the kit tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from channels.sandbox_kit import Handset, HandsetCustomer, ProviderServer, ServedCall, ServedSandbox, WebhookSender
from channels.sandboxes import Stage
from channels.twilio.sandbox_api import Api
from channels.twilio.sandbox_people import Person, PersonActs
from channels.twilio.sandbox_screen import skin
from channels.twilio.sandbox_world import TakenMessage, World
from channels.twilio.settings import App
from gateway.core.clock import Clock, SystemClock

RETRIES_S = (0.5, 1.0, 2.0, 4.0, 7.0)
"""What Twilio does for an address that ends with ``#rc=5&rp=all``: five more tries within 15 s, and never again."""

_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
_TEXT_CHARS = 1600


class TwilioSandbox(ServedSandbox):
    """One account with a WhatsApp sender and a phone number, on a port of 127.0.0.1.

    *retries_s*: the waits before each further try of a webhook. *time_scale* shortens them. *bot_name* is what WhatsApp
    shows for us.
    """

    def __init__(
        self,
        *,
        webhook_url: str = "http://127.0.0.1:9/nobody",
        bot_name: str = "Tertulia",
        clock: Clock | None = None,
        retries_s: tuple[float, ...] = RETRIES_S,
        time_scale: float = 1.0,
        port: int = 0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._bot_name = bot_name
        self.webhook_url = webhook_url
        self.world = World(self._clock, webhook_url)
        self.sender = WebhookSender(
            webhook_url,
            lambda body: self.world.signed(self.webhook_url, body),
            schedule=retries_s,
            time_scale=time_scale,
            content_type=_CONTENT_TYPE,
            clock=self._clock,
        )
        self.server = ProviderServer(Api(self.world).routes(), clock=self._clock, port=port)
        self.world.send = self.sender.put

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.world.url = self.server.url
        return self

    # ------------------------------------------------------------ what a test or a demo asks for

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of an endpoint that talks to this sandbox, which has no rates of its own."""
        world = self.world
        free = {"per_s": 0, "per_recipient_s": 0}
        return {
            "account_sid": world.account_sid,
            "auth_token": world.auth_token,
            "api_url": self.server.url,
            "webhook_url": self.webhook_url,
            "accounts": {app: {"address": address, "rates": free} for app, address in world.senders.items()},
            "templates": dict(world.template_names),
        }

    @property
    def taken(self) -> list[TakenMessage]:
        """The messages that Twilio took, in order."""
        return self.world.taken

    def handset(self, name: str, app: App, *, language: str = "", has_started: bool = False) -> Handset:
        """The phone of that person with that app open; the same name is the same person, in every run."""
        person = self.world.person(name, app)
        person.language = language or person.language
        if has_started and person.heard_at is None:
            person.heard_at = self._clock.monotonic()
        if person.handset is None:
            acts = PersonActs(person, self.world.post, self.world.store)
            look = skin(app, self._bot_name, self.world.senders[app].removeprefix("whatsapp:"))
            person.handset = Handset(look, person.known_as, acts, clock=self._clock, text_chars=_TEXT_CHARS)
        return person.handset

    def someone(self, name: str, app: App) -> Person:
        """What the world knows of that person."""
        self.handset(name, app)
        return self.world.person(name, app)

    def person(
        self, name: str, *, language: str = "", has_started: bool = False, app: App = "whatsapp"
    ) -> HandsetCustomer:
        """Somebody with WhatsApp. *has_started*: they wrote in an earlier run, so the window is open."""
        return HandsetCustomer(self.handset(name, app, language=language, has_started=has_started))

    def phones(self, name: str, language: str) -> Mapping[str, Handset]:
        """The person's two apps; WhatsApp has their earlier conversations."""
        return {
            "whatsapp": self.handset(name, "whatsapp", language=language, has_started=True),
            "sms": self.handset(name, "sms", language=language, has_started=True),
        }

    async def settled(self) -> None:
        """Return once every webhook so far was taken or is given up."""
        await self.sender.settled()


def is_message(call: ServedCall) -> bool:
    """For faults that are meant for calls that send a message."""
    return call.method == "POST" and call.path.endswith("/Messages.json")


def open_sandbox(stage: Stage) -> TwilioSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return TwilioSandbox(webhook_url=stage.webhook_url, bot_name=stage.bot_name)
