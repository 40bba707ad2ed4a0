"""Where everything comes together: settings in, one running worker out. Opens in order, closes in reverse."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack

import msgspec
import structlog
from aiohttp import web

from channels.discovery import discover
from channels.doors import DoorEndpoint, DoorParts, Doors, HasDoors
from config.bot import load_bot
from config.settings import ConfiguredEndpoints, EndpointConfig, Settings, endpoints_to_serve
from gateway.app.account_board import AccountBoard
from gateway.app.bots import BotFiles, open_dialogue, read_bot
from gateway.app.checkup import Checkups, Examined, configured_name
from gateway.app.desk_surfaces import ServedSurfaces
from gateway.app.desks import DeskNeeds, open_desks
from gateway.app.learning import learning_loops
from gateway.app.models import open_models
from gateway.app.shadow import ShadowedDialogue
from gateway.app.telemetry import start_tracing
from gateway.app.waiting import contact_details, waiting_loops
from gateway.core.clock import Clock, SystemClock
from gateway.core.ids import AccountId
from gateway.core.messages import Media
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import AnnouncementPort, DialoguePort, ReceivePort
from gateway.core.tracing import Tracing
from gateway.router.acquaintance import Acquaintance
from gateway.router.agents import Agents
from gateway.router.company import Company
from gateway.router.consent_words import Answers, ConsentWords
from gateway.router.deliver import Deliver, DeliverSettings
from gateway.router.desk_typing import AgentTyping
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.loops import poll
from gateway.router.media import MediaFetcher, MediaSettings
from gateway.router.people import People
from gateway.router.policy_guard import PolicyGuard
from gateway.router.pulse import Pulse
from gateway.router.receive import Receive, ReceiveSettings
from gateway.router.respond import Respond, RespondSettings
from gateway.router.sending import SendingSettings
from gateway.router.upkeep import Upkeep, UpkeepSettings
from gateway.router.wakes import DELIVER, DESK_EVENTS, DESKS, RESPOND, Wakes
from gateway.store.accounts import register_accounts, register_node
from gateway.store.aliases import AliasCache
from gateway.store.blobs import Blobs
from gateway.store.database import Database
from gateway.store.kept import KeptValues
from gateway.store.redis import RedisBus
from gateway.store.secrets import kept_secret
from gateway.web.access import ensure_access_token
from gateway.web.api import ApiDoors, ApiParts
from gateway.web.desk import DeskDoors, DeskParts, ReplyLine
from gateway.web.exposition import Exposition
from gateway.web.media_links import MediaLinks
from gateway.web.server import WebServer

log = structlog.get_logger(__name__)

SLOW_POLL_S = 5.0
UPKEEP_S = 600.0
PULSE_S = 10.0
VITALS_S = 60.0

LOOPS_END_S = 3.0
"""How long a stopping process waits for its loops: each ends with the step that it is in."""

RECEIVE_LANES = 2
"""While one batch of webhooks is at the database, the other one is gathered, parsed or committed."""


class Pipeline(msgspec.Struct, frozen=True):
    """The three steps of one process, opened and ready; and who finds out customers' names."""

    receive: Receive
    respond: Respond
    deliver: Deliver
    acquaintance: Acquaintance


