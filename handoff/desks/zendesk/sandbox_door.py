"""What every call to the API passes: who is there, how much is left, and how a refusal is written."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import NoReturn

import msgspec
from aiohttp import web

from channels.sandbox_kit import Refused
from channels.specimen import ProviderAnswer
from handoff.desks.zendesk.sandbox_account import Conflict, Invalid, Missing
from handoff.desks.zendesk.sandbox_rates import Left, Window
from handoff.desks.zendesk.sandbox_records import Json, Person
from handoff.desks.zendesk.sandbox_wire import not_found, refuse, refuse_fields
from handoff.desks.zendesk.sandbox_world import Violation, World

ROOT = "/api/v2"
ENDING = r"{_:(?:\.json)?}"
_NAMED = re.compile(r"\{(\w+)\}")
"""A part of a path that ends before ``.json``."""

BROKEN = frozenset({400, 401, 403, 413, 415})

Handler = Callable[[web.Request, Person], Awaitable[web.Response]]
Counted = Callable[[web.Request, Person], Sequence[tuple[Window, Hashable]]]


def uncounted(_request: web.Request, _by: Person) -> Sequence[tuple[Window, Hashable]]:
    """No limit besides the account's."""
    return ()


class Door:
    """Wraps handlers into routes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def route(self, method: str, path: str, handler: Handler, counted: Counted = uncounted) -> web.RouteDef:
        """A path below ``/api/v2``, with or without ``.json`` at its end. *counted* names the limits besides."""

        async def serve(request: web.Request) -> web.Response:
            left: list[Left] = []
            try:
                response = await self._served(request, handler, counted, left)
            except Refused as refused:
                self._note(request, refused.answer)
                raise Refused(_with(refused.answer, self._headers(left))) from None
            response.headers.update(self._headers(left))
            return response

        return web.route(method, ROOT + _NAMED.sub(r"{\1:[^/.]+}", path) + ENDING, serve)

    async def _served(self, request: web.Request, handler: Handler, counted: Counted, left: list[Left]) -> web.Response:
        by = self._who(request)
        for window, key in ((self._world.rates.account, ""), *counted(request, by)):
            left.append(self._take(request, window, key))
        try:
            return await handler(request, by)
        except Missing:
            not_found()
        except Invalid as error:
            refuse_fields(error.faults)
        except Conflict:
            refuse(
                409,
                "UpdateConflict",
                "Safe Update prevented the update due to outdated ticket data. Please fetch the latest ticket data"
                " and try again.",
            )

    # ------------------------------------------------------------ who

    def _who(self, request: web.Request) -> Person:
        return who(self._world, request) or refuse_stranger()

    # ------------------------------------------------------------ how much

    def _take(self, request: web.Request, window: Window, key: Hashable) -> Left:
        return window.take(key) or self._refuse_more(request, window, key)

    def _refuse_more(self, request: web.Request, window: Window, key: Hashable) -> NoReturn:
        left = window.left(key)
        headers = {**self._own_headers((left,)), "Retry-After": str(self._world.clock.waiting_s(left.resets_s))}
        violation = Violation(kind=window.limit.name, method=request.method, path=request.path, detail=str(key))
        self._world.violations.append(violation)
        time = "minute" if window.limit.window_s <= 60 else f"{window.limit.window_s / 60:.0f} minutes"
        words = f"Number of allowed API requests per {time} exceeded"
        refuse(429, "APIRateLimitExceeded", words, headers)

    def _headers(self, taken: Sequence[Left]) -> dict[str, str]:
        left = self._world.rates.account.left()
        total, remaining = str(left.limit.count), str(left.remaining)
        headers = {"X-Rate-Limit": total, "X-Rate-Limit-Remaining": remaining}
        for name in ("ratelimit", "rate-limit"):
            first = "rate-limit" if name == "rate-limit" else "ratelimit-limit"
            headers |= {first: total, f"{name}-remaining": remaining, f"{name}-reset": self._reset(left)}
        return {**headers, **self._own_headers(taken)}

    def _own_headers(self, lefts: Sequence[Left]) -> dict[str, str]:
        """What an endpoint says of its own limit; the one for each ticket is told by nobody."""
        return {
            f"zendesk-ratelimit-{left.limit.name}": (
                f"total={left.limit.count}; remaining={left.remaining}; resets={self._reset(left)}"
            )
            for left in lefts
            if left.limit.name not in ("account", "ticket")
        }

    def _reset(self, left: Left) -> str:
        return str(self._world.clock.waiting_s(left.resets_s)) if left.resets_s else "0"

    def _note(self, request: web.Request, answer: ProviderAnswer) -> None:
        if answer.status in BROKEN:
            told = json.loads(answer.body)
            words = str(told.get("description", told.get("error", "")))
            violation = Violation(kind=str(answer.status), method=request.method, path=request.path, detail=words)
            self._world.violations.append(violation)


def who(world: World, request: web.Request) -> Person | None:
    """Whoever the call proves to be: an OAuth token, or ``address/token`` with an API token."""
    kind, _, proof = request.headers.get("Authorization", "").partition(" ")
    account = world.account
    if kind == "Bearer" and hmac.compare_digest(proof.encode(), account.oauth_token.encode()):
        return account.person(account.bot_id)
    if kind != "Basic":
        return None
    try:
        name, _, token = base64.b64decode(proof, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not name.endswith("/token") or not hmac.compare_digest(token.encode(), account.api_token.encode()):
        return None
    email = name.removesuffix("/token").lower()
    return next((person for person in account.staff() if person.email == email), None)


def refuse_stranger() -> NoReturn:
    body = json.dumps({"error": "Couldn't authenticate you"}).encode()
    raise Refused(ProviderAnswer(401, body))


def _with(answer: ProviderAnswer, headers: dict[str, str]) -> ProviderAnswer:
    return ProviderAnswer(answer.status, answer.body, {**headers, **answer.headers})


def answered(content: Json, *, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return as_it_is(msgspec.json.encode(content), status=status)


def as_it_is(body: bytes, *, status: int = 200) -> web.Response:
    """An answer whose JSON is there already."""
    return web.Response(status=status, body=body, content_type="application/json", charset="utf-8")


# ---------------------------------------------------------------- lists


def number_in(request: web.Request, name: str = "id") -> int:
    """A number of the path; one that is none names nothing."""
    text = request.match_info[name]
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def listed(request: web.Request, name: str, rows: Sequence[Json], *, most: int = 100) -> web.Response:
    """A page of *rows*: by cursor where ``page[size]`` or a cursor is asked for, else by the page's number."""
    by_cursor = any(key in request.query for key in ("page[size]", "page[after]", "page[before]"))
    content = _cursor_page(request, rows, most) if by_cursor else _numbered_page(request, rows, most)
    return answered({name: content.pop("rows"), **content})


