"""``tertulia bench pipeline``: the gateway next to a bare handler and a bare relay, in one run, side by side.

Subject, loader, provider and PostgreSQL are processes of their own. Repetitions are interleaved (bare, relay,
accept, turn, bare, …), because a machine's mood changes by the minute, and medians are reported. What was sent is
counted at the provider and checked in the database.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal

import asyncpg
import msgspec

from gateway.app.bench import growth
from gateway.app.bench.audit import quiet, settled
from gateway.app.bench.baselines import SECRET_VARIABLE
from gateway.app.bench.databases import Server, database, database_server
from gateway.app.bench.load import Plan, Result
from gateway.app.bench.models import train_models
from gateway.app.bench.processes import Child, Cost, PipedChild, cost_of, python
from gateway.app.bench.report import Growth, MemorySample, Rate, Report
from gateway.app.bench.subjects import UNLIMITED_RATES, WEBHOOK_PATH, Gateway, ProviderProcess

_SUSTAINED = 0.97
_FACTORS = (0.97, 0.9, 0.8, 0.65)
"""Shares of the closed-loop rate that are offered in turn until one is kept up."""

_DRAIN_S = 60.0

Say = Callable[[str], None]
Subject = Literal["bare", "relay", "accept", "turn"]
SUBJECTS: tuple[Subject, ...] = ("bare", "relay", "accept", "turn")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure. ``window`` is the most messages between webhook and reply in closed-loop runs."""

    seconds: float = 4.0
    repetitions: int = 3
    workers: int = 1
    connections: int = 100
    people: int = 5_000
    window: int = 512
    backlog: int = 10_000
    growth_rows: int = 2_000_000
    growth_repetitions: int = 5
    growth_people: int = 100
    soak_turns: int = 0
    database_url: str = ""

    @property
    def growth_window(self) -> int:
        """Half of the people write at a time, so that nobody's message waits for their last."""
        return self.growth_people // 2


def quick(options: Options) -> Options:
    """The same in about a minute and a half: fewer and shorter runs, growth to twenty thousand rows."""
    return msgspec.structs.replace(
        options,
        seconds=min(options.seconds, 1.5),
        repetitions=2,
        people=2_000,
        backlog=3_000,
        growth_rows=min(options.growth_rows, 20_000),
        growth_repetitions=1,
    )


class Target(msgspec.Struct, frozen=True):
    """Something that takes webhooks. ``has_turns``: replies reach the provider later than the 200."""

    port: int
    secret: str
    pids: tuple[int, ...]
    database: Server | None
    has_turns: bool


