"""A burst of replies through the real deliver, in simulated time: is every rate kept, used up, and shared fairly?"""

from __future__ import annotations

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from uuid import UUID

import asyncpg
import msgspec

from gateway.app.bench.simulated import SimulatedClock
from gateway.core.channel import (
    AccountSpec,
    BlobReader,
    Call,
    Capabilities,
    EndpointSettings,
    Finding,
    Kept,
    Rates,
    RemoteFile,
    Sent,
    WebhookAnswer,
    WebhookRequest,
)
from gateway.core.errors import GiveUp, NotSupported, Retry, Unavailable
from gateway.core.ids import new_id
from gateway.core.inbound import Parsed
from gateway.core.messages import Outgoing, plain_text
from gateway.core.metrics import Metrics
from gateway.core.news import News
from gateway.core.tracing import Tracing
from gateway.router.deliver import Deliver, DeliverSettings
from gateway.router.endpoints import Endpoints, OpenAccount
from gateway.router.sending import SendingSettings
from gateway.router.wakes import Wakes
from gateway.store.accounts import register_accounts, register_node
from gateway.store.database import Database
from gateway.store.migrate import migrate

LATENCY_S = 0.06
REFUSED_FOR_S = 3.0
POLL_S = 0.2
LEAST_USED = 0.95
MOST_SPREAD = 2
ROUNDING_S = 1e-6
TALKATIVE = "talkative"
HOLD_S = 2.5

FILL = """
    WITH person AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[]) AS x (id, recipient, messages)
    ), contacts AS (
        INSERT INTO contact (id) SELECT id FROM person
    ), addresses AS (
        INSERT INTO address (id, account_id, contact_id, recipient) SELECT id, $4, id, recipient FROM person
    ), conversations AS (
        INSERT INTO conversation (id, account_id, address_id, contact_id, next_position)
        SELECT id, $4, id, id, messages + 1 FROM person
    ), said AS (
        SELECT p.id AS conversation_id, n AS position, gen_random_uuid() AS message_id
        FROM person p, generate_series(1, p.messages) AS n
    ), messages AS (
        INSERT INTO message (conversation_id, position, id, author, status, parts)
        SELECT conversation_id, position, message_id, 'bot', 'queued',
               CASE WHEN position % 4 = 0 THEN $5::jsonb ELSE $6::jsonb END
        FROM said
    )
    INSERT INTO outbox (conversation_id, position, message_id, account_id, author, epoch, is_proactive, due_at,
                        created_at)
    SELECT conversation_id, position, message_id, $4, 'bot', 0, false, now() - interval '1 s', now() FROM said
"""

TWO_CALLS = '[{"type": "text", "text": "one\\ntwo"}]'
ONE_CALL = '[{"type": "text", "text": "one"}]'


class Load(msgspec.Struct, frozen=True):
    """*people* get *each* messages, every fourth of two calls; one more person gets *burst*."""

    people: int
    each: int
    burst: int
    refusals: int = 5
    """How many calls are answered with *too many requests*, by surprise."""
    seed: int = 1


class RatesReport(msgspec.Struct, frozen=True):
    """What came of one account's rates. Shares are of 1; a span does not count its end.

    ``most_calls``: in any span of ``span_s``; ``most_allowed`` is the limit. ``recipient_excess``: calls to one person
    beyond their own rate. ``used``: of what the rate allowed until nine tenths were sent, pauses not counted (the last
    people wait for their own rate, or for what was refused). ``spread``: the greatest difference in messages between
    two people who still wait, at any moment.
    """

    name: str
    messages: int
    calls: int
    span_s: float
    most_calls: int
    most_allowed: int
    recipient_excess: int
    used: float
    spread: int
    paused_s: float
    simulated_s: float
    wall_s: float
    faults: tuple[str, ...]


class Provider:
    """Takes calls, writes down when each began, and refuses some by surprise. Fits ``Client``."""

    def __init__(self, clock: SimulatedClock, load: Load, expected_calls: int) -> None:
        self._clock = clock
        refuse = random.Random(load.seed).sample(range(expected_calls), min(load.refusals, expected_calls))  # noqa: S311
        self._refuse = set(refuse)
        self.began: list[tuple[float, str]] = []
        self.done: dict[str, list[float]] = defaultdict(list)
        self.pauses: list[tuple[float, float]] = []

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, account: str, call: Call) -> Sent:  # noqa: ARG002
        number, now, to = len(self.began), self._clock.monotonic(), str(call.params["to"])
        self.began.append((now, to))
        await self._clock.sleep(LATENCY_S)
        if number in self._refuse:
            at = self._clock.monotonic()
            self.pauses.append((at, at + REFUSED_FOR_S))
            raise Retry("too many requests", after_s=REFUSED_FOR_S, whole_account=True)
        if call.params["is_last"]:
            self.done[to].append(self._clock.monotonic())
        return Sent((f"r{number}",))

    async def acknowledge(self, account: str, token: str) -> None: ...

    async def typing(self, account: str, recipient: str, heard: str = "") -> None: ...

    async def fetch(self, account: str, provider_ref: str) -> RemoteFile:
        raise GiveUp("unreachable", f"{account} has no file {provider_ref}")

    async def connect(self, public_url: str) -> Sequence[Finding]:  # noqa: ARG002
        return []

    async def doctor(self, public_url: str) -> Sequence[Finding]:  # noqa: ARG002
        return []


