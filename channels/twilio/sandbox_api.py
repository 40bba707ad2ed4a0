"""The routes of Twilio's stand-in: messages, contents, typing, files, and what ``connect`` and ``doctor`` ask."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from email.utils import format_datetime
from urllib.parse import parse_qs

from aiohttp import web

from channels.sandbox_kit import Refused
from channels.specimen import ProviderAnswer
from channels.twilio.sandbox_people import new_sid
from channels.twilio.sandbox_rules import Json, Refusal, check_content
from channels.twilio.sandbox_world import TakenMessage, World
from channels.twilio.segments import segments
from channels.twilio.settings import App

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ACCOUNT = "/2010-04-01/Accounts/{account}"
_LISTED = 50
_KEPT_DOWNLOADS = 500


class Api:
    """Answers as Twilio does, errors too."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._downloads: dict[str, str] = {}

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        guarded = self._guarded
        return [
            web.get(f"{_ACCOUNT}.json", guarded(self._account)),
            web.post(f"{_ACCOUNT}/Messages.json", guarded(self._send)),
            web.get(f"{_ACCOUNT}/Messages.json", guarded(self._list)),
            web.get(f"{_ACCOUNT}/Messages/{{sid}}.json", guarded(self._message)),
            web.get(f"{_ACCOUNT}/Messages/{{message}}/Media/{{media}}", guarded(self._media)),
            web.get("/files/{token}", self._download),
            web.get(f"{_ACCOUNT}/IncomingPhoneNumbers.json", guarded(self._numbers)),
            web.post(f"{_ACCOUNT}/IncomingPhoneNumbers/{{sid}}.json", guarded(self._set_number)),
            web.get("/v2/Channels/Senders", guarded(self._senders)),
            web.post("/v2/Channels/Senders/{sid}", guarded(self._set_sender)),
            web.get("/v1/Services/{sid}", guarded(self._service)),
            web.post("/v1/Services/{sid}", guarded(self._set_service)),
            web.post("/v2/Indicators/Typing.json", guarded(self._typing)),
            web.post("/v1/Content", guarded(self._make_content)),
            web.get("/v1/Content/{sid}/ApprovalRequests", guarded(self._approval)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        """With the right login, on the right account; refusals as Twilio writes them."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                self._require_login(request)
                return await handler(request)
            except Refusal as refusal:
                raise Refused(ProviderAnswer(refusal.status, refusal.body())) from None

        return handle

    def _require_login(self, request: web.Request) -> None:
        login = f"{self._world.account_sid}:{self._world.auth_token}".encode()
        expected = "Basic " + base64.b64encode(login).decode()
        if not secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
            raise Refusal(401, 20003, "Authenticate")
        if request.match_info.get("account", self._world.account_sid) != self._world.account_sid:
            raise _not_found(request)

    # ------------------------------------------------------------ messages

    async def _send(self, request: web.Request) -> web.Response:
        form = parse_qs((await request.read()).decode(), keep_blank_values=True)
        return web.json_response(self._told(self._world.take(form), is_new=True), status=201)

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        count = int(query.get("PageSize", str(_LISTED)))
        found = self._world.listed(query.get("To", ""), query.get("From", ""))[:count]
        return web.json_response({"messages": [self._told(message) for message in found], "page_size": count})

    async def _message(self, request: web.Request) -> web.Response:
        for message in self._world.taken:
            if message.sid == request.match_info["sid"]:
                return web.json_response(self._told(message))
        raise _not_found(request)

    def _told(self, message: TakenMessage, *, is_new: bool = False) -> Json:
        """A message as the API shows it; a new one is always told as waiting."""
        at = format_datetime(message.at)
        return {
            "account_sid": self._world.account_sid,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": at,
            "date_sent": None if is_new else at,
            "date_updated": at,
            "direction": message.direction,
            "error_code": None if is_new else message.error_code or None,
            "error_message": None if is_new else message.error_message or None,
            "from": message.one("From"),
            "messaging_service_sid": message.one("MessagingServiceSid") or None,
            "num_media": str(len(message.form.get("MediaUrl", ()))),
            "num_segments": str(segments(message.body).count),
            "price": None,
            "price_unit": None,
            "sid": message.sid,
            "status": "queued" if is_new else message.status,
            "subresource_uris": {
                "media": f"/2010-04-01/Accounts/{self._world.account_sid}/Messages/{message.sid}/Media.json"
            },
            "to": message.one("To"),
            "uri": f"/2010-04-01/Accounts/{self._world.account_sid}/Messages/{message.sid}.json",
        }

    async def _typing(self, request: web.Request) -> web.Response:
        form = parse_qs((await request.read()).decode())
        if form.get("channel") != ["whatsapp"] or not self._world.typing(form.get("messageId", [""])[0]):
            raise Refusal(400, 20001, "Invalid messageId or channel")
        return web.json_response({"success": True})

    # ------------------------------------------------------------ files

    async def _media(self, request: web.Request) -> web.Response:
        """Twilio answers with the address of its file server, which is good for a while."""
        media = request.match_info["media"]
        if media not in self._world.files:
            raise _not_found(request)
        token = secrets.token_urlsafe(16)
        self._downloads[token] = media
        while len(self._downloads) > _KEPT_DOWNLOADS:
            del self._downloads[next(iter(self._downloads))]
        return web.Response(status=307, headers={"Location": f"{self._world.url}/files/{token}"})

    async def _download(self, request: web.Request) -> web.Response:
        """The file server; it refuses whoever shows it a login."""
        media = self._downloads.get(request.match_info["token"], "")
        file = self._world.files.get(media)
        if file is None or "Authorization" in request.headers:
            return web.Response(status=403)
        return web.Response(body=file.content, content_type=file.mime)

    # ------------------------------------------------------------ contents

    async def _make_content(self, request: web.Request) -> web.Response:
        try:
            content = check_content(json.loads(await request.read()))
        except ValueError:
            raise Refusal(400, 20001, "the body is no JSON") from None
        sid = new_sid("HX")
        self._world.contents[sid] = content
        return web.json_response({"sid": sid, "account_sid": self._world.account_sid, **content}, status=201)

    async def _approval(self, request: web.Request) -> web.Response:
        sid = request.match_info["sid"]
        if sid not in self._world.contents:
            raise _not_found(request)
        status = self._world.approvals.get(sid, "unsubmitted")
        return web.json_response({"sid": sid, "whatsapp": {"status": status, "rejection_reason": ""}})

    # ------------------------------------------------------------ connecting

    async def _account(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"sid": self._world.account_sid, "friendly_name": "Sandbox", "status": "active"})

    async def _numbers(self, request: web.Request) -> web.Response:
        wanted = request.query.get("PhoneNumber", "")
        is_ours = wanted in {"", self._world.senders["sms"]}
        return web.json_response({"incoming_phone_numbers": [self._number()] if is_ours else []})

    def _number(self) -> Json:
        world = self._world
        return {
            "sid": world.sids["sms"],
            "phone_number": world.senders["sms"],
            "sms_url": world.inbound_urls["sms"],
            "sms_method": world.inbound_methods["sms"],
            "capabilities": {"sms": True, "mms": False, "voice": False},
        }

    async def _set_number(self, request: web.Request) -> web.Response:
        if request.match_info["sid"] != self._world.sids["sms"]:
            raise _not_found(request)
        form = parse_qs((await request.read()).decode())
        self._set("sms", form.get("SmsUrl", [""])[0], form.get("SmsMethod", ["POST"])[0])
        return web.json_response(self._number())

    async def _senders(self, request: web.Request) -> web.Response:
        del request
        meta = {"key": "senders", "next_page_url": None}
        return web.json_response({"senders": [self._sender()], "meta": meta})

    def _sender(self) -> Json:
        world = self._world
        webhook = {
            "callback_url": world.inbound_urls["whatsapp"],
            "callback_method": world.inbound_methods["whatsapp"],
            "status_callback_url": world.status_urls["whatsapp"],
            "status_callback_method": "POST",
        }
        sid, sender = world.sids["whatsapp"], world.senders["whatsapp"]
        return {"sid": sid, "sender_id": sender, "status": "ONLINE", "webhook": webhook}

    async def _set_sender(self, request: web.Request) -> web.Response:
        if request.match_info["sid"] != self._world.sids["whatsapp"]:
            raise _not_found(request)
        webhook = json.loads(await request.read()).get("webhook", {})
        self._set("whatsapp", webhook.get("callback_url", ""), webhook.get("callback_method", "POST"))
        self._world.status_urls["whatsapp"] = webhook.get("status_callback_url", "")
        return web.json_response(self._sender(), status=202)

    async def _service(self, request: web.Request) -> web.Response:
        return web.json_response(self._service_of(request.match_info["sid"]))

    def _service_of(self, sid: str) -> Json:
        return {
            "sid": sid,
            "friendly_name": "Service",
            "inbound_request_url": self._world.inbound_urls["sms"],
            "inbound_method": self._world.inbound_methods["sms"],
            "status_callback": self._world.status_urls["sms"],
            "use_inbound_webhook_on_number": False,
        }

    async def _set_service(self, request: web.Request) -> web.Response:
        form = parse_qs((await request.read()).decode())
        self._set("sms", form.get("InboundRequestUrl", [""])[0], form.get("InboundMethod", ["POST"])[0])
        self._world.status_urls["sms"] = form.get("StatusCallback", [""])[0]
        return web.json_response(self._service_of(request.match_info["sid"]))

    def _set(self, app: App, url: str, method: str) -> None:
        self._world.inbound_urls[app] = url
        self._world.inbound_methods[app] = method


def _not_found(request: web.Request) -> Refusal:
    return Refusal(404, 20404, f"The requested resource {request.path} was not found")
