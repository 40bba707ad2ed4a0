"""The bench's own parts: what measures must itself be right."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Iterator
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.app.bench.load import Plan, Result
from gateway.app.bench.processes import Child, ChildFailed, PipedChild, cost_of, free_port, python
from gateway.app.bench.provider import Behaviour, Provider
from gateway.app.bench.subjects import BOT_TOKEN, ProviderProcess, as_toml
from gateway.app.bench.updates import encoded_updates, updates
from gateway.app.bench.wire import Piece, Splitter, json_response, post_request
from gateway.core.errors import BadPayload

_bodies = st.lists(st.binary(max_size=200), min_size=1, max_size=8)


def _feed_in_pieces(stream: bytes, cuts: list[int]) -> Iterator[Piece]:
    splitter = Splitter()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        yield from splitter.feed(stream[start:end])


@given(bodies=_bodies, cuts=st.lists(st.integers(min_value=0), max_size=20))
def test_messages_cut_anywhere_come_out_whole_and_in_order(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(post_request("/x", {"Host": "h"}, body) for body in bodies)
    assert [piece.body for piece in _feed_in_pieces(stream, cuts)] == bodies


@given(junk=st.binary(max_size=500))
def test_arbitrary_bytes_raise_nothing_but_bad_payload(junk: bytes) -> None:
    splitter = Splitter()
    try:
        list(splitter.feed(junk))
        list(splitter.feed(b"\r\n\r\n"))
    except BadPayload:
        pass


@pytest.mark.parametrize("spelling", ["Content-Length: 2", "content-length:2", "CONTENT-LENGTH:  2 "])
def test_the_length_is_read_however_it_is_spelt(spelling: str) -> None:
    request = f"POST / HTTP/1.1\r\nHost: h\r\n{spelling}\r\n\r\nhi".encode()
    assert [piece.body for piece in Splitter().feed(request)] == [b"hi"]


def test_a_chunked_body_is_refused_rather_than_misread() -> None:
    with pytest.raises(BadPayload):
        list(Splitter().feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))


@pytest.mark.parametrize(
    "body",
    [
        urlencode({"chat_id": "-1001", "text": "hola ñ"}).encode(),
        msgspec.json.encode({"chat_id": -1001, "text": "hola ñ"}),
    ],
    ids=["form", "JSON"],
)
def test_a_call_is_answered_with_its_chat_and_logged_with_its_text(body: bytes) -> None:
    provider = Provider()
    answer = provider.answer(Piece(b"POST /bot1:x/sendMessage HTTP/1.1", body, is_last=False))
    (piece,) = Splitter().feed(answer)
    result = msgspec.json.decode(piece.body)["result"]
    (entry,) = provider.log(0)
    assert (result["chat"]["id"], result["message_id"]) == (-1001, 1)
    assert (entry.chat_id, entry.text, entry.token, entry.method) == ("-1001", "hola ñ", "1:x", "sendMessage")


def test_updates_are_distinct_and_repeatable() -> None:
    once = list(updates(first=1, count=5_000, people=50))
    assert once == list(updates(first=1, count=5_000, people=50))
    assert len({update.text for update in once}) == 5_000
    assert len({(update.chat_id, update.message_id) for update in once}) == 5_000
    assert all(msgspec.json.decode(body)["message"]["text"] for body in encoded_updates(first=1, count=100, people=7))


def test_settings_are_written_as_toml() -> None:
    assert as_toml({"a.b": 'say "ñ"', "c": 1, "d": True}) == 'a.b = "say \\"ñ\\""\nc = 1\nd = true\n'


async def test_the_provider_refuses_drops_and_delays_as_told() -> None:
    async with ProviderProcess() as provider, aiohttp.ClientSession() as session:
        url = f"{provider.url}/bot{BOT_TOKEN}/sendMessage"
        await provider.behave(Behaviour(refuse=1, status=429, retry_after_s=3))
        async with session.post(url, data={"chat_id": "5", "text": "a"}) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "3")
            assert (await response.json())["parameters"] == {"retry_after": 3}
        await provider.behave(Behaviour(refuse=1, drop=True))
        with pytest.raises(aiohttp.ClientError):
            await session.post(url, data={"chat_id": "5", "text": "b"})
        await provider.behave(Behaviour(delay_ms=80))
        began = asyncio.get_running_loop().time()
        async with session.post(url, data={"chat_id": "5", "text": "c"}) as response:
            assert response.status == 200
        assert asyncio.get_running_loop().time() - began >= 0.08
        assert [(entry.text, entry.status) for entry in await provider.log()] == [("a", 429), ("b", 0), ("c", 200)]
        counts = await provider.counts()
        assert (counts.calls, counts.sends) == (3, 1)
        await provider.reset()
        assert await provider.log() == []


async def test_the_loader_keeps_its_rate_and_counts_every_answer() -> None:
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        splitter = Splitter()
        while data := await reader.read(65536):
            for _ in splitter.feed(data):
                answered += 1
                status = "503 Busy" if answered % 10 == 0 else "200 OK"
                writer.write(json_response(b"", status=status))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plan = Plan(
        mode="open", port=port, path="/", secret="s", count=200, seconds=5, people=10, first_update=1, rate_per_s=400.0,
        connections=4,
    )  # fmt: skip
    async with server, PipedChild("loader", python("gateway.app.bench.load")) as loader:
        result = msgspec.json.decode(await loader.ask(msgspec.json.encode(plan), 20), type=Result)
    assert (result.sent, result.answered, result.accepted) == (200, 200, 180)
    assert result.statuses == {"200": 180, "503": 20}
    assert result.send_s == pytest.approx(0.5, abs=0.25)


async def test_a_slow_server_counts_with_the_wait_of_what_was_due_behind_it() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while data := await reader.read(65536):
            for _ in splitter.feed(data):
                await asyncio.sleep(0.05)
                writer.write(json_response(b""))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plan = Plan(
        mode="open", port=port, path="/", secret="s", count=10, seconds=5, people=10, first_update=1, rate_per_s=1000.0,
        connections=1,
    )  # fmt: skip
    async with server, PipedChild("loader", python("gateway.app.bench.load")) as loader:
        result = msgspec.json.decode(await loader.ask(msgspec.json.encode(plan), 20), type=Result)
    assert result.answered == 10
    assert result.max_ms > 400, "the tenth waited for nine others, and that wait was lost"


async def test_a_child_that_fails_says_why(tmp_path) -> None:
    child = Child("it", python("gateway.app.bench.baselines", "neither"), log=tmp_path / "log")
    async with child:
        with pytest.raises(ChildFailed, match="invalid choice"):
            await child.answers(free_port(), patience_s=20)


def test_a_process_costs_something() -> None:
    cost = cost_of([os.getpid()])
    assert cost.cpu_s > 0
    assert cost.rss_mb > 5


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