class Bench:
    """Everything that runs during a measurement, and the counters that go through all of it."""

    def __init__(self, options: Options, folder: Path, server: Server, provider: ProviderProcess, say: Say) -> None:
        self.options = options
        self.folder = folder
        self.server = server
        self.provider = provider
        self.say = say
        self.faults: list[str] = []
        self._loader = PipedChild("the loader", python("gateway.app.bench.load"))
        self._models_url = ""
        self.acknowledged = 0
        self._next_update = 1

    async def open(self, stack: AsyncExitStack) -> None:
        self.say("training the sample bot's models")
        self._models_url = await train_models(self.folder)
        await stack.enter_async_context(self._loader)

    # subjects ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def baseline(self, kind: Literal["bare", "relay"]) -> AsyncIterator[Target]:
        """As many processes of a baseline as there are workers, on one port."""
        secret = secrets.token_urlsafe(24)
        with _shared_port() as port:
            arguments = (kind, "--port", str(port), "--provider", self.provider.url)
            argv = python("gateway.app.bench.baselines", *arguments)
            async with AsyncExitStack() as stack:
                children = [
                    Child(kind, argv, log=self.folder / f"{kind}.log", env={SECRET_VARIABLE: secret})
                    for _ in range(self.options.workers)
                ]
                for child in children:
                    await stack.enter_async_context(child)
                for child in children:
                    await child.answers(port)
                yield Target(port, secret, tuple(child.pid for child in children), None, has_turns=False)

    @asynccontextmanager
    async def gateway(self, database_url: str, *, responds: bool) -> AsyncIterator[Target]:
        """The gateway itself; with *responds* false it stops after the durable accept."""
        settings: dict[str, str | int | float | bool] = {} if responds else {"router.respond": False}
        gateway = Gateway(
            self.folder / f"gateway{secrets.token_hex(3)}",
            provider_url=self.provider.url,
            database_url=database_url,
            workers=self.options.workers,
            models_url=self._models_url,
            settings=settings,
        )
        async with gateway:
            yield Target(gateway.port, gateway.secret, (gateway.child.pid,), self.server, has_turns=responds)

    # one run ----------------------------------------------------------------------------------------------------

    async def load(
        self,
        target: Target,
        mode: Literal["open", "saturate", "window"],
        *,
        seconds: float,
        count: int,
        rate_per_s: float = 0.0,
        people: int = 0,
        first_chat: int = 1_000_000,
        window: int = 0,
    ) -> Result:
        """Send webhooks with ids that were never used before."""
        plan = Plan(
            mode=mode,
            port=target.port,
            path=WEBHOOK_PATH,
            secret=target.secret,
            count=count,
            seconds=seconds,
            people=people or self.options.people,
            first_update=self._next_update,
            first_chat=first_chat,
            connections=self.options.connections,
            rate_per_s=rate_per_s,
            window=window or self.options.window,
            provider_port=self.provider.port,
        )
        self._next_update += count
        answer = await self._loader.ask(msgspec.json.encode(plan), seconds + plan.patience_s + 60)
        result = msgspec.json.decode(answer, type=Result)
        self.acknowledged += result.accepted
        if result.accepted == 0:
            self.faults.append(f"no webhook was accepted: {result.statuses or 'no answer'}")
        return result

    async def measured(
        self,
        target: Target,
        mode: Literal["open", "saturate", "window"],
        *,
        rate_per_s: float = 0.0,
        guess: float = 0.0,
    ) -> tuple[Rate, Result]:
        """One run of the usual length, with what it cost."""
        seconds = self.options.seconds
        count = int((rate_per_s or guess) * seconds) + 1
        await self.provider.reset()
        before = self._costs(target)
        result = await self.load(target, mode, seconds=seconds, count=count, rate_per_s=rate_per_s)
        per_s = await self.turns_per_s(result) if target.has_turns else result.per_s
        after = self._costs(target)
        share = 1e6 / max(result.accepted, 1)
        subject, database_, provider = (now.since(then) * share for now, then in zip(after, before, strict=True))
        kept_up = per_s >= _SUSTAINED * rate_per_s and result.backlog_at_end <= max(
            self.options.connections, per_s / 10
        )
        rate = Rate(
            per_s=per_s,
            offered_per_s=rate_per_s,
            was_sustained=kept_up,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            subject_us=subject,
            database_us=database_,
            loader_us=result.cpu_s * share,
            provider_us=provider,
        )
        return rate, result

    async def sustainable(self, target: Target, guess_per_s: float) -> Rate:
        """The highest rate that is kept up: closed loop for an estimate, then open loop just below it, and lower."""
        closed: Literal["window", "saturate"] = "window" if target.has_turns else "saturate"
        estimate, _ = await self.measured(target, closed, guess=guess_per_s)
        best = estimate
        for factor in _FACTORS:
            best, _ = await self.measured(target, "open", rate_per_s=estimate.per_s * factor)
            if best.was_sustained:
                break
        return best

    async def turns_per_s(self, result: Result) -> float:
        """Replies over the time from the first webhook to the last reply, once no more of them come."""
        counts = await self.provider.counts()
        give_up = time.monotonic() + _DRAIN_S
        quiet_since = time.monotonic()
        while counts.sends < result.accepted and time.monotonic() < min(give_up, quiet_since + 3):
            await asyncio.sleep(0.02)
            earlier, counts = counts, await self.provider.counts()
            if counts.sends > earlier.sends:
                quiet_since = time.monotonic()
        return counts.sends / max((counts.last_send_ns - result.started_ns) / 1e9, 1e-9)

    def _costs(self, target: Target) -> tuple[Cost, Cost, Cost]:
        postgres = target.database.cost() if target.database else Cost(0.0, 0.0)
        return cost_of(target.pids), postgres, cost_of([self.provider.pid])


