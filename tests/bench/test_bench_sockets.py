"""The sockets bench's own parts: what measures must itself be right."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import msgspec
import pytest
from aiohttp import WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.bench.processes import PipedChild, free_port, python
from gateway.app.bench.socket_load import Open, Opened, Order, Talk, Talked
from gateway.app.bench.websocket_wire import CLOSE, PING, TEXT, FrameSplitter, client_frame
from gateway.core.errors import BadPayload

Answer = TypeVar("Answer")

_frames = st.lists(
    st.tuples(
        st.sampled_from([TEXT, CLOSE, PING]), st.binary(max_size=300) | st.binary(min_size=65_536, max_size=65_600)
    ),
    max_size=5,
)


def _from_server(opcode: int, payload: bytes) -> bytes:
    if len(payload) < 126:
        return struct.pack("!BB", 0x80 | opcode, len(payload)) + payload
    if len(payload) < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 126, len(payload)) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, len(payload)) + payload


@given(frames=_frames, cuts=st.lists(st.integers(min_value=0), max_size=20))
def test_frames_cut_anywhere_come_out_whole_and_in_order(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(_from_server(*frame) for frame in frames)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    splitter = FrameSplitter()
    assert [frame for start, end in itertools.pairwise(edges) for frame in splitter.feed(stream[start:end])] == frames


@given(junk=st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_bad_payload(junk: bytes) -> None:
    splitter = FrameSplitter()
    with suppress(BadPayload):
        list(splitter.feed(junk))


async def _hear_frames(payloads: list[bytes]) -> list[bytes]:
    """What aiohttp's own server reads of our client's frames."""
    heard: list[bytes] = []

    async def listen(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            heard.append(message.data.encode())
        return socket

    async with _serving([web.get("/", listen)]) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        for payload in payloads:
            writer.write(client_frame(TEXT, payload))
        writer.write(client_frame(CLOSE, b"\x03\xe8"))
        await reader.read()
        writer.close()
    return heard


@asynccontextmanager
async def _serving(routes: list[web.RouteDef]) -> AsyncIterator[int]:
    application = web.Application()
    application.add_routes(routes)
    runner, port = web.AppRunner(application, shutdown_timeout=0.1), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


async def test_another_server_reads_what_the_loader_writes() -> None:
    payloads = [b"short", b"x" * 125, b"y" * 126, b"z" * 70_000]
    assert await _hear_frames(payloads) == payloads


class EchoingChat:
    """The web chat's protocol as far as the loader speaks it, with a reply that takes its time."""

    def __init__(self, reply_after_s: float, *, skips_a_number: bool = False, accepts_last: bool = False) -> None:
        self.reply_after_s = reply_after_s
        self.accepts_last = accepts_last
        self._step = 2 if skips_a_number else 1

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/chat/site/session", self._session), web.get("/chat/site/socket", self._socket)]

    async def _session(self, request: web.Request) -> web.Response:
        assert request.headers["Origin"] == "http://127.0.0.1:1"
        return web.json_response({"token": "t0k", "conversation": "c_1"})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("tertulia.v1.t0k",))
        await socket.prepare(request)
        seq = 0
        async for message in socket:
            frame = json.loads(message.data)
            own, reply, seq = seq + 1, seq + 1 + self._step, seq + 1 + self._step
            accepted = {"type": "accepted", "client_id": frame["id"], "seq": own}
            if not self.accepts_last:
                await socket.send_json(accepted)
            await socket.send_json({"type": "message", "seq": own, "author": "customer"})
            await asyncio.sleep(self.reply_after_s)
            await socket.send_json({"type": "message", "seq": reply, "author": "bot"})
            if self.accepts_last:
                await socket.send_json(accepted)
        return socket


@pytest.fixture
async def visitors() -> AsyncIterator[PipedChild]:
    async with PipedChild("the visitors", python("gateway.app.bench.socket_load")) as running:
        yield running


async def _tell(visitors: PipedChild, order: Order, answer: type[Answer]) -> Answer:
    return msgspec.json.decode(await visitors.ask(msgspec.json.encode(order), 30), type=answer)


def _open(port: int, count: int) -> Open:
    return Open(port=port, site="site", origin="http://127.0.0.1:1", count=count)


async def test_the_visitors_measure_the_time_from_when_a_message_was_due_to_its_reply(visitors: PipedChild) -> None:
    async with _serving(EchoingChat(0.1).routes()) as port:
        opened = await _tell(visitors, _open(port, 30), Opened)
        talked = await _tell(visitors, Talk(rate_per_s=60, seconds=1, first=1), Talked)
    assert (opened.is_open, opened.failures) == (30, {})
    assert (talked.sent, talked.accepted, talked.replied) == (60, 60, 60)
    assert talked.disorder == 0
    assert 100 <= talked.reply_p50_ms < 300
    assert talked.accepted_p50_ms < talked.reply_p50_ms


async def test_a_reply_may_overtake_the_word_that_the_message_is_stored(visitors: PipedChild) -> None:
    async with _serving(EchoingChat(0.0, accepts_last=True).routes()) as port:
        await _tell(visitors, _open(port, 5), Opened)
        talked = await _tell(visitors, Talk(rate_per_s=20, seconds=1, first=1), Talked)
    assert (talked.accepted, talked.replied) == (20, 20)
    assert 0 < talked.accepted_p50_ms <= talked.accepted_p99_ms < 5_000


async def test_a_number_that_does_not_follow_on_is_counted(visitors: PipedChild) -> None:
    async with _serving(EchoingChat(0.0, skips_a_number=True).routes()) as port:
        await _tell(visitors, _open(port, 1), Opened)
        talked = await _tell(visitors, Talk(rate_per_s=5, seconds=1, first=1), Talked)
    assert talked.disorder == 5


async def test_a_gateway_that_refuses_is_a_failure_with_its_status(visitors: PipedChild) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=403)

    async with _serving([web.post("/chat/site/session", refuse)]) as port:
        opened = await _tell(visitors, _open(port, 3), Opened)
    assert (opened.is_open, opened.failures) == (0, {"the session was answered 403": 3})
