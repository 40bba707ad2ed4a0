"""The provider's server of the kit: routes, refusals, and every fault with its exact effect."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from channels.sandbox_kit import ProviderServer, Refused, ServedCall
from channels.specimen import ProviderAnswer
from gateway.core.clock import ManualClock


class Counter:
    """A provider that takes texts."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        text = (await request.read()).decode()
        if text == "too long":
            raise Refused(ProviderAnswer(400, b'{"error": 100}'))
        self.taken.append(text)
        return web.json_response({"id": len(self.taken)})


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def server(counter: Counter):
    async with ProviderServer([web.post("/v1/{account}/messages", counter.take)], client_max_size=1000) as opened:
        yield opened


@pytest.fixture
async def caller():
    async with aiohttp.ClientSession() as session:
        yield session


async def send(caller: aiohttp.ClientSession, server: ProviderServer, text: str, account: str = "shop") -> int:
    async with caller.post(f"{server.url}/v1/{account}/messages?key=1", data=text.encode()) as answer:
        await answer.read()
        return answer.status


async def test_calls_reach_the_routes_on_a_loopback_port_and_stand_in_the_log(server, caller, counter) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    assert await send(caller, server, "hola") == 200
    [call] = server.calls
    assert (call.method, call.path, call.query, call.body) == ("POST", "/v1/shop/messages", {"key": "1"}, b"hola")
    assert (call.status, call.took_effect, counter.taken) == (200, True, ["hola"])


async def test_a_refusal_of_the_channel_is_answered_in_its_words(server, caller) -> None:
    async with caller.post(f"{server.url}/v1/shop/messages", data=b"too long") as answer:
        assert (answer.status, await answer.json()) == (400, {"error": 100})
    assert not server.calls[0].took_effect


async def test_what_is_unknown_or_too_large_is_refused_by_http(server, caller) -> None:
    async with caller.get(f"{server.url}/elsewhere") as answer:
        assert answer.status == 404
    assert await send(caller, server, "x" * 2000) == 413


async def test_a_fault_meets_only_the_calls_it_is_meant_for_and_only_so_many(server, caller, counter) -> None:
    def is_of_desk(call: ServedCall) -> bool:
        return call.path.startswith("/v1/desk/")

    server.limit_next(2, retry_after_s=7, which=is_of_desk)
    assert await send(caller, server, "a") == 200
    async with caller.post(f"{server.url}/v1/desk/messages", data=b"b") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    assert [await send(caller, server, text, "desk") for text in ("c", "d")] == [429, 200]
    assert counter.taken == ["a", "d"]
    assert [call.took_effect for call in server.calls] == [True, False, False, True]


async def test_faults_wait_in_line(server, caller, counter) -> None:
    server.fail_next(1, status=503)
    server.answer_next(ProviderAnswer(401, b'{"why": "token"}'))
    assert [await send(caller, server, text) for text in "abc"] == [503, 401, 200]
    assert counter.taken == ["c"]


@pytest.mark.parametrize("takes_effect", [True, False])
async def test_a_connection_breaks_before_or_after_the_call_took_effect(server, caller, counter, takes_effect) -> None:
    server.drop_next(takes_effect=takes_effect)
    with pytest.raises(aiohttp.ClientError):
        await send(caller, server, "a")
    assert counter.taken == (["a"] if takes_effect else [])
    assert [(call.status, call.took_effect) for call in server.calls] == [(0, takes_effect)]
    assert await send(caller, server, "b") == 200


async def test_a_call_that_hangs_has_no_answer_until_the_server_closes(counter, caller) -> None:
    async with ProviderServer([web.post("/v1/{account}/messages", counter.take)]) as server:
        server.hang_next(takes_effect=True)
        hanging = asyncio.create_task(send(caller, server, "a"))
        while not server.calls:
            await asyncio.sleep(0)
        assert not hanging.done()
    with pytest.raises(aiohttp.ClientError):
        await hanging
    assert counter.taken == ["a"]


async def test_slowness_goes_by_the_clock(counter, caller) -> None:
    clock = ManualClock()
    async with ProviderServer([web.post("/v1/{account}/messages", counter.take)], clock=clock) as server:
        server.slow_next(30)
        waiting = asyncio.create_task(send(caller, server, "a"))
        async with asyncio.timeout(5):
            while not clock._sleepers:
                await asyncio.sleep(0)
        assert counter.taken == []
        await clock.advance(30)
        assert await waiting == 200


async def test_a_form_with_files_reaches_the_route_whole(caller) -> None:
    async def take(request: web.Request) -> web.Response:
        field = (await request.post())["file"]
        assert isinstance(field, web.FileField)
        return web.Response(body=field.file.read())

    form = aiohttp.FormData({"kind": "image"})
    form.add_field("file", b"\x89PNG", filename="a.png", content_type="image/png")
    async with (
        ProviderServer([web.post("/media", take)]) as server,
        caller.post(f"{server.url}/media", data=form) as answer,
    ):
        assert await answer.read() == b"\x89PNG"


async def test_files_are_fetched_from_this_machine_and_nowhere_else(server, counter) -> None:
    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG", content_type="image/png")

    async with ProviderServer([web.get("/a.png", picture)]) as gateway:
        file = await server.fetch(f"{gateway.url}/a.png")
        assert (file.content, file.mime) == (b"\x89PNG", "image/png")
        with pytest.raises(ValueError, match="404"):
            await server.fetch(f"{gateway.url}/b.png")
    with pytest.raises(ValueError, match=r"example\.org"):
        await server.fetch("https://example.org/a.png")