class OnPaper:
    """A channel without a wire: a line of text is a call."""

    name = "on_paper"
    settings: type[EndpointSettings] = EndpointSettings
    capabilities = Capabilities(text_units=4096, media=frozenset())
    can_redeliver = True

    def __init__(self, spec: AccountSpec, provider: Provider) -> None:
        self._spec = spec
        self._provider = provider

    def accounts(self, settings: EndpointSettings) -> tuple[AccountSpec, ...]:  # noqa: ARG002
        return (self._spec,)

    def verify(self, settings: EndpointSettings, request: WebhookRequest) -> None: ...

    def handshake(self, settings: EndpointSettings, request: WebhookRequest) -> WebhookAnswer:  # noqa: ARG002
        raise NotSupported("there is no webhook")

    def parse(self, settings: EndpointSettings, request: WebhookRequest) -> list[Parsed]:  # noqa: ARG002
        return []

    def replay(self, settings: EndpointSettings, raw: bytes) -> list[Parsed]:  # noqa: ARG002
        return []

    def render(self, settings: EndpointSettings, message: Outgoing) -> tuple[Call, ...]:  # noqa: ARG002
        lines = plain_text(message.parts).split("\n")
        return tuple(
            Call("send", {"to": message.recipient, "text": line, "is_last": number == len(lines)})
            for number, line in enumerate(lines, 1)
        )

    def is_group(self, recipient: str) -> bool:
        return recipient.startswith("group")

    def client(self, settings: EndpointSettings, read_blob: BlobReader, kept: Kept | None = None) -> Provider:  # noqa: ARG002
        return self._provider


