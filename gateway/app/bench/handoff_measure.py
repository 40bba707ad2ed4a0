"""Many conversations handed to a Zendesk at once, and given back: what became of every word, and how long it took.

The gateway is the real one, with a stand-in for Telegram in front and a stand-in for Zendesk behind that keeps
Zendesk's limits; its minutes may run faster, and then its limits do too. The same again with the gateway killed,
Zendesk failing, and webhooks lost, doubled and late. At last agents write at a steady rate, at Zendesk's own pace.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import asyncpg
import msgspec

from gateway.app.bench.audit import became
from gateway.app.bench.databases import Server, database, database_server
from gateway.app.bench.handoff_agents import ANSWER, Agents
from gateway.app.bench.handoff_audit import Tally, ends_of, sent_at, tally
from gateway.app.bench.handoff_customers import Customers
from gateway.app.bench.processes import ChildFailed, free_port
from gateway.app.bench.subjects import Gateway, ProviderProcess, SettingValue
from handoff.desks.zendesk.sandbox import Pace, ZendeskSandbox
from handoff.desks.zendesk.sandbox_rates import Plan

LATENCY_GOAL_MS = 200.0
WEBHOOK = "/webhooks/desks/zendesk/main"
LOST, DOUBLED, DELAYED = 0.1, 0.1, 0.3
DELAY_S = 20.0
DOWN_S = 60.0
LEASE_S = 3.0
START_WITHIN_S = 600.0
SETTLES_WITHIN_S = 120.0
SETTLES_WITHIN_MINUTES = 60
"""Zendesk's: with thousands of answers at once, its requests of a minute are what reading them waits for."""

BOT = {
    "bot.yaml": """
name: Handing over
languages: [en]
time_zone: UTC
chain: [commands]
commands: {/person: handoff}
""",
    "nlu/en.yml": """
version: "3.1"
nlu:
  - intent: greet
    examples: |
      - hello there
      - good morning
      - good evening to you
      - hi bot
      - how do you do
  - intent: goodbye
    examples: |
      - goodbye then
      - see you tomorrow
      - until next time
      - bye bye
      - farewell
""",
    "replies/replies.yml": """
version: "3.1"
responses:
  utter_default: [{text: "Write /person."}]
  utter_media_received: [{text: "Words only, please."}]
  utter_handoff: [{text: "I am asking a person."}]
  utter_agent_joined: [{text: "{agent} is here."}]
  utter_agent_left: [{text: "{agent} has left."}]
""",
}
"""A bot that hands over whoever asks, and understands nothing else."""

Way = Literal["calm", "rough"]
Say = Callable[[str], None]


class HandoffOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much to measure. Zendesk's minutes take *minute_s* seconds; *rate_per_s* is that of the latency run."""

    conversations: int = 1_000
    words: int = 3
    answers: int = 2
    minute_s: float = 6.0
    plan: Plan = "professional"
    kills: int = 3
    ways: tuple[Way, ...] = ("calm", "rough")
    latency_s: float = 20.0
    latency_cases: int = 50
    rate_per_s: float = 50.0
    patience_s: float = 1_800.0
    database_url: str = ""


class Delay(msgspec.Struct, frozen=True):
    """Of *count* times, in seconds."""

    count: int
    p50_s: float
    p95_s: float
    max_s: float


class HandoffRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run. ``ticket``: from asking to the ticket; ``comment``: from a customer's message to its standing in the
    ticket; ``send``: from an agent's answer to the channel's call. ``minutes`` are Zendesk's.
    """

    name: str
    tally: Tally
    ticket: Delay
    comment: Delay
    send: Delay
    took_s: float
    minutes: float
    updates: int
    webhooks: dict[str, int]
    kills: int
    failed_calls: int
    faults: list[str]


class HandoffReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole result; ``latency`` is in milliseconds, from an agent's webhook to the channel's call.

    ``latency_cpu_ms`` is what the gateway's processor did for each of these answers, everything else of that time
    included: it says the same on a busy machine.
    """

    runs: list[HandoffRun]
    latency_p50_ms: float
    latency_p95_ms: float
    latency_max_ms: float
    latency_answers: int
    latency_cpu_ms: float
    settings: dict[str, object]
    faults: list[str]


