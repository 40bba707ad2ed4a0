"""What a change of model costs whoever is being answered, and what training beside serving costs.

The gateway answers a fixed number of messages a second. In turns it is left alone, has its model changed again and
again, and is left alone again; then a model is trained beside it. Times are from the moment at which a webhook was due
to the call of the provider that answers it, by the provider's own log. Ratios are within one run.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import msgspec

from config.bot import load_bot
from config.settings import SAMPLE_BOT
from gateway.app.bench.audit import became, settled
from gateway.app.bench.databases import database, database_server
from gateway.app.bench.load import Plan, Result
from gateway.app.bench.models import train_models
from gateway.app.bench.processes import Child, PipedChild, python, tertulia
from gateway.app.bench.provider import LogEntry
from gateway.app.bench.subjects import WEBHOOK_PATH, Gateway, ProviderProcess
from gateway.store.database import Database
from gateway.store.models import ModelPointers
from nlp.models.versions import ModelPlace, ModelVersions, place_of

POLL_S = 0.1
SETTLE_S = 60.0
TRAINED_WITHIN_S = 900.0
SWAPPED_WITHIN_S = 10.0
FIRST_CHAT = 1_000_000
RATIO_GOAL = 2.0
ACCEPT_GOAL_MS = 250.0
BEGUN_S = 1.5
"""A training process that has been running for so long has read its data, and computes."""

_OTHERWISE = """
    SELECT count(*) FROM turn
    WHERE outcome NOT IN ('answered', 'silent', 'handed_off')
       OR resolution::text LIKE '%not available%'
"""
_SERVED = "SELECT model_version, count(*) AS turns FROM turn WHERE model_version <> '' GROUP BY 1 ORDER BY 1"

Say = Callable[[str], None]


class SwapOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure. *is_short* trains the second model the quick way."""

    seconds: float = 20.0
    rate_per_s: float = 200.0
    swaps: int = 50
    repetitions: int = 2
    is_short: bool = False
    database_url: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run under load. Milliseconds; ``wrong`` are webhooks refused or unanswered, and calls that were refused."""

    turns: int
    wrong: int
    turn_p50_ms: float
    turn_p99_ms: float
    turn_max_ms: float
    accept_p99_ms: float


class SwapReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result. ``swaps`` were seen by the gateway; ``served`` are turns by the version that was asked."""

    alone: list[Run]
    swapping: list[Run]
    training: Run
    turn_p99_alone_ms: float
    turn_p99_swapping_ms: float
    ratio: float
    accept_p99_training_ms: float
    accept_p99_alone_ms: float
    swaps: int
    load_ms: float
    served: dict[str, int]
    settings: dict[str, str | int | float | bool]
    faults: list[str]


class SwapBench:
    """What runs during the measurement."""

    def __init__(self, options: SwapOptions, gateway: Gateway, provider: ProviderProcess, loader: PipedChild) -> None:
        self._options = options
        self._gateway = gateway
        self._provider = provider
        self._loader = loader
        self._next_update = 1
        self.accepted = 0

    async def run(self, beside: Callable[[], Awaitable[None]] | None = None) -> Run:
        """The usual load, with *beside* at the same time."""
        await self._provider.reset()
        people = int(self._options.seconds * self._options.rate_per_s)
        plan = Plan(
            mode="open",
            port=self._gateway.port,
            path=WEBHOOK_PATH,
            secret=self._gateway.secret,
            count=people,
            seconds=self._options.seconds + 5,
            people=people,
            first_update=self._next_update,
            first_chat=FIRST_CHAT,
            rate_per_s=self._options.rate_per_s,
        )
        self._next_update += people
        other = asyncio.ensure_future(beside()) if beside is not None else None
        answer = await self._loader.ask(msgspec.json.encode(plan), plan.seconds + plan.patience_s + 60)
        if other is not None:
            await other
        result = msgspec.json.decode(answer, type=Result)
        self.accepted += result.accepted
        return _run(plan, result, await self._replies(result.accepted))

    async def _replies(self, wanted: int) -> list[LogEntry]:
        """Every answer, once no more of them are missing or they took too long."""
        for _ in range(int(SETTLE_S / 0.05)):
            if (await self._provider.counts()).sends >= wanted:
                break
            await asyncio.sleep(0.05)
        return await self._provider.log()


async def measure_swaps(options: SwapOptions, folder: Path, say: Say) -> SwapReport:
    """Measure everything. Raises ``ChildFailed`` when something does not start or the training fails."""
    async with (
        database_server(options.database_url, folder) as server,
        database(server, "swap") as url,
        ProviderProcess() as provider,
        PipedChild("the loader", python("gateway.app.bench.load")) as loader,
    ):
        gateway = Gateway(
            folder / "gateway",
            provider_url=provider.url,
            database_url=url,
            models_url=await train_models(folder),
            settings={"models.poll_s": POLL_S},
        )
        async with gateway:
            bench = SwapBench(options, gateway, provider, loader)
            say("one message from everybody")
            await bench.run()
            return await _measure(options, bench, gateway, url, say)


