"""The one form of every refusal of the web chat: ``{"error": {"code", "message"}}``, for the page that asked."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog
from aiohttp import web

from gateway.core.errors import Overloaded, TertuliaError, Unavailable

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Headers = Callable[[web.Request], Mapping[str, str]]


class Refused(TertuliaError):
    """The request is answered with *status*. ``code`` is for programs and keeps its meaning, ``message`` for people."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def as_json(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """What a page gets; never kept by anything on the way, because it may hold a token."""
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        },
    )


def as_answer(refused: Refused) -> web.Response:
    wait = refused.retry_after_s
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    content = {"error": {"code": refused.code, "message": refused.message}}
    return as_json(content, status=refused.status, headers=headers)


def guarded(handler: Handler, headers: Headers) -> Handler:
    """*handler* with every refusal in that form, and with *headers* on every answer that is not on its way already."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _answered(handler, request)
        if not response.prepared:
            response.headers.update(headers(request))
        return response

    return answer


async def _answered(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return as_answer(refused)
    except (Unavailable, Overloaded) as error:
        return as_answer(Refused(503, "unavailable", "not possible right now; try again", error.after_s))
    except web.HTTPRequestEntityTooLarge:
        return as_answer(Refused(413, "too_large", "the request is too large"))
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:
        log.exception("chat_request_failed", channel="webchat", method=request.method)
        return as_answer(Refused(500, "internal", "the error is in our log; try again later"))