async def measure_handoff(options: HandoffOptions, folder: Path, say: Say) -> HandoffReport:
    """Measure everything. Raises ``ChildFailed`` when something does not start or never answers."""
    runs: list[HandoffRun] = []
    latencies_ms, cpu_ms, faults = [0.0], 0.0, list[str]()
    async with database_server(options.database_url, folder) as server:
        for way in options.ways:
            say(f"{options.conversations:,} conversations handed over at once, {way}")
            async with _stage(server, way, folder, options) as stage:
                runs.append(await _hand_over(stage, way, say))
        if options.latency_s:
            say(f"agents write {options.rate_per_s:g} answers a second")
            async with _stage(server, "latency", folder, _at_zendesks_pace(options)) as stage:
                latencies_ms, cpu_ms, faults = await _latencies(stage)
    faults = [*(f"{run.name}: {fault}" for run in runs for fault in run.faults), *faults]
    latency = _spread(latencies_ms)
    return HandoffReport(
        runs=runs,
        latency_p50_ms=round(latency.p50_s, 1),
        latency_p95_ms=round(latency.p95_s, 1),
        latency_max_ms=round(latency.max_s, 1),
        latency_answers=latency.count,
        latency_cpu_ms=round(cpu_ms, 1),
        settings=msgspec.to_builtins(options),
        faults=faults,
    )


class Stage:
    """What runs during one measurement."""

    def __init__(
        self,
        options: HandoffOptions,
        zendesk: ZendeskSandbox,
        provider: ProviderProcess,
        gateway: Gateway,
        connection: asyncpg.Connection,
    ) -> None:
        self.options = options
        self.zendesk = zendesk
        self.provider = provider
        self.gateway = gateway
        self.connection = connection
        self.ambiguous: Counter[str] = Counter()
        """How often each answer was in the channel's hands when the gateway was killed."""

    async def kill(self) -> None:
        """End the gateway as a power failure would, write down what it was sending, and start it again."""
        self.gateway.child.kill()
        await became(self._is_alone, 10.0, every_s=0.01)
        rows = await self.connection.fetch(
            """SELECT m.parts::text AS parts FROM outbox o
               JOIN message m ON m.conversation_id = o.conversation_id AND m.position = o.position
               WHERE o.is_sending"""
        )
        self.ambiguous.update(answer for row in rows for answer in ANSWER.findall(row["parts"]))
        await self.gateway.start(START_WITHIN_S)

    async def is_settled(self) -> bool:
        return (await ends_of(self.connection)).is_settled

    async def is_quiet(self) -> bool:
        """Whether nothing waits, neither for a desk nor from one nor for the channel."""
        return bool(
            await self.connection.fetchval(
                """SELECT NOT EXISTS (SELECT 1 FROM desk_event WHERE applied_at IS NULL)
                      AND NOT EXISTS (SELECT 1 FROM handoff WHERE NOT told_end AND due_at < 'infinity')
                      AND NOT EXISTS (SELECT 1 FROM outbox)"""
            )
        )

    async def _is_alone(self) -> bool:
        return bool(
            await self.connection.fetchval(
                "SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1)",
                self.connection.get_server_pid(),
            )
        )