async def run_worker(
    settings: Settings,
    *,
    node: str,
    dsn: str,
    stop: asyncio.Event,
    ready: Callable[[], None],
    pages: Sequence[web.AbstractRouteDef] = (),
    doors_besides: Sequence[Callable[[Database, News], Doors]] = (),
) -> None:
    """Serve until *stop* is set, then finish what runs and give everything back.

    *pages* are served besides; so are *doors_besides*, which look at the database and hear the news of this process.

    Raises ``Misconfigured`` or ``BadSettings`` before anything is listened to, ``Unavailable`` when the database
    cannot be reached at the start.
    """
    telemetry = start_tracing(settings.telemetry, node)
    metrics, clock = Metrics(), SystemClock()
    configured = endpoints_to_serve(settings, discover())
    files = await asyncio.to_thread(read_bot, settings)
    database = open_database(settings, dsn)
    wakes, news, redis = _open_bus(settings)
    async with AsyncExitStack() as stack:
        stack.callback(telemetry.close)
        stack.push_async_callback(database.close)
        if redis is not None:
            stack.push_async_callback(redis.close)
        number = await register_node(database, node)
        blobs = Blobs(str(settings.data_dir / "blobs"))
        endpoints = await open_endpoints(database, configured.served, blobs, stack)
        models = await open_models(settings, files, database, metrics, clock, wakes, stack)
        dialogue = await asyncio.to_thread(
            open_dialogue, files, models.live, metrics, models.feelings, contact_details(database)
        )
        await dialogue.open()
        stack.push_async_callback(dialogue.close)
        tracing = telemetry.tracing
        guard = PolicyGuard(endpoints, clock, opt_in=settings.router.opt_in, fallbacks=dialogue.fallbacks)
        links = await _open_links(settings, database, blobs, clock)
        board = AccountBoard(metrics)
        pulse = Pulse(database, endpoints, clock, board.tell_vitals)
        pipeline = open_pipeline(
            settings,
            number,
            database,
            endpoints,
            ShadowedDialogue(dialogue, models.shadow),
            clock,
            metrics,
            tracing,
            wakes,
            news,
            heard=pulse.heard,
            announcements=dialogue,
            guard=guard,
            link=links.link if links is not None else None,
            answers=dialogue.is_answer,
        )
        exposition = Exposition(metrics.registry, node, settings.data_dir / "run")
        await exposition.open()
        stack.push_async_callback(exposition.close)
        doors = await _open_doors(
            settings, configured.served, endpoints, pipeline.receive, database, blobs, news, clock, metrics, stack
        )
        company = Company(database, endpoints, guard, clock, wakes, news)
        agents = _agents(settings, database, endpoints, dialogue, guard, clock, metrics, wakes, news, stack)
        desks = await open_desks(
            settings, DeskNeeds(database, blobs, agents, dialogue, clock, metrics, wakes, news, number), stack
        )  # fmt: skip
        own: list[Doors] = [
            _desk(settings, files, database, blobs, agents, news, clock, _surfaces(endpoints, guard, clock, links)),
            ApiDoors(ApiParts(company, People(database, clock), settings.server.public_url.rstrip("/"))),
            *(make(database, news) for make in doors_besides),
        ]
        doors += await _opened(own, stack)
        routes = [
            *pages,
            *(links.routes() if links else ()),
            *desks.routes(),
            *(route for door in doors for route in door.routes()),
        ]
        server = _web_server(
            settings, configured, pipeline, database, redis, metrics, tracing, exposition, routes, doors, board,
            [models.follower.details, desks.details],
        )  # fmt: skip
        no_more = asyncio.Event()
        loops = [
            *_loops(settings, number, pipeline, database, endpoints, blobs, clock, wakes, news, no_more),
            *_looks_at_accounts(settings, configured.served, endpoints, database, pulse, board, no_more),
            *_scheduled(settings, company, no_more),
            *desks.loops(no_more),
            *waiting_loops(settings, files, database, agents, guard, dialogue, clock, metrics, wakes, news, no_more),
            *models.loops(settings, wakes, no_more),
            *learning_loops(settings, files, database, clock, metrics, no_more),
        ]
        await server.open()
        stack.push_async_callback(server.close)
        _spare_the_collector()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in loops]
            lines = [group.create_task(work) for work in ((redis.send(), redis.listen()) if redis else ())]
            ready()
            log.info("worker_started", node=node, port=server.port)
            await stop.wait()
            await _stop(settings, server, pipeline, wakes, tasks, no_more)
            for task in (*tasks, *lines):
                task.cancel()
    log.info("worker_stopped", node=node)


