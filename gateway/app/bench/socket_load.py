"""Visitors of a web chat by the thousand, in a process of their own: they open sockets, sit there, and talk.

A latency counts from the moment at which a message was due to the moment at which the bot's reply, or the word that
the message is stored, came out of the same socket. Each visitor has one message under way at most.

    python -m gateway.app.bench.socket_load      reads one order a line as JSON, answers each with one line
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from array import array
from collections.abc import Sequence
from typing import cast
from uuid import uuid4

import aiohttp
import msgspec
import uvloop

from gateway.app.bench.updates import updates
from gateway.app.bench.websocket_wire import CLOSE, PING, PONG, TEXT, FrameSplitter, client_frame
from gateway.core.errors import BadPayload

SOURCES = 40
"""Addresses that the visitors come from, 127.0.0.2 and on: as in life, and within the rate for one address."""

_OPENING_AT_ONCE = 64
_LATE_S = 10.0
_END_OF_HEAD = b"\r\n\r\n"


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Open *count* more sockets on *port*, each of a new visitor of *site*, from pages of *origin*."""

    port: int
    site: str
    origin: str
    count: int


class Talk(msgspec.Struct, frozen=True, kw_only=True, tag="talk"):
    """Say *rate_per_s* messages a second for *seconds*, one visitor after another; *first* numbers the texts."""

    rate_per_s: float
    seconds: float
    first: int


class Leave(msgspec.Struct, frozen=True, kw_only=True, tag="leave"):
    """Close every socket."""


Order = Open | Talk | Leave


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """``is_open`` counts all sockets that are open now; ``failures`` says why some are not, by reason."""

    is_open: int
    seconds: float
    failures: dict[str, int]


class Talked(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. ``disorder`` counts frames whose number did not follow on the one before."""

    sent: int
    accepted: int
    replied: int
    refused: dict[str, int]
    disorder: int
    closed: int
    seconds: float
    reply_p50_ms: float
    reply_p99_ms: float
    reply_max_ms: float
    accepted_p50_ms: float
    accepted_p99_ms: float
    cpu_s: float


class _Frame(msgspec.Struct, frozen=True):
    """As much of a server's frame as the loader looks at."""

    type: str
    seq: int = 0
    author: str = ""
    reason: str = ""


class Visitor(asyncio.Protocol):
    """One socket."""

    __slots__ = (
        "_crowd",
        "_due_ns",
        "_is_waiting",
        "_opened",
        "_request",
        "_rest",
        "_seq",
        "_splitter",
        "_transport",
    )

    def __init__(self, crowd: Crowd, request: bytes, opened: asyncio.Future[None]) -> None:
        self._crowd = crowd
        self._request = request
        self._opened = opened
        self._rest = b""
        self._splitter: FrameSplitter | None = None
        self._transport: asyncio.Transport | None = None
        self._due_ns = 0
        self._is_waiting = False
        self._seq = 0

    @property
    def waits(self) -> bool:
        """Whether its last message has no reply yet."""
        return self._is_waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP gives no other; uvloop's does not inherit
        self._transport.write(self._request)

    def say(self, text: str, due_ns: int) -> None:
        """Send a text that needs no escaping in JSON."""
        self._due_ns, self._is_waiting = due_ns, True
        frame = f'{{"type":"message","id":"{uuid4()}","parts":[{{"type":"text","text":"{text}"}}]}}'
        if self._transport is not None:
            self._transport.write(client_frame(TEXT, frame.encode()))

    def data_received(self, data: bytes) -> None:
        if self._splitter is None:
            data = self._shake_hands(self._rest + data)
        if self._splitter is None or self._transport is None:
            return
        try:
            for opcode, payload in self._splitter.feed(data):
                self._hear(opcode, payload)
        except (BadPayload, msgspec.DecodeError):
            self._crowd.disorder += 1
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionError("closed before it was open"))
        self._crowd.lost(self)

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.write(client_frame(CLOSE, b"\x03\xe8"))
            self._transport.close()

    def _shake_hands(self, data: bytes) -> bytes:
        """What follows the head of the answer; the socket is open when there is one."""
        head, separator, rest = data.partition(_END_OF_HEAD)
        if not separator:
            self._rest = data
            return b""
        self._rest = b""
        status = head[9:12].decode(errors="replace")
        if status != "101":
            if not self._opened.done():
                self._opened.set_exception(ConnectionError(f"the socket was answered {status}"))
            self.leave()
            return b""
        self._splitter = FrameSplitter()
        if not self._opened.done():
            self._opened.set_result(None)
        return rest

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == PING and self._transport is not None:
            self._transport.write(client_frame(PONG, payload))
        elif opcode == CLOSE and self._transport is not None:
            self._transport.close()
        elif opcode == TEXT:
            self._read(_decoder.decode(payload))

    def _read(self, frame: _Frame) -> None:
        now = time.monotonic_ns()
        match frame.type:
            case "message":
                self._crowd.disorder += frame.seq != self._seq + 1
                self._seq = frame.seq
                if frame.author == "bot" and self._is_waiting:
                    self._crowd.replied(now - self._due_ns)
                    self._is_waiting = False
            case "accepted":  # the reply may have been quicker
                self._crowd.accepted(now - self._due_ns)
            case "refused":
                self._crowd.refused[frame.reason] = self._crowd.refused.get(frame.reason, 0) + 1
                self._is_waiting = False
            case _:
                pass  # status, typing, control: seen by people