@asynccontextmanager
async def _stage(server: Server, name: str, folder: Path, options: HandoffOptions) -> AsyncIterator[Stage]:
    port = free_port()
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(database(server, f"handoff_{name}"))
        provider = await stack.enter_async_context(ProviderProcess())
        pace = Pace(minute_s=options.minute_s)
        webhook = f"http://127.0.0.1:{port}{WEBHOOK}"
        zendesk = await stack.enter_async_context(ZendeskSandbox(webhook, pace=pace, plan=options.plan))
        gateway = Gateway(
            folder / name,
            port=port,
            provider_url=provider.url,
            database_url=dsn,
            models_url=str((folder / "models").absolute()),
            settings=_settings(_bot(folder / name), zendesk, options),
        )
        stack.push_async_callback(gateway.child.stop)
        await gateway.start(START_WITHIN_S)
        connection = await asyncpg.connect(dsn)
        stack.push_async_callback(connection.close)
        yield Stage(options, zendesk, provider, gateway, connection)


def _settings(bot: Path, zendesk: ZendeskSandbox, options: HandoffOptions) -> dict[str, SettingValue]:
    desk = {f"desks.zendesk.main.{key}": value for key, value in zendesk.settings_values.items()}
    return {
        "bot.path": str(bot),
        "router.desk": "zendesk.main",
        "router.lease_s": LEASE_S,
        "router.send_lease_s": LEASE_S,
        "channels.telegram.main.read_timeout_s": LEASE_S - 1,
        "handoff.desk_lease_s": LEASE_S,
        "handoff.reconcile_every_s": options.minute_s,
        "handoff.backoff_cap_s": max(1.0, options.minute_s / 2),
        "desks.zendesk.main.unclear_wait_s": 1.0,
        **desk,  # type: ignore[dict-item]  # the sandbox's own values are of these kinds
    }


def _bot(folder: Path) -> Path:
    """Write the bot down, and tell where."""
    for name, text in BOT.items():
        path = folder / "bot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    return folder / "bot"


async def _hand_over(stage: Stage, way: Way, say: Say) -> HandoffRun:
    options, zendesk = stage.options, stage.zendesk
    agents = Agents(zendesk, words=options.words, answers=options.answers, pause_s=options.minute_s / 4)
    began = time.monotonic()
    async with Customers(stage.gateway, options.conversations) as customers, asyncio.TaskGroup() as group:
        working = group.create_task(agents.work(options.conversations, options.patience_s))
        if way == "rough":
            group.create_task(_trouble(stage, agents, working))
        await customers.ask_for_a_person()
        say(f"all have asked after {time.monotonic() - began:.1f} s")
        await customers.write(options.words, options.minute_s / 2)
        say(f"all have written after {time.monotonic() - began:.1f} s")
    zendesk.sender.loses = 0.0
    await zendesk.settled()
    await became(stage.is_settled, max(SETTLES_WITHIN_S, SETTLES_WITHIN_MINUTES * options.minute_s), every_s=0.2)
    took_s = time.monotonic() - began
    await agents.look()
    return await _run(stage, way, customers, agents, took_s)