async def _measure(options: SwapOptions, bench: SwapBench, gateway: Gateway, url: str, say: Say) -> SwapReport:
    say("a model is trained beside")
    training, versions = await _train_beside(options, bench, gateway)
    opened = Database(url)
    place = _place()
    pointers = ModelPointers(opened, place.bot, place.task)
    alone, swapping = [], []
    try:
        for number in range(options.repetitions):
            say(f"left alone, repetition {number + 1} of {options.repetitions}")
            alone.append(await bench.run())
            say(f"{options.swaps} changes of model")
            swapping.append(await bench.run(lambda: _swap(options, pointers, versions, gateway)))
    finally:
        await opened.close()
    turn_alone, turn_swapping = (statistics.median(run.turn_p99_ms for run in runs) for runs in (alone, swapping))
    loads_ms = _loads_ms(gateway)
    report = SwapReport(
        alone=alone,
        swapping=swapping,
        training=training,
        turn_p99_alone_ms=round(turn_alone, 2),
        turn_p99_swapping_ms=round(turn_swapping, 2),
        ratio=round(turn_swapping / turn_alone, 2),
        accept_p99_training_ms=training.accept_p99_ms,
        accept_p99_alone_ms=round(statistics.median(run.accept_p99_ms for run in alone), 2),
        swaps=len(loads_ms),
        load_ms=round(statistics.median(loads_ms), 1) if loads_ms else 0.0,
        served=await _served(url),
        settings={**msgspec.structs.asdict(options), "poll_s": POLL_S},
        faults=[],
    )
    return msgspec.structs.replace(report, faults=await _faults(options, report, url, bench.accepted))


async def _swap(options: SwapOptions, pointers: ModelPointers, versions: Sequence[str], gateway: Gateway) -> None:
    """Point at one version after the other, evenly over the time of a run; each once the one before has come."""
    began, seen = time.monotonic(), len(_loads_ms(gateway))
    for number in range(options.swaps):
        live = (await pointers.read()).version
        other = versions[1] if live == versions[0] else versions[0]
        await pointers.promote(other, expected=live, by="bench", why="to measure it", is_forced=False)
        await _changed(gateway, seen + number + 1)
        await asyncio.sleep(max(0.0, began + (number + 1) * options.seconds / options.swaps - time.monotonic()))


async def _changed(gateway: Gateway, times: int) -> None:
    """Wait until the gateway has changed over so often, or it takes too long."""

    async def has_come() -> bool:
        return len(_loads_ms(gateway)) >= times

    await became(has_come, SWAPPED_WITHIN_S, every_s=0.02)


async def _train_beside(options: SwapOptions, bench: SwapBench, gateway: Gateway) -> tuple[Run, list[str]]:
    """A run while a second version is trained, and the names of both."""
    quick = ("--quick",) if options.is_short else ()
    argv = tertulia("train", "--config", str(gateway.config), *quick)
    async with Child("tertulia train", argv, log=gateway.folder / "train.log") as child:
        await asyncio.sleep(BEGUN_S)
        run = await bench.run()
        await child.ended(TRAINED_WITHIN_S)
    return run, ModelVersions(gateway.models_url).names(_place())


def _place() -> ModelPlace:
    return place_of(load_bot(SAMPLE_BOT).name)


def _run(plan: Plan, result: Result, log: Sequence[LogEntry]) -> Run:
    """Each person wrote once in a run, so that the answer's chat tells which webhook it belongs to."""
    interval_ns = 1e9 / plan.rate_per_s
    due_ns = {
        str(plan.first_chat + number % plan.people): result.started_ns + (number - plan.first_update) * interval_ns
        for number in range(plan.first_update, plan.first_update + result.sent)
    }
    answered: dict[str, float] = {}
    refused = 0
    for entry in log:
        if entry.status != 200:
            refused += 1
        elif entry.method == "sendMessage" and entry.chat_id in due_ns:
            answered.setdefault(entry.chat_id, (entry.at_ns - due_ns[entry.chat_id]) / 1e6)
    times = sorted(answered.values()) or [0.0]
    return Run(
        turns=len(answered),
        wrong=plan.count - len(answered) + refused,
        turn_p50_ms=round(times[len(times) // 2], 2),
        turn_p99_ms=round(times[min(len(times) - 1, len(times) * 99 // 100)], 2),
        turn_max_ms=round(times[-1], 2),
        accept_p99_ms=round(result.p99_ms, 2),
    )


def _loads_ms(gateway: Gateway) -> list[float]:
    """How long each change took in the gateway, by its log."""
    lines = (gateway.folder / "gateway.log").read_text(errors="replace").splitlines()
    swapped = [line for line in lines if '"event": "model_swapped"' in line]
    return [float(msgspec.json.decode(line)["seconds"]) * 1000 for line in swapped]


async def _served(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        return {row["model_version"]: int(row["turns"]) for row in await connection.fetch(_SERVED)}
    finally:
        await connection.close()


async def _faults(options: SwapOptions, report: SwapReport, url: str, accepted: int) -> list[str]:
    """What was promised and not kept; the times are only judged by whoever reads them."""
    wrong = sum(run.wrong for run in (*report.alone, *report.swapping, report.training))
    connection = await asyncpg.connect(url)
    try:
        found = (await settled(connection, SETTLE_S)).faults(accepted)
        otherwise = int(await connection.fetchval(_OTHERWISE))
    finally:
        await connection.close()
    wanted = options.swaps * options.repetitions
    claims = {
        f"{wrong} messages were refused or not answered": wrong > 0,
        f"{otherwise} turns failed or had no model": otherwise > 0,
        f"the gateway changed over {report.swaps} times of {wanted}": report.swaps < wanted * 0.9,
        f"only {sorted(report.served)} answered": len(report.served) < 2,
    }
    return [*found, *(claim for claim, is_broken in claims.items() if is_broken)]
