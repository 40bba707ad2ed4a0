"""A local stand-in for Sunshine Conversations and the widget: its API on a loopback port, visitors, agents, webhooks.

    async with SunshineSandbox("http://127.0.0.1:8080/webhooks/sunshine/main") as sandbox:
        ana = sandbox.person("Ana", language="es")
        await ana.writes("hola")
        reply = await ana.next_reply(timeout_s=5)
        sandbox.pass_to_agents(ana.id)
        sandbox.agent_says(ana.id, "Soy Luis", name="Luis")
        sandbox.closes_ticket(ana.id)

It follows Sunshine's documented rules and no wishes of ours. The key and the secret are new at every start.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.sandbox_kit import (
    Handset,
    HandsetCustomer,
    ProviderServer,
    ServedSandbox,
    WebhookSender,
    require_loopback,
)
from channels.sandboxes import PhoneButton, PhoneMessage, Stage
from channels.specimen import ProviderAnswer
from channels.sunshine.sandbox_api import Api, error_body
from channels.sunshine.sandbox_phone import action_at, draw, skin
from channels.sunshine.sandbox_rules import Json
from channels.sunshine.sandbox_world import AGENTS, Hook, Seat, Talk, World, joined, new_id
from channels.sunshine.settings import TRIGGERS
from channels.sunshine.verify import HEADER
from gateway.core.clock import Clock, SystemClock

SCHEDULE_S = (30.0, 90.0, 210.0, 450.0)
"""Five tries within fifteen minutes, further and further apart."""

FINAL = (400, 401, 403, 404, 406)
"""After these a webhook is not tried again."""

TYPING_S = 10.0
TEXT_CHARS = 4096
_SOURCE: Json = {"type": "web", "integrationId": "widget", "client": {}, "device": {}}


class SunshineSandbox(ServedSandbox):
    """One app with the widget, our seat first on the switchboard, and people behind it.

    Without *webhook_url* no webhook is registered: the gateway's ``connect`` does it. *has_private_files*: what
    visitors send is only handed out for the key. *time_scale* shortens the waits between tries. *seat* is our name on
    the switchboard, where we are the first to answer if *is_first*. *per_s* calls a second are served, 0 any number.
    """

    def __init__(
        self,
        webhook_url: str = "",
        *,
        bot_name: str = "Tertulia",
        clock: Clock | None = None,
        time_scale: float = 1.0,
        has_private_files: bool = True,
        port: int = 0,
        seat: str = "bot",
        is_first: bool = True,
        triggers: Sequence[str] = TRIGGERS,
        per_s: int = 0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._bot_name = bot_name
        self.app_id, self.key_id, self.key_secret = new_id(), f"app_{new_id()}", secrets.token_urlsafe(48)
        self.webhook_secret = secrets.token_urlsafe(48)
        self.world = World(self._clock, self.app_id)
        self.world.on_event = self._send
        if webhook_url:
            self._register(webhook_url, seat, tuple(triggers), is_first=is_first)
        self._api = Api(self.world, self.key_id, self.key_secret, has_private_files=has_private_files, per_s=per_s)
        self.server = ProviderServer(self._api.routes(), clock=clock, port=port)
        self.sender = WebhookSender(
            webhook_url or "http://127.0.0.1:9/",
            lambda _: {HEADER: self.webhook_secret},
            join=joined,
            schedule=SCHEDULE_S,
            time_scale=time_scale,
            final=FINAL,
            clock=clock,
        )
        self._phones: dict[str, Handset] = {}

    def _register(self, webhook_url: str, name: str, triggers: tuple[str, ...], *, is_first: bool) -> None:
        hook = Hook(new_id(), "Tertulia", new_id(), webhook_url, triggers, self.webhook_secret)
        self.world.hooks[hook.id] = hook
        agents = next(seat.id for seat in self.world.seats.values() if seat.integration_type == AGENTS)
        seat = self.world.add_seat(Seat(new_id(), name, hook.id, "custom", hears_standby=True, following=agents))
        if is_first:
            self.world.first = seat.id

    # ------------------------------------------------------------ what a test or a demo asks for

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of an endpoint that talks to this sandbox; without rates, because it has none itself."""
        return {
            "app_id": self.app_id,
            "key_id": self.key_id,
            "key_secret": self.key_secret,
            "webhook_secret": self.webhook_secret,
            "api_url": f"{self.server.url}/sc",
            "rates": {"per_s": 0, "per_recipient_s": 0},
        }

    def person(self, name: str, *, language: str = "en", has_started: bool = False) -> HandsetCustomer:
        """A visitor of that name; the same name is the same conversation, in every run."""
        del has_started  # whoever has opened the widget may be written to
        return HandsetCustomer(self.phone(name, language))

    def phone(self, name: str, language: str) -> Handset:
        talk = self.world.talk_with(name, language)
        if talk.id not in self._phones:
            acts = VisitorActs(self, talk)
            handset = Handset(skin(self._bot_name), talk.id, acts, clock=self._clock, text_chars=TEXT_CHARS)
            self._phones[talk.id] = handset
            self._follow(talk, handset)
        return self._phones[talk.id]

    def _follow(self, talk: Talk, handset: Handset) -> None:
        """The widget shows what the business says."""
        talk.on_message = lambda message: handset.shows(self._drawn(message, handset))
        talk.on_typing = lambda is_typing: handset.typing(TYPING_S if is_typing else 0)
        talk.on_read = lambda: _tick_all(handset)

    def _drawn(self, message: Json, handset: Handset) -> PhoneMessage:
        at = datetime.fromisoformat(str(message["received"]))
        author, content = _object(message["author"]), _object(message["content"])
        return draw(str(message["id"]), at, author, content, lambda url: self._kept(url, handset))

    def _kept(self, url: str, handset: Handset) -> str:
        file = self.world.files.get(url.rpartition("/")[2]) if url.startswith(self.server.url) else None
        return handset.keep(file.content, file.mime) if file is not None else ""

    async def settled(self) -> None:
        """Return once every webhook was taken or given up."""
        await self.sender.settled()

    # ------------------------------------------------------------ people at Zendesk

    def agent_says(self, conversation: str | int, text: str, *, name: str = "Agent") -> str:
        """A person in the Agent Workspace writes; returns the message's id."""
        author: Json = {"type": "business", "displayName": name}
        talk = self.world.talk(str(conversation))
        return str(self.world.says(talk, author, {"type": "text", "text": text}, AGENTS)["id"])

    def pass_to_agents(self, conversation: str | int) -> None:
        self.world.pass_control(self.world.talk(str(conversation)), AGENTS)

    def closes_ticket(self, conversation: str | int) -> None:
        """The ticket is closed: control goes back to whoever answers first."""
        talk = self.world.talk(str(conversation))
        self.world.pass_control(talk, self.world.first, reason="ticketClosed")

    def merges(self, discarded: str | int, surviving: str | int) -> None:
        """Two visitors turn out to be one."""
        gone, left = self.world.talk(str(discarded)), self.world.talk(str(surviving))
        payload: Json = {
            "mergedUsers": {"surviving": left.user, "discarded": gone.user},
            "mergedConversations": {"surviving": {"id": left.id}, "discarded": {"id": gone.id}},
            "reason": "sdkLogin",
        }
        self.world.emit(left, "user:merge", payload)
        del self.world.talks[gone.id]
        self.world.users.pop(str(gone.user["id"]), None)

    def reads(self, conversation: str | int) -> None:
        """The visitor has the widget open and sees the newest message."""
        talk = self.world.talk(str(conversation))
        author: Json = {"type": "user", "userId": talk.user["id"], "user": talk.user}
        activity: Json = {"type": "conversation:read", "source": _SOURCE, "author": author}
        self.world.emit(talk, "conversation:read", {"conversation": self.world.described(talk), "activity": activity})

    def fails_delivery(self, conversation: str | int, message_id: str, code: str, words: str) -> None:
        """A message did not arrive after all."""
        talk = self.world.talk(str(conversation))
        payload: Json = {
            "user": talk.user,
            "conversation": self.world.described(talk),
            "message": {"id": message_id},
            "destination": {"type": "web"},
            "isFinalEvent": True,
            "error": {"code": code, "message": words},
        }
        self.world.emit(talk, "conversation:message:delivery:failure", payload)

    # ------------------------------------------------------------ faults

    def refuse_next(self, status: int, code: str, title: str) -> None:
        """The next message that is posted is refused so."""
        self.answer_next(ProviderAnswer(status, error_body(code, title)))

    def answer_next(self, answer: ProviderAnswer) -> None:
        """The next message that is posted is answered so, and does nothing."""
        self.server.answer_next(answer, which=lambda call: call.method == "POST" and call.path.endswith("/messages"))

    # ------------------------------------------------------------ webhooks

    def _send(self, hook: Hook, body: bytes, key: str) -> None:
        try:
            require_loopback(hook.target)
        except ValueError:
            return
        self.sender.put(body, key=key, url=hook.target, sign=lambda _: {HEADER: hook.secret})


