"""The HTTP side of the sandbox: Sunshine's API for messages, activities, control, files, and what is registered."""

from __future__ import annotations

import base64
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

import jwt
from aiohttp import web

from channels.sandbox_kit import Refused
from channels.specimen import ProviderAnswer
from channels.sunshine.sandbox_rules import BODY_BYTES, Json, faults_of, metadata_faults
from channels.sunshine.sandbox_world import (
    Hook,
    NoSuchThing,
    NotAllowed,
    Seat,
    Talk,
    World,
    new_id,
)

PAGE = 100
FILE_BYTES = 50_000_000
_APP = "/sc/v2/apps/{app}"
_TALK = _APP + "/conversations/{conversation}"
_BOARD = _APP + "/switchboards/{switchboard}"
_ACTIVITIES = frozenset({"conversation:read", "typing:start", "typing:stop"})

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Api:
    """Routes over one world; every call but that for a public file must prove who it is.

    *per_s* calls a second are served, 0 any number; what comes above that is refused.
    """

    def __init__(self, world: World, key_id: str, key_secret: str, *, has_private_files: bool, per_s: int = 0) -> None:
        self._per_s = per_s
        self._served: deque[float] = deque()
        self._world = world
        self._key_id = key_id
        self._key_secret = key_secret
        self._has_private_files = has_private_files

    def routes(self) -> list[web.RouteDef]:
        """For a server."""
        return [
            web.get("/sc/attachments/{level}/{file}", self._file),
            web.get(_APP, self._proven(self._app)),
            web.post(f"{_TALK}/messages", self._proven(self._post_message)),
            web.get(f"{_TALK}/messages", self._proven(self._list_messages)),
            web.post(f"{_TALK}/activity", self._proven(self._activity)),
            web.post(f"{_TALK}/{{action:(?:pass|offer|accept|release)Control}}", self._proven(self._control)),
            web.get(_TALK, self._proven(self._conversation)),
            web.get(f"{_APP}/conversations", self._proven(self._conversations)),
            web.post(f"{_APP}/conversations", self._proven(self._make_conversation)),
            web.post(f"{_APP}/users", self._proven(self._make_user)),
            web.get(f"{_APP}/users/{{user}}", self._proven(self._user)),
            web.post(f"{_APP}/attachments", self._proven(self._attach)),
            web.get(f"{_APP}/integrations", self._proven(self._integrations)),
            web.post(f"{_APP}/integrations", self._proven(self._make_integration)),
            web.patch(f"{_APP}/integrations/{{integration}}/webhooks/{{webhook}}", self._proven(self._change_webhook)),
            web.get(f"{_APP}/switchboards", self._proven(self._switchboards)),
            web.patch(_BOARD, self._proven(self._change_switchboard)),
            web.get(f"{_BOARD}/switchboardIntegrations", self._proven(self._seats)),
            web.post(f"{_BOARD}/switchboardIntegrations", self._proven(self._make_seat)),
            web.patch(f"{_BOARD}/switchboardIntegrations/{{seat}}", self._proven(self._change_seat)),
        ]

    def _proven(self, handler: Handler) -> Handler:
        async def serve(request: web.Request) -> web.Response:
            self._require_proof(request)
            self._require_room()
            if request.match_info["app"] != self._world.app_id:
                refuse(404, "app_not_found", "App not found")
            try:
                return await handler(request)
            except NoSuchThing as missing:
                refuse(404, missing.code, "Not found")
            except NotAllowed as error:
                refuse(403, "forbidden", str(error))

        return serve

    def _require_room(self) -> None:
        now = self._world.clock.monotonic()
        while self._served and self._served[0] <= now - 1.0:
            self._served.popleft()
        if self._per_s and len(self._served) >= self._per_s:
            refuse(429, "too_many_requests", "Too many requests")
        self._served.append(now)

    def _require_proof(self, request: web.Request) -> None:
        kind, _, proof = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic" and self._is_key(proof):
            return
        if kind == "Bearer" and self._is_token(proof):
            return
        refuse(401, "unauthorized", "Authorization is required")

    def _is_key(self, proof: str) -> bool:
        wanted = base64.b64encode(f"{self._key_id}:{self._key_secret}".encode()).decode()
        return hmac.compare_digest(proof.encode(), wanted.encode())

    def _is_token(self, proof: str) -> bool:
        try:
            claims = jwt.decode(proof, self._key_secret, algorithms=["HS256"])
            return jwt.get_unverified_header(proof).get("kid") == self._key_id and claims.get("scope") == "app"
        except jwt.InvalidTokenError:
            return False

    # ------------------------------------------------------------ conversations

    async def _post_message(self, request: web.Request) -> web.Response:
        talk, body = self._talk(request), await _json(request)
        if faults := faults_of(body):
            refuse(400, *(part for fault in faults for part in ("bad_request", fault)))
        if len(talk.messages) >= self._world.messages_at_most:
            refuse(423, "conversation_locked", "Conversation has too many messages")
        author, content = dict(_object(body["author"])), _object(body["content"])
        if author["type"] == "user":
            self._require_participant(talk, author)
            more = {"metadata": body["metadata"]} if body.get("metadata") else {}
            message_id = self._world.hears(talk, content, {"type": "api:conversations"}, **more)
            message: Json = next(one for one in talk.messages if one["id"] == message_id)
        else:
            message = self._world.says(talk, author, content, "api:conversations", body.get("metadata"))
        return web.json_response({"messages": [message]}, status=201)

    def _require_participant(self, talk: Talk, author: Json) -> None:
        """Only somebody of the conversation may speak in it."""
        named = {author.get("userId"), author.get("userExternalId")} - {None}
        if not named <= {talk.user["id"], talk.user.get("externalId")}:
            raise NoSuchThing("user_not_found")

    async def _list_messages(self, request: web.Request) -> web.Response:
        """A page of at most a hundred, the newest of them unless a cursor says before which."""
        messages = self._talk(request).messages
        before = request.query.get("page[before]", "")
        end = next((number for number, one in enumerate(messages) if one["id"] == before), len(messages))
        page = messages[max(0, end - PAGE) : end]
        return web.json_response({"messages": page, "meta": {"hasMore": end > PAGE}, "links": {}})

    async def _conversation(self, request: web.Request) -> web.Response:
        return web.json_response({"conversation": self._world.described(self._talk(request))})

    async def _make_user(self, request: web.Request) -> web.Response:
        body = await _json(request)
        external_id = body.get("externalId")
        if not isinstance(external_id, str) or not 1 <= len(external_id) <= 255:
            refuse(400, "bad_request", "externalId is required")
        try:
            user = self._world.make_user(external_id, _object(body.get("profile")), _object(body.get("metadata")))
        except NotAllowed:
            refuse(409, "conflict", "User already exists")
        return web.json_response({"user": user}, status=201)

    async def _user(self, request: web.Request) -> web.Response:
        return web.json_response({"user": self._world.user(request.match_info["user"])})

    async def _make_conversation(self, request: web.Request) -> web.Response:
        """Of one person, who must be there."""
        body = await _json(request)
        participants = body.get("participants")
        if body.get("type") != "personal" or not isinstance(participants, list) or len(participants) != 1:
            refuse(400, "bad_request", "a personal conversation has one participant")
        if faults := metadata_faults(body.get("metadata")):
            refuse(400, "bad_request", faults[0])
        named = _object(participants[0])
        user = self._world.user(str(named.get("userId") or named.get("userExternalId")))
        talk = self._world.make_talk(user, _object(body.get("metadata")))
        return web.json_response({"conversation": self._world.described(talk)}, status=201)

    async def _conversations(self, request: web.Request) -> web.Response:
        """Those of one person."""
        name = request.query.get("filter[userId]") or request.query.get("filter[userExternalId]")
        if not name:
            refuse(400, "bad_request", "filter is required")
        user = self._world.user(name)
        theirs = [self._world.described(talk) for talk in self._world.talks.values() if talk.user is user]
        return web.json_response({"conversations": theirs, "meta": {"hasMore": False}, "links": {}})

    async def _activity(self, request: web.Request) -> web.Response:
        talk, body = self._talk(request), await _json(request)
        kind = str(body.get("type"))
        if kind not in _ACTIVITIES or _object(body.get("author")).get("type") not in {"business", "user"}:
            refuse(400, "bad_request", "type or author is not known")
        if kind == "conversation:read":
            if talk.on_read is not None:
                talk.on_read()
        elif talk.on_typing is not None:
            talk.on_typing(kind == "typing:start")
        return web.json_response({})

    async def _control(self, request: web.Request) -> web.Response:
        talk, body = self._talk(request), await _json(request)
        metadata = body.get("metadata")
        if faults := metadata_faults(metadata):
            refuse(400, "bad_request", faults[0])
        match request.match_info["action"]:
            case "passControl":
                self._world.pass_control(talk, str(body.get("switchboardIntegration")), metadata=metadata)
            case "offerControl":
                self._world.offer_control(talk, str(body.get("switchboardIntegration")), metadata)
            case "acceptControl":
                self._world.accept_control(talk, metadata)
            case _:
                self._world.release_control(talk, metadata=metadata)
        return web.json_response({})

    def _talk(self, request: web.Request) -> Talk:
        return self._world.talk(request.match_info["conversation"])

    # ------------------------------------------------------------ files

    async def _attach(self, request: web.Request) -> web.Response:
        if request.query.get("access") != "public":
            refuse(400, "bad_request", "access must be public")
        if "conversationId" in request.query:
            self._world.talk(request.query["conversationId"])
        source = (await request.post()).get("source")
        if not isinstance(source, web.FileField):
            refuse(400, "bad_request", "source is required")
        content = source.file.read()
        if len(content) > FILE_BYTES:
            refuse(413, "payload_too_large", "Request entity too large")
        key = self._world.add_file(content, source.content_type)
        address = f"http://{request.host}/sc/attachments/public/{key}"
        return web.json_response({"attachment": {"mediaUrl": address, "mediaType": source.content_type}}, status=201)

    async def _file(self, request: web.Request) -> web.Response:
        if request.match_info["level"] != "public" and self._has_private_files:
            self._require_proof(request)
        found = self._world.files.get(request.match_info["file"])
        if found is None:
            refuse(404, "attachment_not_found", "Not found")
        return web.Response(body=found.content, content_type=found.mime)

    # ------------------------------------------------------------ what is registered

    async def _app(self, request: web.Request) -> web.Response:
        return web.json_response({"app": {"id": request.match_info["app"], "displayName": "Sandbox"}})

    async def _integrations(self, request: web.Request) -> web.Response:
        del request
        world = self._world
        responder = {"defaultResponderId": world.widget_first or world.first} if world.first else {}
        widget: Json = {"id": "widget", "type": "web", "status": "active", "displayName": "Widget", **responder}
        widget["defaultResponder"] = {"inherited": not world.widget_first}
        described = [widget, *(hook.described() for hook in world.hooks.values())]
        return web.json_response({"integrations": described, "meta": {"hasMore": False}, "links": {}})

    async def _make_integration(self, request: web.Request) -> web.Response:
        body = await _json(request)
        webhooks = body.get("webhooks")
        if body.get("type") != "custom" or not isinstance(webhooks, list) or len(webhooks) != 1:
            refuse(400, "bad_request", "a custom integration has one webhook")
        hook = Hook(new_id(), str(body.get("displayName", "")), new_id(), "", (), new_id() + new_id())
        _fill(hook, _object(webhooks[0]))
        self._world.hooks[hook.id] = hook
        return web.json_response({"integration": hook.described()}, status=201)

    async def _change_webhook(self, request: web.Request) -> web.Response:
        hook = self._world.hooks.get(request.match_info["integration"])
        if hook is None or hook.webhook_id != request.match_info["webhook"]:
            raise NoSuchThing("webhook_not_found")
        _fill(hook, await _json(request))
        return web.json_response({"webhook": hook.webhook()})

    async def _switchboards(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"switchboards": [self._board()]})

    async def _change_switchboard(self, request: web.Request) -> web.Response:
        body = await _json(request)
        first = body.get("defaultSwitchboardIntegrationId", self._world.first)
        if first and first not in self._world.seats:
            raise NoSuchThing("switchboard_integration_not_found")
        self._world.first = str(first)
        self._world.is_enabled = bool(body.get("enabled", self._world.is_enabled))
        return web.json_response({"switchboard": self._board()})

    def _board(self) -> Json:
        world = self._world
        first = {"defaultSwitchboardIntegrationId": world.first} if world.first else {}
        return {"id": world.switchboard_id, "enabled": world.is_enabled, **first}

    async def _seats(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"switchboardIntegrations": [one.configured() for one in self._world.seats.values()]})

    async def _make_seat(self, request: web.Request) -> web.Response:
        body = await _json(request)
        if any(seat.name == body.get("name") for seat in self._world.seats.values()):
            refuse(409, "conflict", "A switchboard integration with this name exists")
        seat = self._world.add_seat(Seat(new_id(), "", "", "custom"))
        self._fill_seat(seat, body)
        return web.json_response({"switchboardIntegration": seat.configured()}, status=201)

    async def _change_seat(self, request: web.Request) -> web.Response:
        seat = self._world.seats.get(request.match_info["seat"])
        if seat is None:
            raise NoSuchThing("switchboard_integration_not_found")
        self._fill_seat(seat, await _json(request))
        return web.json_response({"switchboardIntegration": seat.configured()})

    def _fill_seat(self, seat: Seat, body: Mapping[str, object]) -> None:
        integration = str(body.get("integrationId", seat.integration_id))
        if integration not in self._world.hooks and seat.integration_type == "custom":
            raise NoSuchThing("integration_not_found")
        seat.integration_id = integration
        seat.name = str(body.get("name", seat.name))
        seat.hears_standby = bool(body.get("deliverStandbyEvents", seat.hears_standby))
        seat.following = str(body.get("nextSwitchboardIntegrationId", seat.following))


