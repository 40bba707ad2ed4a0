"""The HTTP side of a provider's stand-in: a channel's routes on a loopback port, faults on demand, and a log."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from channels.sandboxes import PhoneFile
from channels.specimen import ProviderAnswer
from gateway.core.clock import Clock, SystemClock

BODY_LIMIT_BYTES = 60_000_000
KEPT_CALLS = 50_000
KEPT_BODY_BYTES = 65_536
FETCH_LIMIT_BYTES = 30_000_000
FETCH_LIMIT_S = 20.0


class Refused(Exception):
    """What a channel's handler raises to answer as the provider does when it says no."""

    def __init__(self, answer: ProviderAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ServedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request that came in. Header names are lower case.

    ``body`` is empty for a multipart one, and ends at 64 KiB in the log. ``status`` is 0 until it is answered, and
    stays so when the connection broke. ``took_effect``: the channel's handler saw it, and said neither 4xx nor 5xx.
    """

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    took_effect: bool = False


Which = Callable[[ServedCall], bool]
"""Tells the calls that a fault is meant for."""


def any_call(call: ServedCall) -> bool:
    """Every call, whatever it asks."""
    del call
    return True


class _Answer(msgspec.Struct, frozen=True):
    answer: ProviderAnswer


class _Slow(msgspec.Struct, frozen=True):
    seconds: float


class _Break(msgspec.Struct, frozen=True):
    takes_effect: bool
    hangs: bool


class _Fault(msgspec.Struct):
    """What happens to the next ``count`` calls that are meant."""

    what: _Answer | _Slow | _Break
    count: int
    which: Which


class ProviderServer:
    """A provider's API on a port of 127.0.0.1, while the context is open; ``url`` is its address without a path.

    Faults wait in line: each call meets the first that is meant for it, and passes when there is none.
    """

    def __init__(
        self,
        routes: Iterable[web.AbstractRouteDef],
        *,
        clock: Clock | None = None,
        client_max_size: int = BODY_LIMIT_BYTES,
        port: int = 0,
    ) -> None:
        self._clock = clock or SystemClock()
        self._port = port
        self._faults: list[_Fault] = []
        self._closing = asyncio.Event()
        self._application = web.Application(client_max_size=client_max_size, middlewares=[self._middleware()])
        self._application.router.add_routes(routes)
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.calls: deque[ServedCall] = deque(maxlen=KEPT_CALLS)
        """In the order in which they were answered."""

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # ------------------------------------------------------------ faults

    def answer_next(self, answer: ProviderAnswer, *, count: int = 1, which: Which = any_call) -> None:
        """The next *count* calls are answered so, and have no effect."""
        self._faults.append(_Fault(_Answer(answer), count, which))

    def limit_next(self, count: int = 1, *, retry_after_s: int = 1, body: bytes = b"", which: Which = any_call) -> None:
        """The next *count* calls are too many: 429, with ``Retry-After`` unless that is 0."""
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
        self.answer_next(ProviderAnswer(429, body, headers), count=count, which=which)

    def fail_next(self, count: int = 1, *, status: int = 500, body: bytes = b"", which: Which = any_call) -> None:
        """The next *count* calls fail with that status, and have no effect."""
        self.answer_next(ProviderAnswer(status, body), count=count, which=which)

    def slow_next(self, seconds: float, *, count: int = 1, which: Which = any_call) -> None:
        """The next *count* calls are served that much later, by the clock."""
        self._faults.append(_Fault(_Slow(seconds), count, which))

    def drop_next(self, count: int = 1, *, takes_effect: bool, which: Which = any_call) -> None:
        """The connection of the next *count* calls breaks, after they took effect or before."""
        self._faults.append(_Fault(_Break(takes_effect, hangs=False), count, which))

    def hang_next(self, count: int = 1, *, takes_effect: bool, which: Which = any_call) -> None:
        """The next *count* calls get no answer until the server closes; the caller will leave before."""
        self._faults.append(_Fault(_Break(takes_effect, hangs=True), count, which))

    # ------------------------------------------------------------ what providers do besides

    async def fetch(self, url: str) -> PhoneFile:
        """Fetch a file that a call named, as the provider would. Raises ``ValueError`` where there is none.

        Nothing beyond this machine is asked: a sandbox has no business there.
        """
        require_loopback(url)
        timeout = aiohttp.ClientTimeout(total=FETCH_LIMIT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                content = await response.content.read(FETCH_LIMIT_BYTES)
                if response.status != 200:
                    raise ValueError(f"the file was answered with {response.status}")
                return PhoneFile(content, response.content_type)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ValueError(f"the file could not be fetched: {type(error).__name__}") from None

    # ------------------------------------------------------------ serving

    def _middleware(self) -> Middleware:
        @web.middleware
        async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._serve(request, handler)

        return serve

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            call = await self._described(request)
        except web.HTTPRequestEntityTooLarge as error:
            return web.Response(status=error.status)
        fault = self._take_fault(call)
        if isinstance(fault, _Answer):
            return self._logged(call, _response(fault.answer), was_handled=False)
        if isinstance(fault, _Break):
            return await self._break(fault, call, request, handler)
        if fault is not None:
            await self._clock.sleep(fault.seconds)
        return self._logged(call, await _handled(request, handler), was_handled=True)

    async def _described(self, request: web.Request) -> ServedCall:
        is_multipart = request.content_type.startswith("multipart/")
        return ServedCall(
            at=self._clock.now(),
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=b"" if is_multipart else await request.read(),
        )

    def _take_fault(self, call: ServedCall) -> _Answer | _Slow | _Break | None:
        for fault in self._faults:
            if fault.which(call):
                fault.count -= 1
                if fault.count <= 0:
                    self._faults.remove(fault)
                return fault.what
        return None

    async def _break(
        self, fault: _Break, call: ServedCall, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        response = await _handled(request, handler) if fault.takes_effect else None
        self._log(call, 0, took_effect=response is not None and response.status < 400)
        if fault.hangs:
            await self._closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _logged(self, call: ServedCall, response: web.StreamResponse, *, was_handled: bool) -> web.StreamResponse:
        self._log(call, response.status, took_effect=was_handled and response.status < 400)
        return response

    def _log(self, call: ServedCall, status: int, *, took_effect: bool) -> None:
        body = call.body[:KEPT_BODY_BYTES]
        self.calls.append(msgspec.structs.replace(call, body=body, status=status, took_effect=took_effect))


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return _response(refused.answer)
    except web.HTTPException as error:  # no such path or method
        return web.Response(status=error.status, text=error.text)


def _response(answer: ProviderAnswer) -> web.Response:
    headers = dict(answer.headers)
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    return web.Response(status=answer.status, body=answer.body, headers=headers)


def require_loopback(url: str) -> None:
    """Raise ``ValueError`` unless the address is on this machine: what a sandbox makes up goes nowhere else."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise ValueError(f"a sandbox speaks with this machine only, not with {host or 'no host'}")
