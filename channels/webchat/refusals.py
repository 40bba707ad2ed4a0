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


PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every answer that does not say otherwise: it may hold a token, and is nothing but what its type says."""


class Refused(TertuliaError):
    """The request is answered with *status*. ``code`` is for programs and keeps its meaning, ``message`` for people."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def as_json(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
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
            for name, value in PRIVATE.items():
                response.headers.setdefault(name, value)
        return response

    return answer


async def _answered(handler: Handler, request: web.Request) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return as_answer(refused)
    except (Unavailable, Overloaded) as error:
        return as_answer(Refused(503, "unavailable", "not possible right now; try again", error.after_s))
    except web.HTTPClientError as error:
        return as_answer(Refused(error.status, "bad_request", error.reason))
    except ConnectionError:
        return as_answer(Refused(400, "gone", "the connection broke"))  # which nobody reads any more
    except Exception:
        log.exception("chat_request_failed", channel="webchat", method=request.method)
        return as_answer(Refused(500, "internal", "the error is in our log; try again later"))
