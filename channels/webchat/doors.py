"""The web chat's doors: every address below ``/chat/{site}``, and the widget that pages load."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from aiohttp import web

from channels.browser_files import BrowserFiles
from channels.doors import DoorEndpoint, DoorParts
from channels.webchat.frames import MAX_FRAME_BYTES, NotJson
from channels.webchat.hub import Hub
from channels.webchat.rates import Buckets
from channels.webchat.refusals import Refused, guarded
from channels.webchat.room import Standpoint, Voice
from channels.webchat.sessions import CHANNEL, SUBPROTOCOL, Sessions
from channels.webchat.settings import WebchatSettings
from channels.webchat.socket import serve_events, serve_socket
from channels.webchat.talk import Place, Talk
from channels.webchat.tokens import Seals
from channels.webchat.uploads import Uploads
from channels.webchat.visitors import conversation_name
from gateway.store.secrets import kept_secret

WIDGET = Path(__file__).with_name("widget")

EVERYWHERE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""The widget's own files are nobody's secret, and pages of any site load them."""

STATUS_OF = {"too_long": 413, "too_many": 429, "unavailable": 503}
"""How a refusal of a frame is told to a client that sent it as a request."""


class Site:
    """One endpoint: who may come in, what they may say, and how many are connected."""

    def __init__(self, endpoint: DoorEndpoint, parts: DoorParts, hub: Hub, key: bytes) -> None:
        settings = cast("WebchatSettings", endpoint.settings)
        self.name = endpoint.name
        self.settings = settings
        self.standpoint = Standpoint(CHANNEL, endpoint.name, endpoint.account_id)
        self.seals = Seals(key, parts.clock)
        self.sessions = Sessions(endpoint, parts, self.seals)
        self.uploads = Uploads(endpoint, parts, self.seals, self.sessions)
        self.voice = Voice(parts.bot_name, self.uploads.link)
        self.talk = Talk(
            self.standpoint,
            hub,
            self.uploads,
            by_visitor=Buckets(settings.messages_per_visitor_s, settings.messages_burst, parts.clock),
            by_source=Buckets(settings.messages_per_address_s, settings.messages_per_address_burst, parts.clock),
            clock=parts.clock,
        )
        self._by_address: Counter[str] = Counter()
        self._by_visitor: Counter[str] = Counter()
        self._gauge = parts.metrics.visitor_links.labels(CHANNEL, endpoint.name)

    @contextmanager
    def seat(self, address: str, visitor: str) -> Iterator[None]:
        """A place for one more connection. Raises ``Refused`` when there are too many of one address or visitor."""
        settings = self.settings
        if (
            self._by_address[address] >= settings.sockets_per_address
            or self._by_visitor[visitor] >= settings.sockets_per_visitor
        ):
            raise Refused(429, "too_many_connections", "too many connections are open; close one", retry_after_s=5)
        self._by_address[address] += 1
        self._by_visitor[visitor] += 1
        self._gauge.inc()
        try:
            yield
        finally:
            self._gauge.dec()
            for counter, key in ((self._by_address, address), (self._by_visitor, visitor)):
                counter[key] -= 1
                if counter[key] <= 0:
                    del counter[key]


