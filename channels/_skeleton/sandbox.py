"""A local stand-in for the provider: its API under its documented rules, its webhooks, and customers with phones.

async with SkeletonSandbox(webhook_url="http://127.0.0.1:8080/webhooks/_skeleton/main") as sandbox:
ana = sandbox.person("Ana", language="es")
await ana.writes("hola")
reply = await ana.next_reply(timeout_s=5)
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Literal
from uuid import uuid4

import msgspec
from aiohttp import web

from channels._skeleton.render import LABEL_CHARS, QUICK_REPLIES, TEXT_CHARS
from channels._skeleton.verify import HEADER, signature_of
from channels.sandbox_kit import (
    Handset,
    HandsetCustomer,
    ProviderServer,
    Refused,
    ServedCall,
    ServedSandbox,
    WebhookSender,
)
from channels.sandboxes import Attachment, PhoneButton, PhoneMessage, Run, Shade, Skin, Stage
from channels.specimen import ProviderAnswer
from gateway.core.clock import Clock, SystemClock

TYPING_S = 10.0

Post = Callable[[str, Mapping[str, object], Callable[[], None]], None]
"""Sends an event of the person with that address; the last argument hears that it was taken."""


class Label(msgspec.Struct, frozen=True):
    label: str
    value: str


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call that sends a message."""

    to: str
    text: str = ""
    file: str = ""
    kind: str = "document"
    quick_replies: tuple[Label, ...] = ()
    reply_to: str = ""


def read(body: bytes) -> Asked:
    """Raises ``Refused`` as the provider does."""
    try:
        return msgspec.json.decode(body, type=Asked)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(problem(400, "unreadable", str(error))) from None


def faults(asked: Asked) -> list[str]:
    """What the provider refuses, by its documented limits."""
    found: list[str] = []
    if not (asked.text.strip() or asked.file):
        found.append("neither text nor file")
    if len(asked.text) > TEXT_CHARS:
        found.append("text too long")
    if len(asked.quick_replies) > QUICK_REPLIES:
        found.append("too many quick replies")
    if any(not 0 < len(reply.label) <= LABEL_CHARS or not reply.value for reply in asked.quick_replies):
        found.append("a quick reply without a good label and value")
    if asked.file and not asked.file.startswith(("https://", "http://")):
        found.append("a file without an address")
    return found


def problem(status: int, code: str, message: str = "") -> ProviderAnswer:
    """How the provider refuses."""
    return ProviderAnswer(status, msgspec.json.encode({"code": code, "message": message or code}))


class Person:
    """One customer with a phone; fits :class:`channels.sandbox_kit.Acts`."""

    def __init__(self, name: str, language: str, title: str, post: Post, clock: Clock) -> None:
        self.address = "u" + hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
        self._name = name
        self._language = language
        self._post = post
        self._clock = clock
        self.handset = Handset(skin(title), self.address, self, clock=clock, text_chars=TEXT_CHARS)

    def speaks(self, language: str) -> None:
        self._language = language

    async def writes(self, text: str) -> str:
        return self._send({"type": "text", "text": text})

    async def presses(self, message_id: str, button: PhoneButton) -> str:
        return self._send({"type": "press", "value": button.key, "label": button.label, "of": message_id})

    async def sends_picture(self, content: bytes, *, name: str, mime: str, caption: str) -> str:
        del content, name, mime, caption
        raise ValueError("this stand-in keeps no files yet")

    async def sends_place(self, latitude: float, longitude: float) -> str:
        return self._send({"type": "text", "text": f"{latitude:.5f}, {longitude:.5f}"})

    def reads(self, message_id: str, asked: Asked) -> None:
        """Draw what the API took, and confirm it."""
        kind: Literal["image", "file"] = "image" if asked.kind == "image" else "file"
        self.handset.shows(
            PhoneMessage(
                id=message_id,
                at=self._clock.now(),
                runs=(Run(asked.text),) if asked.text else (),
                attachments=(Attachment(kind, url=asked.file),) if asked.file else (),
                quick=tuple(PhoneButton(reply.label, reply.value) for reply in asked.quick_replies),
            )
        )
        self._send({"type": "receipt", "of": message_id, "state": "delivered"})

    def _send(self, content: Mapping[str, object]) -> str:
        message_id = f"in-{uuid4().hex}"
        event = {
            "id": message_id,
            "at": int(self._clock.now().timestamp() * 1000),
            "from": {"id": self.address, "name": self._name, "language": self._language},
            "content": content,
        }
        self._post(self.address, event, lambda: self.handset.ticked(message_id, 1))
        return message_id


