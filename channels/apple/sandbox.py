"""A local stand-in for Apple Messages for Business: the gateway with its file store, and customers with phones.

    async with AppleSandbox(webhook_url="http://127.0.0.1:8080/webhooks/apple/main") as sandbox:
        ana = sandbox.person("Ana", language="es")
        await ana.writes("hola")
        reply = await ana.next_reply(timeout_s=5)

The MSP id, the secret and the business are new at every start. Webhooks go to ``<webhook_url>/message`` as Apple's do:
compressed, with a token of their own, and once only.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from uuid import uuid4

import jwt

from channels.apple.sandbox_gateway import Gateway
from channels.apple.sandbox_people import Person, address_of
from channels.apple.sandbox_rules import Taken
from channels.apple.sandbox_store import FileStore
from channels.sandbox_kit import Handset, HandsetCustomer, ProviderServer, ServedCall, ServedSandbox, WebhookSender
from channels.sandboxes import Stage
from gateway.core.clock import Clock, SystemClock

KEPT_MESSAGES = 10_000


class AppleSandbox(ServedSandbox):
    """One MSP and one business on a port of 127.0.0.1. ``sent`` is what reached customers, in order.

    A message that comes twice under one id is told twice in ``sent``: whether Apple tells them apart is not known.
    """

    def __init__(
        self, *, webhook_url: str = "http://127.0.0.1:9", bot_name: str = "Sandbox", clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._bot_name = bot_name
        self._key = secrets.token_bytes(32)
        self.msp_id = str(uuid4())
        self.business_id = str(uuid4())
        self.store = FileStore()
        self.sent: list[Taken] = []
        self._people: dict[str, Person] = {}
        gateway = Gateway(
            msp_id=self.msp_id,
            key=self._key,
            businesses=(self.business_id,),
            store=self.store,
            deliver=self._deliver,
            origin=lambda: self.server.url,
        )
        self.server = ProviderServer(gateway.routes(), clock=clock, client_max_size=110_000_000)
        self.sender = WebhookSender(
            f"{webhook_url}/message", lambda _body: {}, schedule=(), content_type="application/json", clock=clock
        )

    # ------------------------------------------------------------ what a test or a demo asks for

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of an endpoint that talks to this sandbox."""
        return {
            "msp_id": self.msp_id,
            "secret": base64.b64encode(self._key).decode(),
            "api_url": f"{self.server.url}/v1",
            "accounts": {"shop": {"business_id": self.business_id}},
        }

    def customer(self, name: str, *, language: str = "en", has_started: bool = True) -> Person:
        """Somebody of that name; the same name is the same person. One who never wrote cannot be written to."""
        address = address_of(name)
        if address not in self._people:
            self._people[address] = Person(
                name, self.business_id, self.store, self._post, self._clock, title=self._bot_name, language=language
            )
        person = self._people[address]
        person.has_written = person.has_written or has_started
        return person

    def person(self, name: str, *, language: str = "en", has_started: bool = True) -> HandsetCustomer:
        """The same as a customer with the app in their hand."""
        return HandsetCustomer(self.customer(name, language=language, has_started=has_started).handset)

    def phone(self, name: str, language: str) -> Handset:
        return self.customer(name, language=language).handset

    async def settled(self) -> None:
        """Return once every webhook so far was answered, well or not: there is no second try."""
        await self.sender.settled()

    # ------------------------------------------------------------ both ways

    def _post(self, body: bytes, headers: Mapping[str, str], on_taken: Callable[[], None]) -> None:
        """Apple signs nothing of the body: the token says for whom the request is, and since when."""

        def sign(_body: bytes) -> Mapping[str, str]:
            token = jwt.encode({"aud": self.msp_id, "iat": int(time.time())}, self._key, algorithm="HS256")
            return {**headers, "Authorization": f"Bearer {token}", "Content-Encoding": "gzip"}

        self.sender.put(body, key=headers["source-id"], on_taken=on_taken, sign=sign)

    def _deliver(self, message: Taken) -> int:
        person = self._people.get(message.destination_id)
        if person is None or not person.has_written:
            return 404
        if person.is_closed:
            return 410
        if not person.can_show(message):
            return 400
        if not message.type.startswith("typing"):
            self.sent.append(message)
            del self.sent[:-KEPT_MESSAGES]
        person.reads(message)
        return 200


def sends_message(call: ServedCall) -> bool:
    """Tells calls that send something from those that handle files, for the server's faults."""
    return call.path.endswith("/v1/message")


def open_sandbox(stage: Stage) -> AppleSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return AppleSandbox(webhook_url=stage.webhook_url, bot_name=stage.bot_name)