def _fill(hook: Hook, body: Mapping[str, object]) -> None:
    target = str(body.get("target", hook.target))
    if not target.startswith(("http://", "https://")):
        refuse(400, "bad_request", "target must be an address")
    hook.target = target
    triggers = body.get("triggers", list(hook.triggers))
    hook.triggers = tuple(map(str, triggers)) if isinstance(triggers, list) else ()
    hook.has_full_user = bool(body.get("includeFullUser", hook.has_full_user))
    hook.has_full_source = bool(body.get("includeFullSource", hook.has_full_source))


def error_body(*codes_and_titles: str) -> bytes:
    """An answer's body with these errors: code and title by turns."""
    pairs = zip(codes_and_titles[::2], codes_and_titles[1::2], strict=True)
    return json.dumps({"errors": [{"code": code, "title": title} for code, title in pairs]}).encode()


def refuse(status: int, *codes_and_titles: str) -> NoReturn:
    """Answer as Sunshine does when it says no."""
    raise Refused(ProviderAnswer(status, error_body(*codes_and_titles)))


async def _json(request: web.Request) -> Json:
    body = await request.read()
    if len(body) > BODY_BYTES:
        refuse(413, "payload_too_large", "Request entity too large")
    try:
        loaded = json.loads(body)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        refuse(400, "bad_request", "Request body is not JSON")
    return loaded


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}