_decoder = msgspec.json.Decoder(_Frame)


class Crowd:
    """All visitors of this process, and what was measured on them."""

    def __init__(self) -> None:
        self._visitors: list[Visitor] = []
        self._is_leaving = False
        self.refused: dict[str, int] = {}
        self.disorder = 0
        self.closed = 0
        self._replies_ns = array("q")
        self._accepts_ns = array("q")

    # opening ----------------------------------------------------------------------------------------------------

    async def open(self, order: Open) -> Opened:
        started, failures = time.monotonic(), dict[str, int]()
        places = asyncio.Semaphore(_OPENING_AT_ONCE)
        sessions = [_http(f"127.0.0.{2 + number}") for number in range(min(SOURCES, order.count))]
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(order.count):
                    which = number % len(sessions)
                    group.create_task(self._enter(order, sessions[which], f"127.0.0.{2 + which}", places, failures))
        finally:
            for session in sessions:
                await session.close()
        random.shuffle(self._visitors)
        return Opened(is_open=len(self._visitors), seconds=time.monotonic() - started, failures=failures)

    async def _enter(
        self,
        order: Open,
        http: aiohttp.ClientSession,
        source: str,
        places: asyncio.Semaphore,
        failures: dict[str, int],
    ) -> None:
        async with places:
            try:
                token, conversation = await _begin_session(order, http)
                request = _upgrade(order, token, conversation)
                loop = asyncio.get_running_loop()
                opened: asyncio.Future[None] = loop.create_future()
                _, visitor = await loop.create_connection(
                    lambda: Visitor(self, request, opened), "127.0.0.1", order.port, local_addr=(source, 0)
                )
                await asyncio.wait_for(opened, 30)
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                failures[reason] = failures.get(reason, 0) + 1
            else:
                self._visitors.append(visitor)

    # talking ----------------------------------------------------------------------------------------------------

    async def talk(self, order: Talk) -> Talked:
        count = max(1, int(order.rate_per_s * order.seconds))
        self._replies_ns, self._accepts_ns = array("q"), array("q")
        self.refused, self.disorder, self.closed = {}, 0, 0
        texts = [update.text for update in updates(first=order.first, count=count, people=max(2, len(self._visitors)))]
        cpu_before, started_ns = time.process_time(), time.monotonic_ns()
        sent = await self._say_all(texts, order.rate_per_s, started_ns)
        await self._until_answered(sent)
        return self._talked(sent, (time.monotonic_ns() - started_ns) / 1e9, time.process_time() - cpu_before)

    async def _say_all(self, texts: Sequence[str], rate_per_s: float, started_ns: int) -> int:
        """Each text when it is due, by the next visitor who is not waiting for a reply."""
        interval_ns, turn = 1e9 / rate_per_s, 0
        for number, text in enumerate(texts):
            due_ns = started_ns + int(number * interval_ns)
            wait_s = (due_ns - time.monotonic_ns()) / 1e9
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            for _ in range(len(self._visitors)):
                visitor = self._visitors[turn % len(self._visitors)]
                turn += 1
                if not visitor.waits:
                    visitor.say(text, due_ns)
                    break
            else:
                return number
        return len(texts)

    async def _until_answered(self, sent: int) -> None:
        give_up = time.monotonic() + _LATE_S
        while self._settled() < sent and time.monotonic() < give_up:  # noqa: ASYNC110  # bounded
            await asyncio.sleep(0.01)

    def _settled(self) -> int:
        """Messages that need no more waiting for."""
        return min(len(self._replies_ns), len(self._accepts_ns)) + sum(self.refused.values())

    def accepted(self, latency_ns: int) -> None:
        self._accepts_ns.append(latency_ns)

    def replied(self, latency_ns: int) -> None:
        self._replies_ns.append(latency_ns)

    def lost(self, visitor: Visitor) -> None:
        if not self._is_leaving and visitor in self._visitors:
            self._visitors.remove(visitor)
            self.closed += 1

    async def leave(self) -> Opened:
        self._is_leaving = True
        for visitor in self._visitors:
            visitor.leave()
        self._visitors.clear()
        await asyncio.sleep(0)
        self._is_leaving = False
        return Opened(is_open=0, seconds=0.0, failures={})

    def _talked(self, sent: int, seconds: float, cpu_s: float) -> Talked:
        replies, accepts = sorted(self._replies_ns) or [0], sorted(self._accepts_ns) or [0]
        return Talked(
            sent=sent,
            accepted=len(self._accepts_ns),
            replied=len(self._replies_ns),
            refused=self.refused,
            disorder=self.disorder,
            closed=self.closed,
            seconds=seconds,
            reply_p50_ms=_at(replies, 0.5),
            reply_p99_ms=_at(replies, 0.99),
            reply_max_ms=replies[-1] / 1e6,
            accepted_p50_ms=_at(accepts, 0.5),
            accepted_p99_ms=_at(accepts, 0.99),
            cpu_s=cpu_s,
        )


