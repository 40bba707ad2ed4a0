"""Meta for one account on a port of 127.0.0.1: the Send API with its rules, people with phones, and signed webhooks."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import msgspec
from aiohttp import web

from channels._meta.messaging.sandbox_person import MessagingPerson
from channels._meta.messaging.sandbox_personas import SandboxPersonas
from channels._meta.messaging.sandbox_phone import drawn
from channels._meta.messaging.sandbox_rules import Json, Rules, refusal, require_allowed
from channels._meta.messaging.sandbox_world import (
    Account,
    Standing,
    entry,
    join_entries,
    milliseconds,
    new_mid,
    require_open,
)
from channels._meta.verify import SIGNATURE_HEADER, signature
from channels.sandbox_kit import Handset, ProviderServer, Refused, ServedCall, ServedSandbox, WebhookSender
from channels.sandboxes import PhoneFile, Skin
from channels.specimen import ProviderAnswer
from gateway.core.clock import Clock, SystemClock

SCHEDULE_S = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
"""Meta tries again at once and then ever more rarely, for 36 hours; the sandbox gives up sooner."""

VERSION = "v23.0"
KEPT_MESSAGES = 20_000
KEPT_FILES = 200
AGENT_PICTURE = "https://scontent.example/agent.jpg"
"""Of agents whose desk has none; nobody fetches it here."""

_SUCCESS = {"success": True}


class App(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the sandbox one app or the other. ``settings_key`` is what an account's id is called in settings.

    ``profile_fields`` is what can be asked of a person, ``withheld`` the answer when they have not allowed it.
    """

    name: str
    object: str
    settings_key: str
    mid_prefix: str
    rules: Rules
    has_deliveries: bool
    sees_by_mid: bool
    has_places: bool
    fields: tuple[str, ...]
    permissions: tuple[str, ...]
    text_chars: int
    profile_fields: tuple[str, ...]
    withheld: ProviderAnswer


class SentMessage(msgspec.Struct, frozen=True):
    """A message that the API took: to whom, when, its id, and the body."""

    recipient: str
    at: datetime
    mid: str
    body: Json

    @property
    def text(self) -> str:
        message = cast("Json", self.body["message"])
        return str(message.get("text", ""))


