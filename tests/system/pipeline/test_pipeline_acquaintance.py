"""Messenger's webhooks name nobody: the name is found out beside the talk, and never holds it up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
from aiohttp import web
from pipeline_process import Echo

from channels._meta.messaging.sandbox import MessagingSandbox, is_profile
from channels._meta.messaging.sandbox_person import MessagingPerson
from channels.discovery import read_settings
from channels.instagram import channel as instagram
from channels.instagram.sandbox import instagram_sandbox
from channels.messenger import channel as messenger
from channels.messenger.sandbox import messenger_sandbox
from config.settings import load_settings
from gateway.app.wiring import Pipeline, open_pipeline
from gateway.core.channel import Channel, EndpointSettings, WebhookRequest
from gateway.core.clock import SystemClock
from gateway.core.ids import ConversationId
from gateway.core.inbound import Profile
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.tracing import Tracing
from gateway.router.acquaintance import AT_ONCE
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.loops import poll
from gateway.router.wakes import DELIVER, RESPOND, Wakes
from gateway.store import contacts
from gateway.store.accounts import register_accounts, register_node
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.web.desk.feed import Feed, Watcher
from gateway.web.desk.reading import Reading

pytestmark = pytest.mark.system

MakeSandbox = Callable[[str], MessagingSandbox]


class Hook:
    """Our end of the webhook, as the door hands it on; it is answered once all is stored."""

    def __init__(self, channel: Channel) -> None:
        self.url = ""
        self.channel = channel
        self.settings: EndpointSettings
        self.pipeline: Pipeline

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = WebhookRequest("POST", self.url, headers, {}, await request.read())
        self.channel.verify(self.settings, asked)
        parsed = self.channel.parse(self.settings, asked)
        await self.pipeline.receive.accept(self.channel.name, "main", parsed)
        return web.Response()


@asynccontextmanager
async def listening(hook: Hook) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/hook", hook.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield hook.url
    finally:
        await runner.cleanup()


class World:
    """A provider and one process of ours, which asks for names in a loop unless a test does that itself."""

    def __init__(
        self, sandbox: MessagingSandbox, pipeline: Pipeline, database: Database, bot: Echo, news: News
    ) -> None:
        self.sandbox = sandbox
        self.pipeline = pipeline
        self.database = database
        self.bot = bot
        self.news = news

    async def talk(self, person: MessagingPerson, text: str) -> str:
        """What the bot answers; all that came with it has reached us."""
        await person.writes(text)
        reply = await person.next_reply(timeout_s=20)
        await self.sandbox.settled()
        return reply.text

    @property
    def asked(self) -> int:
        return sum(is_profile(call) for call in self.sandbox.server.calls)


@asynccontextmanager
async def world(dsn: str, tmp_path: Path, channel: Channel, make: MakeSandbox) -> AsyncIterator[World]:
    hook = Hook(channel)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(hook))
        sandbox = await stack.enter_async_context(make(url))
        database = Database(dsn)
        stack.push_async_callback(database.close)
        hook.settings = settings = read_settings(channel, "main", sandbox.settings_values)
        client = channel.client(settings, Blobs(str(tmp_path)).read)
        await client.open()
        stack.push_async_callback(client.close)
        [spec] = channel.accounts(settings)
        [account] = await register_accounts(database, channel.name, "main", [spec])
        endpoints = Endpoints([OpenAccount(account, spec, channel, settings, client)])
        node, bot, news, wakes = await register_node(database, "one"), Echo(), News(), Wakes()
        own = load_settings(env={})
        pipeline = open_pipeline(own, node, database, endpoints, bot, SystemClock(), Metrics(), Tracing(), wakes, news)
        hook.pipeline = pipeline
        await pipeline.deliver.hold()
        stack.push_async_callback(pipeline.deliver.close, 5)
        stack.push_async_callback(pipeline.respond.close, 5)
        stack.push_async_callback(pipeline.receive.close)
        loops = await stack.enter_async_context(asyncio.TaskGroup())
        stop = asyncio.Event()
        stack.callback(stop.set)
        # What comes while the turn before is being written down is left to these.
        for topic, sweep in ((RESPOND, pipeline.respond.sweep), (DELIVER, pipeline.deliver.sweep)):
            loops.create_task(poll(topic, sweep, every_s=0.2, wake=wakes.event(topic), stop=stop))
        yield World(sandbox, pipeline, database, bot, news)


@asynccontextmanager
async def desk(one: World, conversation_id: ConversationId) -> AsyncIterator[Watcher]:
    """A page of the desk that looks at a conversation, and hears of it by news only."""
    feed = Feed(Reading(one.database, SystemClock()), one.news, SystemClock(), poll_s=3600)
    feed.open()
    watcher = feed.join()
    feed.watch(watcher, conversation_id)
    try:
        yield watcher
    finally:
        await feed.close()


async def names_shown(watcher: Watcher) -> AsyncIterator[str]:
    """The customer's name each time that the desk shows the conversation."""
    while (frame := await watcher.frames.get()) is not None:
        shown = msgspec.json.decode(frame)
        if "contact" in shown:
            yield shown["contact"]["name"]