class SleepyWakes(Wakes):
    """Wake-ups in simulated time."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: asyncio.Future[None] | None = None
        self._was_heard = False

    def heard(self, topic: str) -> None:
        self._was_heard = True
        super().heard(topic)
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    async def wait(self, clock: SimulatedClock, seconds: float) -> None:
        """Until somebody wakes us, and no longer than *seconds*."""
        if not self._was_heard:
            self.waiting = asyncio.get_running_loop().create_future()
            await clock.wait(self.waiting, seconds)
        self._was_heard = False


async def measure_rates(dsn: str, name: str, rates: Rates, load: Load) -> RatesReport:
    """Drain a burst on an account with these rates. *dsn* is a fresh database, which then lives in another time."""
    await migrate(dsn)
    timekeeper = await asyncpg.connect(dsn)
    try:
        clock = await SimulatedClock.open(timekeeper)
        began = perf_counter()
        provider, calls = await _drain(dsn, clock, rates, load)
        return _report(name, rates, load, provider, calls, clock.monotonic(), perf_counter() - began)
    finally:
        await timekeeper.close()


async def _drain(dsn: str, clock: SimulatedClock, rates: Rates, load: Load) -> tuple[Provider, int]:
    expected = sum(_calls(load.each) for _ in range(load.people)) + _calls(load.burst)
    provider = Provider(clock, load, expected)
    channel = OnPaper(AccountSpec("main", "", "paper", rates), provider)
    database = Database(dsn)
    try:
        numbered = await register_accounts(database, channel.name, "main", channel.accounts(EndpointSettings()))
        node = await register_node(database, "bench")
        account = OpenAccount(
            numbered[0], channel.accounts(EndpointSettings())[0], channel, EndpointSettings(), provider
        )
        await _fill(dsn, int(numbered[0].id), load)
        wakes = SleepyWakes()
        deliver = Deliver(
            DeliverSettings(
                node=node,
                account_lease_s=10.0,
                sending=SendingSettings(30.0, 1.0, 300.0, 48 * 3600.0),
                batch_limit=128,
                acknowledgements=16,
            ),
            database,
            Endpoints([account]),
            clock,
            Metrics(),
            Tracing(),
            wakes,
            News(),
        )
        total = load.people * load.each + load.burst
        await _serve(clock, deliver, wakes, lambda: sum(map(len, provider.done.values())) >= total)
        return provider, expected
    finally:
        await database.close()


async def _serve(clock: SimulatedClock, deliver: Deliver, wakes: SleepyWakes, is_done: Callable[[], bool]) -> None:
    """The loops of a worker, until everything was sent."""

    async def hold() -> None:
        while True:
            with suppress(Unavailable):
                await deliver.hold()
            await clock.sleep(HOLD_S)

    async def sweep() -> None:
        while True:
            has_more = False
            with suppress(Unavailable):
                has_more = await deliver.sweep()
            if not has_more:
                await wakes.wait(clock, POLL_S)

    loops = [asyncio.create_task(hold()), asyncio.create_task(sweep())]
    try:
        await clock.run(lambda: is_done() or any(loop.done() for loop in loops))
        for loop in loops:
            if loop.done():
                loop.result()
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def _fill(dsn: str, account_id: int, load: Load) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        names = [f"p{number}" for number in range(load.people)] + [TALKATIVE]
        counts = [load.each] * load.people + [load.burst]
        ids: list[UUID] = [new_id() for _ in names]
        await connection.execute(FILL, ids, names, counts, account_id, TWO_CALLS, ONE_CALL)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _calls(messages: int) -> int:
    return messages + messages // 4


def _report(
    name: str, rates: Rates, load: Load, provider: Provider, calls: int, simulated_s: float, wall_s: float
) -> RatesReport:
    times = [at for at, _ in provider.began]
    most = max(1, int(rates.per_s)) if rates.per_s > 0 else 0
    span_s = most / rates.per_s if most else 0.0
    others = sorted(at for who, done in provider.done.items() if who != TALKATIVE for at in done)
    others_s = others[len(others) * 9 // 10]
    paused = _joined(provider.pauses, others_s)
    free_s = others_s - sum(end - begin for begin, end in paused)
    until_then = sum(at <= others_s for at in times)
    report = RatesReport(
        name=name,
        messages=sum(map(len, provider.done.values())),
        calls=len(times),
        span_s=span_s,
        most_calls=_most_in(times, span_s) if most else 0,
        most_allowed=most,
        recipient_excess=_excess(provider.began, rates),
        used=until_then / (rates.per_s * free_s) if most else 1.0,
        spread=_spread(provider, load),
        paused_s=sum(end - begin for begin, end in paused),
        simulated_s=simulated_s,
        wall_s=wall_s,
        faults=(),
    )
    in_pause = sum(any(begin < at < end - ROUNDING_S for begin, end in provider.pauses) for at in times)
    return msgspec.structs.replace(report, faults=tuple(_faults(report, calls, load, in_pause)))


def _faults(report: RatesReport, calls: int, load: Load, in_pause: int) -> list[str]:
    faults = []
    if report.messages != load.people * load.each + load.burst:
        faults.append(f"{report.messages} messages were sent")
    if report.calls != calls + load.refusals:
        faults.append(f"{report.calls} calls were made for {calls} that were due and {load.refusals} refused ones")
    if report.most_calls > report.most_allowed:
        faults.append(f"{report.most_calls} calls within {report.span_s:.3f} s")
    if report.recipient_excess > 0:
        faults.append(f"one person got {report.recipient_excess} calls too many")
    if in_pause:
        faults.append(f"{in_pause} calls began while the provider had asked for a pause")
    if report.used < LEAST_USED:
        faults.append(f"only {report.used:.1%} of the rate was used")
    if report.spread > MOST_SPREAD:
        faults.append(f"one person was {report.spread} messages ahead of another")
    return faults


def _most_in(times: Sequence[float], span_s: float) -> int:
    first, most = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - span_s + ROUNDING_S:
            first += 1
        most = max(most, last - first + 1)
    return most


def _excess(began: Sequence[tuple[float, str]], rates: Rates) -> int:
    """How many calls too many one person got: what runs over a bucket that empties at the person's rate."""
    if rates.per_recipient_s <= 0:
        return 0
    level: dict[str, tuple[float, float]] = {}
    worst = 0.0
    for at, who in began:
        before_s, filled = level.get(who, (at, 0.0))
        filled = max(0.0, filled - (at - before_s) * rates.per_recipient_s) + 1.0
        level[who] = (at, filled)
        worst = max(worst, filled - rates.recipient_burst)
    return math.ceil(worst - 1e-6)


def _spread(provider: Provider, load: Load) -> int:
    """How far anybody got ahead of somebody who still waited, in messages."""
    events = sorted((at, who) for who, times in provider.done.items() for at in times)
    got: dict[str, int] = defaultdict(int)
    people_with = [0] * (load.each + 1)
    people_with[0] = load.people
    worst = 0
    for _, who in events:
        got[who] += 1
        if who != TALKATIVE:
            people_with[got[who] - 1] -= 1
            people_with[got[who]] += 1
        least = next((count for count in range(load.each) if people_with[count]), None)
        if least is None:
            break
        most = next(count for count in range(load.each, -1, -1) if people_with[count])
        worst = max(worst, most - least, got[TALKATIVE] - least)
    return worst


def _joined(pauses: Sequence[tuple[float, float]], until_s: float) -> list[tuple[float, float]]:
    """The pauses as spans that do not overlap."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted((begin, min(end, until_s)) for begin, end in pauses if begin < until_s):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