class WebchatDoors:
    """The doors of all sites of one process."""

    def __init__(self, parts: DoorParts) -> None:
        self._parts = parts
        self._hub = Hub(parts.database, parts.receive, parts.news, parts.clock, poll_s=parts.poll_s)
        self._sites: dict[str, Site] = {}
        self._files = BrowserFiles(WIDGET, EVERYWHERE)
        self._is_hanging_up = False

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """What a browser asks for; the sites are there once the doors are open."""
        return (
            web.get("/widget.js", self._widget),
            self._files.route("/widget/"),
            *(route for site in self._sites.values() for route in self._routes_of(site)),
        )

    def _routes_of(self, site: Site) -> Sequence[web.RouteDef]:
        at, headers = f"/chat/{site.name}", site.sessions.cors_headers
        return (
            *site.sessions.routes(),
            *site.uploads.routes(),
            web.post(f"{at}/messages", guarded(partial(self._messages, site), headers)),
            web.get(f"{at}/events", guarded(partial(self._events, site), headers), allow_head=False),
            web.get(f"{at}/socket", guarded(partial(self._socket, site), headers), allow_head=False),
        )

    async def open(self) -> None:
        for endpoint in self._parts.endpoints:
            key = await kept_secret(self._parts.database, f"{CHANNEL}:{endpoint.name}")
            self._sites[endpoint.name] = Site(endpoint, self._parts, self._hub, key)
        await self._hub.open()

    async def hang_up(self) -> None:
        """Tell every client to come back: elsewhere, or here when the restart is over."""
        self._is_hanging_up = True
        links = self._hub.links
        for link in links:
            link.cut(1012, "restart")
        await asyncio.gather(*(link.wait_cut() for link in links))

    async def close(self) -> None:
        await self._hub.close()
        for site in self._sites.values():
            await site.sessions.close()

    async def _widget(self, request: web.Request) -> web.StreamResponse:
        return self._files.answer(request, "widget.js")

    async def _socket(self, site: Site, request: web.Request) -> web.StreamResponse:
        place, cursor = await self._come_in(site, request)
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        protocol = next((name for name in offered if name.startswith(SUBPROTOCOL)), "")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refused(400, "not_a_socket", "this address is a WebSocket; see /events where those are blocked")
        with site.seat(place.source, place.visitor.id):
            return await serve_socket(
                request, place, protocol, cursor, self._hub, site.talk, site.standpoint, site.voice
            )

    async def _events(self, site: Site, request: web.Request) -> web.StreamResponse:
        place, cursor = await self._come_in(site, request)
        headers = dict(site.sessions.cors_headers(request))
        with site.seat(place.source, place.visitor.id):
            return await serve_events(request, headers, place, cursor, self._hub, site.standpoint, site.voice)

    async def _messages(self, site: Site, request: web.Request) -> web.StreamResponse:
        """One client frame as a request; answered with the frame that a socket would have got."""
        place, _ = await self._come_in(site, request)
        if (request.content_length or 0) > MAX_FRAME_BYTES:
            raise Refused(413, "too_large", f"a frame may have {MAX_FRAME_BYTES} bytes")
        body = await request.content.read(MAX_FRAME_BYTES + 1)
        while body and len(body) <= MAX_FRAME_BYTES and not request.content.at_eof():
            body += await request.content.read(MAX_FRAME_BYTES + 1 - len(body))
        if len(body) > MAX_FRAME_BYTES:
            raise Refused(413, "too_large", f"a frame may have {MAX_FRAME_BYTES} bytes")
        try:
            answer = await site.talk.hear(place, body)
        except NotJson:
            raise Refused(400, "not_json", "the body is not a frame in JSON") from None
        if answer is None:
            return web.Response(status=204)
        if answer.refused:
            after_s = max(1, math.ceil(answer.retry_after_s)) if answer.retry_after_s else None
            status = STATUS_OF.get(answer.refused, 400)
            raise Refused(status, answer.refused, answer.message, retry_after_s=after_s)
        return web.Response(body=answer.frame, headers={"Content-Type": "application/json"})

    async def _come_in(self, site: Site, request: web.Request) -> tuple[Place, int]:
        """Who asks, for which of their conversations, and what they have seen of it. Raises ``Refused``."""
        if self._is_hanging_up:
            raise Refused(503, "restarting", "this process is stopping; try again at once", retry_after_s=1)
        site.sessions.check_origin(request)
        visitor = await site.sessions.authenticate(request)
        named = request.query.get("conversation") or conversation_name(site.seals, visitor.id, 0)
        number = site.sessions.conversation_number(visitor, named)
        place = Place(visitor, number, site.sessions.client_address(request))
        if not visitor.is_identified and await self._hub.has_moved(site.standpoint, place.address):
            raise Refused(404, "conversation_moved", "this conversation goes on with its visitor signed in")
        after = request.query.get("after") or request.headers.get("Last-Event-ID") or "0"
        if not after.isascii() or not after.isdigit() or len(after) > 15:
            raise Refused(400, "bad_after", "after is the seq of the last message that you have")
        return place, int(after)