def _spare_the_collector() -> None:
    """What was loaded stays for good: the collector need not look at it again, nor at every small burst of objects.

    Measured: an eighth of a turn's time went into collections that found nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _stop(
    settings: Settings,
    server: WebServer,
    pipeline: Pipeline,
    wakes: Wakes,
    tasks: list[asyncio.Task[None]],
    no_more: asyncio.Event,
) -> None:
    """Accept nothing more, take nothing more, finish the turns, finish the sends, give the leases back."""
    within_s = settings.server.drain_s * 0.3
    await server.stop_accepting()
    await pipeline.receive.close()
    no_more.set()
    for topic in (RESPOND, DELIVER, DESKS, DESK_EVENTS):
        wakes.heard(topic)
    # A loop that was cut off in the middle of a commit would leave behind what it had just taken.
    await asyncio.wait(tasks, timeout=LOOPS_END_S)
    await pipeline.respond.close(within_s)
    await pipeline.deliver.close(within_s)


def open_database(settings: Settings, dsn: str) -> Database:
    """Connections to *dsn*, as the settings want them."""
    return Database(
        dsn,
        timeout_s=settings.database.statement_timeout_ms / 1000,
        connect_timeout_s=settings.database.connect_timeout_s,
        engine_size=settings.database.pool_min,
        engine_most=settings.database.pool_max,
        cached_statements=settings.database.statement_cache_size,
    )


async def _open_links(settings: Settings, database: Database, blobs: Blobs, clock: Clock) -> MediaLinks | None:
    """Addresses from which providers fetch our files; none where they could not reach us."""
    public_url = settings.server.public_url.rstrip("/")
    if not public_url:
        return None
    return MediaLinks(await kept_secret(database, "media links"), public_url, blobs, clock)


async def open_endpoints(
    database: Database, configured: tuple[EndpointConfig, ...], blobs: Blobs, stack: AsyncExitStack
) -> Endpoints:
    """Open every endpoint's client and number its accounts; closed by *stack*."""
    accounts: list[OpenAccount] = []
    for endpoint in configured:
        channel, settings = endpoint.channel, endpoint.settings
        specs = channel.accounts(settings)
        numbered = await register_accounts(database, channel.name, endpoint.name, specs)
        client = channel.client(settings, blobs.read, KeptValues(database, configured_name(endpoint)))
        await client.open()
        stack.push_async_callback(client.close)
        accounts.extend(
            OpenAccount(account, spec, channel, settings, client) for account, spec in zip(numbered, specs, strict=True)
        )
    return Endpoints(accounts)


def open_pipeline(
    settings: Settings,
    node: int,
    database: Database,
    endpoints: Endpoints,
    dialogue: DialoguePort,
    clock: Clock,
    metrics: Metrics,
    tracing: Tracing,
    wakes: Wakes,
    news: News,
    *,
    heard: Callable[[Iterable[AccountId]], None] = lambda _: None,
    announcements: AnnouncementPort | None = None,
    guard: PolicyGuard | None = None,
    link: Callable[[Media], str] | None = None,
    answers: Answers = lambda _state, _text: False,
) -> Pipeline:
    """The three steps, wired to one another."""
    router = settings.router
    deliver = Deliver(
        DeliverSettings(
            node=node,
            account_lease_s=router.account_lease_s,
            sending=SendingSettings(
                send_lease_s=router.send_lease_s,
                backoff_base_s=router.backoff_base_s,
                backoff_cap_s=router.backoff_cap_s,
                give_up_after_s=router.give_up_after_h * 3600,
                names_agents=settings.handoff.name_agents,
            ),
            batch_limit=router.batch_limit,
            acknowledgements=256,
        ),
        database,
        endpoints,
        clock,
        metrics,
        tracing,
        wakes,
        news,
        guard,
        link=link,
    )
    respond = Respond(
        RespondSettings(
            node=node,
            lease_s=router.lease_s,
            send_lease_s=router.send_lease_s,
            turn_timeout_s=router.turn_timeout_s,
            burst_wait_s=router.burst_wait_ms / 1000,
            max_turns=router.max_turns,
            batch_limit=router.batch_limit,
            state_cache=router.state_cache,
            desk=router.desk,
            reopen_within_s=settings.handoff.reopen_within_h * 3600,
        ),
        database,
        endpoints,
        dialogue,
        deliver,
        clock,
        metrics,
        tracing,
        wakes,
        news,
    )
    cache = AliasCache(router.alias_cache)
    acquaintance = Acquaintance(database, endpoints, cache, clock, news)
    receive = Receive(
        ReceiveSettings(
            node=node,
            lease_s=router.lease_s,
            abandon_after_s=router.abandon_after_h * 3600,
            batch_limit=router.batch_limit,
            queue_limit=router.queue_limit,
            responds=router.respond,
        ),
        endpoints,
        [database.lane() for _ in range(RECEIVE_LANES)],
        cache,
        metrics,
        wakes,
        news,
        ConsentWords(router.opt_out_words, router.opt_in_words, announcements, answers),
        has_room=respond.has_room,
        hand_over=respond.start,
        acknowledge=deliver.acknowledge,
        heard=heard,
        met=acquaintance.met,
        doubt=respond.doubt,
    )
    return Pipeline(receive, respond, deliver, acquaintance)


