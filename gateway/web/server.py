"""The web server of one process: webhooks, health, metrics, and the routes that are handed in. It owns the sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from channels.browser_files import BrowserFiles
from config.settings import EndpointConfig, ServerSettings
from gateway.core.errors import Misconfigured
from gateway.core.metrics import Metrics
from gateway.core.ports import ReceivePort
from gateway.core.tracing import Tracing
from gateway.web.access import is_allowed
from gateway.web.answers import as_json, refusal
from gateway.web.webhooks import WebhookDoor

Ping = Callable[[], Awaitable[object]]
"""Asks one part whether it works; raising means that it does not."""


class AccountsView(Protocol):
    """How the accounts are doing. Trouble with a provider makes nobody unready: the others go on."""

    @property
    def in_trouble(self) -> int: ...

    def details(self) -> dict[str, object]:
        """For whoever has the token."""
        ...


UI = Path(__file__).with_name("ui")
"""What all pages share in the browser, the widget on other people's sites included."""

METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class WebServer:
    """Open it, then ``stop_accepting`` and ``close`` it: requests that run are finished in between."""

    def __init__(
        self,
        settings: ServerSettings,
        endpoints: Sequence[EndpointConfig],
        receive: ReceivePort,
        *,
        not_served: Sequence[str] = (),
        metrics: Metrics,
        tracing: Tracing,
        pings: Mapping[str, Ping],
        exposition: Callable[[], Awaitable[bytes]],
        token: str,
        routes: Sequence[web.AbstractRouteDef] = (),
        hang_up: Sequence[Callable[[], Awaitable[None]]] = (),
        accounts: AccountsView | None = None,
        details: Sequence[Callable[[], dict[str, object]]] = (),
    ) -> None:
        self._settings = settings
        self._pings = dict(pings)
        self._not_served = list(not_served)
        self._exposition = exposition
        self._token = token
        self._is_stopping = False
        self._routes = [*routes, BrowserFiles(UI, {"Access-Control-Allow-Origin": "*"}).route("/ui/")]
        self._hang_up = hang_up
        self._accounts = accounts
        self._details = [*([accounts.details] if accounts is not None else []), *details]
        doors = {
            f"/webhooks/{endpoint.channel.name}/{endpoint.name}": WebhookDoor(
                endpoint, settings, receive, metrics, tracing
            )
            for endpoint in endpoints
        }
        self._runner = web.AppRunner(
            self._application(doors),
            access_log=None,
            logger=logging.getLogger("aiohttp.server"),
            handle_signals=False,
            keepalive_timeout=settings.keepalive_s,
            lingering_time=settings.read_timeout_s,
            shutdown_timeout=settings.drain_s,
            auto_decompress=False,
        )
        self._site: web.TCPSite | None = None

    def _application(self, doors: Mapping[str, WebhookDoor]) -> web.Application:
        application = web.Application(client_max_size=self._settings.max_body_bytes)
        for path, door in doors.items():
            application.router.add_route("*", path, door.handle)
            application.router.add_route("*", f"{path}/{{tail}}", door.handle)  # some providers add a word of their own
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        application.router.add_routes(self._routes)
        application.router.add_route("*", "/{path:.*}", _not_found)
        return application

    @property
    def port(self) -> int:
        """The port that was bound, also when the settings left the choice to the system."""
        addresses = self._runner.addresses
        if not addresses:
            raise RuntimeError("the web server is not open")
        return int(addresses[0][1])

    async def open(self) -> None:
        """Listen. Raises ``Misconfigured`` when the address cannot be bound."""
        await self._runner.setup()
        settings = self._settings
        self._site = web.TCPSite(
            self._runner,
            settings.host,
            settings.port,
            backlog=settings.backlog,
            reuse_port=settings.reuse_port or None,
        )
        try:
            await self._site.start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or type(error).__name__
            raise Misconfigured(
                "server.port", f"cannot listen on {settings.host}:{settings.port} ({reason})"
            ) from error

    async def stop_accepting(self) -> None:
        """Take no new connection, and tell load balancers so; requests that run go on, long connections end."""
        self._is_stopping = True
        if self._site is not None:
            await self._site.stop()
            self._site = None
            for hang_up in self._hang_up:
                await hang_up()

    async def close(self) -> None:
        """Finish what runs, for ``server.drain_s`` at most, and close every connection."""
        await self.stop_accepting()
        await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return as_json({"status": "alive"})

    async def _readyz(self, request: web.Request) -> web.Response:
        outcomes = await asyncio.gather(*(self._ping(ping) for ping in self._pings.values()))
        checks = dict(zip(self._pings, outcomes, strict=True))
        is_ready = not self._is_stopping and all(outcome == "ok" for outcome in outcomes)
        status = "ready" if is_ready else "stopping" if self._is_stopping else "not_ready"
        content: dict[str, object] = {"status": status, "checks": checks}
        if self._not_served:
            content["not_served"] = self._not_served
        if self._accounts is not None:
            content["accounts_in_trouble"] = self._accounts.in_trouble
        if is_allowed(request, self._token):
            for details in self._details:
                content.update(details())
        return as_json(content, status=200 if is_ready else 503)

    async def _ping(self, ping: Ping) -> str:
        try:
            async with asyncio.timeout(self._settings.ping_timeout_s):
                await ping()
        except TimeoutError:
            return "timeout"
        except Exception as error:  # noqa: BLE001 - the edge of a check: whatever fails is what it reports
            return type(error).__name__
        return "ok"

    async def _metrics(self, request: web.Request) -> web.Response:
        if not is_allowed(request, self._token):
            wanted = {"WWW-Authenticate": "Bearer"}
            return refusal(401, "token_needed", "give the token as ?token= or Authorization: Bearer", wanted)
        return web.Response(body=await self._exposition(), headers={"Content-Type": METRICS_CONTENT_TYPE})


async def _not_found(_request: web.Request) -> web.Response:
    return refusal(404, "not_found", "there is nothing at this address")
