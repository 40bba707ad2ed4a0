"""On every channel: however a provider delivers (again, in another order, joined), the conversation is the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
from paper_provider import PaperClient
from pipeline_process import Echo, Process

from channels.discovery import discover, read_settings
from channels.specimen import specimen_of
from config.settings import load_settings
from gateway.app.wiring import open_pipeline
from gateway.core.channel import Call, Sent, WebhookRequest
from gateway.core.clock import SystemClock
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.tracing import Tracing
from gateway.router.agents import Agents
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy_guard import PolicyGuard
from gateway.router.wakes import Wakes
from gateway.store.accounts import register_accounts, register_node
from gateway.store.database import Database

pytestmark = pytest.mark.system

CHANNELS = {name: channel for name, channel in discover().items() if specimen_of(name).has_provider}
MESSAGES = 12


class TakesAll(PaperClient):
    """A provider that takes every call; what it took is not looked at here."""

    async def send(self, account: str, call: Call) -> Sent:
        self.calls.append((account, call.method))
        return Sent((f"out-{len(self.calls)}",))


@asynccontextmanager
async def process(dsn: str, name: str, channel_name: str) -> AsyncIterator[Process]:
    """One process that serves the specimen's endpoint of a channel."""
    channel, specimen = CHANNELS[channel_name], specimen_of(channel_name)
    settings = read_settings(channel, "main", specimen.settings_values)
    database, client, bot = Database(dsn), TakesAll(), Echo()
    specs = channel.accounts(settings)
    numbered = await register_accounts(database, channel_name, "main", specs)
    endpoints = Endpoints(
        [OpenAccount(account, spec, channel, settings, client) for account, spec in zip(numbered, specs, strict=True)]
    )
    node = await register_node(database, name)
    wakes, news, clock = Wakes(), News(), SystemClock()
    guard = PolicyGuard(endpoints, clock)
    pipeline = open_pipeline(
        load_settings(env={}), node, database, endpoints, bot, clock, Metrics(), Tracing(), wakes, news, guard=guard
    )
    await pipeline.deliver.hold()
    try:
        agents = Agents(database, wakes, news, "builtin", guard=guard)
        yield Process(pipeline, database, endpoints, client, bot, agents, channel, guard, wakes)  # type: ignore[arg-type]
    finally:
        await pipeline.receive.close()
        await pipeline.respond.close(5)
        await pipeline.deliver.close(5)
        await database.close()


async def take(one: Process, channel_name: str, requests: Sequence[WebhookRequest]) -> None:
    """The webhooks in order, as the door hands them on."""
    channel, specimen = CHANNELS[channel_name], specimen_of(channel_name)
    settings = read_settings(channel, "main", specimen.settings_values)
    for request in requests:
        channel.verify(settings, request)
        await one.pipeline.receive.accept(channel_name, "main", channel.parse(settings, request))


def webhooks(channel_name: str) -> list[WebhookRequest]:
    specimen = specimen_of(channel_name)
    return [specimen.authentic(specimen.text_message(number, f"hola {number}")) for number in range(1, MESSAGES + 1)]


async def assert_whole(dsn: str) -> None:
    """One person, one conversation, every message once, read in turns that leave no gap."""
    sql = await asyncpg.connect(dsn)
    try:
        said = await sql.fetch(
            "SELECT seq, parts -> 0 ->> 'text' AS text FROM message WHERE author = 'customer' ORDER BY seq"
        )
        assert [row["seq"] for row in said] == list(range(1, MESSAGES + 1))
        assert sorted(row["text"] for row in said) == sorted(f"hola {number}" for number in range(1, MESSAGES + 1))
        assert await sql.fetchval("SELECT count(*) FROM conversation") == 1
        assert await sql.fetchval("SELECT count(*) FROM contact") == 1
        assert await sql.fetchval("SELECT count(*) FROM quarantine") == 0
        turns = await sql.fetch("SELECT from_seq, to_seq FROM turn ORDER BY from_seq")
        assert [n for turn in turns for n in range(turn["from_seq"], turn["to_seq"] + 1)] == list(
            range(1, MESSAGES + 1)
        )
    finally:
        await sql.close()


@pytest.mark.parametrize("channel_name", CHANNELS)
async def test_redelivered_shuffled_and_joined_webhooks_make_the_same_conversation(dsn: str, channel_name: str) -> None:
    requests = webhooks(channel_name)
    shuffled = random.Random(5).sample(requests, len(requests))
    specimen = specimen_of(channel_name)
    joined = specimen.together([request.body for request in requests])
    async with process(dsn, "one", channel_name) as one, process(dsn, "two", channel_name) as two:
        await asyncio.gather(take(one, channel_name, shuffled), take(two, channel_name, requests))
        await take(two, channel_name, requests[:3])
        if joined is not None:
            await take(one, channel_name, [specimen.authentic(joined)])
        for each in (one, two):
            await each.pipeline.respond.sweep()
            await each.idle()
        for each in (one, two):
            await each.pipeline.respond.sweep()
            await each.idle()
    await assert_whole(dsn)


@pytest.mark.parametrize("channel_name", CHANNELS)
async def test_webhooks_in_order_are_read_in_order(dsn: str, channel_name: str) -> None:
    async with process(dsn, "one", channel_name) as one:
        await take(one, channel_name, webhooks(channel_name))
        await one.idle()
        heard = [plain for turn in one.bot.turns for plain in said_in(turn)]
    assert heard == [f"hola {number}" for number in range(1, MESSAGES + 1)]
    await assert_whole(dsn)


def said_in(turn):
    return [part.text for entry in turn.entries for part in entry.parts]