async def _open_doors(
    settings: Settings,
    served: tuple[EndpointConfig, ...],
    endpoints: Endpoints,
    receive: ReceivePort,
    database: Database,
    blobs: Blobs,
    news: News,
    clock: Clock,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> list[Doors]:
    """Open what channels serve to visitors themselves; closed by *stack*."""
    bot = load_bot(settings.bot.folder)
    opened: list[Doors] = []
    for channel in {endpoint.channel.name: endpoint.channel for endpoint in served}.values():
        if not isinstance(channel, HasDoors):
            continue
        own = [account for account in endpoints.all() if account.account.channel == channel.name]
        doors = channel.doors(
            DoorParts(
                endpoints=tuple(DoorEndpoint(a.account.endpoint, a.settings, a.account.id) for a in own),
                receive=receive,
                database=database,
                blobs=blobs,
                news=news,
                clock=clock,
                metrics=metrics,
                public_url=settings.server.public_url.rstrip("/"),
                proxies=settings.server.proxies,
                poll_s=settings.router.poll_ms / 1000,
                bot_name=bot.name,
                languages=tuple(bot.languages),
            )
        )
        await doors.open()
        stack.push_async_callback(doors.close)
        opened.append(doors)
    return opened


def _agents(
    settings: Settings,
    database: Database,
    endpoints: Endpoints,
    words: AnnouncementPort,
    guard: PolicyGuard,
    clock: Clock,
    metrics: Metrics,
    wakes: Wakes,
    news: News,
    stack: AsyncExitStack,
) -> Agents:
    """What people at all desks act through."""
    typing = AgentTyping(database, endpoints, clock)
    stack.push_async_callback(typing.close)
    return Agents(database, wakes, news, settings.router.desk, words, guard, typing.show, metrics)


async def _opened(own: list[Doors], stack: AsyncExitStack) -> list[Doors]:
    for door in own:
        await door.open()
        stack.push_async_callback(door.close)
    return own


def _desk(
    settings: Settings,
    files: BotFiles,
    database: Database,
    blobs: Blobs,
    agents: Agents,
    news: News,
    clock: Clock,
    surfaces: ServedSurfaces,
) -> DeskDoors:
    """The pages of agents, who speak through this process."""
    token = ensure_access_token(settings.data_dir).value
    ready = tuple(ReplyLine(name=one.name, text=one.text, language=one.language) for one in files.bot.canned)
    return DeskDoors(DeskParts(database, blobs, agents, news, clock, token, surfaces, ready))


def _surfaces(endpoints: Endpoints, guard: PolicyGuard, clock: Clock, links: MediaLinks | None) -> ServedSurfaces:
    """What agents are told of the accounts that are served here."""
    return ServedSurfaces(endpoints, guard, clock, links.link if links is not None else None)


def _open_bus(settings: Settings) -> tuple[Wakes, News, RedisBus | None]:
    url = settings.redis.url.get_secret_value()
    if not url:
        return Wakes(), News(), None
    redis = RedisBus(url)
    wakes, news = Wakes(redis.wake), News(redis.announce)
    redis.on_topic(wakes.heard)
    redis.on_bulletin(news.heard)
    return wakes, news, redis


def _web_server(
    settings: Settings,
    configured: ConfiguredEndpoints,
    pipeline: Pipeline,
    database: Database,
    redis: RedisBus | None,
    metrics: Metrics,
    tracing: Tracing,
    exposition: Exposition,
    routes: Sequence[web.AbstractRouteDef],
    doors: Sequence[Doors],
    board: AccountBoard,
    details: Sequence[Callable[[], dict[str, object]]],
) -> WebServer:
    for served in configured.served:
        metrics.endpoint_served.labels(served.channel.name, served.name).set(1)
    for refused in configured.refused:
        metrics.endpoint_served.labels(refused.channel, refused.name).set(0)
    metrics.queue_depth.labels("receive").set_function(pipeline.receive.__len__)
    metrics.queue_depth.labels("respond").set_function(pipeline.respond.__len__)
    metrics.queue_depth.labels("deliver").set_function(pipeline.deliver.__len__)
    pings: dict[str, Callable[[], Awaitable[object]]] = {"database": database.ping}
    if redis is not None:
        pings["redis"] = redis.ping
    return WebServer(
        settings.server,
        configured.served,
        pipeline.receive,
        not_served=[f"{endpoint.channel}.{endpoint.name}" for endpoint in configured.refused],
        metrics=metrics,
        tracing=tracing,
        pings=pings,
        exposition=exposition.text,
        token=ensure_access_token(settings.data_dir).value,
        routes=routes,
        hang_up=[door.hang_up for door in doors],
        accounts=board,
        details=details,
    )


def _scheduled(settings: Settings, company: Company, no_more: asyncio.Event) -> list[Coroutine[None, None, None]]:
    """Queues what companies' systems asked for, when its time has come."""
    if not settings.router.respond:
        return []
    return [poll("scheduled", company.step, every_s=1.0, wake=None, stop=no_more)]


def _looks_at_accounts(
    settings: Settings,
    served: Sequence[EndpointConfig],
    endpoints: Endpoints,
    database: Database,
    pulse: Pulse,
    board: AccountBoard,
    no_more: asyncio.Event,
) -> list[Coroutine[None, None, None]]:
    """What notices trouble with providers: each process counts and looks, one at a time examines."""
    clients = {(a.account.channel, a.account.endpoint): a.client for a in endpoints.all()}
    examined = [
        Examined(
            configured_name(endpoint),
            clients[endpoint.channel.name, endpoint.name],
            endpoint.settings,
            settings.server.webhook_url(endpoint.channel.name, endpoint.name) if settings.server.public_url else "",
        )
        for endpoint in served
    ]
    every_s = settings.router.checkup_every_min * 60
    checkups = Checkups(database, examined, every_s, board.tell_checkups)
    loops = [
        poll("pulse", pulse.flush, every_s=PULSE_S, wake=None, stop=no_more),
        poll("vitals", pulse.look, every_s=VITALS_S, wake=None, stop=no_more),
    ]
    if every_s:
        loops.append(poll("checkups", checkups.step, every_s=min(every_s, VITALS_S), wake=None, stop=no_more))
    return loops


def _loops(
    settings: Settings,
    node: int,
    pipeline: Pipeline,
    database: Database,
    endpoints: Endpoints,
    blobs: Blobs,
    clock: Clock,
    wakes: Wakes,
    news: News,
    no_more: asyncio.Event,
) -> list[Coroutine[None, None, None]]:
    """Everything that looks for work beside the requests, until *no_more*."""
    router = settings.router
    every_s = router.poll_ms / 1000
    upkeep = Upkeep(
        UpkeepSettings(
            node=node,
            abandon_after_s=router.abandon_after_h * 3600,
            keep_keys_days=router.keep_keys_days,
            batch_limit=router.batch_limit,
            provider_quiet_s=router.provider_quiet_h * 3600,
        ),
        database,
        clock,
        wakes,
        news,
    )
    loops: list[Coroutine[None, None, None]] = [
        poll("upkeep", upkeep.tidy, every_s=UPKEEP_S, wake=None, stop=no_more),
        poll("alive", upkeep.alive, every_s=SLOW_POLL_S, wake=None, stop=no_more),
        poll("parked", upkeep.retry_parked, every_s=every_s, wake=None, stop=no_more),
        poll("acquaintance", pipeline.acquaintance.step, every_s=every_s, wake=None, stop=no_more),
    ]
    if not router.respond:
        return loops
    media = MediaFetcher(
        MediaSettings(
            max_bytes=router.media_max_bytes,
            max_attempts=router.media_attempts,
            timeout_s=router.media_timeout_s,
            at_once=8,
        ),
        database,
        endpoints,
        blobs,
        news,
    )
    return [
        *loops,
        poll("respond", pipeline.respond.sweep, every_s=every_s, wake=wakes.event(RESPOND), stop=no_more),
        poll("renew turns", pipeline.respond.renew, every_s=router.lease_s / 6, wake=None, stop=no_more),
        poll("hold", pipeline.deliver.hold, every_s=router.account_lease_s / 4, wake=None, stop=no_more),
        poll("renew sends", pipeline.deliver.renew, every_s=router.send_lease_s / 8, wake=None, stop=no_more),
        poll("deliver", pipeline.deliver.sweep, every_s=every_s, wake=wakes.event(DELIVER), stop=no_more),
        poll("quiet", upkeep.end_quiet_cases, every_s=60.0, wake=None, stop=no_more),
        poll("timers", upkeep.fire_timers, every_s=every_s, wake=None, stop=no_more),
        poll("held", upkeep.release_held, every_s=SLOW_POLL_S, wake=None, stop=no_more),
        poll("media", media.step, every_s=every_s * 2, wake=None, stop=no_more),
    ]
