"""The sandbox's Cloud API: takes messages under the documented rules, and tells by webhooks what became of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiohttp
import msgspec
from aiohttp import web

from channels.handset import Handset
from channels.sandbox_server import Refused, require_loopback
from channels.sandboxes import PhoneFile
from channels.specimen import ProviderAnswer
from channels.whatsapp.sandbox_people import Person
from channels.whatsapp.sandbox_phone import drawn
from channels.whatsapp.sandbox_rules import faults
from channels.whatsapp.sandbox_world import Json, Said, StoredTemplate, World

TYPING_S = 25.0
KEPT_SENT = 50_000
BURST = 45
PAIR_S = 6.0
PER_S = 80.0
HANDSHAKE_LIMIT_S = 10.0

_BLANK = re.compile(r"\{\{(\w+)\}\}")

_TITLES = {
    1: "API Unknown",
    4: "API Too Many Calls",
    100: "Invalid parameter",
    190: "Access token has expired",
    130429: "Rate limit hit",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    132000: "Number of parameters does not match the expected number of params",
    132001: "Template name does not exist in the translation",
    132015: "Template is paused",
}


def graph_error(status: int, code: int, details: str = "", *, message: str = "", subcode: int = 0) -> ProviderAnswer:
    """A refusal in Graph's envelope."""
    title = message or _TITLES.get(code, "Something went wrong")
    error: Json = {"message": f"(#{code}) {title}", "type": "OAuthException", "code": code, "fbtrace_id": "A1b2C3"}
    if subcode:
        error["error_subcode"] = subcode
    if details:
        error["error_data"] = {"messaging_product": "whatsapp", "details": details}
    return ProviderAnswer(status, json.dumps({"error": error}).encode(), {"Content-Type": "application/json"})