async def contact(sql: asyncpg.Connection) -> asyncpg.Record:
    return await sql.fetchrow(
        "SELECT t.name, t.language, d.username FROM contact t JOIN address d ON d.contact_id = t.id"
    )


async def test_the_name_shows_at_the_desk_at_once_and_the_next_turn_knows_it(
    dsn: str, tmp_path: Path, sql: asyncpg.Connection
) -> None:
    async with world(dsn, tmp_path, messenger, messenger_sandbox) as one:
        ana = one.sandbox.person("Ana María Ruiz")
        assert await one.talk(ana, "hola") == "re: hola"
        assert one.bot.turns[0].name == ""
        assert (await contact(sql))["name"] == ""
        async with desk(one, one.bot.turns[0].conversation_id) as watcher, asyncio.timeout(5):
            shown = names_shown(watcher)
            assert await anext(shown) == ""
            await one.pipeline.acquaintance.step()
            assert await anext(shown) == "Ana María Ruiz"
        await one.talk(ana, "otra cosa")
        assert one.bot.turns[-1].name == "Ana María Ruiz"
        await one.pipeline.acquaintance.step()
        assert one.asked == 1


async def test_instagram_tells_the_username_too(dsn: str, tmp_path: Path, sql: asyncpg.Connection) -> None:
    async with world(dsn, tmp_path, instagram, instagram_sandbox) as one:
        await one.talk(one.sandbox.person("Ana Ruiz"), "hola")
        await one.pipeline.acquaintance.step()
        assert tuple(await contact(sql)) == ("Ana Ruiz", "", "ana.ruiz")


async def test_who_withholds_the_name_stays_nameless_and_is_not_asked_about_twice(
    dsn: str, tmp_path: Path, sql: asyncpg.Connection
) -> None:
    async with world(dsn, tmp_path, messenger, messenger_sandbox) as one:
        ana = one.sandbox.person("Ana")
        ana.shows_profile = False
        for number in range(3):
            assert await one.talk(ana, f"hola {number}") == f"re: hola {number}"
            await one.pipeline.acquaintance.step()
        assert (await contact(sql))["name"] == ""
        assert one.asked == 1


async def test_a_name_that_somebody_gave_is_kept_and_what_is_missing_is_filled_in(
    dsn: str, tmp_path: Path, sql: asyncpg.Connection
) -> None:
    async with world(dsn, tmp_path, messenger, messenger_sandbox) as one:
        ana = one.sandbox.person("Ana")
        await one.talk(ana, "hola")
        await sql.execute("UPDATE contact SET name = 'Ana (from the shop)'")
        await one.pipeline.acquaintance.step()
        assert one.asked == 0
        address_id = await sql.fetchval("SELECT id FROM address")
        await contacts.describe(sql, address_id, Profile("Another", language="es"))
        assert tuple(await contact(sql)) == ("Ana (from the shop)", "es", "")
        await contacts.describe(sql, address_id, Profile("Another", language="pt"))
        assert (await contact(sql))["language"] == "es"
        await one.talk(ana, "otra cosa")
        assert one.bot.turns[-1].name == "Ana (from the shop)"


async def test_a_provider_that_hangs_holds_up_neither_webhooks_nor_turns(
    dsn: str, tmp_path: Path, sql: asyncpg.Connection
) -> None:
    async with world(dsn, tmp_path, messenger, messenger_sandbox) as one:
        one.sandbox.server.hang_next(AT_ONCE, takes_effect=False, which=is_profile)
        people = [one.sandbox.person(f"Person {number}") for number in range(AT_ONCE + 2)]
        stop = asyncio.Event()
        asking = asyncio.create_task(
            poll("acquaintance", one.pipeline.acquaintance.step, every_s=0.01, wake=None, stop=stop)
        )
        async with asyncio.timeout(8):
            for turn in range(3):
                answers = await asyncio.gather(*(one.talk(person, f"hola {turn}") for person in people))
                assert answers == [f"re: hola {turn}"] * len(people)
        assert not asking.done()
        assert await sql.fetchval("SELECT count(*) FROM contact WHERE name = ''") >= AT_ONCE
        asking.cancel()
        await asyncio.wait([asking])


async def test_the_name_is_found_out_once_the_provider_is_well_again(
    dsn: str, tmp_path: Path, sql: asyncpg.Connection
) -> None:
    async with world(dsn, tmp_path, messenger, messenger_sandbox) as one:
        one.sandbox.server.limit_next(retry_after_s=1, which=is_profile)
        ana = one.sandbox.person("Ana")
        await one.talk(ana, "hola")
        await one.pipeline.acquaintance.step()
        assert (await contact(sql))["name"] == ""
        async with asyncio.timeout(30):
            while (await contact(sql))["name"] != "Ana":
                await one.talk(ana, "hola")
                await one.pipeline.acquaintance.step()
