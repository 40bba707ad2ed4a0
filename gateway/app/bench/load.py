"""The loader, in a process of its own: sends webhooks as Telegram does and measures from when each was due.

A request that could not leave in time because the gateway was slow counts with its wait (no coordinated
omission). One request at a time on a connection, keep-alive, as the provider's own sender.

    python -m gateway.app.bench.load      reads one ``Plan`` a line as JSON, answers each with one ``Result``
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable
from typing import Literal, cast

import msgspec
import uvloop

from gateway.app.bench.updates import encoded_updates
from gateway.app.bench.wire import Piece, Splitter, post_request
from gateway.core.errors import BadPayload

_POLL_S = 0.004


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send. It ends after *count* requests or *seconds*, whichever comes first, and after *patience_s* at last.

    ``open``: *rate_per_s*, come what may. ``saturate``: every connection always busy. ``window``: as many as keep
    *window* messages between webhook and reply, asking the fake provider at *provider_port* how many replies came.
    """

    mode: Literal["open", "saturate", "window"]
    port: int
    path: str
    secret: str
    count: int
    seconds: float
    people: int
    first_update: int
    first_chat: int = 1_000_000
    connections: int = 64
    rate_per_s: float = 0.0
    window: int = 0
    provider_port: int = 0
    patience_s: float = 30.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Latencies are from the due time to the last byte of the answer, over answered requests."""

    sent: int
    answered: int
    accepted: int
    statuses: dict[str, int]
    broken: int
    elapsed_s: float
    send_s: float
    per_s: float
    longest_backlog: int
    backlog_at_end: int
    started_ns: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float
    build_s: float


class _Sender(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._splitter = Splitter()
        self._due_ns = 0
        self.is_busy = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # TCP gives no other; uvloop's does not inherit

    def send(self, request: bytes, due_ns: int) -> None:
        self._due_ns = due_ns
        self.is_busy = True
        if self.transport is not None:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            for piece in self._splitter.feed(data):
                self.is_busy = False
                self._run.answered(self, piece, self._due_ns)
        except BadPayload:
            if self.transport is not None:
                self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # broken is broken
        self.transport = None
        self._run.lost(self, was_busy=self.is_busy)


class _Run:
    """One plan being carried out."""

    def __init__(self, plan: Plan, requests: list[bytes], replies: Callable[[], int]) -> None:
        self._plan = plan
        self._requests = requests
        self._replies = replies
        self._idle: deque[_Sender] = deque()
        self._all: list[_Sender] = []
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._latencies_ns = array("q")
        self._statuses: dict[str, int] = {}
        self._next = 0
        self._answered = 0
        self._broken = 0
        self._longest_backlog = 0
        self._started_ns = 0
        self._send_ended_ns = 0
        self._last_answer_ns = 0
        self._interval_ns = 1e9 / plan.rate_per_s if plan.rate_per_s else 0.0

    async def go(self) -> Result:
        plan = self._plan
        await asyncio.gather(*(self._connect() for _ in range(plan.connections)))
        cpu_before = time.process_time()
        self._started_ns = time.monotonic_ns()
        end_ns = self._started_ns + int(plan.seconds * 1e9)
        while time.monotonic_ns() < end_ns and self._next < len(self._requests):
            self._fill()
            await asyncio.sleep(0.001)
        backlog = self._backlog()
        self._requests = self._requests[: self._next]  # what was due and never left stays unsent
        self._send_ended_ns = time.monotonic_ns()
        give_up_ns = self._send_ended_ns + int(plan.patience_s * 1e9)
        while self._answered + self._broken < self._next and time.monotonic_ns() < give_up_ns:  # noqa: ASYNC110  # bounded
            await asyncio.sleep(0.001)
        for sender in self._all:
            if sender.transport is not None:
                sender.transport.close()
        return self._result(backlog, time.process_time() - cpu_before)

    def answered(self, sender: _Sender, piece: Piece, due_ns: int) -> None:
        self._last_answer_ns = time.monotonic_ns()
        self._latencies_ns.append(self._last_answer_ns - due_ns)
        status = piece.first_line[9:12].decode()
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._answered += 1
        if piece.is_last:
            return  # connection_lost puts another in its place
        self._idle.append(sender)
        self._fill()

    def lost(self, sender: _Sender, *, was_busy: bool) -> None:
        self._all.remove(sender)
        if sender in self._idle:
            self._idle.remove(sender)
        if was_busy:
            self._broken += 1
        if not self._send_ended_ns:
            self._reconnecting.add(asyncio.get_running_loop().create_task(self._reconnect()))

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, sender = await loop.create_connection(lambda: _Sender(self), "127.0.0.1", self._plan.port)
        self._all.append(sender)
        self._idle.append(sender)

    async def _reconnect(self) -> None:
        while not self._send_ended_ns:
            try:
                await self._connect()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return

    def _due(self) -> int:
        """How many requests should have left by now."""
        plan = self._plan
        if plan.mode == "open":
            wanted = int((time.monotonic_ns() - self._started_ns) / self._interval_ns) + 1
        elif plan.mode == "window":
            wanted = self._replies() + plan.window
        else:
            wanted = self._next + len(self._idle)
        return min(wanted, len(self._requests))

    def _backlog(self) -> int:
        return max(0, self._due() - self._next) if self._plan.mode == "open" else 0

    def _fill(self) -> None:
        """Send what is due on the connections that are free."""
        due = self._due()
        self._longest_backlog = max(self._longest_backlog, due - self._next)
        while self._idle and self._next < due:
            number = self._next
            self._next = number + 1
            self._idle.popleft().send(self._requests[number], self._due_ns(number))

    def _due_ns(self, number: int) -> int:
        if self._plan.mode == "open":
            return self._started_ns + int(number * self._interval_ns)
        return time.monotonic_ns()

    def _result(self, backlog: int, cpu_s: float) -> Result:
        elapsed_s = max(self._last_answer_ns - self._started_ns, 1) / 1e9
        accepted = sum(count for status, count in self._statuses.items() if status.startswith("2"))
        ordered = sorted(self._latencies_ns) or [0]
        return Result(
            sent=self._next,
            answered=self._answered,
            accepted=accepted,
            statuses=self._statuses,
            broken=self._broken,
            elapsed_s=elapsed_s,
            send_s=(self._send_ended_ns - self._started_ns) / 1e9,
            per_s=accepted / elapsed_s,
            longest_backlog=self._longest_backlog,
            backlog_at_end=backlog,
            started_ns=self._started_ns,
            p50_ms=ordered[len(ordered) // 2] / 1e6,
            p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] / 1e6,
            max_ms=ordered[-1] / 1e6,
            cpu_s=cpu_s,
            build_s=0.0,
        )


class _ReplyCounter(asyncio.Protocol):
    """Asks the fake provider again and again how many replies it saw."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._transport: asyncio.Transport | None = None
        self._before: int | None = None
        self._now = 0

    @property
    def replies(self) -> int:
        """Replies since the first answer."""
        return self._now - (self._before or 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP gives no other; uvloop's does not inherit
        self._ask()

    def data_received(self, data: bytes) -> None:
        for piece in self._splitter.feed(data):
            self._now = msgspec.json.decode(piece.body)["sends"]
            if self._before is None:
                self._before = self._now
            asyncio.get_running_loop().call_later(_POLL_S, self._ask)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _ask(self) -> None:
        if self._transport is not None:
            self._transport.write(b"GET /counts HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


def build_requests(plan: Plan) -> list[bytes]:
    """The requests of a plan, ready to be written."""
    headers = {
        "Host": f"127.0.0.1:{plan.port}",
        "Content-Type": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Connection": "keep-alive",
        "X-Telegram-Bot-Api-Secret-Token": plan.secret,
    }
    bodies = encoded_updates(first=plan.first_update, count=plan.count, people=plan.people, first_chat=plan.first_chat)
    return [post_request(plan.path, headers, body) for body in bodies]


async def carry_out(plan: Plan) -> Result:
    """Send what the plan says, and tell how it went."""
    build_started = time.process_time()
    requests = build_requests(plan)
    build_s = time.process_time() - build_started
    if plan.mode != "window":
        result = await _Run(plan, requests, lambda: 0).go()
        return msgspec.structs.replace(result, build_s=build_s)
    loop = asyncio.get_running_loop()
    transport, counter = await loop.create_connection(_ReplyCounter, "127.0.0.1", plan.provider_port)
    try:
        result = await _Run(plan, requests, lambda: counter.replies).go()
    finally:
        counter.close()
        transport.abort()
    return msgspec.structs.replace(result, build_s=build_s)


async def serve() -> None:
    """Carry out the plans of standard input until it ends."""
    decoder = msgspec.json.Decoder(Plan)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        result = await carry_out(decoder.decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """Entry of the process. The collector is off: prebuilt requests by the hundred thousand are no garbage."""
    gc.disable()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
