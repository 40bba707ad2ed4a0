"""The stand-in for WhatsApp: the Cloud API on a port of this machine, people with phones, signed webhooks, faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from channels.handset import Handset, HandsetCustomer
from channels.sandbox_kit import ProviderServer, ServedCall, ServedSandbox, WebhookSender
from channels.sandboxes import PhoneFile, Stage
from channels.whatsapp.sandbox_api import CloudApi
from channels.whatsapp.sandbox_people import Person, Shows
from channels.whatsapp.sandbox_phone import skin
from channels.whatsapp.sandbox_world import Json, Number, StoredTemplate, World, joined, nothing
from gateway.core.clock import Clock, SystemClock

SCHEDULE_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_NOWHERE = "http://127.0.0.1:9/"


def is_send(call: ServedCall) -> bool:
    """Whether a call sends a message: for faults that should meet no read receipt and no upload."""
    return call.method == "POST" and call.path.endswith("/messages") and b'"status"' not in call.body


class WhatsAppSandbox(ServedSandbox):
    """Opened and closed as a context.

    *webhook_url* gets the webhooks until ``connect`` names another; without either nothing is sent. *is_paced*: the
    documented rates are kept. *takes_any_template*: else only those of :meth:`approve` are taken. *shows*: by what
    people are named unless :meth:`meet` says otherwise. *time_scale* shortens the waits between redeliveries.
    """

    def __init__(
        self,
        webhook_url: str = "",
        *,
        clock: Clock | None = None,
        time_scale: float = 1.0,
        is_paced: bool = False,
        takes_any_template: bool = False,
        shows: Shows = "both",
        business_name: str = "Tertulia",
    ) -> None:
        clock = clock or SystemClock()
        self.number = Number(verified_name=business_name)
        self.world = World(clock, self.number, self._emit)
        self._shows = shows
        self._people: dict[str, Person] = {}
        self._is_paced = is_paced
        self.api = CloudApi(
            self.world,
            self._find,
            self._fetch,
            origin=lambda: self.server.url,
            is_paced=is_paced,
            takes_any_template=takes_any_template,
        )
        self.api.callback_url = webhook_url
        self.server = ProviderServer(self.api.routes(), clock=clock, client_max_size=110_000_000)
        self.sender = WebhookSender(
            webhook_url or _NOWHERE,
            self.world.signed,
            join=joined,
            schedule=SCHEDULE_S,
            time_scale=time_scale,
            clock=clock,
        )

    # ------------------------------------------------------------ what a test or a demo asks for

    @property
    def settings_values(self) -> Json:
        """The settings of an endpoint that talks to this sandbox; without rates if it has none itself."""
        account: Json = {"phone_number_id": self.number.phone_number_id, "waba_id": self.number.waba_id}
        if not self._is_paced:
            account["rates"] = {"per_s": 0, "per_recipient_s": 0}
        return {
            "app_secret": self.number.app_secret,
            "verify_token": self.number.verify_token,
            "access_token": self.number.access_token,
            "app_id": self.number.app_id,
            "api_url": self.server.url,
            "accounts": {"main": account},
        }

    @property
    def sent(self) -> list[Json]:
        """The bodies of all messages that were taken, in order."""
        return list(self.api.sent)

    def meet(self, name: str, *, language: str = "en", shows: Shows | Literal[""] = "", username: str = "") -> Person:
        """The person of that name, without a phone to look at; the same name is the same person in every run."""
        if name not in self._people:
            person = Person(self.world, name, language=language, shows=shows or self._shows, username=username)
            self._people[name] = person
        return self._people[name]

    def person(self, name: str, *, language: str = "en", has_started: bool = False) -> HandsetCustomer:
        """A customer with the app in their hand. *has_started*: they wrote just now, so the window is open."""
        person = self.meet(name, language=language)
        if has_started:
            self.world.heard_at[person.address] = self.world.clock.now()
        return HandsetCustomer(self._handset(person))

    def phone(self, name: str, language: str) -> Handset:
        """The phone of that person."""
        person = self.meet(name, language=language)
        person.speaks(language)
        return self._handset(person)

    def approve(self, name: str, language: str, text: str, *, status: str = "APPROVED") -> None:
        """A template with blanks ``{{1}}``, ``{{2}}`` …"""
        self.world.templates[name, language] = StoredTemplate(text, status)

    def speaks_elsewhere(self, name: str, text: str) -> str:
        """Somebody of the business writes to that person with the app on their phone; the answer is the id."""
        person = self.meet(name)
        message_id = self.world.new_id()
        echo: Json = {
            "from": self.number.display_phone_number,
            "to": person.phone,
            "to_user_id": person.user_id,
            "id": message_id,
            "timestamp": self.world.timestamp(),
            "type": "text",
            "text": {"body": text},
        }
        value = {"contacts": [person.contact()], "message_echoes": [echo]}
        self.world.emit("smb_message_echoes", value, key=person.address)
        return message_id

    def notices(self, field: str, value: Mapping[str, object]) -> None:
        """Meta tells something about the account."""
        self.world.emit(field, value, key=field)

    async def settled(self) -> None:
        """Return once every webhook so far was taken or given up."""
        await self.sender.settled()

    # ------------------------------------------------------------ inside

    def _handset(self, person: Person) -> Handset:
        if person.handset is None:
            title = self.number.verified_name
            person.handset = Handset(skin(title), person.address, person, clock=self.world.clock)
        return person.handset

    def _find(self, name: str) -> Person | None:
        bare = name.removeprefix("+")
        return next((person for person in self._people.values() if bare in person.names), None)

    async def _fetch(self, url: str) -> PhoneFile:
        return await self.server.fetch(url)

    def _emit(
        self, field: str, value: Mapping[str, object], *, key: str, on_taken: Callable[[], None] = nothing
    ) -> None:
        url = self.api.goal_url
        if url:
            self.sender.put(self.world.webhook(field, value), key=key, on_taken=on_taken, url=url)


def open_sandbox(stage: Stage) -> WhatsAppSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return WhatsAppSandbox(stage.webhook_url, takes_any_template=True, business_name=stage.bot_name)
