"""The door that providers knock at: read, verify, parse, accept, answer; nothing is acknowledged before it is durable.

The way of an accepted webhook is kept short: no middleware, no log line, and the body is usually there already.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from time import monotonic

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from config.settings import EndpointConfig, ServerSettings
from gateway.core.channel import WebhookAnswer, WebhookRequest
from gateway.core.errors import (
    BadPayload,
    BadSignature,
    NotSupported,
    Overloaded,
    TertuliaError,
    Unavailable,
)
from gateway.core.metrics import Metrics
from gateway.core.ports import ReceivePort
from gateway.core.tracing import Tracing
from gateway.web.answers import refusal

_NO_QUERY: Mapping[str, str] = {}


class TooLarge(TertuliaError):
    """The body is larger than ``server.max_body_bytes``."""


class TooSlow(TertuliaError):
    """The body did not come within ``server.read_timeout_s``."""


class Garbled(TertuliaError):
    """The body is not what its own headers say, or ended before its end."""


class WebhookDoor:
    """Takes the webhooks of one endpoint."""

    def __init__(
        self, endpoint: EndpointConfig, server: ServerSettings, receive: ReceivePort, metrics: Metrics, tracing: Tracing
    ) -> None:
        self._channel = endpoint.channel
        self._channel_name = endpoint.channel.name
        self._endpoint_name = endpoint.name
        self._settings = endpoint.settings
        self._public_url = server.public_url.rstrip("/")
        self._max_body_bytes = server.max_body_bytes
        self._read_timeout_s = server.read_timeout_s
        self._receive = receive
        self._metrics = metrics
        self._tracing = tracing
        self._accepted = metrics.webhooks.labels(self._channel_name, self._endpoint_name, "accepted")
        self._accept_seconds = metrics.accept_seconds.labels(self._channel_name)
        self._log = structlog.get_logger(__name__)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. Every refusal is counted; an error of our own is logged and says nothing outside."""
        try:
            with self._tracing.span("webhook", channel=self._channel_name, endpoint=self._endpoint_name):
                return await self._answer(request)
        except TertuliaError as error:
            return self._refuse(error)
        except Exception:  # noqa: BLE001 - the edge of a request; the stack is in the log
            self._log.exception("webhook_failed", channel=self._channel_name, endpoint=self._endpoint_name)
            self._count("failed")
            return refusal(500, "internal", "the error is in our log; send it again later")

    async def _answer(self, request: web.Request) -> web.Response:
        match request.method:
            case "POST":
                return await self._accept(request)
            case "GET":
                return _respond(self._channel.handshake(self._settings, self._webhook(request, b"")))
            case method:
                raise NotSupported(method)

    async def _accept(self, request: web.Request) -> web.Response:
        body = await self._read(request)
        started = monotonic()
        webhook = self._webhook(request, body)
        self._channel.verify(self._settings, webhook)
        parsed = self._channel.parse(self._settings, webhook)
        await self._receive.accept(self._channel_name, self._endpoint_name, parsed)
        self._accept_seconds.observe(monotonic() - started)
        self._accepted.inc()
        return web.Response()

    async def _read(self, request: web.Request) -> bytes:
        """The raw body, bounded in size and time. Raises ``TooLarge``, ``TooSlow`` or ``Garbled``."""
        if (request.content_length or 0) > self._max_body_bytes:
            raise TooLarge
        try:
            if request.content.is_eof():
                return await request.read()
            async with asyncio.timeout(self._read_timeout_s):
                return await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise TooLarge from None
        except TimeoutError:
            raise TooSlow from None
        except (RequestPayloadError, ConnectionResetError):
            raise Garbled from None

    def _webhook(self, request: web.Request, body: bytes) -> WebhookRequest:
        path = request.raw_path
        return WebhookRequest(
            request.method,
            self._public_url + path,
            request.headers,
            request.query if "?" in path else _NO_QUERY,
            body,
        )

    def _refuse(self, error: TertuliaError) -> web.Response:
        match error:
            case BadSignature():
                self._count("forged")
                return refusal(403, "bad_signature", "the request does not prove who sent it")
            case BadPayload():
                self._count("not_readable")
                return refusal(400, "bad_payload", "the body is not what this channel sends")
            case Garbled():
                self._count("not_readable")
                return refusal(400, "bad_body", "the body is not what its headers say, or was cut off")
            case TooLarge():
                self._count("too_large")
                return refusal(413, "too_large", f"a body may have {self._max_body_bytes} bytes")
            case TooSlow():
                self._count("too_slow")
                return refusal(408, "too_slow", f"the body did not come within {self._read_timeout_s:g} s")
            case NotSupported():
                self._count("not_supported")
                return refusal(405, "not_supported", "this webhook takes POST", {"Allow": "POST"})
            case Overloaded() | Unavailable():
                self._count("overloaded" if isinstance(error, Overloaded) else "unavailable")
                wait = {"Retry-After": str(max(1, math.ceil(error.after_s)))}
                return refusal(503, "unavailable", "not stored; send it again later", wait)
            case _:
                self._log.error("webhook_failed", channel=self._channel_name, exc_info=error)
                self._count("failed")
                return refusal(500, "internal", "the error is in our log; send it again later")

    def _count(self, outcome: str) -> None:
        self._metrics.webhooks.labels(self._channel_name, self._endpoint_name, outcome).inc()


def _respond(answer: WebhookAnswer) -> web.Response:
    return web.Response(
        body=answer.body, headers={"Content-Type": answer.content_type, **answer.headers} if answer.body else None
    )
