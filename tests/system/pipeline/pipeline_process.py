"""One process of the pipeline over a real database, without its web server; a test may play with several of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from paper_provider import PaperChannel, PaperClient, PaperSettings

from config.settings import Settings, load_settings
from gateway.app.wiring import Pipeline, open_pipeline
from gateway.core.clock import SystemClock
from gateway.core.messages import Text, plain_text
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.ports import AnnouncementPort, BeforeCalling
from gateway.core.tracing import Tracing
from gateway.core.turns import CustomerSaid, Reply, Resolution, TurnInput, TurnOutcome
from gateway.router.agents import Agents
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.policy_guard import PolicyGuard
from gateway.router.wakes import Wakes
from gateway.store.accounts import register_accounts, register_node
from gateway.store.database import Database


class Echo:
    """A bot that answers each turn with what it read; ``think`` may be replaced by a test."""

    bot_version = "echo-1"

    def __init__(self) -> None:
        self.turns: list[TurnInput] = []
        self.think: Callable[[TurnInput], Awaitable[TurnOutcome | None]] | None = None
        self.calls_out = False

    async def decide(self, turn: TurnInput, before_calling: BeforeCalling | None = None) -> TurnOutcome:
        self.turns.append(turn)
        if self.calls_out and before_calling is not None:
            await before_calling()
        if self.think is not None:
            outcome = await self.think(turn)
            if outcome is not None:
                return outcome
        texts = [plain_text(entry.parts) for entry in turn.entries if isinstance(entry, CustomerSaid)]
        replies = (Reply((Text("re: " + " + ".join(texts)),)),) if texts else ()
        return TurnOutcome(resolution=Resolution(link="intents", intent="echo", confidence=1.0), replies=replies)

    def failed(self, turn: TurnInput, error: str) -> TurnOutcome:
        resolution = Resolution(link="none", reason=error)
        return TurnOutcome(resolution=resolution, replies=(Reply((Text("sorry"),)),), hand_off="bot_failed")


class Process:
    """What one worker process holds, without its web server."""

    def __init__(
        self,
        pipeline: Pipeline,
        database: Database,
        endpoints: Endpoints,
        client: PaperClient,
        bot: Echo,
        agents: Agents,
        channel: PaperChannel,
        guard: PolicyGuard,
        wakes: Wakes,
    ) -> None:
        self.wakes = wakes
        self.endpoints = endpoints
        self.pipeline = pipeline
        self.database = database
        self.client = client
        self.bot = bot
        self.agents = agents
        self.channel = channel
        self.guard = guard

    async def accept(self, *events: object) -> None:
        await self.pipeline.receive.accept("paper", "main", list(events))  # type: ignore[arg-type]

    async def idle(self, within_s: float = 10.0) -> None:
        """Return when nothing is read, thought or sent in this process."""
        async with asyncio.timeout(within_s):
            while len(self.pipeline.receive) or len(self.pipeline.respond) or len(self.pipeline.deliver):
                await asyncio.sleep(0.005)

    async def finish(self) -> None:
        """Return when nothing is left that could be done now, not even in the outbox."""
        for _ in range(3):
            await self.idle()
            await self.pipeline.deliver.sweep()
        await self.idle()


StartProcess = Callable[..., Awaitable[Process]]


@asynccontextmanager
async def process(
    dsn: str, name: str, client: PaperClient | None, bot: Echo | None, changed: dict[str, object]
) -> AsyncIterator[Process]:
    paper = PaperSettings(
        per_s=float(changed.pop("per_s", 0)),  # type: ignore[arg-type]
        per_recipient_s=float(changed.pop("per_recipient_s", 0)),  # type: ignore[arg-type]
        window=changed.pop("window", {}),  # type: ignore[arg-type]
    )
    fallbacks = changed.pop("fallbacks", None)
    words: AnnouncementPort | None = changed.pop("words", None)  # type: ignore[assignment]
    answers = changed.pop("answers", lambda _state, _text: False)
    names = {"TERTULIA__HANDOFF__NAME_AGENTS": str(changed.pop("names_agents", False)).lower()}
    settings: Settings = load_settings(
        env=names | {f"TERTULIA__ROUTER__{key}": str(value) for key, value in changed.items()}
    )
    database = Database(dsn)
    channel = PaperChannel()
    client = client or PaperClient()
    bot = bot or Echo()
    specs = channel.accounts(paper)
    numbered = await register_accounts(database, "paper", "main", specs)
    endpoints = Endpoints([OpenAccount(numbered[0], specs[0], channel, paper, client)])
    node = await register_node(database, name)
    wakes, news, clock = Wakes(), News(), SystemClock()
    guard = PolicyGuard(endpoints, clock, opt_in=settings.router.opt_in, fallbacks=fallbacks)  # type: ignore[arg-type]
    pipeline = open_pipeline(
        settings,
        node,
        database,
        endpoints,
        bot,
        clock,
        Metrics(),
        Tracing(),
        wakes,
        news,
        guard=guard,
        link=lambda part: f"https://here.example/{part.blob}",
        answers=answers,  # type: ignore[arg-type]
    )
    agents = Agents(database, wakes, news, settings.router.desk, words, guard)
    try:
        yield Process(pipeline, database, endpoints, client, bot, agents, channel, guard, wakes)
    finally:
        await pipeline.receive.close()
        await pipeline.respond.close(5)
        await pipeline.deliver.close(5)
        await database.close()
