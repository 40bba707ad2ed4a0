"""The addresses of the desk: the page, its files, the API and the socket, each behind the access token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
from aiohttp import web

from channels.browser_files import BrowserFiles
from gateway.core.clock import Clock
from gateway.core.errors import GiveUp, Overloaded, Retry, Unavailable
from gateway.core.ids import ConversationId, HandoffId
from gateway.core.messages import Media
from gateway.core.news import News
from gateway.core.ports import AgentPort
from gateway.store import desk
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.web.access import admit, is_allowed
from gateway.web.answers import as_json, refusal
from gateway.web.desk import media, socket, stream
from gateway.web.desk.acts import (
    RETURNED,
    SOLVED,
    Acts,
    Answer,
    Leaving,
    Noting,
    Saving,
    Taking,
    Typing,
    body_of,
)
from gateway.web.desk.feed import Feed
from gateway.web.desk.files import Files
from gateway.web.desk.reading import MOST_MESSAGES, NEWEST, PAGE_MESSAGES, Reading
from gateway.web.desk.refusals import Refused
from gateway.web.desk.shapes import ReplyLine
from gateway.web.desk.surface import NoSurfaces, Surfaces

PAGE = Path(__file__).with_name("page")

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:;"
        " connect-src 'self'; font-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

TOLD_POLL_S = 5.0
"""With Redis every change is told; the poll finds what was lost on the way."""

UNTOLD_POLL_S = 1.0

LONGEST_SEARCH = 100
LONGEST_AGENT = 60

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DeskParts(msgspec.Struct, frozen=True):
    """What wiring hands in. ``ready`` are the replies that the bot's author keeps for agents."""

    database: Database
    blobs: Blobs
    agents: AgentPort
    news: News
    clock: Clock
    token: str
    surfaces: Surfaces = NoSurfaces()
    ready: tuple[ReplyLine, ...] = ()


