"""The API for tickets: made once, updated, read with their comments and audits, searched, exported."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from handoff.desks.zendesk.sandbox_door import Door, answered, as_it_is, listed, number_in
from handoff.desks.zendesk.sandbox_rates import Window
from handoff.desks.zendesk.sandbox_records import Json, Person, Ticket
from handoff.desks.zendesk.sandbox_tickets import Act
from handoff.desks.zendesk.sandbox_wire import (
    MergeTicketsBody,
    TagsBody,
    TicketBody,
    TicketInput,
    read_json,
    refuse,
)
from handoff.desks.zendesk.sandbox_world import World

KEY_CHARS = 255
EXPORT_ROWS = 1_000
KEPT_KEYS = 100_000


class _Kept(msgspec.Struct, frozen=True):
    """The answer to a call with a key."""

    body_hash: bytes
    at: datetime
    answer: bytes
    location: str


class TicketApi:
    """Routes over one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: dict[str, _Kept] = {}

    def routes(self, door: Door) -> list[web.RouteDef]:
        one = "/tickets/{id}"
        updates, exports = self._update_limits, self._export_limits
        return [
            door.route("GET", "/tickets", self._list),
            door.route("POST", "/tickets", self._create),
            door.route("GET", "/tickets/show_many", self._show_many),
            door.route("GET", one, self._show),
            door.route("PUT", one, self._update, updates),
            door.route("DELETE", one, self._delete),
            door.route("GET", one + "/comments", self._comments),
            door.route("PUT", one + "/comments/{comment}/make_private", self._make_private),
            door.route("GET", one + "/audits", self._audits),
            door.route("GET", one + "/tags", self._tags),
            door.route("PUT", one + "/tags", self._add_tags, updates),
            door.route("POST", one + "/tags", self._set_tags, updates),
            door.route("DELETE", one + "/tags", self._remove_tags, updates),
            door.route("POST", one + "/merge", self._merge, updates),
            door.route("PUT", one + "/mark_as_spam", self._mark_as_spam, updates),
            door.route("PUT", "/deleted_tickets/{id}/restore", self._restore),
            door.route("GET", "/deleted_tickets", self._deleted),
            door.route("GET", "/search", self._search),
            door.route("GET", "/incremental/tickets/cursor", self._export, exports),
        ]

    def _update_limits(self, request: web.Request, by: Person) -> Sequence[tuple[Window, Hashable]]:
        rates = self._world.rates
        return ((rates.ticket, (by.id, number_in(request))), (rates.updates, ""))

    def _export_limits(self, _request: web.Request, _by: Person) -> Sequence[tuple[Window, Hashable]]:
        return ((self._world.rates.exports, ""),)

    # ------------------------------------------------------------ writing

    async def _create(self, request: web.Request, by: Person) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        if len(key) > KEY_CHARS:
            refuse(400, "IdempotentRequestError", f"An idempotency key has at most {KEY_CHARS} characters")
        body_hash = hashlib.sha256(await request.read()).digest()
        kept = self._kept(key)
        if kept is not None and kept.body_hash != body_hash:
            words = "Request parameters do not match previous request parameters for the given idempotency key"
            refuse(400, "IdempotentRequestError", words)
        if kept is not None:
            return _made(kept, "hit")
        wished = (await read_json(request, TicketBody)).ticket
        act = self._world.tickets.create(by, wished)
        kept = _Kept(
            body_hash, self._world.clock.now(), self._answer(act), f"{self._world.url}/tickets/{act.ticket.id}.json"
        )
        if not key:
            return _made(kept, "")
        self._keys[key] = kept
        while len(self._keys) > KEPT_KEYS:
            del self._keys[next(iter(self._keys))]
        return _made(kept, "miss")

    def _kept(self, key: str) -> _Kept | None:
        kept = self._keys.get(key) if key else None
        if kept is None:
            return None
        life = self._world.clock.lasting(self._world.pace.idempotency_life_s)
        return kept if kept.at + life > self._world.clock.now() else None

    async def _update(self, request: web.Request, by: Person) -> web.Response:
        ticket = self._ticket(request)
        wished = (await read_json(request, TicketBody)).ticket
        return as_it_is(self._answer(self._world.tickets.update(ticket, by, wished)))

    async def _delete(self, request: web.Request, by: Person) -> web.Response:
        self._world.tickets.delete(self._ticket(request), by)
        return web.Response(status=204)

    async def _restore(self, request: web.Request, by: Person) -> web.Response:
        self._world.tickets.restore(number_in(request), by)
        return answered({})

    async def _mark_as_spam(self, request: web.Request, by: Person) -> web.Response:
        self._world.tickets.mark_as_spam(self._ticket(request), by)
        return answered({})

    async def _make_private(self, request: web.Request, by: Person) -> web.Response:
        self._world.tickets.make_private(self._ticket(request), number_in(request, "comment"), by)
        return answered({})

    async def _merge(self, request: web.Request, by: Person) -> web.Response:
        target = self._ticket(request)
        body = await read_json(request, MergeTicketsBody)
        sources = [self._world.account.ticket(number) for number in body.ids]
        for source in sources:
            self._world.tickets.merge(source, target, by, words=body.source_comment, target_words=body.target_comment)
        job: Json = {"id": hashlib.sha256(str(body.ids).encode()).hexdigest()[:32], "status": "completed"}
        job |= {"url": None, "total": len(sources), "progress": len(sources), "message": "Completed", "results": []}
        return answered({"job_status": job})

    async def _add_tags(self, request: web.Request, by: Person) -> web.Response:
        return self._tagged(request, by, TicketInput(additional_tags=(await read_json(request, TagsBody)).tags))

    async def _set_tags(self, request: web.Request, by: Person) -> web.Response:
        response = self._tagged(request, by, TicketInput(tags=(await read_json(request, TagsBody)).tags))
        response.set_status(201)
        return response

    async def _remove_tags(self, request: web.Request, by: Person) -> web.Response:
        return self._tagged(request, by, TicketInput(remove_tags=(await read_json(request, TagsBody)).tags))

    def _tagged(self, request: web.Request, by: Person, wished: TicketInput) -> web.Response:
        act = self._world.tickets.update(self._ticket(request), by, wished)
        return answered({"tags": act.ticket.tags})

    def _answer(self, act: Act) -> bytes:
        audit = act.audit.described(act.ticket.id)
        return msgspec.json.encode({"ticket": self._world.described(act.ticket), "audit": audit})

    # ------------------------------------------------------------ reading

    def _ticket(self, request: web.Request) -> Ticket:
        return self._world.account.ticket(number_in(request))

    async def _list(self, request: web.Request, _by: Person) -> web.Response:
        if "external_id" in request.query:
            found = self._world.tickets.with_external_id(request.query["external_id"])
        else:
            found = [ticket for ticket in self._world.account.tickets.values() if not ticket.is_deleted]
        return listed(request, "tickets", [self._world.described(ticket) for ticket in found])

    async def _show(self, request: web.Request, _by: Person) -> web.Response:
        return answered({"ticket": self._world.described(self._ticket(request))})

    async def _show_many(self, request: web.Request, _by: Person) -> web.Response:
        numbers = [int(text) for text in request.query.get("ids", "").split(",") if text.isdecimal()]
        tickets = self._world.account.tickets
        found = [tickets[number] for number in numbers if number in tickets and not tickets[number].is_deleted]
        return listed(request, "tickets", [self._world.described(ticket) for ticket in found])

    async def _deleted(self, request: web.Request, _by: Person) -> web.Response:
        found = [ticket for ticket in self._world.account.tickets.values() if ticket.is_deleted]
        return listed(request, "deleted_tickets", [{"id": one.id, "subject": one.subject} for one in found])

    async def _comments(self, request: web.Request, _by: Person) -> web.Response:
        rows = [comment.described(self._world.origin) for comment in self._ticket(request).comments]
        is_newest_first = request.query.get("sort_order") == "desc" or request.query.get("sort", "").startswith("-")
        return listed(request, "comments", rows[::-1] if is_newest_first else rows)

    async def _audits(self, request: web.Request, _by: Person) -> web.Response:
        ticket = self._ticket(request)
        rows = [audit.described(ticket.id) for audit in ticket.audits]
        is_newest_first = request.query.get("sort_order") == "desc" or request.query.get("sort", "").startswith("-")
        return listed(request, "audits", rows[::-1] if is_newest_first else rows)

    async def _tags(self, request: web.Request, _by: Person) -> web.Response:
        return answered({"tags": self._ticket(request).tags})

    async def _search(self, request: web.Request, _by: Person) -> web.Response:
        if not request.query.get("query"):
            refuse(422, "invalid", "Invalid search: query is empty")
        return listed(request, "results", self._world.index.find(request.query["query"]))

    # ------------------------------------------------------------ exporting

    async def _export(self, request: web.Request, _by: Person) -> web.Response:
        """What changed since, the oldest change first; what changed within the last minute is not told yet."""
        edge = self._world.clock.now() - self._world.clock.lasting(self._world.pace.export_lag_s)
        after = self._export_start(request, edge)
        size = request.query.get("per_page", "")
        limit = max(1, min(int(size), EXPORT_ROWS)) if size.isdecimal() else EXPORT_ROWS
        places = sorted((_place(ticket), ticket.id) for ticket in self._world.account.tickets.values())
        due = [number for place, number in places if place > after and place[0] <= edge.timestamp()]
        page = [self._world.account.tickets[number] for number in due[:limit]]
        cursor = _cursor(_place(page[-1]) if page else after)
        path = request.url.with_query({"cursor": cursor, **({"per_page": size} if size else {})})
        content: Json = {
            "tickets": [self._world.described(ticket) for ticket in page],
            "after_url": str(path),
            "after_cursor": cursor,
            "before_url": None,
            "before_cursor": None,
            "end_of_stream": len(due) <= limit,
        }
        return answered(content)

    def _export_start(self, request: web.Request, edge: datetime) -> tuple[float, int]:
        if "cursor" in request.query:
            return _opened(request.query["cursor"])
        start = request.query.get("start_time", "")
        if not start.isdecimal():
            refuse(400, "InvalidRequest", "start_time or cursor is required")
        if int(start) > edge.timestamp():
            refuse(422, "StartTimeTooRecent", "Too recent start_time. Use a start_time older than 1 minute")
        return (float(start), -1)


def _place(ticket: Ticket) -> tuple[float, int]:
    """Where a ticket stands in the export: by the time of its last change, then by its number."""
    return (ticket.updated_at.astimezone(UTC).timestamp(), ticket.id)


def _cursor(place: tuple[float, int]) -> str:
    return base64.urlsafe_b64encode(f"{place[0]!r}||{place[1]}".encode()).decode()


def _opened(cursor: str) -> tuple[float, int]:
    try:
        at, _, number = base64.urlsafe_b64decode(cursor).decode().partition("||")
        return (float(at), int(number))
    except (binascii.Error, ValueError):
        refuse(400, "InvalidCursor", "cursor is not valid")


def _made(kept: _Kept, lookup: str) -> web.Response:
    response = as_it_is(kept.answer, status=201)
    response.headers["Location"] = kept.location
    if lookup:
        response.headers["x-idempotency-lookup"] = lookup
    return response