def _at(ordered_ns: Sequence[int], share: float) -> float:
    """The percentile, in milliseconds."""
    return ordered_ns[min(len(ordered_ns) - 1, int(len(ordered_ns) * share))] / 1e6


def _http(source: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=4, local_addr=(source, 0))
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))


async def _begin_session(order: Open, http: aiohttp.ClientSession) -> tuple[str, str]:
    """A new visitor's token and conversation. Raises ``OSError`` with the status when it is refused."""
    url = f"http://127.0.0.1:{order.port}/chat/{order.site}/session"
    async with http.post(url, json={"language": "es"}, headers={"Origin": order.origin}) as response:
        if response.status != 200:
            raise ConnectionError(f"the session was answered {response.status}")
        answer = await response.json()
    return str(answer["token"]), str(answer["conversation"])


def _upgrade(order: Open, token: str, conversation: str) -> bytes:
    lines = (
        f"GET /chat/{order.site}/socket?conversation={conversation}&after=0 HTTP/1.1",
        f"Host: 127.0.0.1:{order.port}",
        f"Origin: {order.origin}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Protocol: tertulia.v1.{token}",
    )
    return "\r\n".join((*lines, "", "")).encode()


async def serve() -> None:
    """Carry out the orders of standard input until it ends."""
    crowd, decoder = Crowd(), msgspec.json.Decoder(Order)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        order = decoder.decode(line)
        match order:
            case Open():
                answer: Opened | Talked = await crowd.open(order)
            case Talk():
                answer = await crowd.talk(order)
            case Leave():
                answer = await crowd.leave()
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """Entry of the process. The collector is off: a pause of the loader would count as one of the gateway."""
    gc.disable()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
