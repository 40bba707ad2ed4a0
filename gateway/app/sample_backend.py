"""The telecom operator's systems, made up: what the sample bot calls in the demo, so that its answers are looked up.

Everything is derived from who asks, so the same customer always gets the same line, balance and bill.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

MAX_ORDERS = 10_000
"""Orders that are remembered; the demo's memory is short."""

PLAN_PRICES: Mapping[str, int] = {"essential": 35_900, "plus": 49_900, "unlimited": 69_900}
_PLANS = tuple(PLAN_PRICES)
_PACKS = frozenset({"2gb", "5gb", "10gb"})
_OUTAGES: Mapping[str, str] = {"north": "18:00"}
_ZONES = frozenset({"north", "centre", "south", "east", "west"})
_OUR_PREFIXES = tuple(str(prefix) for prefix in range(300, 325))
_TAX_PERCENT = 19

_encoder = msgspec.json.Encoder()

_Order = TypeVar("_Order")


class PlanOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: str
    plan: str
    start: str


class PackOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customer: str
    pack: str


class Complaint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    line: str
    about: str
    text: str
    wants_call: bool


class SampleBackend:
    """The routes and what was ordered. An order with a key that was seen gets the answer that it got then."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.is_away = False
        self._numbers = 20_400

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._up], client_max_size=65_536)
        application.add_routes(
            [
                web.get("/customers/{customer}/balance", self._balance),
                web.get("/customers/{customer}/bill", self._bill),
                web.post("/customers/{customer}/bill/copies", self._send_bill),
                web.get("/outages", self._outage),
                web.get("/plans", self._plans),
                web.get("/lines/{line}", self._line),
                web.post("/lines/{line}/block", self._block),
                web.post("/plan-orders", self._order_plan),
                web.post("/pack-orders", self._order_pack),
                web.post("/complaints", self._complain),
            ]
        )
        return application

    @web.middleware
    async def _up(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.Response(status=503) if self.is_away else await handler(request)

    async def _balance(self, request: web.Request) -> web.Response:
        customer = _Customer(request.match_info["customer"])
        return _answer(
            {
                "line": customer.line,
                "credit": customer.pick("credit", 12, 480) * 100,
                "data_gb": customer.pick("data", 2, 240) / 10,
                "minutes": customer.pick("minutes", 5, 400),
                "valid_until": _end_of_month(_today()).isoformat(),
            }
        )

    async def _bill(self, request: web.Request) -> web.Response:
        customer = _Customer(request.match_info["customer"])
        plan = PLAN_PRICES[customer.plan]
        extra = customer.pick("extra", 1, 90) * 100 if customer.pick("has extra", 0, 2) == 0 else 0
        tax = round((plan + extra) * _TAX_PERCENT / 100 / 100) * 100
        return _answer(
            {
                "line": customer.line,
                "total": plan + extra + tax,
                "due": (_end_of_month(_today()) + timedelta(days=customer.pick("due", 3, 12))).isoformat(),
                "is_paid": customer.pick("paid", 0, 3) == 0,
                "plan_charge": plan,
                "extra_charge": extra,
                "tax": tax,
            }
        )

    async def _send_bill(self, request: web.Request) -> web.Response:
        letters = "abcdefghilmnoprstv"
        customer = _Customer(request.match_info["customer"])
        return _answer({"sent_to": f"{letters[customer.pick('mail', 0, len(letters) - 1)]}•••@example.com"})

    async def _outage(self, request: web.Request) -> web.Response:
        zone = request.query.get("zone", "")
        if zone not in _ZONES:
            raise web.HTTPNotFound
        return _answer({"is_out": zone in _OUTAGES, "until": _OUTAGES.get(zone)})

    async def _plans(self, _request: web.Request) -> web.Response:
        return _answer({"plans": [{"name": name, "price": price} for name, price in PLAN_PRICES.items()]})

    async def _line(self, request: web.Request) -> web.Response:
        line = request.match_info["line"][-10:]
        is_ours = _is_ours(line)
        return _answer({"is_ours": is_ours, "plan": _Customer(line).plan if is_ours else None})

    async def _block(self, request: web.Request) -> web.Response:
        if not _is_ours(request.match_info["line"][-10:]):
            raise web.HTTPNotFound
        return self._ordered(request, "B")

    async def _order_plan(self, request: web.Request) -> web.Response:
        order = await _read(request, PlanOrder)
        if order.plan not in PLAN_PRICES or not _is_ours(order.line[-10:]) or not _is_day(order.start):
            raise web.HTTPUnprocessableEntity
        return self._ordered(request, "C")

    async def _order_pack(self, request: web.Request) -> web.Response:
        if (await _read(request, PackOrder)).pack not in _PACKS:
            raise web.HTTPUnprocessableEntity
        return self._ordered(request, "P")

    async def _complain(self, request: web.Request) -> web.Response:
        await _read(request, Complaint)
        return self._ordered(request, "R")

    def _ordered(self, request: web.Request, letter: str) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            raise web.HTTPBadRequest(text="an order needs an Idempotency-Key")
        return web.Response(body=self.remember(key, letter), content_type="application/json")

    def remember(self, key: str, letter: str) -> bytes:
        """The answer to the order of this key: a new number, or the one that it got before."""
        if key not in self.answers:
            self._numbers += 17
            self.answers[key] = _encoder.encode({"number": f"{letter}-{self._numbers}"})
            if len(self.answers) > MAX_ORDERS:
                del self.answers[next(iter(self.answers))]
        return self.answers[key]


@asynccontextmanager
async def open_sample_backend(backend: SampleBackend | None = None) -> AsyncIterator[str]:
    """Serve it on a free port of this machine; yields its address, to be put into ``BACKEND_URL``."""
    runner = web.AppRunner((backend or SampleBackend()).application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port = runner.addresses[0][:2]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


class _Customer:
    """An invented customer: every fact follows from the name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def line(self) -> str:
        number = f"{300 + self.pick('prefix', 0, 24)}{self.pick('line', 0, 9_999_999):07d}"
        return f"{number[:3]} {number[3:6]} {number[6:]}"

    @property
    def plan(self) -> str:
        return _PLANS[self.pick("plan", 0, len(_PLANS) - 1)]

    def pick(self, what: str, low: int, high: int) -> int:
        """A number from *low* to *high*, always the same for this customer."""
        digest = hashlib.sha256(f"{self._name}:{what}".encode()).digest()
        return low + int.from_bytes(digest[:8]) % (high - low + 1)


def _is_ours(line: str) -> bool:
    return len(line) == 10 and line.isdigit() and line.startswith(_OUR_PREFIXES)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _today() -> date:
    return date.today()  # noqa: DTZ011  the demo's own day


def _end_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


async def _read(request: web.Request, kind: type[_Order]) -> _Order:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise web.HTTPUnprocessableEntity from error


def _answer(data: Mapping[str, object]) -> web.Response:
    return web.Response(body=_encoder.encode(data), content_type="application/json")