class SkeletonSandbox(ServedSandbox):
    """The provider on a port of 127.0.0.1. Its keys are new at every start; ``sent`` is what reached customers."""

    def __init__(
        self, *, webhook_url: str = "http://127.0.0.1:9", bot_name: str = "Sandbox", clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._bot_name = bot_name
        self.secret = secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(32)
        self.sent: list[Asked] = []
        self._people: dict[str, Person] = {}
        self._webhook_url = webhook_url
        routes = [
            web.post("/v1/messages", self._take),
            web.post("/v1/read", self._read),
            web.post("/v1/typing", self._typing),
            web.get("/v1/webhook", self._tell_webhook),
            web.put("/v1/webhook", self._set_webhook),
        ]
        self.server = ProviderServer(routes, clock=clock)
        self.sender = WebhookSender(webhook_url, self._sign, join=together, clock=clock)

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of an endpoint that talks to this sandbox."""
        return {"secret": self.secret, "token": self.token, "api_url": f"{self.server.url}/v1"}

    def customer(self, name: str, *, language: str = "en") -> Person:
        """Somebody of that name; the same name is the same person."""
        person = self._people.get(name)
        if person is None:
            person = self._people[name] = Person(name, language, self._bot_name, self._post, self._clock)
        return person

    def person(self, name: str, *, language: str = "en", has_started: bool = True) -> HandsetCustomer:
        del has_started  # whoever has the app may be written to
        return HandsetCustomer(self.customer(name, language=language).handset)

    def phone(self, name: str, language: str) -> Handset:
        return self.customer(name, language=language).handset

    async def settled(self) -> None:
        """Return once every webhook so far was taken or given up."""
        await self.sender.settled()

    # ------------------------------------------------------------ webhooks

    def _post(self, address: str, event: Mapping[str, object], on_taken: Callable[[], None]) -> None:
        self.sender.put(msgspec.json.encode({"events": [event]}), key=address, on_taken=on_taken)

    def _sign(self, body: bytes) -> Mapping[str, str]:
        return {HEADER: signature_of(self.secret, body)}

    # ------------------------------------------------------------ the API

    async def _take(self, request: web.Request) -> web.Response:
        self._require_token(request)
        asked = read(await request.read())
        person = next((person for person in self._people.values() if person.address == asked.to), None)
        if person is None:
            raise Refused(problem(400, "unknown_recipient"))
        if found := faults(asked):
            raise Refused(problem(400, "invalid", "; ".join(found)))
        message_id = f"out-{uuid4().hex}"
        self.sent.append(asked)
        person.reads(message_id, asked)
        return web.json_response({"id": message_id})

    async def _read(self, request: web.Request) -> web.Response:
        self._require_token(request)
        for person in self._people.values():
            person.handset.ticked(str((await request.json()).get("message")), 2)
        return web.json_response({})

    async def _typing(self, request: web.Request) -> web.Response:
        self._require_token(request)
        to = (await request.json()).get("to")
        for person in self._people.values():
            if person.address == to:
                person.handset.typing(TYPING_S)
        return web.json_response({})

    async def _tell_webhook(self, request: web.Request) -> web.Response:
        self._require_token(request)
        return web.json_response({"url": self._webhook_url})

    async def _set_webhook(self, request: web.Request) -> web.Response:
        self._require_token(request)
        self._webhook_url = str((await request.json()).get("url"))
        return web.json_response({})

    def _require_token(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(problem(401, "token"))


def sends_message(call: ServedCall) -> bool:
    """Whether a call of the API is one that shows something."""
    return call.path.endswith("/messages")


def together(bodies: Sequence[bytes]) -> bytes:
    """Several webhooks as one, which the provider does when much happens at once."""
    webhooks = [msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]]) for body in bodies]
    return msgspec.json.encode({"events": [event for webhook in webhooks for event in webhook["events"]]})


def skin(title: str) -> Skin:
    """How the app looks; give it the colours and habits of the real one."""
    return Skin(
        app="Skeleton",
        title=title,
        subtitle={"es": "en línea", "en": "online"},
        header=Shade("#3b3a54", "#232333"),
        on_header=Shade("#ffffff", "#f2f1fa"),
        wallpaper=Shade("#f4f3f8", "#15151f"),
        bubble=Shade("#ffffff", "#262637"),
        ink=Shade("#17172a", "#eeedf6"),
        own_bubble=Shade("#dcd9f5", "#4b4880"),
        own_ink=Shade("#17172a", "#ffffff"),
        soft=Shade("#5f5e74", "#a5a3bd"),
        accent=Shade("#4f46b8", "#a9a4f5"),
        buttons="chips",
        ticks="below",
        tail=False,
        radius_px=16,
    )


class StagedSandbox(SkeletonSandbox):
    """The sandbox of the demo."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(webhook_url=stage.webhook_url, bot_name=stage.bot_name)


def open_sandbox(stage: Stage) -> StagedSandbox:
    """The sandbox of the demo. Opened and closed as a context."""
    return StagedSandbox(stage)