class DeskDoors:
    """Fits ``channels.doors.Doors``."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._reading = Reading(parts.database, parts.clock, parts.surfaces, parts.ready)
        poll_s = TOLD_POLL_S if parts.news.reaches_others else UNTOLD_POLL_S
        self._feed = Feed(self._reading, parts.news, parts.clock, poll_s=poll_s)
        self._taken = Files(parts.blobs, parts.clock, parts.database)
        self._acts = Acts(parts.agents, parts.database, parts.news, self._taken)
        self._files = BrowserFiles(PAGE, PAGE_HEADERS)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        api, of, case = self._guarded, "/desk/api/conversations/{conversation}", "/desk/api/handoffs/{handoff}"
        return [
            web.get("/desk", self._page),
            web.get("/desk/", self._page),
            self._files.route("/desk/page/"),
            web.get("/desk/socket", api(self._socket)),
            web.get("/desk/events", api(self._events)),
            web.get("/desk/api/queue", api(self._queue)),
            web.get("/desk/api/closed", api(self._closed)),
            web.get("/desk/api/live", api(self._live)),
            web.get(of, api(self._conversation)),
            web.get(of + "/messages", api(self._earlier)),
            web.get(of + "/media/{position}/{part}", api(self._media)),
            web.get(of + "/templates", api(self._templates)),
            web.post(of + "/files", api(self._file)),
            web.post(of + "/notes", api(self._note)),
            web.post(of + "/notes/{note}/remove", api(self._remove_note)),
            web.get("/desk/api/canned", api(self._canned)),
            web.post("/desk/api/canned", api(self._save)),
            web.post("/desk/api/canned/{reply}/remove", api(self._remove_reply)),
            web.post(of + "/take-over", api(self._take_over)),
            web.post(of + "/typing", api(self._typing)),
            web.post(of + "/seen", api(self._seen)),
            web.post(case + "/take", api(self._take)),
            web.post(case + "/answer", api(self._answer)),
            web.post(case + "/give-back", api(self._give_back)),
            web.post(case + "/close", api(self._close)),
        ]

    async def open(self) -> None:
        self._feed.open()

    async def hang_up(self) -> None:
        self._feed.hang_up()

    async def close(self) -> None:
        await self._feed.close()

    def _guarded(self, handle: Handler) -> Handler:
        """Only with the token; every refusal in the one form that all have."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if not is_allowed(request, self._parts.token):
                return refusal(401, "token_needed", "give the token, or open the page that has it")
            try:
                return await handle(request)
            except Refused as error:
                return refusal(error.status, error.code, error.message)
            except LookupError:
                return refusal(404, "not_found", "there is no such conversation, case or file")
            except Overloaded as error:
                return refusal(503, "overloaded", str(error), _later(error.after_s))
            except Unavailable as error:
                return refusal(503, "unavailable", "the database cannot be reached now", _later(error.after_s))

        return answer

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return admit(request, self._parts.token) or self._files.answer(request, "index.html")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        watcher = self._feed.join()
        try:
            return await socket.talk(request, self._feed, watcher)
        finally:
            self._feed.leave(watcher)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        watched = request.query.get("watch", "")
        conversation_id = ConversationId(_id_in(watched, "conversation")) if watched else None
        watcher = self._feed.join()
        try:
            self._feed.watch(watcher, conversation_id, request.query.get("agent", "").strip()[:LONGEST_AGENT])
            return await stream.talk(request, watcher)
        finally:
            self._feed.leave(watcher)

    async def _queue(self, _request: web.Request) -> web.Response:
        return self._list(await self._reading.queue())

    async def _closed(self, _request: web.Request) -> web.Response:
        return self._list(await self._reading.closed())

    async def _live(self, request: web.Request) -> web.Response:
        words = request.query.get("search", "").strip()[:LONGEST_SEARCH].replace("\x00", "")
        return self._list(await self._reading.live(words))

    def _list(self, lines: Sequence[object]) -> web.Response:
        answer = as_json({"items": lines, "now": self._parts.clock.now()}, headers={"Cache-Control": "no-store"})
        answer.enable_compression()
        return answer

    async def _conversation(self, request: web.Request) -> web.Response:
        return _fresh(await self._reading.conversation(_conversation_id(request)))

    async def _earlier(self, request: web.Request) -> web.Response:
        before = _number(request, "before", NEWEST, most=NEWEST)
        limit = _number(request, "limit", PAGE_MESSAGES, most=MOST_MESSAGES)
        return _fresh(await self._reading.earlier(_conversation_id(request), before, limit))

    async def _media(self, request: web.Request) -> web.StreamResponse:
        position, number = (_path_number(request, name) for name in ("position", "part"))
        async with self._parts.database.begin() as connection:
            parts = await desk.parts_at(connection, _conversation_id(request), position)
        part = parts[number] if number < len(parts) else None
        if not isinstance(part, Media) or not part.blob:
            raise LookupError("no file there")
        return await media.serve(request, self._parts.blobs, part)

    async def _file(self, request: web.Request) -> web.Response:
        """A file to be sent with an answer, with what the customer's app would lose of it."""
        conversation_id = _conversation_id(request)
        taken = await self._taken.take(request)
        try:
            losses = await self._reading.losses(conversation_id, (taken,))
        except GiveUp as error:
            raise Refused(415, "not_shown", error.detail) from None
        facts = {"kind": taken.kind, "name": taken.name, "mime": taken.mime, "size_bytes": taken.size_bytes}
        seal = await self._taken.seal(conversation_id, taken)
        return _fresh({"file": seal, **facts, "losses": losses})

    async def _templates(self, request: web.Request) -> web.Response:
        try:
            return self._list(await self._reading.templates(_conversation_id(request)))
        except Retry as error:
            raise Refused(503, "unavailable", error.detail) from None
        except GiveUp as error:
            raise Refused(409, "no_templates", error.detail) from None

    async def _note(self, request: web.Request) -> web.Response:
        return _fresh(await self._acts.note(_conversation_id(request), await body_of(request, Noting)))

    async def _remove_note(self, request: web.Request) -> web.Response:
        leaving = await body_of(request, Leaving)
        await self._acts.remove_note(_conversation_id(request), _uuid(request, "note"), leaving)
        return _fresh({})

    async def _canned(self, _request: web.Request) -> web.Response:
        return self._list(await self._reading.canned())

    async def _save(self, request: web.Request) -> web.Response:
        return _fresh(await self._acts.save(await body_of(request, Saving)))

    async def _remove_reply(self, request: web.Request) -> web.Response:
        await self._acts.remove_reply(_uuid(request, "reply"))
        return _fresh({})

    async def _take(self, request: web.Request) -> web.Response:
        return _fresh(await self._acts.take(_handoff_id(request), await body_of(request, Taking)))

    async def _take_over(self, request: web.Request) -> web.Response:
        return _fresh(await self._acts.take_over(_conversation_id(request), await body_of(request, Taking)))

    async def _answer(self, request: web.Request) -> web.Response:
        language = request.headers.get("Accept-Language", "")
        return _fresh(await self._acts.answer(_handoff_id(request), await body_of(request, Answer), language))

    async def _give_back(self, request: web.Request) -> web.Response:
        return _fresh(await self._acts.leave(_handoff_id(request), await body_of(request, Leaving), RETURNED))

    async def _close(self, request: web.Request) -> web.Response:
        return _fresh(await self._acts.leave(_handoff_id(request), await body_of(request, Leaving), SOLVED))

    async def _typing(self, request: web.Request) -> web.Response:
        await self._acts.typing(_conversation_id(request), await body_of(request, Typing))
        return _fresh({})

    async def _seen(self, request: web.Request) -> web.Response:
        self._acts.seen(_conversation_id(request), await body_of(request, Leaving))
        return _fresh({})


def _later(after_s: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, round(after_s)))}


def _fresh(content: object) -> web.Response:
    return as_json(content, headers={"Cache-Control": "no-store"})


def _conversation_id(request: web.Request) -> ConversationId:
    return ConversationId(_uuid(request, "conversation"))


def _handoff_id(request: web.Request) -> HandoffId:
    return HandoffId(_uuid(request, "handoff"))


def _uuid(request: web.Request, name: str) -> UUID:
    return _id_in(request.match_info[name], name)


def _id_in(text: str, name: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Refused(404, "not_found", f"that is not the id of a {name}") from None


def _path_number(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refused(404, "not_found", "there is no such file")
    return int(text)


def _number(request: web.Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise Refused(400, "bad_request", f"{name} must be a number")
    return max(1, min(int(text), most))