async def run_pipeline_bench(options: Options, folder: Path, say: Say) -> Report:
    """Measure everything. Raises ``ChildFailed`` when something does not start."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(database_server(options.database_url, folder))
        provider = await stack.enter_async_context(ProviderProcess())
        bench = Bench(options, folder, server, provider, say)
        await bench.open(stack)
        rates = await _side_by_side(bench)
        per_s = {subject: statistics.median(rate.per_s for rate in rates[subject]) for subject in SUBJECTS}
        backlog = await _accept_with_backlog(bench, per_s["turn"])
        memory = await _soak(bench, options.soak_turns) if options.soak_turns else []
        grown = await _growth(bench) if options.growth_rows else []
        return Report(
            bare_per_s=round(per_s["bare"], 1),
            accept_per_s=round(per_s["accept"], 1),
            accept_ratio=round(per_s["accept"] / per_s["bare"], 3),
            accept_p99_ms=round(backlog["p99_ms"], 2),
            relay_per_s=round(per_s["relay"], 1),
            turn_per_s=round(per_s["turn"], 1),
            turn_ratio=round(per_s["turn"] / per_s["relay"], 3),
            growth=grown,
            memory=memory,
            settings=_settings(options, server),
            rates={str(subject): measured for subject, measured in rates.items()},
            backlog=backlog,
            faults=bench.faults,
        )


def _settings(options: Options, server: Server) -> dict[str, str | int | float | bool]:
    """What the figures depend on, and which of the product's settings were raised."""
    shown = {name: value for name, value in msgspec.structs.asdict(options).items() if name != "database_url"}
    return {**shown, "postgresql": server.version, "cores": os.cpu_count() or 0, **UNLIMITED_RATES}


# the four subjects ----------------------------------------------------------------------------------------------


async def _side_by_side(bench: Bench) -> dict[Subject, list[Rate]]:
    """Every subject in every repetition; accept and turn on databases that live through all of them."""
    rates: dict[Subject, list[Rate]] = {subject: [] for subject in SUBJECTS}
    async with database(bench.server, "accept") as accept_url, database(bench.server, "turn") as turn_url:
        acknowledged = 0
        for number in range(bench.options.repetitions):
            for subject in SUBJECTS:
                bench.say(f"{subject}, repetition {number + 1} of {bench.options.repetitions}")
                match subject:
                    case "bare" | "relay":
                        rate = await _baseline(bench, subject)
                    case "accept":
                        rate = await _accept(bench, accept_url)
                    case "turn":
                        rate, taken = await _turn(bench, turn_url)
                        acknowledged += taken
                bench.say(f"    {rate.per_s:,.0f} a second")
                rates[subject].append(rate)
        bench.faults.extend(await _faults(turn_url, acknowledged))
    return rates


async def _baseline(bench: Bench, kind: Literal["bare", "relay"]) -> Rate:
    async with bench.baseline(kind) as target:
        await bench.load(target, "saturate", seconds=0.5, count=5_000)
        return await bench.sustainable(target, 60_000 if kind == "bare" else 15_000)


async def _accept(bench: Bench, url: str) -> Rate:
    async with bench.gateway(url, responds=False) as target:
        await _greet(bench, target)
        return await bench.sustainable(target, 30_000)


async def _turn(bench: Bench, url: str) -> tuple[Rate, int]:
    """The rate, and how many webhooks were acknowledged in getting it."""
    before = bench.acknowledged
    async with bench.gateway(url, responds=True) as target:
        await _greet(bench, target)
        rate = await bench.sustainable(target, 10_000)
        await _until_settled(url)
    return rate, bench.acknowledged - before


async def _greet(bench: Bench, target: Target) -> None:
    """One message from everybody, so that what is measured are conversations that go on, as most are."""
    await bench.provider.reset()
    mode: Literal["window", "saturate"] = "window" if target.has_turns else "saturate"
    await bench.load(target, mode, seconds=60, count=bench.options.people)


