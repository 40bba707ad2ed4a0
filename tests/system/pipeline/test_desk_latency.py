"""From an agent's webhook to the channel's send, at 50 a second: each word once and in order; the times are printed."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from desk_side import Side
from paper_provider import PaperClient, said
from pipeline_process import StartProcess
from played_desk import PlayedDesk

from config.settings import load_settings
from gateway.core.channel import Call, Sent, WebhookRequest
from gateway.core.clock import SystemClock
from gateway.core.desks import DeskEvent
from gateway.core.ids import HandoffId
from gateway.core.messages import Text
from gateway.router.agents import Agents
from gateway.router.desk_inbox import DeskInbox, InboxSettings
from gateway.router.loops import poll
from gateway.router.wakes import DELIVER, DESK_EVENTS
from gateway.web.desk_webhooks import DeskWebhookDoor

CASES = 20
WORDS = 150
PER_S = 50.0


class TimingClient(PaperClient):
    """A provider that notes when each text left."""

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[str, float] = {}

    async def send(self, account: str, call: Call) -> Sent:
        self.left.setdefault(str(call.params["text"]), time.monotonic())
        return await super().send(account, call)


class SpokenDesk(PlayedDesk):
    """Its webhooks are ``case|number|text``, and it says them."""

    def __init__(self, agents: Agents) -> None:
        super().__init__()
        self._agents = agents

    def parse(self, request: WebhookRequest) -> Sequence[DeskEvent]:
        handoff, number, _ = request.body.decode().split("|")
        at = SystemClock().now()
        return (DeskEvent(f"{handoff}:{number}", "comment", at, handoff, request.body),)

    async def apply(self, event: DeskEvent) -> None:
        handoff, number, text = event.data.decode().split("|")
        await self._agents.say(HandoffId(UUID(handoff)), "Ana", number, (Text(text),))


@asynccontextmanager
async def serving(door: DeskWebhookDoor):
    application = web.Application()
    application.add_routes(door.routes())
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/desks/played/main"
    await runner.cleanup()


async def test_agents_words_reach_the_channel_once_in_order_and_soon(
    dsn: str, start: StartProcess, sql: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    client = TimingClient()
    one = await start(client=client, desk="played.main")
    for number in range(CASES):
        await one.accept(said(f"person{number}", 1))
    await one.finish()
    for row in await sql.fetch("SELECT id FROM conversation"):
        await one.agents.take_over(row["id"], "Ana")
    await one.finish()
    handoffs = [row["id"] for row in await sql.fetch("SELECT id FROM handoff")]
    desk = SpokenDesk(one.agents)
    side = Side(dsn, {desk.name: desk}, 1)
    inbox = DeskInbox(
        InboxSettings(call_timeout_s=5, backoff_base_s=0.1, backoff_cap_s=1, give_up_after_s=60, reconcile_every_s=60),
        one.database,
        {desk.name: desk},
        side.holding,
        SystemClock(),
        side.metrics,
        one.wakes,
    )
    server = load_settings(env={}).server
    stop, knocked = asyncio.Event(), dict[str, float]()
    async with (
        AsyncExitStack() as stack,
        serving(DeskWebhookDoor(desk, server, inbox, side.metrics)) as url,
        aiohttp.ClientSession(headers={"signature": "good"}) as session,
        asyncio.TaskGroup() as group,
    ):
        stack.push_async_callback(side.close)
        group.create_task(poll("events", inbox.step, every_s=0.2, wake=one.wakes.event(DESK_EVENTS), stop=stop))
        deliver = one.pipeline.deliver
        group.create_task(poll("deliver", deliver.sweep, every_s=0.2, wake=one.wakes.event(DELIVER), stop=stop))

        async def knock(number: int) -> None:
            text = f"word {number}"
            knocked[text] = time.monotonic()
            async with (
                in_turn[number % CASES],
                session.post(url, data=f"{handoffs[number % CASES]}|{number}|{text}") as answer,
            ):
                assert answer.status == 200

        in_turn = [asyncio.Lock() for _ in range(CASES)]  # a desk that sends one case's webhooks in order
        began = time.monotonic()
        calls = []
        for number in range(WORDS):
            await asyncio.sleep(max(0.0, began + number / PER_S - time.monotonic()))
            calls.append(group.create_task(knock(number)))
        await asyncio.gather(*calls)
        async with asyncio.timeout(60):
            while len(client.left) < WORDS + CASES:
                await asyncio.sleep(0.05)
        stop.set()
        await inbox.close(1)
    delays_ms = sorted((client.left[text] - at) * 1000 for text, at in knocked.items())
    p95 = delays_ms[int(len(delays_ms) * 0.95)]
    with capsys.disabled():
        print(f"\nwebhook to send at {PER_S:g}/s: p50 {statistics.median(delays_ms):.0f} ms, p95 {p95:.0f} ms")  # noqa: T201
    spoken = [text for _, text in client.calls if text.startswith("word")]
    assert sorted(spoken) == sorted(knocked), "each once"
    for person in range(CASES):
        theirs = [int(text.split()[1]) for who, text in client.calls if who == f"person{person}" and "word" in text]
        assert theirs == sorted(theirs), "in order"
