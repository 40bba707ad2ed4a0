"""The agents' page of the Zendesk sandbox, in the demo: what a person does there reaches us as Zendesk's webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal
from urllib.parse import quote

import msgspec
from aiohttp import web

from gateway.web.access import admit, is_allowed
from gateway.web.answers import as_json, refusal
from gateway.web.file_headers import SAFE_HEADERS, SHOWN_TYPES
from gateway.web.sandbox.bodies import Refused, read_body, read_content
from gateway.web.sandbox.doors import HEADERS, MAX_PICTURE_BYTES, MAX_VIEWERS, PAGE, PICTURES
from gateway.web.sandbox.zendesk_shapes import Agent, Pulse, agent_of, pulse, shown, view
from handoff.desks.zendesk.sandbox import AgentFile, SandboxAgent, ZendeskSandbox
from handoff.desks.zendesk.sandbox_account import Invalid
from handoff.desks.zendesk.sandbox_records import Ticket

AGENTS = ("Marta Ruiz", "Luis Peña")
BASE = "/sandbox/zendesk"
PULSE_S = 2.0
PING_EVERY = 10
MOST_UPLOADS = 10

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Takes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent: int


class Sets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent: int
    status: Literal["open", "pending", "hold", "solved"]


class Says(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``uploads`` are tokens that the page was given for its pictures; an empty ``status`` leaves it."""

    agent: int
    text: str = ""
    is_public: bool = True
    uploads: tuple[str, ...] = ()
    status: Literal["", "open", "pending", "solved"] = ""


class Start(msgspec.Struct, frozen=True):
    agents: tuple[Agent, ...]