class MessagingSandbox(ServedSandbox):
    """A Meta app with one account, opened and closed as a context.

    Everybody who is made with :meth:`person` may be written to once they wrote. *time_scale* shortens the waiting
    between redeliveries. With an empty *webhook_url* no events leave; else the app is subscribed to all of them.
    """

    def __init__(
        self,
        app: App,
        skin: Skin,
        webhook_url: str = "",
        *,
        account_id: str = "100000000000001",
        clock: Clock | None = None,
        time_scale: float = 1.0,
    ) -> None:
        self.app = app
        self.skin = skin
        self.clock = clock or SystemClock()
        self.app_id = "1517776481860111"
        self.app_secret = secrets.token_hex(16)
        self.verify_token = secrets.token_urlsafe(16)
        self.webhook_url = webhook_url
        self.account = Account(account_id, f"EAAG{secrets.token_hex(24)}", set(app.fields if webhook_url else ()))
        self.people: dict[str, MessagingPerson] = {}
        self.sent: deque[SentMessage] = deque(maxlen=KEPT_MESSAGES)
        self.files: dict[str, PhoneFile] = {}
        self.callback: Json = {"callback_url": webhook_url, "fields": []} if webhook_url else {}
        self.personas = SandboxPersonas(self._require_token, self._require_valid_token)
        self.server = ProviderServer(self._routes(), clock=self.clock)
        self.sender = WebhookSender(
            webhook_url or "http://127.0.0.1:9/",
            self._sign,
            join=_joined,
            schedule=SCHEDULE_S,
            time_scale=time_scale,
            clock=self.clock,
        )

    @property
    def settings_values(self) -> Mapping[str, object]:
        """The settings of an endpoint that talks to this sandbox."""
        account = {self.app.settings_key: self.account.id, "access_token": self.account.token}
        return {
            "app_secret": self.app_secret,
            "verify_token": self.verify_token,
            "app_id": self.app_id,
            "api_url": self.server.url,
            "api_version": VERSION,
            "accounts": {"shop": account},
            **({"agent_picture_url": AGENT_PICTURE} if self.app.rules.has_personas else {}),
        }

    # ------------------------------------------------------------ people

    def person(self, name: str, *, language: str = "es", has_started: bool = True) -> MessagingPerson:
        """A new customer with a phone. *has_started*: they wrote a moment ago, so the window is open.

        The first of a name has the same address in every run, so that a conversation goes on.
        """
        address = _address(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest()))
        if address in self.people:
            address = _address(secrets.randbits(48))
        standing = Standing(heard_at=self.clock.now() if has_started else None, owner=self.app_id)
        person = MessagingPerson(self, address, name, language, standing)
        self.people[address] = person
        return person

    def phone(self, name: str, language: str) -> Handset:
        """The phone of a new customer, for a page."""
        return self.person(name, language=language).handset

    async def settled(self) -> None:
        """Return once all that people did has reached the webhook, or is given up."""
        await self.sender.settled()

    # ------------------------------------------------------------ webhooks

    def tell(self, person: str, item: Json, *, array: str = "messaging", mid: str = "") -> None:
        """Send one event about a person; *mid* is the message of theirs that has reached us when it is taken."""
        now = self.clock.now()
        body = entry(self.app.object, self.account.id, {"timestamp": milliseconds(now), **item}, now, array)
        if self.webhook_url:
            self.sender.put(body, key=person, on_taken=lambda: self.people[person].taken(mid))

    def _sign(self, body: bytes) -> Mapping[str, str]:
        return {SIGNATURE_HEADER: signature(body, self.app_secret)}

    # ------------------------------------------------------------ the API

    def _routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.post("/{version}/{node}/messages", self._messages),
            web.get("/{version}/debug_token", self._debug_token),
            web.get("/{version}/{node}/subscribed_apps", self._subscribers),
            web.post("/{version}/{node}/subscribed_apps", self._subscribe),
            web.get("/{version}/{node}/subscriptions", self._webhooks),
            web.post("/{version}/{node}/subscriptions", self._set_webhook),
            *(self.personas.routes if self.app.rules.has_personas else ()),
            web.get("/media/{key}", self._media),
            web.get("/{version}/{node}", self._node),
        ]

    async def _messages(self, request: web.Request) -> web.Response:
        self._require_token(request)
        body, upload = await _read(request)
        size_and_type = (len(upload.content), upload.mime) if upload is not None else None
        require_allowed(self.app.rules, body, size_and_type)
        who = self.personas.name_of(body)
        person = self._recipient(body)
        require_open(self.app.rules, person.standing, body, self.clock.now(), self.app_id)
        if "sender_action" in body:
            person.sees_action(body, who)
            return web.json_response({"recipient_id": person.address})
        mid = new_mid(self.app.mid_prefix)
        await self._deliver(person, mid, body, upload, who)
        return web.json_response({"recipient_id": person.address, "message_id": mid})

    def _recipient(self, body: Json) -> MessagingPerson:
        named = cast("dict[str, str]", body["recipient"])
        person = self.people.get(named.get("id", ""))
        if person is None:
            raise Refused(refusal(100, "(#100) No matching user found", 2018001))
        return person

    async def _deliver(self, person: MessagingPerson, mid: str, body: Json, upload: PhoneFile | None, who: str) -> None:
        now = self.clock.now()
        message = cast("Json", body["message"])
        self.sent.append(SentMessage(person.address, now, mid, body))
        file = await self._shown_file(person, message, upload)
        quoted = person.handset.message(str(cast("Json", body.get("reply_to") or {}).get("mid", "")))
        quotes = "".join(run.text for run in quoted.runs) if quoted is not None else ""
        person.gets(drawn(mid, now, message, file, quotes, who))
        self.echo(person.address, mid, message, app_id=self.app_id)
        person.reports(mid, now)

    async def _shown_file(self, person: MessagingPerson, message: Json, upload: PhoneFile | None) -> str:
        """The phone's key of the file of a message; empty when there is none, or it lies beyond this machine."""
        if upload is not None:
            return person.handset.keep(upload.content, upload.mime)
        payload = cast("Json", cast("Json", message.get("attachment") or {}).get("payload") or {})
        url = payload.get("url")
        if not isinstance(url, str):
            return ""
        try:
            fetched = await self.server.fetch(url)
        except ValueError:
            return ""
        return person.handset.keep(fetched.content, fetched.mime)

    def echo(self, person: str, mid: str, message: Json, *, app_id: str = "") -> None:
        """Tell that something was said in the account's name, by an app or (without one) by a person."""
        shown: Json = {"mid": mid, "is_echo": True}
        if app_id:
            shown["app_id"] = int(app_id)
        for name in ("text", "metadata"):
            if name in message:
                shown[name] = message[name]
        if "attachment" in message:
            shown["attachments"] = [message["attachment"]]
        if "message_echoes" in self.account.fields:
            parties = {"sender": {"id": self.account.id}, "recipient": {"id": person}}
            self.tell(person, {**parties, "message": shown})

    def _require_token(self, request: web.Request) -> None:
        self._require_valid_token(request)
        if request.match_info["node"] not in {"me", self.account.id}:
            raise Refused(refusal(100, "(#100) Unsupported post request. The object does not exist"))

    def _require_valid_token(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given != self.account.token or not self.account.is_token_valid:
            words = "Error validating access token: Session has expired"
            raise Refused(refusal(190, words, 463, status=401))

    # ------------------------------------------------------------ accounts and subscriptions

    async def _debug_token(self, request: web.Request) -> web.Response:
        is_known = request.query.get("input_token") == self.account.token and self.account.is_token_valid
        seen = {"is_valid": is_known, "app_id": self.app_id, "expires_at": 0, "scopes": list(self.app.permissions)}
        return web.json_response({"data": seen})

    async def _node(self, request: web.Request) -> web.Response:
        persona = self.personas.by_id.get(request.match_info["node"])
        if persona is not None:
            self._require_valid_token(request)
            return web.json_response(persona.shown)
        person = self.people.get(request.match_info["node"])
        if person is not None:
            return self._profile(request, person)
        self._require_token(request)
        return web.json_response({"id": self.account.id})

    def _profile(self, request: web.Request, person: MessagingPerson) -> web.Response:
        """What is asked of a person, who must have written before; what they did not give is missing."""
        self._require_valid_token(request)
        asked = [name for name in request.query.get("fields", "").split(",") if name]
        for name in asked:
            if name not in self.app.profile_fields:
                raise Refused(refusal(100, f"(#100) Tried accessing nonexisting field ({name})"))
        if not person.shows_profile or person.standing.heard_at is None:
            raise Refused(self.app.withheld)
        facts = person.facts
        return web.json_response({"id": person.address, **{name: facts[name] for name in asked if facts[name]}})

    async def _subscribers(self, request: web.Request) -> web.Response:
        self._require_token(request)
        if not self.account.fields:
            return web.json_response({"data": []})
        fields = sorted(self.account.fields)
        return web.json_response({"data": [{"id": self.app_id, "name": "Shop", "subscribed_fields": fields}]})

    async def _subscribe(self, request: web.Request) -> web.Response:
        self._require_token(request)
        body, _ = await _read(request)
        fields = str(body.get("subscribed_fields", ""))
        if not fields:
            raise Refused(refusal(100, "(#100) Param subscribed_fields must be given"))
        self.account.fields = set(fields.split(","))
        return web.json_response(_SUCCESS)

    async def _webhooks(self, request: web.Request) -> web.Response:
        self._require_app(request)
        if not self.callback:
            return web.json_response({"data": []})
        fields = [{"name": name, "version": VERSION} for name in cast("list[str]", self.callback["fields"])]
        webhook = {
            "object": self.app.object,
            "callback_url": self.callback["callback_url"],
            "active": True,
            "fields": fields,
        }
        return web.json_response({"data": [webhook]})

    async def _set_webhook(self, request: web.Request) -> web.Response:
        self._require_app(request)
        body, _ = await _read(request)
        if body.get("object") != self.app.object or not body.get("callback_url"):
            raise Refused(refusal(100, "(#100) object and callback_url must be given"))
        self.callback = {"callback_url": body["callback_url"], "fields": str(body.get("fields", "")).split(",")}
        return web.json_response(_SUCCESS)

    def _require_app(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given != f"{self.app_id}|{self.app_secret}":
            raise Refused(refusal(190, "Invalid OAuth access token", status=401))

    async def _media(self, request: web.Request) -> web.Response:
        file = self.files.get(request.match_info["key"].partition(".")[0])
        if file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.content, content_type=file.mime)

    def keep(self, content: bytes, mime: str, name: str = "") -> str:
        """Put a customer's file where the webhook's address leads; returns the address."""
        key = secrets.token_hex(12)
        self.files[key] = PhoneFile(content, mime)
        while len(self.files) > KEPT_FILES:
            del self.files[next(iter(self.files))]
        ending = name.rpartition(".")[2] if "." in name else mime.rpartition("/")[2]
        return f"{self.server.url}/media/{key}.{ending}"


def is_profile(call: ServedCall) -> bool:
    """Whether a call asks who a person is."""
    return call.method == "GET" and "fields" in call.query and call.path.rpartition("/")[2].isdecimal()


def is_send(call: ServedCall) -> bool:
    """Whether a call sends a message (and not only a sign of typing)."""
    return call.path.endswith("/messages") and b'"sender_action"' not in call.body


def _joined(bodies: Sequence[bytes]) -> bytes:
    return join_entries(list(bodies))


async def _read(request: web.Request) -> tuple[Json, PhoneFile | None]:
    """A JSON body, or a form whose nested values are JSON, with a file."""
    if not request.content_type.startswith("multipart/"):
        try:
            body: object = json.loads(await request.read() or b"{}")
        except ValueError:
            raise Refused(refusal(100, "(#100) The body is no JSON")) from None
        if not isinstance(body, dict):
            raise Refused(refusal(100, "(#100) The body is no object"))
        return body, None
    fields: Json = {}
    file: PhoneFile | None = None
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            file = PhoneFile(value.file.read(), value.content_type)
        else:
            fields[name] = _form_value(str(value))
    return fields, file


def _form_value(value: str) -> object:
    if not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refused(refusal(100, "(#100) A field of the form is no JSON")) from None


def _address(number: int) -> str:
    """A person's id on a page, out of 48 bits."""
    return str(7_000_000_000_000_000 + number)