class _Bucket(msgspec.Struct):
    """So many at once, then one every ``1 / per_s`` seconds."""

    tokens: float
    at_s: float

    def takes(self, now_s: float, per_s: float, burst: float) -> bool:
        self.tokens = min(burst, self.tokens + (now_s - self.at_s) * per_s)
        self.at_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class CloudApi:
    """The routes. *people* finds a person by any name; *fetch* gets a file that a call names.

    *is_paced*: the documented rates are kept, and what exceeds them is refused. *takes_any_template*: templates need
    not be known, and show their name and values.
    """

    def __init__(
        self,
        world: World,
        people: Callable[[str], Person | None],
        fetch: Callable[[str], Awaitable[PhoneFile]],
        *,
        origin: Callable[[], str],
        is_paced: bool,
        takes_any_template: bool,
    ) -> None:
        self._world = world
        self._people = people
        self._fetch = fetch
        self._origin = origin
        self._is_paced = is_paced
        self._takes_any_template = takes_any_template
        self._all = _Bucket(PER_S, 0.0)
        self._pairs: dict[str, _Bucket] = {}
        self.sent: deque[Json] = deque(maxlen=KEPT_SENT)
        """The bodies that were taken as messages, in order."""
        self.read: deque[str] = deque(maxlen=KEPT_SENT)
        """The ids of customers' messages that the business marked as read."""
        self.callback_url = ""
        self.override_url = ""
        self.number_url = ""
        self.is_subscribed = False

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return (
            web.get("/files/{media_id}", self._file),
            web.get("/{version}/debug_token", self._token),
            web.get("/{version}/{node}", self._node),
            web.get("/{version}/{node}/{edge}", self._edge),
            web.post("/{version}/{node}/{edge}", self._posted),
            web.post("/{version}/{node}", self._configured),
        )

    # ------------------------------------------------------------ routing

    def _require_token(self, request: web.Request) -> None:
        number = self._world.number
        known = {f"Bearer {number.access_token}", f"Bearer {number.app_id}|{number.app_secret}"}
        if request.headers.get("Authorization", "") not in known:
            raise Refused(graph_error(401, 190, message="Error validating access token"))

    async def _posted(self, request: web.Request) -> web.StreamResponse:
        self._require_token(request)
        number = self._world.number
        match request.match_info["node"], request.match_info["edge"]:
            case (number.phone_number_id, "messages"):
                return web.json_response(await self._message(await _body(request)))
            case (number.phone_number_id, "media"):
                return web.json_response(await self._upload(request))
            case (number.waba_id, "subscribed_apps"):
                return web.json_response(await self._subscribe(await _body(request)))
            case (number.app_id, "subscriptions"):
                return web.json_response(await self._register(await _body(request)))
            case _:
                raise Refused(graph_error(400, 100, message="Unsupported post request", subcode=33))

    async def _node(self, request: web.Request) -> web.StreamResponse:
        self._require_token(request)
        number = self._world.number
        node = request.match_info["node"]
        if node == number.phone_number_id:
            return web.json_response(
                {
                    "id": number.phone_number_id,
                    "display_phone_number": f"+{number.display_phone_number}",
                    "verified_name": number.verified_name,
                    "quality_rating": "GREEN",
                    "status": "CONNECTED",
                    "name_status": "APPROVED",
                    "webhook_configuration": self._webhooks(),
                }
            )
        file = self._world.files.get(node)
        if file is None:
            raise Refused(graph_error(400, 100, message="Object does not exist", subcode=33))
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "id": node,
                "url": f"{self._origin()}/files/{node}",
                "mime_type": file.mime,
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "file_size": len(file.content),
            }
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self._require_token(request)
        file = self._world.files.get(request.match_info["media_id"])
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mime.partition(";")[0])

    async def _edge(self, request: web.Request) -> web.StreamResponse:
        self._require_token(request)
        number = self._world.number
        match request.match_info["node"], request.match_info["edge"]:
            case (number.waba_id, "subscribed_apps"):
                return web.json_response({"data": self._subscribers()})
            case (number.waba_id, "message_templates"):
                templates = [
                    {
                        "name": name,
                        "language": language,
                        "status": template.status,
                        "category": "UTILITY",
                        "components": [{"type": "BODY", "text": template.text}],
                    }
                    for (name, language), template in self._world.templates.items()
                ]
                return web.json_response({"data": templates, "paging": {"cursors": {"after": "end"}}})
            case (number.app_id, "subscriptions"):
                webhook = {"object": "whatsapp_business_account", "callback_url": self.callback_url, "active": True}
                return web.json_response({"data": [webhook] if self.callback_url else []})
            case _:
                raise Refused(graph_error(400, 100, message="Unsupported get request", subcode=33))

    # ------------------------------------------------------------ setting up

    async def _token(self, request: web.Request) -> web.StreamResponse:
        self._require_token(request)
        is_valid = request.query.get("input_token") == self._world.number.access_token
        scopes = ["whatsapp_business_management", "whatsapp_business_messaging"] if is_valid else []
        data = {"is_valid": is_valid, "app_id": self._world.number.app_id, "expires_at": 0, "scopes": scopes}
        return web.json_response({"data": data})

    def _subscribers(self) -> list[Json]:
        if not self.is_subscribed:
            return []
        app: Json = {"whatsapp_business_api_data": {"id": self._world.number.app_id, "name": "Tertulia"}}
        return [{**app, "override_callback_uri": self.override_url} if self.override_url else app]

    @property
    def goal_url(self) -> str:
        """Where webhooks go: the narrowest address counts."""
        return self.number_url or self.override_url or self.callback_url

    def _webhooks(self) -> Json:
        known = {
            "application": self.callback_url,
            "whatsapp_business_account": self.override_url,
            "phone_number": self.number_url,
        }
        return {level: url for level, url in known.items() if url}

    async def _configured(self, request: web.Request) -> web.StreamResponse:
        self._require_token(request)
        wanted = (await _body(request)).get("webhook_configuration")
        if request.match_info["node"] != self._world.number.phone_number_id or not isinstance(wanted, dict):
            raise Refused(graph_error(400, 100, message="Unsupported post request", subcode=33))
        url = str(wanted.get("override_callback_uri", ""))
        if url:
            await _require_handshake(url, str(wanted.get("verify_token", "")))
        self.number_url = url
        return web.json_response({"success": True})

    async def _subscribe(self, body: Json) -> Json:
        url = str(body.get("override_callback_uri", ""))
        if url:
            await _require_handshake(url, str(body.get("verify_token", "")))
        self.override_url = url
        self.is_subscribed = True
        return {"success": True}

    async def _register(self, body: Json) -> Json:
        url = str(body.get("callback_url", ""))
        await _require_handshake(url, str(body.get("verify_token", "")))
        self.callback_url = url
        return {"success": True}

    # ------------------------------------------------------------ files

    async def _upload(self, request: web.Request) -> Json:
        if not request.content_type.startswith("multipart/"):
            raise Refused(graph_error(400, 100, "expected a multipart form"))
        form = await request.post()
        file = form.get("file")
        if form.get("messaging_product") != "whatsapp" or not isinstance(file, web.FileField) or not form.get("type"):
            raise Refused(graph_error(400, 100, "messaging_product, type and file are required"))
        return {"id": self._world.keep_file(file.file.read(), str(form["type"]))}

    # ------------------------------------------------------------ messages

    async def _message(self, body: Json) -> Json:
        if body.get("status") == "read":
            return self._was_read(body)
        wrong = faults(body)
        if wrong:
            raise Refused(graph_error(400, wrong[0].code, wrong[0].details))
        named = str(body.get("to") or body.get("recipient")).removeprefix("+")
        person = self._people(named)
        address = person.address if person is not None else named
        self._require_pace(address)
        self._require_known(body)
        template = self._filled(body)
        message_id = self._world.new_id()
        self.sent.append(body)
        self._world.remember(message_id, Said(address, body, is_ours=True))
        await self._delivered(message_id, body, person, template)
        contact: Json = {"input": named, **({"user_id": named} if "." in named else {"wa_id": named})}
        return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message_id}]}

    def _was_read(self, body: Json) -> Json:
        message_id = str(body.get("message_id", ""))
        said = self._world.said.get(message_id)
        if said is None or said.is_ours:
            raise Refused(graph_error(400, 131009, "message_id is unknown"))
        self.read.append(message_id)
        handset = self._handset(said.address)
        if handset is not None:
            handset.ticked(message_id, 2)
            if "typing_indicator" in body:
                handset.typing(TYPING_S)
        return {"success": True}

    def _handset(self, address: str) -> Handset | None:
        person = self._people(address)
        return person.handset if person is not None else None

    def _require_pace(self, address: str) -> None:
        if not self._is_paced:
            return
        now_s = self._world.clock.monotonic()
        pair = self._pairs.setdefault(address, _Bucket(BURST, now_s))
        if not pair.takes(now_s, 1 / PAIR_S, BURST):
            raise Refused(graph_error(400, 131056, "too many messages from this number to the same person"))
        if not self._all.takes(now_s, PER_S, PER_S):
            raise Refused(graph_error(400, 130429, "too many messages from this number"))

    def _require_known(self, body: Json) -> None:
        field = body.get(str(body.get("type", "text")))
        media_id = str(field.get("id", "")) if isinstance(field, dict) else ""
        if media_id and body.get("type") != "reaction" and media_id not in self._world.files:
            raise Refused(graph_error(400, 131009, "no such media id"))
        if isinstance(field, dict) and body.get("type") == "reaction":
            said = self._world.said.get(str(field.get("message_id", "")))
            if said is None:
                raise Refused(graph_error(400, 131009, "reaction.message_id is unknown"))

    def _filled(self, body: Json) -> str:
        """The text of a template; empty when it is none. Raises ``Refused`` as Meta does."""
        template = body.get("template")
        if body.get("type") != "template" or not isinstance(template, dict):
            return ""
        name, language = str(template["name"]), str(template["language"]["code"])
        values = [
            str(parameter.get("text", ""))
            for component in template.get("components", [])
            if component["type"] == "body"
            for parameter in component["parameters"]
        ]
        known = self._world.templates.get((name, language))
        if known is None and self._takes_any_template:
            known = StoredTemplate(" · ".join([f"*{name}*", *(f"{{{{{n + 1}}}}}" for n in range(len(values)))]))
        if known is None:
            raise Refused(graph_error(404, 132001, f"template name ({name}) does not exist in {language}"))
        if known.status == "PAUSED":
            raise Refused(graph_error(400, 132015, f"template {name} is paused"))
        if known.status != "APPROVED":
            raise Refused(graph_error(404, 132001, f"template {name} is not approved"))
        blanks = list(dict.fromkeys(_BLANK.findall(known.text)))
        if len(blanks) != len(values):
            raise Refused(graph_error(400, 132000, f"{len(values)} parameters for {len(blanks)} blanks"))
        filled = dict(zip(blanks, values, strict=True))
        return _BLANK.sub(lambda found: filled[found.group(1)], known.text)

    # ------------------------------------------------------------ what becomes of it

    async def _delivered(self, message_id: str, body: Json, person: Person | None, template: str) -> None:
        if person is None:
            self.tells(message_id, "failed", None, body, code=131026)
            return
        if not self._world.is_window_open(person.address) and body.get("type") != "template":
            self.tells(message_id, "failed", person, body, code=131047)
            return
        self.tells(message_id, "sent", person, body)
        try:
            file = await self._shown_file(body, person.handset)
        except ValueError:
            self.tells(message_id, "failed", person, body, code=131053)
            return
        self.tells(message_id, "delivered", person, body)
        if person.handset is None:
            return
        self._draw(message_id, body, person.handset, file, template)
        self.tells(message_id, "read", person, body)

    async def _shown_file(self, body: Json, handset: Handset | None) -> str:
        """The key of the file for the screen, empty for one that lies beyond this machine. Raises ``ValueError``."""
        field = body.get(str(body.get("type", "text")))
        if handset is None or not isinstance(field, dict):
            return ""
        known = self._world.files.get(str(field.get("id", "")))
        if known is not None:
            return handset.keep(known.content, known.mime)
        link = str(field.get("link", ""))
        try:
            require_loopback(link)
        except ValueError:
            return ""
        fetched = await self._fetch(link)
        return handset.keep(fetched.content, fetched.mime)

    def _draw(self, message_id: str, body: Json, handset: Handset, file: str, template: str) -> None:
        if body.get("type") == "reaction":
            _react(body, handset)
            return
        context = body.get("context")
        quoted = handset.message(str(context.get("message_id", ""))) if isinstance(context, dict) else None
        quotes = "".join(run.text for run in quoted.runs)[:120] if quoted is not None else ""
        now = self._world.clock.now()
        handset.shows(drawn(message_id, now, body, file=file, template=template, quotes=quotes))

    def tells(
        self, message_id: str, status: str, person: Person | None, body: Mapping[str, object], code: int = 0
    ) -> None:
        """A status webhook about a message of ours."""
        item: Json = {"id": message_id, "status": status, "timestamp": self._world.timestamp()}
        if person is None:
            item["recipient_id"] = str(body.get("to", ""))
        elif person.phone:
            item["recipient_id"] = person.phone
        if person is not None and person.user_id:
            item["recipient_user_id"] = person.user_id
        if body.get("biz_opaque_callback_data"):
            item["biz_opaque_callback_data"] = body["biz_opaque_callback_data"]
        if code:
            title = _TITLES[code]
            item["errors"] = [{"code": code, "title": title, "message": title, "error_data": {"details": title}}]
        key = person.address if person is not None else message_id
        contacts = {"contacts": [person.contact()]} if person is not None else {}
        self._world.emit("messages", {**contacts, "statuses": [item]}, key=key)


def _react(body: Json, handset: Handset) -> None:
    field = body.get("reaction")
    if not isinstance(field, dict):
        return
    message = handset.message(str(field.get("message_id", "")))
    if message is not None:
        emoji = str(field.get("emoji", ""))
        handset.shows(msgspec.structs.replace(message, reactions=(emoji,) if emoji else ()))


async def _body(request: web.Request) -> Json:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(graph_error(400, 100, "the body is no JSON object")) from None


async def _require_handshake(url: str, verify_token: str) -> None:
    """Ask the new webhook as Meta does. Raises ``Refused`` unless it answers with the challenge."""
    challenge = "1158201444"
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    timeout = aiohttp.ClientTimeout(total=HANDSHAKE_LIMIT_S)
    try:
        require_loopback(url)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, params=query) as response:
            answer = await response.text()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        answer = ""
    if answer != challenge:
        details = "the callback address did not answer with the challenge"
        raise Refused(graph_error(400, 2200, details, message="Callback verification failed"))