async def _trouble(stage: Stage, agents: Agents, working: asyncio.Task[bool]) -> None:
    """Webhooks go astray all the time; in between the gateway is killed, and Zendesk answers 500 for a minute."""
    sender, options = stage.zendesk.sender, stage.options
    sender.loses, sender.doubles, sender.delays, sender.delay_s = LOST, DOUBLED, DELAYED, DELAY_S
    total = options.conversations * options.words
    happenings = ["kill"] * options.kills
    happenings.insert((len(happenings) + 1) // 2, "down")
    for number, what in enumerate(happenings, 1):
        while agents.arrived < total * number / (len(happenings) + 1):
            if working.done():
                return
            await asyncio.sleep(0.05)
        if what == "kill":
            await stage.kill()
        else:
            stage.zendesk.fails_for(DOWN_S)


async def _run(stage: Stage, way: Way, customers: Customers, agents: Agents, took_s: float) -> HandoffRun:
    log = await stage.provider.log()
    zendesk, options = stage.zendesk, stage.options
    found = tally(
        customers=options.conversations,
        words=options.words,
        tickets=agents.words(),
        answers=agents.answers(),
        log=log,
        ambiguous=stage.ambiguous,
        violations=[one.kind for one in zendesk.violations],
        ends=await ends_of(stage.connection),
    )
    made_at = {ticket.requester_id: ticket.created_at.timestamp() for ticket in zendesk.tickets()}
    asked_at = customers.asked_by_name()
    people = zendesk.world.account
    left_at = sent_at(log)
    unsolved = options.conversations - agents.solved
    faults = [*found.faults(), *([f"{unsolved} tickets not solved in time"] if unsolved > 0 else [])]
    return HandoffRun(
        name=way,
        tally=found,
        ticket=_spread([at - asked_at[people.person(who).name] for who, at in made_at.items()]),
        comment=_spread([at - customers.said_at[word] for word, at in agents.arrived_at.items()]),
        send=_spread([(left_at[one] - at) / 1e9 for one, at in agents.answered_at.items() if one in left_at]),
        took_s=round(took_s, 1),
        minutes=round(took_s / options.minute_s, 1),
        updates=sum(len(ticket.audits) for ticket in zendesk.tickets()),
        webhooks=dict(Counter(one.fate for one in zendesk.sender.invocations)),
        kills=options.kills if way == "rough" else 0,
        failed_calls=sum(call.status >= 500 for call in zendesk.calls),
        faults=faults,
    )


# ---------------------------------------------------------------- latency


def _at_zendesks_pace(options: HandoffOptions) -> HandoffOptions:
    return msgspec.structs.replace(options, conversations=options.latency_cases, minute_s=60.0, plan="high_volume")


async def _latencies(stage: Stage) -> tuple[list[float], float, list[str]]:
    """Milliseconds from each answer to the channel's call, those of the gateway's CPU, and what went wrong."""
    options = stage.options
    agents = Agents(stage.zendesk, words=0, answers=10**6, pause_s=10**6)
    async with Customers(stage.gateway, options.conversations) as customers:
        await customers.ask_for_a_person()

    async def are_with_agents() -> bool:
        await agents.look()
        with_agents = "SELECT count(*) FROM conversation WHERE control = 'agent'"
        return int(await stage.connection.fetchval(with_agents)) >= options.conversations

    if not await became(are_with_agents, 120.0):
        raise ChildFailed(f"not everybody has an agent:\n{stage.gateway.child.output()}")
    await stage.zendesk.settled()
    await became(stage.is_quiet, SETTLES_WITHIN_S)
    before = stage.gateway.cost()
    await _write_steadily(agents, stage)
    wanted = set(agents.answered_at)

    async def all_left() -> bool:
        return wanted <= set(sent_at(await stage.provider.log()))

    await became(all_left, 60.0)
    cpu_ms = stage.gateway.cost().since(before) * 1_000 / max(1, len(wanted))
    log = await stage.provider.log()
    left_at = sent_at(log)
    sent = Counter(answer for entry in log if entry.method == "sendMessage" for answer in ANSWER.findall(entry.text))
    lost, doubled = len(wanted - set(left_at)), sum(count - 1 for count in sent.values())
    claims = {f"latency: {lost} answers lost": lost, f"latency: {doubled} answers doubled": doubled}
    latencies = [(left_at[one] - at) / 1e6 for one, at in agents.answered_at.items() if one in left_at]
    return latencies or [0.0], cpu_ms, [claim for claim, count in claims.items() if count]


async def _write_steadily(agents: Agents, stage: Stage) -> None:
    """One answer in each ticket in turn, at the rate."""
    options, tickets = stage.options, stage.zendesk.tickets()
    began = time.monotonic()
    for number in range(int(options.latency_s * options.rate_per_s)):
        await asyncio.sleep(max(0.0, began + number / options.rate_per_s - time.monotonic()))
        await agents.say(tickets[number % len(tickets)])


def _spread(times: Sequence[float]) -> Delay:
    ordered = sorted(times) or [0.0]
    p95 = ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
    return Delay(len(times), round(ordered[len(ordered) // 2], 3), round(p95, 3), round(ordered[-1], 3))