def _cursor_page(request: web.Request, rows: Sequence[Json], most: int) -> Json:
    size = _limited(request.query.get("page[size]", ""), most)
    start = _place(rows, request.query.get("page[after]", "")) if "page[after]" in request.query else 0
    if "page[before]" in request.query:
        end = max(0, _place(rows, request.query["page[before]"]) - 1)
        start = max(0, end - size)
        size = end - start
    page = rows[start : start + size]
    has_more = start + size < len(rows)
    after, before = (_cursor(page[-1]), _cursor(page[0])) if page else (None, None)
    links = {
        "next": str(request.url.update_query({"page[after]": after})) if has_more and after else None,
        "prev": str(request.url.without_query_params("page[after]").update_query({"page[before]": before}))
        if start and before
        else None,
    }
    meta = {"has_more": has_more, "after_cursor": after, "before_cursor": before}
    return {"rows": list(page), "meta": meta, "links": links}


def _numbered_page(request: web.Request, rows: Sequence[Json], most: int) -> Json:
    size = _limited(request.query.get("per_page", ""), most)
    number = max(1, int(text)) if (text := request.query.get("page", "1")).isdecimal() else 1
    page = rows[(number - 1) * size : number * size]
    following = str(request.url.update_query({"page": number + 1})) if number * size < len(rows) else None
    previous = str(request.url.update_query({"page": number - 1})) if number > 1 else None
    return {"rows": list(page), "next_page": following, "previous_page": previous, "count": len(rows)}


def _limited(text: str, most: int) -> int:
    return max(1, min(int(text), most)) if text.isdecimal() else most


def _cursor(row: Json) -> str:
    return base64.urlsafe_b64encode(f"id:{row['id']}".encode()).decode()


def _place(rows: Sequence[Json], cursor: str) -> int:
    """How many rows come before what follows the cursor."""
    try:
        wanted = base64.urlsafe_b64decode(cursor).decode().removeprefix("id:")
    except (binascii.Error, UnicodeDecodeError):
        refuse(400, "InvalidPaginationParameter", "page[after] is not a valid cursor")
    return next((place for place, row in enumerate(rows, start=1) if str(row["id"]) == wanted), len(rows))
