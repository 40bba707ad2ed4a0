"""The door that desks knock at: read, verify, parse, store, answer; nothing is acknowledged before it is durable."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from config.settings import ServerSettings
from gateway.core.channel import WebhookRequest
from gateway.core.desks import DeskEvent, DeskPort
from gateway.core.errors import BadPayload, BadSignature, Unavailable
from gateway.core.metrics import Metrics
from gateway.web.answers import refusal

log = structlog.get_logger(__name__)


class DeskEventPort(Protocol):
    """Where a desk's events are made durable. Both raise ``Unavailable``; then nothing is stored."""

    async def accept(self, desk: str, events: Sequence[DeskEvent]) -> None: ...

    async def quarantine(self, desk: str, *, reason: str, path: str, raw: bytes) -> None: ...


class DeskWebhookDoor:
    """Takes the webhooks of one desk."""

    def __init__(self, desk: DeskPort, server: ServerSettings, events: DeskEventPort, metrics: Metrics) -> None:
        self._desk = desk
        self._public_url = server.public_url.rstrip("/")
        self._max_body_bytes = server.max_body_bytes
        self._read_timeout_s = server.read_timeout_s
        self._events = events
        self._metrics = metrics

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """``/webhooks/desks/{kind}/{name}``, and one word behind it, which some desks add."""
        path = f"/webhooks/desks/{self._desk.name.replace('.', '/')}"
        return [web.route("*", path, self.handle), web.route("*", f"{path}/{{tail}}", self.handle)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. Every refusal is counted; an error of our own is logged and says nothing outside."""
        if request.method != "POST":
            return self._refuse(405, "not_supported", "this webhook takes POST", {"Allow": "POST"})
        body = await self._read(request)
        if isinstance(body, web.StreamResponse):
            return body
        try:
            return await self._accept(self._webhook(request, body))
        except BadSignature:
            return self._refuse(403, "bad_signature", "the request does not prove who sent it", count="forged")
        except Unavailable as error:
            wait = {"Retry-After": str(max(1, math.ceil(error.after_s)))}
            return self._refuse(503, "unavailable", "not stored; send it again later", wait)
        except Exception:
            log.exception("desk_webhook_failed", desk=self._desk.name)
            return self._refuse(500, "internal", "the error is in our log; send it again later", count="failed")

    async def _accept(self, webhook: WebhookRequest) -> web.Response:
        self._desk.verify(webhook)
        try:
            events = self._desk.parse(webhook)
        except BadPayload as error:
            return await self._keep_raw(webhook, error.detail, error.path)
        except Exception:
            log.exception("desk_webhook_not_parsed", desk=self._desk.name)
            return await self._keep_raw(webhook, "our own parsing failed", "$")
        await self._events.accept(self._desk.name, events)
        self._count("accepted" if events else "ignored")
        return web.Response()

    async def _keep_raw(self, webhook: WebhookRequest, reason: str, path: str) -> web.Response:
        """It is authentic, so that it is ours to understand: a refusal would only make the desk repeat it."""
        await self._events.quarantine(self._desk.name, reason=reason, path=path, raw=webhook.body)
        self._count("not_readable")
        return web.Response()

    async def _read(self, request: web.Request) -> bytes | web.StreamResponse:
        """The raw body, bounded in size and time, or the refusal."""
        try:
            if (request.content_length or 0) > self._max_body_bytes:
                return self._too_large()
            async with asyncio.timeout(self._read_timeout_s):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        except TimeoutError:
            said = f"the body did not come within {self._read_timeout_s:g} s"
            return self._refuse(408, "too_slow", said)
        except (RequestPayloadError, ConnectionResetError):
            said = "the body is not what its headers say, or was cut off"
            return self._refuse(400, "bad_body", said, count="not_readable")

    def _too_large(self) -> web.Response:
        return self._refuse(413, "too_large", f"a body may have {self._max_body_bytes} bytes")

    def _webhook(self, request: web.Request, body: bytes) -> WebhookRequest:
        url = self._public_url + request.raw_path
        return WebhookRequest(request.method, url, request.headers, request.query, body)

    def _refuse(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None, *, count: str = ""
    ) -> web.Response:
        self._count(count or code)
        return refusal(status, code, message, headers)

    def _count(self, outcome: str) -> None:
        self._metrics.desk_webhooks.labels(self._desk.name, outcome).inc()
