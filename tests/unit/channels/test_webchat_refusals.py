"""How the web chat says no: one form, readable by the page that asked, and silent about ourselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import aiohttp
import pytest
from aiohttp import web

from channels.webchat.refusals import Refused, guarded
from gateway.core.errors import Overloaded, Unavailable

Answered = tuple[int, dict[str, dict[str, str]], Mapping[str, str]]


@pytest.fixture
async def answer_to() -> AsyncIterator[Callable[[Exception], Awaitable[Answered]]]:
    """What a page gets when the handler behind a guarded door raises."""
    raised: list[Exception] = []

    async def fails(_request: web.Request) -> web.Response:
        raise raised[-1]

    application = web.Application()
    application.router.add_get("/", guarded(fails, lambda _request: {"Access-Control-Allow-Origin": "https://a.test"}))
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:

        async def ask(error: Exception) -> Answered:
            raised.append(error)
            async with http.get("/") as response:
                assert response.headers["Access-Control-Allow-Origin"] == "https://a.test"
                assert response.headers["Content-Type"] == "application/json"
                assert response.headers["Cache-Control"] == "no-store"
                return response.status, json.loads(await response.read()), response.headers

        yield ask
    await runner.cleanup()


Ask = Callable[[Exception], Awaitable[Answered]]


async def test_a_refusal_says_what_and_when_again(answer_to: Ask) -> None:
    status, body, headers = await answer_to(Refused(429, "too_many", "wait", 2.1))
    assert (status, body) == (429, {"error": {"code": "too_many", "message": "wait"}})
    assert headers["Retry-After"] == "3"


async def test_a_refusal_for_good_names_no_time(answer_to: Ask) -> None:
    _, _, headers = await answer_to(Refused(404, "unknown", "no such thing"))
    assert "Retry-After" not in headers


@pytest.mark.parametrize("error", [Unavailable("db", after_s=2.0), Overloaded("queue", after_s=2.0)])
async def test_what_cannot_be_done_now_may_be_tried_again(answer_to: Ask, error: Exception) -> None:
    status, body, headers = await answer_to(error)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "unavailable", "2")


async def test_a_bug_says_nothing_of_itself(answer_to: Ask) -> None:
    status, body, _ = await answer_to(RuntimeError("inner secret"))
    assert (status, body["error"]["code"]) == (500, "internal")
    assert "inner secret" not in json.dumps(body)


async def test_the_librarys_own_refusals_have_the_same_form(answer_to: Ask) -> None:
    status, body, _ = await answer_to(web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2))
    assert (status, body["error"]["code"]) == (413, "bad_request")
    assert (await answer_to(web.HTTPBadRequest()))[0] == 400