def _tick_all(handset: Handset) -> None:
    own = [message.id for message in handset.messages if message.is_own]
    if own:
        handset.ticked(own[-1], 2)


class VisitorActs:
    """What a visitor does in the widget, as Sunshine tells of it."""

    def __init__(self, sandbox: SunshineSandbox, talk: Talk) -> None:
        self._sandbox = sandbox
        self._world = sandbox.world
        self._talk = talk

    def speaks(self, language: str) -> None:
        self._talk.user["profile"] = {**_object(self._talk.user["profile"]), "locale": language}

    async def writes(self, text: str) -> str:
        return self._says({"type": "text", "text": text})

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        """A reply is said in one's own name; another button is pressed without a word."""
        content = next((_object(one["content"]) for one in self._talk.messages if one["id"] == message_id), None)
        if content is None:
            raise LookupError("that message has no buttons any more")
        action = action_at(content, button.key)
        if action["type"] == "reply":
            return self._says({"type": "text", "text": action["text"], "payload": action["payload"]})
        if action["type"] == "locationRequest":
            return await self.sends_place(4.6482, -74.0628)
        talk = self._talk
        payload: Json = {"postback": {"payload": action["payload"]}, "conversation": self._world.described(talk)}
        self._world.emit(talk, "conversation:postback", {**payload, "user": talk.user, "source": _SOURCE})
        return ""

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        address = self._sandbox.server.url + self._sandbox.world.add_private(content, mime)
        picture: Json = {"type": "image", "mediaUrl": address, "mediaType": mime, "mediaSize": len(content)}
        picture["altText"] = name
        message_id = self._says(picture)
        if caption:  # the widget sends words and pictures one by one
            await self.writes(caption)
        return message_id

    async def sends_place(self, latitude: float, longitude: float) -> str:
        return self._says({"type": "location", "coordinates": {"lat": latitude, "long": longitude}})

    def _says(self, content: Json) -> str:
        return self._world.hears(self._talk, content, dict(_SOURCE))


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def open_sandbox(stage: Stage) -> SunshineSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return SunshineSandbox(stage.webhook_url, bot_name=stage.bot_name)
