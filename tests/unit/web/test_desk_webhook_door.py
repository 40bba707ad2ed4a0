"""The door of desks: nothing forged comes in, nothing is acknowledged before it is stored, nothing is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from played_desk import PlayedDesk

from config.settings import load_settings
from gateway.core.desks import DeskEvent
from gateway.core.errors import Unavailable
from gateway.core.metrics import Metrics
from gateway.web.desk_webhooks import DeskWebhookDoor

EVENT = DeskEvent("k1", "comment", datetime(2026, 1, 1, tzinfo=UTC), "T1", b"1")


class Stored:
    """Fits ``DeskEventPort``."""

    def __init__(self) -> None:
        self.events: list[DeskEvent] = []
        self.raw: list[bytes] = []
        self.is_away = False

    async def accept(self, desk: str, events: Sequence[DeskEvent]) -> None:
        if self.is_away:
            raise Unavailable("the database cannot be reached", after_s=1.2)
        self.events += events

    async def quarantine(self, desk: str, *, reason: str, path: str, raw: bytes) -> None:
        self.raw.append(raw)


class Door:
    def __init__(self, url: str, session: aiohttp.ClientSession, stored: Stored, metrics: Metrics) -> None:
        self.url, self.session, self.stored, self.metrics = url, session, stored, metrics

    async def knock(self, body: bytes, signature: str = "good", method: str = "POST") -> aiohttp.ClientResponse:
        answer = await self.session.request(method, self.url, data=body, headers={"Signature": signature})
        await answer.read()
        return answer

    def counted(self, outcome: str) -> float:
        labels = {"desk": "played.main", "outcome": outcome}
        return self.metrics.registry.get_sample_value("tertulia_desk_webhooks_total", labels) or 0.0


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as one:
        yield one


@asynccontextmanager
async def opened() -> AsyncIterator[Door]:
    desk, stored, metrics = PlayedDesk(), Stored(), Metrics()
    desk.lost = [EVENT]
    server = load_settings(env={}, overrides={"server": {"max_body_bytes": 100, "read_timeout_s": 0.2}}).server
    application = web.Application(client_max_size=100)
    application.add_routes(DeskWebhookDoor(desk, server, stored, metrics).routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Door(f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/desks/played/main", session, stored, metrics)
    await runner.cleanup()


async def test_an_authentic_webhook_is_stored_and_answered(door: Door) -> None:
    assert (await door.knock(b"lost")).status == 200
    assert door.stored.events == [EVENT]
    assert door.counted("accepted") == 1


async def test_a_forged_one_is_refused_before_it_is_looked_at(door: Door) -> None:
    answer = await door.knock(b"!", signature="bad")
    assert answer.status == 403
    assert (door.stored.events, door.stored.raw, door.counted("forged")) == ([], [], 1)


async def test_a_known_kind_that_is_not_used_is_answered(door: Door) -> None:
    assert (await door.knock(b"nothing")).status == 200
    assert door.counted("ignored") == 1


@pytest.mark.parametrize("body", [b"?", b"!"], ids=["not what was agreed", "our own fault"])
async def test_what_is_not_understood_is_kept_raw_and_answered(door: Door, body: bytes) -> None:
    assert (await door.knock(body)).status == 200
    assert (door.stored.raw, door.counted("not_readable")) == ([body], 1)


async def test_while_the_database_is_away_the_desk_is_asked_to_come_again(door: Door) -> None:
    door.stored.is_away = True
    answer = await door.knock(b"lost")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert door.counted("unavailable") == 1


async def test_size_and_method_are_bounded(door: Door) -> None:
    assert (await door.knock(b"x" * 101)).status == 413
    answer = await door.knock(b"", method="GET")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


async def test_a_body_that_does_not_come_is_not_waited_for(door: Door) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b"lo"
        await asyncio.sleep(1)

    async with door.session.post(door.url, data=slowly(), headers={"Signature": "good"}) as answer:
        assert answer.status == 408