class ZendeskDoors:
    """The doors of the page, for one process. Whoever holds the access token may use them."""

    def __init__(self, sandbox: ZendeskSandbox, token: str, agents: Sequence[str] = AGENTS) -> None:
        self._world = sandbox.world
        self._token = token
        self._agents = {agent.id: agent for agent in map(sandbox.agent, agents)}
        self._stirs: set[asyncio.Event] = set()
        self._is_leaving = False

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        api, ticket = f"{BASE}/api", f"{BASE}/api/tickets/{{ticket:[0-9]{{1,18}}}}"
        return [
            web.get(BASE, self._page),
            web.get(f"{api}/start", self._guarded(self._start)),
            web.get(f"{api}/views/{{view}}", self._guarded(self._view)),
            web.get(f"{api}/stream", self._guarded(self._stream)),
            web.post(f"{api}/pictures", self._guarded(self._picture)),
            web.get(f"{api}/files/{{key}}", self._guarded(self._file)),
            web.get(ticket, self._guarded(self._show)),
            web.post(f"{ticket}/take", self._guarded(self._take)),
            web.post(f"{ticket}/status", self._guarded(self._set)),
            web.post(f"{ticket}/say", self._guarded(self._say)),
        ]

    async def open(self) -> None:
        """Nothing to open: the sandbox is open already."""

    async def hang_up(self) -> None:
        """End every stream; the pages try again by themselves."""
        self._is_leaving = True
        for stir in self._stirs:
            stir.set()

    async def close(self) -> None:
        """Nothing is held."""

    # ------------------------------------------------------------ reading

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return admit(request, self._token) or web.FileResponse(PAGE / "zendesk" / "index.html", headers=HEADERS)

    async def _start(self, _request: web.Request) -> web.Response:
        return _fresh(Start(tuple(agent_of(agent.person) for agent in self._agents.values())))

    async def _view(self, request: web.Request) -> web.Response:
        agent = request.query.get("agent", "")
        number = int(agent) if agent.isdecimal() and len(agent) < 19 else 0
        return _fresh(view(self._world, request.match_info["view"], number))

    async def _show(self, request: web.Request) -> web.Response:
        return _fresh(shown(self._world, self._ticket(request)))

    async def _file(self, request: web.Request) -> web.Response:
        """A picture or sound is shown; whatever else it claims to be, a browser may only store it."""
        attachment = self._world.attachment(request.match_info["key"])
        content = self._world.files.get(attachment.secret) if attachment is not None else None
        if attachment is None or content is None:
            raise LookupError("file")
        mime = attachment.content_type.partition(";")[0].strip().lower()
        is_shown = mime in SHOWN_TYPES
        disposition = (
            f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(attachment.file_name, safe='')}"
        )
        headers = {**SAFE_HEADERS, "Content-Disposition": disposition}
        headers["Content-Type"] = mime if is_shown else "application/octet-stream"
        return web.Response(body=content, headers=headers)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: ``pulse`` whenever something changed, and while limits fill again."""
        if len(self._stirs) >= MAX_VIEWERS:
            return refusal(503, "too_many", "too many pages are open", {"Retry-After": "5"})
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(request)
        stir = asyncio.Event()
        self._stirs.add(stir)
        unlisten = self._world.listen(stir.set)
        try:
            await self._follow(stream, stir)
        except ConnectionError:
            pass  # the page was closed
        finally:
            unlisten()
            self._stirs.discard(stir)
        return stream

    async def _follow(self, stream: web.StreamResponse, stir: asyncio.Event) -> None:
        told: Pulse | None = None
        silent = 0
        while not self._is_leaving:
            now = pulse(self._world)
            silent = 0 if now != told else silent + 1
            if now != told:
                await stream.write(b"event: pulse\ndata: %s\n\n" % msgspec.json.encode(now))
            elif silent % PING_EVERY == 0:
                await stream.write(b": still here\n\n")
            told = now
            await _stirred(stir, PULSE_S)

    # ------------------------------------------------------------ acting

    async def _take(self, request: web.Request) -> web.Response:
        agent = self._agent((await read_body(request, Takes)).agent)
        return await self._done(request, agent.takes(self._ticket(request)))

    async def _set(self, request: web.Request) -> web.Response:
        wished = await read_body(request, Sets)
        agent, ticket = self._agent(wished.agent), self._ticket(request)
        acts = {"open": agent.opens, "pending": agent.pends, "hold": agent.holds, "solved": agent.solves}
        return await self._done(request, acts[wished.status](ticket))

    async def _say(self, request: web.Request) -> web.Response:
        wished = await read_body(request, Says)
        agent, ticket = self._agent(wished.agent), self._ticket(request)
        if not wished.text.strip() and not wished.uploads:
            return refusal(400, "empty", "write something, or attach a picture")
        if len(wished.uploads) > MOST_UPLOADS:
            return refusal(400, "too_many", f"at most {MOST_UPLOADS} pictures")
        says = agent.answers if wished.is_public else agent.notes
        return await self._done(request, says(ticket, wished.text, uploads=wished.uploads, status=wished.status))

    async def _picture(self, request: web.Request) -> web.Response:
        """A picture for a comment that is still being written; the answer names it."""
        content = await read_content(request, MAX_PICTURE_BYTES)
        mime = next((mime for start, mime in PICTURES.items() if content.startswith(start)), "")
        if not mime:
            return refusal(415, "not_a_picture", "send PNG, JPEG, GIF or WebP")
        name = request.query.get("name", "")[:100] or f"picture.{mime.removeprefix('image/')}"
        agent = next(iter(self._agents.values()))
        return _fresh({"token": agent.uploads(AgentFile(name, content, mime)), "name": name})

    async def _done(self, request: web.Request, act: Awaitable[object]) -> web.Response:
        """The ticket as it is after the act."""
        await act
        return _fresh(shown(self._world, self._ticket(request)))

    def _agent(self, number: int) -> SandboxAgent:
        found = self._agents.get(number)
        if found is None:
            raise LookupError("agent")
        return found

    def _ticket(self, request: web.Request) -> Ticket:
        return self._world.account.ticket(int(request.match_info["ticket"]))

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not is_allowed(request, self._token):
                return refusal(401, "token_needed", "open the page with the address that the demo printed")
            try:
                return await handler(request)
            except Refused as refused:
                return refused.answer
            except LookupError:
                return refusal(404, "not_found", "there is no such ticket, view, agent or file")
            except Invalid as error:
                return refusal(409, "not_possible", str(error))

        return handle


async def _stirred(stir: asyncio.Event, limit_s: float) -> None:
    """Return when something happened, or after *limit_s*."""
    try:
        async with asyncio.timeout(limit_s):
            await stir.wait()
    except TimeoutError:
        return
    stir.clear()


def _fresh(content: object) -> web.Response:
    return as_json(content, headers=HEADERS)