async def _until_settled(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await quiet(connection, _DRAIN_S)
    finally:
        await connection.close()


async def _faults(url: str, acknowledged: int) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        found = await settled(connection, _DRAIN_S)
        return found.faults(acknowledged)
    finally:
        await connection.close()


# accept while the pipeline is behind ------------------------------------------------------------------------------


async def _accept_with_backlog(bench: Bench, turn_per_s: float) -> dict[str, float]:
    """Latency of accept, at half of what the pipeline can do, while it works off messages that wait already."""
    options = bench.options
    bench.say(f"accept, with {options.backlog:,} people waiting for an answer")
    async with database(bench.server, "backlog") as url:
        async with bench.gateway(url, responds=False) as target:
            await bench.load(target, "saturate", seconds=60, count=options.backlog, people=options.backlog)
        async with bench.gateway(url, responds=True) as target:
            waiting = await _unread(url)
            rate = turn_per_s / 2
            count = int(rate * options.seconds) + 1
            result = await bench.load(
                target, "open", seconds=options.seconds, count=count, rate_per_s=rate, people=options.backlog
            )
            left = await _unread(url)
    return {
        "waiting_at_start": waiting,
        "waiting_at_end": left,
        "offered_per_s": round(rate, 1),
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "max_ms": result.max_ms,
    }


async def _unread(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM conversation WHERE read_seq < next_seq - 1"))
    finally:
        await connection.close()


# growth and memory -----------------------------------------------------------------------------------------------


async def _growth(bench: Bench) -> list[Growth]:
    """The same people's turns, with more and more stored around and behind them."""
    options = bench.options
    wanted = growth.points(options.growth_rows, options.growth_people)
    times: dict[growth.Point, list[float]] = {point: [] for point in wanted}
    async with AsyncExitStack() as stack:
        urls: dict[tuple[growth.Shape, ...], str] = {}
        for shapes in dict.fromkeys(point.shapes for point in wanted):
            bench.say(f"filling a database with {sum(shape.messages for shape in shapes):,} messages")
            urls[shapes] = await stack.enter_async_context(database(bench.server, f"growth{len(urls)}"))
            await _filled(bench, urls[shapes], shapes)
        for number in range(options.growth_repetitions):
            first = number % len(wanted)  # whoever comes first finds the caches cold
            for point in (*wanted[first:], *wanted[:first]):
                times[point].append(await _turn_us(bench, urls[point.shapes], point))
                bench.say(
                    f"{point.stored_messages:,} stored, conversations of {point.conversation_length:,}:"
                    f" {times[point][-1]:,.0f} µs a turn"
                )
    return [
        Growth(point.stored_messages, point.conversation_length, round(statistics.median(times[point]), 1))
        for point in wanted
    ]


async def _filled(bench: Bench, url: str, shapes: tuple[growth.Shape, ...]) -> None:
    """A database with *shapes* in it, after the model of one real exchange."""
    async with bench.gateway(url, responds=True) as target:
        await bench.load(target, "saturate", seconds=10, count=1, people=1)
        await _until_settled(url)
    connection = await asyncpg.connect(url)
    try:
        await growth.fill(connection, shapes)
    finally:
        await connection.close()


async def _turn_us(bench: Bench, url: str, point: growth.Point) -> float:
    options = bench.options

    async def talk(target: Target, seconds: float, count: int) -> Result:
        await bench.provider.reset()
        return await bench.load(
            target,
            "window",
            seconds=seconds,
            count=count,
            people=options.growth_people,
            first_chat=point.first_chat,
            window=options.growth_window,
        )

    async with bench.gateway(url, responds=True) as target:
        await talk(target, 10, 5 * options.growth_people)
        await _until_settled(url)
        result = await talk(target, options.seconds, 20_000)
        per_s = await bench.turns_per_s(result)
        await _until_settled(url)
    return 1e6 / max(per_s, 1e-9)


async def _soak(bench: Bench, turns: int) -> list[MemorySample]:
    """Resident memory of the gateway over many turns, twenty samples."""
    samples: list[MemorySample] = []
    bench.say(f"memory over {turns:,} turns")
    async with database(bench.server, "soak") as url, bench.gateway(url, responds=True) as target:
        await _greet(bench, target)
        done = 0
        while done < turns:
            result = await bench.load(target, "window", seconds=300, count=max(turns // 20, 1))
            await bench.turns_per_s(result)
            await bench.provider.reset()
            done += max(result.accepted, 1)
            samples.append(MemorySample(done, round(cost_of(target.pids).rss_mb, 1)))
            bench.say(f"    {done:,} turns: {samples[-1].rss_mb:.1f} MB")
    return samples


@contextmanager
def _shared_port() -> Iterator[int]:
    """A port that several processes may bind, kept for them by a socket that does not listen."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        keeper.bind(("127.0.0.1", 0))
        yield int(keeper.getsockname()[1])
